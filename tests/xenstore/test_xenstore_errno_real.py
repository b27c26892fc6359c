"""The sessions of `test_xenstore_errno` with a real C xenstored, where there is one to run
(`real_daemon`)."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest
from real_daemon import build_libraries, connected, running
from test_xenstore_errno import OF_A_TOOL, Session

from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.xenstore import Message, Need, parse


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_libraries(tmp_path_factory.mktemp("libraries"))


def reply(client: socket.socket) -> Message | None:
    """The next message that is no event; None at the end."""
    data = b""
    while isinstance(found := parse(data), Need):
        try:
            more = client.recv(found.missing)
        except ConnectionResetError:
            more = b""
        if not more:
            return None
        data += more
    assert isinstance(found, Message)
    return reply(client) if found.type == T.XS_WATCH_EVENT else found


@pytest.mark.parametrize("session", OF_A_TOOL)
def test_the_binary_says_what_was_recorded(
    tmp_path: Path, libraries: Path, session: Session
) -> None:
    with (
        running("xenstored", tmp_path, libraries) as daemon,
        connected(tmp_path / "socket") as client,
    ):
        for kind, payload, tx_id, answer in session:
            client.sendall(Message(kind, 0, tx_id, payload).encode())
            found = reply(client)
            assert (None if found is None else found.payload) == answer
        if session[-1][-1] is None:
            assert daemon.wait(20) == -signal.SIGABRT
        else:
            assert daemon.poll() is None
