"""Where servers differ and a guest can see it."""

from __future__ import annotations

import msgspec

from guestsim.abi.xs_wire import XENSTORE_REL_PATH_MAX

__all__ = ["Dialect", "Quotas"]


class Quotas(msgspec.Struct, frozen=True, kw_only=True):
    """What a domain without privilege may have, and the errors for more. The defaults are those of
    C xenstored 4.17 (`quota_*` in tools/xenstored/core.c). None: no limit.

    Limits that the real servers check one too late are given here as they are enforced.
    """

    nodes: int = 1000
    """Nodes that a domain owns."""
    nodes_error: str = "ENOSPC"
    watches: int = 129
    """`quota_nb_watch_per_domain` is 128, and compared before the new one is counted."""
    watches_error: str = "E2BIG"
    transactions: int = 11
    """Open at once. `quota_max_transaction` is 10, compared like the watches."""
    transactions_error: str = "ENOSPC"
    permissions: int | None = 5
    """Entries of a node; ENOSPC."""
    record: int | None = 2047
    """Bytes of a node as C xenstored keeps it: 24, and 8 for each permission, and the value, and
    the names of its children with a nul behind each. ENOSPC. `quota_max_entry_size` is 2048."""
    value: int | None = None
    """Bytes of a value, the tools' too; E2BIG."""
    touched: int | None = 1024
    """Nodes that a transaction looks at or changes; ENOSPC, and it cannot be committed."""
    path: int = XENSTORE_REL_PATH_MAX
    """Characters of a path, the tools' too; see `canonical`. EINVAL."""
    requests: int | None = None
    """Requests in a transaction; EQUOTA."""


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One server's ways. The defaults are C xenstored's of 4.17; those of oxenstored stand in
    `oxenstored`, with their source."""

    control_ok: bool = False
    """CONTROL from a domain without privilege is answered OK, and ignored, not EACCES."""
    ocaml_tools: bool = False
    """Requests of the tools as oxenstored answers them: CONTROL has other commands, and none is
    unknown; a number is what OCaml reads as one, and anything else EINVAL."""
    unknown_transaction: str = "ENOENT"
    """The error for a tx_id that is not open."""
    transaction_first: bool = False
    """The tx_id is looked up even for a request that is refused for its type."""
    events_first: bool = True
    """A change's events go out before the reply to it. (Those of a commit always do.)"""
    events_by_path: bool = False
    """A client's events for one change come in the order of the watched paths, from the root down
    and the newest watch first; not in the order of registration. A removal is told for the node
    first and then for what is watched below, be it there or not; not from the leaves up."""
    events_merged: bool = True
    """An event that still waits to be sent is not queued once more."""
    sorted_directory: bool = False
    """DIRECTORY gives names in ascending order; not in that of creation."""
    directory_part: bool = True
    """There is a DIRECTORY_PART."""
    hides_missing: bool = True
    """That a node is missing is told only to those who have the right to the nearest node above
    it; EACCES for others."""
    creator_owns: bool = True
    """A domain without privilege owns what it creates; else the parent's owner does."""
    special_nodes: bool = False
    """A special name is a node below the root for every request but WATCH and UNWATCH, with a
    slash in front or without. Else it is one for WATCH and SET_PERMS alone, and beside the root."""
    makes_root: bool = False
    """MKDIR of `/` is answered OK to anybody, and counts as a change. RM of `/` removes all that
    is below it. Nobody hears of a change of `/` itself."""
    makes_above_first: bool = False
    """WRITE and MKDIR make the missing nodes above one by one before they look at quotas and the
    value: these stay if the request fails."""
    watch_tx_id: bool = True
    """The reply to WATCH and UNWATCH has the tx_id of the request; else 0."""
    watch_junk: bool = True
    """Bytes behind the last nul of WATCH and UNWATCH are left out; else EINVAL."""
    end_junk: bool = False
    """TRANSACTION_END looks at its first string only, which needs no nul."""
    owner_error: str = "EPERM"
    """The error for giving a node of one's own away."""
    replays: bool = False
    """A transaction works on the store as it was at its start, and is committed if all its requests
    would be answered in the same way again. Else it sees each node as it is when it first looks,
    and is committed if no node that it has looked at was changed since."""
    keeps_errno: bool = False
    """A request that names no path where it needs one is answered with the error that was met
    last, whoever met it; if there is none, the server dies. As is a SET_PERMS of a special name
    that is refused. C xenstored does so; `guestsim serve` does not, which is to go on."""
    dies_in_reset: bool = False
    """RESET_WATCHES with the tx_id of an open transaction kills the server: C xenstored asserted
    that none is at work (`conn_delete_all_transactions`) before e88031d1fe."""
    asks_for_domains: bool = False
    """An entry of SET_PERMS for a domain that is not there grants nothing, and as the first one it
    is ENOENT, before all else. C xenstored asks the hypervisor, which `guestsim serve` cannot."""
    watch_depth: bool = False
    """WATCH takes a depth (XENSTORE_SERVER_FEATURE_WATCHDEPTH)."""
    introduce_resets: bool = True
    """INTRODUCE of a domain that is introduced already drops its watches and transactions; else it
    keeps them."""
    quotas: Quotas = Quotas()
