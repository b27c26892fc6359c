"""oxenstored's ways of 4.17: its dialect, its special names, how OCaml reads a number.

Source: tools/ocaml/xenstored. process.ml: `do_debug` answers a domain that is not domain 0 with OK
and does nothing, so a ring of zeroes (CONTROL requests of length zero) is answered by OKs;
`process_packet` looks up the tx_id before all else and outside of what `input_handle_error`
catches, hence EIO; `reply_ack` sends the reply before the events; `transaction_replay`;
`maybe_ignore_transaction` puts 0 for the tx_id of WATCH and UNWATCH, and the reply has that;
`do_watch` and `do_unwatch` match two strings and nothing behind them, `do_transaction_end` the
first string only; `create_implicit_path` makes the nodes above before the request is looked at any
further. connections.ml: `fire_watches`. symbol.ml and store.ml: children are kept in the order of
their names (`ls`), a new node takes its parent's permissions with the owner (`path_write`), a
missing one raises whoever asks (`read`), to give a node away is a denied permission (`setperms`).
`path_mkdir` gives the root back without a look, `path_rm` takes all that is below it. utils.ml
(`path_validate`) and store.ml (`Path.of_string`) make one name below the root of all that begins
with `@`. op.ml: there is no DIRECTORY_PART. quota.ml, define.ml, connection.ml (`add_watch` and
`start_transaction` compare before they count), transaction.ml (`check_quota_exn`): the quotas.
EQUOTA is in no list of errors that a client might have.
"""

from __future__ import annotations

from guestsim.xenstore.dialect import Dialect, Quotas
from guestsim.xenstore.store import SPECIAL, TOOLS_ONLY, Node, Store

__all__ = ["OXENSTORED", "with_special_nodes"]

OXENSTORED = Dialect(
    control_ok=True,
    ocaml_tools=True,
    unknown_transaction="EIO",
    transaction_first=True,
    events_first=False,
    events_by_path=True,
    events_merged=False,
    sorted_directory=True,
    directory_part=False,
    hides_missing=False,
    creator_owns=False,
    special_nodes=True,
    makes_root=True,
    makes_above_first=True,
    watch_tx_id=False,
    watch_junk=False,
    end_junk=True,
    owner_error="EACCES",
    replays=True,
    introduce_resets=False,
    quotas=Quotas(
        nodes_error="EQUOTA",
        watches=101,
        watches_error="EQUOTA",
        transactions_error="EQUOTA",
        permissions=None,
        record=None,
        value=2048,
        touched=None,
        requests=1024,
    ),
)


def with_special_nodes(store: Store) -> Store:
    """The store with the special names as nodes below the root, as oxenstored makes them."""
    for name in SPECIAL:
        if store.get(f"/{name}") is None:
            store = store.put(f"/{name}", Node(b"", TOOLS_ONLY))
    return store
