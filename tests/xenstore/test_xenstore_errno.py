"""What C xenstored answers where it forgets to set errno, and when it dies of that.

Each session was held with Debian's binary (4.17.7+13), which was started anew for it: the requests
and its answers are as recorded, None where it ended with SIGABRT (`conn->in == NULL`, in
`consider_message`).
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from xenstore_session import GUEST, TOOLS, server

from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.daemon import oxenstored, xenstored
from guestsim.xenstore import Dialect, Message, ServerState, disconnect, handle

Session = Sequence[tuple[T, bytes, int, bytes | None]]

OK = b"OK\0"
WRITTEN = (T.XS_WRITE, b"/a/b\0v", 0, OK)
WATCHED = (T.XS_WATCH, b"/x\0t\0", 0, OK)
STARTED = (T.XS_TRANSACTION_START, b"\0", 0, b"1\0")
DIES = (T.XS_READ, b"", 0, None)


def answers(error: bytes) -> tuple[T, bytes, int, bytes]:
    """READ without a path, and the answer."""
    return T.XS_READ, b"", 0, error + b"\0"


OF_A_TOOL: list[Session] = [
    # As it starts.
    [answers(b"ENOENT")],
    [(T.XS_DIRECTORY, b"", 0, b"ENOENT\0")],
    [(T.XS_GET_PERMS, b"", 0, b"ENOENT\0")],
    [(T.XS_MKDIR, b"", 0, b"ENOMEM\0")],
    [(T.XS_RM, b"", 0, b"ENOMEM\0")],
    [WRITTEN, (T.XS_RM, b"x", 0, b"ENOMEM\0")],
    # After a WATCH errno is 0, and five requests need one.
    *(
        [WATCHED, (kind, b"x", 0, None)]
        for kind in (T.XS_READ, T.XS_DIRECTORY, T.XS_GET_PERMS, T.XS_MKDIR, T.XS_RM)
    ),
    *(
        [WATCHED, (kind, b"x", 0, b"EINVAL\0")]
        for kind in (T.XS_WRITE, T.XS_SET_PERMS, T.XS_GET_DOMAIN_PATH, T.XS_TRANSACTION_END)
    ),
    [(T.XS_WATCH, b"@x\0t\0", 0, OK), DIES],
    [WATCHED, (T.XS_WATCH, b"/x\0t\0", 0, b"EEXIST\0"), DIES],
    [(T.XS_WATCH, b"/a//\0t\0", 0, b"EINVAL\0"), answers(b"EINVAL")],
    # After an RM of something that was there, too.
    [WRITTEN, (T.XS_RM, b"/a\0", 0, OK), DIES],
    [WRITTEN, (T.XS_RM, b"/a/c\0", 0, OK), answers(b"ENOENT")],
    # What says nothing about errno.
    [WATCHED, (T.XS_WATCH, b"/x\0t", 0, b"EINVAL\0"), DIES],
    [WATCHED, (T.XS_UNWATCH, b"/b\0t\0", 0, b"ENOENT\0"), DIES],
    [WRITTEN, WATCHED, (T.XS_READ, b"/a/b\0", 0, b"v"), DIES],
    [WRITTEN, WATCHED, (T.XS_WRITE, b"/a/b\0w", 0, OK), DIES],
    [WRITTEN, WATCHED, (T.XS_SET_PERMS, b"/a\0n0\0", 0, OK), DIES],
    [WATCHED, (T.XS_RM, b"/\0", 0, b"EINVAL\0"), DIES],
    [WATCHED, (T.XS_READ, b"/q\0", 9, b"ENOENT\0"), DIES],
    [WATCHED, STARTED, (T.XS_READ, b"", 1, None)],
    [WATCHED, STARTED, (T.XS_TRANSACTION_END, b"T\0", 1, OK), DIES],
    # What does.
    [WRITTEN, WATCHED, (T.XS_WRITE, b"/a/c\0w", 0, OK), answers(b"ENOENT")],
    [WATCHED, (T.XS_READ, b"/q\0", 0, b"ENOENT\0"), answers(b"ENOENT")],
    [WRITTEN, (T.XS_READ, b"/a//\0", 0, b"EINVAL\0"), answers(b"EINVAL")],
    [WRITTEN, WATCHED, (T.XS_SET_PERMS, b"/a\0x0\0", 0, b"EINVAL\0"), answers(b"EINVAL")],
    # A commit looks for what has gone, if there is somebody who might not have read it before.
    [
        WRITTEN,
        WATCHED,
        STARTED,
        (T.XS_RM, b"/a/b\0", 1, OK),
        (T.XS_TRANSACTION_END, b"T\0", 1, OK),
        DIES,
    ],
    [
        WRITTEN,
        WATCHED,
        STARTED,
        (T.XS_WRITE, b"/a/c\0v", 1, OK),
        (T.XS_RM, b"/a/c\0", 1, OK),
        (T.XS_TRANSACTION_END, b"T\0", 1, OK),
        answers(b"ENOENT"),
    ],
    # A conflict, and what no longer fits together.
    [
        (T.XS_WRITE, b"/q/a\0v", 0, OK),
        STARTED,
        (T.XS_DIRECTORY, b"/q\0", 1, b"a\0"),
        (T.XS_RM, b"/q/a\0", 0, OK),
        (T.XS_RM, b"/q\0", 1, b"EIO\0"),
        answers(b"EIO"),
    ],
    [
        (T.XS_WRITE, b"/q/a\0v", 0, OK),
        STARTED,
        (T.XS_READ, b"/q/a\0", 1, b"v"),
        (T.XS_RM, b"/q\0", 0, OK),
        WATCHED,
        (T.XS_RM, b"/q/a\0", 1, b"EINVAL\0"),
        answers(b"ENOENT"),
    ],
    [(T.XS_SET_PERMS, b"@nope\0n0\0", 0, b"ENOENT\0")],
    [WATCHED, (T.XS_SET_PERMS, b"@nope\0n0\0", 0, None)],
    # All watches and transactions are dropped, the one at work as well.
    [
        STARTED,
        (T.XS_RESET_WATCHES, b"\0", 2, b"ENOENT\0"),
        (T.XS_RESET_WATCHES, b"\0", 1, OK),
        (T.XS_READ, b"/tool\0", 1, b"ENOENT\0"),
    ],
    [STARTED, (T.XS_RESET_WATCHES, b"\0", 0, OK), (T.XS_READ, b"/tool\0", 1, b"ENOENT\0")],
]

GUEST_WATCHED = (T.XS_WATCH, b"data\0t\0", 0, OK)
DENIED = (T.XS_READ, b"/tool\0", 0, b"EACCES\0")

OF_A_DOMAIN: list[Session] = [
    [GUEST_WATCHED, (T.XS_READ, b"data", 0, None)],
    [GUEST_WATCHED, DENIED, answers(b"EACCES")],
    [DENIED, (T.XS_MKDIR, b"", 0, b"EACCES\0"), (T.XS_RM, b"", 0, b"EACCES\0")],
    [GUEST_WATCHED, (T.XS_WRITE, b"data\0" + b"x" * 2100, 0, b"ENOSPC\0"), answers(b"ENOSPC")],
    [GUEST_WATCHED, (T.XS_SET_PERMS, b"data\0n1\0" + b"r1\0" * 5, 0, b"ENOSPC\0"), DIES],
    # Nothing is wrong with the form of this one.
    [(T.XS_SET_PERMS, b"@releaseDomain\0n1\0", 0, b"ENOENT\0")],
    [DENIED, (T.XS_SET_PERMS, b"@releaseDomain\0n1\0", 0, b"EACCES\0")],
    [GUEST_WATCHED, (T.XS_SET_PERMS, b"@releaseDomain\0n1\0", 0, None)],
    [GUEST_WATCHED, (T.XS_SET_PERMS, b"@nope\0n1\0", 0, None)],
    # Domain 7 is not there, nor one of a higher number: the hypervisor's answer has no name.
    [GUEST_WATCHED, (T.XS_SET_PERMS, b"@releaseDomain\0n7\0", 0, b"ENOENT\0"), answers(b"EINVAL")],
    [
        GUEST_WATCHED,
        STARTED,
        (T.XS_WRITE, b"data/a\0v", 1, OK),
        (T.XS_TRANSACTION_END, b"T\0", 1, OK),
        answers(b"ENOENT"),
    ],
    [
        GUEST_WATCHED,
        STARTED,
        (T.XS_WRITE, b"data\0v", 1, OK),
        (T.XS_TRANSACTION_END, b"T\0", 1, OK),
        DIES,
    ],
]


def play(session: Session, state: ServerState, key: int, dialect: Dialect) -> None:
    for kind, payload, tx_id, answer in session:
        state, outgoing = handle(state, key, Message(kind, 0, tx_id, payload), dialect)
        replies = [out.message for out in outgoing if out.message.type != T.XS_WATCH_EVENT]
        assert bool(state.died) == (answer is None), (kind, payload, replies)
        assert [reply.payload for reply in replies] == ([] if answer is None else [answer])


@pytest.mark.parametrize("session", OF_A_TOOL)
def test_a_tool_is_answered_as_by_the_binary(session: Session) -> None:
    # Nobody else was there: who may read what has gone makes a difference.
    play(session, disconnect(server(), GUEST), TOOLS, xenstored.DIALECT)


@pytest.mark.parametrize("session", OF_A_DOMAIN)
def test_a_domain_is_answered_as_by_the_binary(session: Session) -> None:
    play(session, server(), GUEST, xenstored.DIALECT)


def test_a_dead_server_answers_nobody() -> None:
    state = server()
    for kind, payload in ((T.XS_WATCH, b"data\0t\0"), (T.XS_READ, b"")):
        state, outgoing = handle(state, GUEST, Message(kind, 0, 0, payload), xenstored.DIALECT)
    assert (bool(state.died), outgoing) == (True, ())
    assert handle(state, TOOLS, Message(T.XS_READ, 0, 0, b"/\0"), xenstored.DIALECT) == (state, ())


@pytest.mark.parametrize("dialect", [Dialect(), oxenstored.DIALECT])
def test_others_say_einval_and_live(dialect: Dialect) -> None:
    start = server()
    for key in (GUEST, TOOLS):
        state, _ = handle(start, key, Message(T.XS_WATCH, 0, 0, b"data\0t\0"), dialect)
        for kind in (T.XS_READ, T.XS_DIRECTORY, T.XS_GET_PERMS, T.XS_MKDIR, T.XS_RM):
            after, outgoing = handle(state, key, Message(kind, 0, 0, b"data"), dialect)
            assert after == state, "a refused request changes nothing"
            assert outgoing[0].message.payload == b"EINVAL\0"
