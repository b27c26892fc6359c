"""Helpers for tests of the server: one that runs beside the test, and clients in this process."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from guestsim.abi.xs_wire import XsdSockmsgType
from guestsim.serve import Hub, Server, listen
from guestsim.serve.client import Client
from guestsim.serve.store_file import fresh_store
from guestsim.trace.daemons import DaemonModel
from guestsim.xenstore import Message, Parser, ServerState

__all__ = ["Local", "Loop", "hub", "recorded", "request", "serving"]

_RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> tuple[DaemonModel, str]:
    """A session with a real daemon, and which one that was."""
    of_oxenstored = name.startswith("oxenstored")
    model = DaemonModel.OXENSTORED if of_oxenstored else DaemonModel.XENSTORED
    return model, (_RECORDED / f"{name}.txt").read_text()


def hub(**options: Any) -> Hub:
    return Hub(ServerState(fresh_store()), **options)


def request(kind: XsdSockmsgType, *strings: str, tx_id: int = 0, req_id: int = 0) -> bytes:
    """An encoded request; each string gets its nul."""
    payload = "".join(f"{string}\0" for string in strings).encode("latin-1")
    return Message(kind, req_id, tx_id, payload).encode()


@contextmanager
def serving(served: Hub, path: Path) -> Iterator[list[str]]:
    """`served` on a socket at `path`, in a thread; gives what the server has said."""
    said: list[str] = []
    ready = threading.Event()
    end: list[Callable[[], object]] = []

    async def run() -> None:
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        end.append(lambda: loop.call_soon_threadsafe(told.set))
        async with Server(served, listener, said.append) as server:
            ready.set()
            await told.wait()
        assert server.error is None, said

    with listen(path) as listener:
        thread = threading.Thread(target=asyncio.run, args=(run(),))
        thread.start()
        assert ready.wait(20)
        try:
            yield said
        finally:
            end[0]()
            thread.join(20)
    assert not thread.is_alive()


class Loop:
    """`call_soon` of a loop that runs only when it is told to."""

    def __init__(self) -> None:
        self.callbacks: deque[Callable[[], None]] = deque()

    def later(self, callback: Callable[[], None]) -> None:
        self.callbacks.append(callback)

    def round(self) -> None:
        """What is waiting now, but not what comes of it."""
        for _ in range(len(self.callbacks)):
            self.callbacks.popleft()()

    def run(self) -> None:
        while self.callbacks:
            self.round()


class Local(asyncio.Transport):
    """A client of `served` in this process: the same protocol object, without a socket.

    What it is sent is in `received` at once as long as it `reads`; otherwise it waits, as it would
    in the kernel and in asyncio, with the marks of the protocol.
    """

    def __init__(self, served: Hub, loop: Loop, *, reads: bool = True) -> None:
        super().__init__()
        self.loop = loop
        self.said: list[str] = []
        self.gone = False
        self.reads = reads
        self.paused = False
        """The server reads nothing from it now."""
        self.waiting = b""
        """What the server has written and the client has not read."""
        self.received: list[Message] = []
        self._parser = Parser()
        self._closing = False
        self._full = False
        self._high, self._low = 0, 0
        self._client = Client(served, loop.later, self.said.append, self._is_gone)
        self._client.connection_made(self)

    def send(self, data: bytes) -> None:
        """Bytes from the client, and all that the server does because of them."""
        if not self._closing:
            self._client.data_received(data)
        self.loop.run()

    def feed(self, data: bytes) -> None:
        """Bytes from the client, and what the server does at once."""
        self._client.data_received(data)

    def finish(self) -> None:
        """The client sends no more."""
        if not self._client.eof_received():
            self.close()
        self.loop.run()

    def ask(self, kind: XsdSockmsgType, *strings: str, tx_id: int = 0) -> Message:
        """The reply; everything else stays in `received`."""
        self.send(request(kind, *strings, tx_id=tx_id))
        replies = [item for item in self.received if item.type != XsdSockmsgType.XS_WATCH_EVENT]
        assert len(replies) == 1, f"expected one reply, got {self.received}"
        self.received.remove(replies[0])
        return replies[0]

    def events(self) -> list[bytes]:
        """Payloads of the events that have come, which are then forgotten."""
        found = [m.payload for m in self.received if m.type == XsdSockmsgType.XS_WATCH_EVENT]
        self.received = [m for m in self.received if m.type != XsdSockmsgType.XS_WATCH_EVENT]
        return found

    def read(self) -> None:
        """Read all that waits."""
        self._parser, messages = self._parser.feed(self.waiting)
        self.waiting = b""
        self.received += messages
        if self._full:
            self._full = False
            self._client.resume_writing()
        if self._closing and not self.gone:
            self._client.connection_lost(None)

    def _is_gone(self, _: Client) -> None:
        self.gone = True

    # What the protocol calls.

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high is not None
        assert low is not None
        self._high, self._low = high, low

    def write(self, data: Any) -> None:
        if self.gone:
            return
        assert not self._closing, "written to after close"
        self.waiting += bytes(data)
        if self.reads:
            self.read()
        elif len(self.waiting) > self._high and not self._full:
            self._full = True
            self._client.pause_writing()

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True
        if not self.waiting and not self.gone:
            self._client.connection_lost(None)

    def abort(self) -> None:
        self._closing = True
        self.waiting = b""
        if not self.gone:
            self._client.connection_lost(None)
