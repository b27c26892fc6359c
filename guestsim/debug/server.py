"""The stub's socket: one GDB, on this machine."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from guestsim.debug.packets import Framer, Mark, Packet, frame
from guestsim.debug.session import Session
from guestsim.errors import InputError, StoppedError

__all__ = ["Server", "listen"]

_HOST = "127.0.0.1"
_PATIENCE = 0.1
"""Seconds between two looks at whether to stop."""
_READ = 1 << 16


@contextmanager
def listen(port: int) -> Iterator[Server]:
    """Listen at `port`, 0 for any that is free. InputError where that cannot be."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, port))
            listener.listen(1)
        except OSError as error:
            raise InputError(f"--port {port}: cannot listen there: {error.strerror}") from None
        yield Server(listener)


class Server:
    """Waits for one GDB and serves it."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.port: int = listener.getsockname()[1]

    def serve(self, session: Session, should_stop: Callable[[], bool]) -> None:
        """Until GDB leaves. StoppedError as soon as `should_stop` says so."""
        _wait(self._listener, should_stop)
        connection, _ = self._listener.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                _Connection(connection, session, should_stop).serve()
            except ConnectionError:
                return  # it left without a word


class _Connection:
    def __init__(
        self, connection: socket.socket, session: Session, should_stop: Callable[[], bool]
    ) -> None:
        self._socket = connection
        self._session = session
        self._should_stop = should_stop
        self._framer = Framer()
        self._waiting: list[Packet | Mark] = []
        self._latest = b""
        self._acks = True
        self._gone = False

    def serve(self) -> None:
        while not (self._session.ended or self._gone):
            if not self._waiting:
                _wait(self._socket, self._should_stop)
                self._read()
            while self._waiting and not self._session.ended:
                self._deal_with(self._waiting.pop(0))

    def _read(self) -> None:
        data = self._socket.recv(_READ)
        self._gone = not data
        self._waiting += self._framer.feed(data)

    def _deal_with(self, item: Packet | Mark) -> None:
        if isinstance(item, Packet):
            if self._acks:
                self._socket.sendall(b"+")
            for answer in self._session.answer(item.data, self._interrupted):
                self._latest = frame(answer)
                self._socket.sendall(self._latest)
            if item.data == b"QStartNoAckMode":
                self._acks = False
        elif item is Mark.RESEND and self._latest:
            self._socket.sendall(self._latest)
        elif item is Mark.DAMAGED and self._acks:
            self._socket.sendall(b"-")

    def _interrupted(self) -> bool:
        """Whether GDB wants the running guest to stop, or is gone."""
        if self._should_stop():
            raise StoppedError
        if not self._gone and select.select([self._socket], [], [], 0)[0]:
            self._read()
        if Mark.INTERRUPT in self._waiting:
            self._waiting.remove(Mark.INTERRUPT)
            return True
        return self._gone


def _wait(what: socket.socket, should_stop: Callable[[], bool]) -> None:
    """Until there is something to read, or somebody to accept."""
    while not select.select([what], [], [], _PATIENCE)[0]:
        if should_stop():
            raise StoppedError
