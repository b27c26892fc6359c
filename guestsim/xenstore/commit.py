"""The end of a transaction.

Source: `do_transaction_end` and `finalize_transaction` of tools/xenstored/transaction.c;
`transaction_replay` of tools/ocaml/xenstored/process.ml, `commit` and `test_coalesce` of
transaction.ml beside it. Before it replays, oxenstored tries to put the smallest subtree that holds
all that the transaction changed into the store. That can succeed where a replay would not: what was
asked for and not found is not counted, and what cannot be replayed does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from guestsim.abi.xs_wire import XsdSockmsgType
from guestsim.xenstore.asking import Refusal
from guestsim.xenstore.call import Call
from guestsim.xenstore.events import Listener, change_events
from guestsim.xenstore.message import Message
from guestsim.xenstore.path import ROOT, is_below, parent
from guestsim.xenstore.store import Store
from guestsim.xenstore.transaction import Logged, Touch, Tracked, Transaction

__all__ = ["REPLAYED", "Handlers", "commit"]

Handlers = Mapping[int, Callable[[Call], bytes]]

REPLAYED = frozenset(
    {
        XsdSockmsgType.XS_DIRECTORY,
        XsdSockmsgType.XS_READ,
        XsdSockmsgType.XS_GET_PERMS,
        XsdSockmsgType.XS_GET_DOMAIN_PATH,
        XsdSockmsgType.XS_WRITE,
        XsdSockmsgType.XS_MKDIR,
        XsdSockmsgType.XS_RM,
        XsdSockmsgType.XS_SET_PERMS,
    }
)
"""What can be replayed (`function_of_type_simple_op`); another known request cannot."""


def commit(call: Call, ended: Transaction, handlers: Handlers) -> None:
    """Do to the store what the transaction has done to its view, and tell of it.

    It must have been left. EAGAIN on a conflict. `handlers`: what answers a request again.
    """
    if isinstance(ended, Tracked):
        _commit(call, ended)
    elif ended.writes:
        store, changed = _coalesced(call.tree, ended), ended.changed
        if store is None:
            done = _replay(call, ended, handlers)
            if done is None:
                raise Refusal("EAGAIN")
            store, changed = done.view, done.changed
        call.store = store
        for path in changed:
            call.wrote(path)
        # `do_transaction_end` tells of them, and only then there is a reply to send.
        call.events = call.before
        for kind, path in ended.writes:
            call.tell_logged(kind, path, ended.base, ended.view)


def _commit(call: Call, ended: Tracked) -> None:
    if ended.failed:
        raise Refusal("ENOMEM")
    if ended.torn is not None:
        raise Refusal("EAGAIN")
    if ended.made and call.bound:
        _check_nodes(call, ended)
    call.store = ended.view
    for path, touch in ended.touched.items():
        if touch.changed and path not in ended.made:
            call.wrote(path)
    for path in ended.made:
        call.wrote(path, made=True)
    listeners = call.listeners()
    for path, touch in ended.touched.items():
        if touch.told:
            _look_for(call, path, touch, ended)
            old = () if touch.old is None else (touch.old,)
            call.events += change_events(listeners, ended.view, path, exact=touch.exact, old=old)


def _look_for(call: Call, path: str, touch: Touch, ended: Tracked) -> None:
    """Before it tells of a node, C xenstored looks for it on behalf of each client that might not
    read it before (`watch_permitted`); that it has gone is an error like any."""
    if not call.dialect.keeps_errno or ended.view.get(path) is not None:
        return
    old = () if touch.old is None else (touch.old,)
    for key, client in call.connections.items():
        domain = call.domains.get(client.domid)
        listener = Listener(key, client, domain.target if domain else None)
        if not listener.may_read(old):
            call.met("ENOENT")


def _check_nodes(call: Call, ended: Tracked) -> None:
    before, after, quotas = call.tree.owned, ended.view.owned, call.quotas
    changed = {owner for owner, count in after.items() if count != before.get(owner)}
    if any(
        after.get(owner, 0) >= quotas.nodes for owner in {call.connection.domid, *changed} - {0}
    ):
        raise Refusal(quotas.nodes_error)


def _coalesced(store: Store, ended: Logged) -> Store | None:
    """The store with the transaction's own subtree in it; None if that must not be."""
    if not ended.outside:
        return ended.view
    low = ended.write_low
    assert low is not None
    if not _is_as_it_was(low, store, ended):
        return None
    if ended.read_low is not None and not _is_as_it_was(ended.read_low, store, ended):
        return None
    node = ended.view.get(low)
    return store if node is None else store.put(low, node)


def _is_as_it_was(path: str, store: Store, ended: Logged) -> bool:
    """Whether nobody has made a new node at `path` or below since the transaction's start, nor
    changed the permissions of one above it."""
    missing, missing_then = len(store.reach(path)[1]), len(ended.base.reach(path)[1])
    if missing or missing_then:
        return missing == missing_then == 1
    if path == ROOT or any(is_below(other, path) for other in ended.outside):
        return False
    while path != ROOT:
        path = parent(path)
        old, new = ended.base.get(path), store.get(path)
        if old is None or new is None or old.permissions != new.permissions:
            return False
    return True


def _replay(call: Call, ended: Logged, handlers: Handlers) -> Logged | None:
    """The transaction, done again on the store as it is now; None if one of its requests would be
    answered in another way."""
    # It is a transaction of its own, and takes the client's next id.
    following = (call.connection.next_transaction + 1) & 0xFFFFFFFF
    call.connection = msgspec.structs.replace(call.connection, next_transaction=following)
    again = Logged(call.tree, call.tree)
    for step in ended.steps:
        trial = call.again(Message(step.kind, 0, call.message.tx_id, step.payload), again)
        try:
            if step.kind not in REPLAYED:
                return None
            kind, reply = step.kind, handlers[step.kind](trial)
        except Refusal as refusal:
            kind, reply = XsdSockmsgType.XS_ERROR, refusal.error.encode() + b"\0"
        if (kind, reply) != (step.reply_kind, step.reply):
            return None
        done = trial.transaction
        assert isinstance(done, Logged)
        again = msgspec.structs.replace(done, view=trial.tree)
    return again
