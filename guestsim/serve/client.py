"""One client: its bytes in, requests to the hub, its replies and events out as bytes.

Backpressure. Replies are bounded by the requests that are answered, and no request of a client is
answered while more than `HIGH_WATER` bytes wait for it to read; nothing more is read from it then,
either. Events come from others, who must not have to wait for it: they are kept while it does not
read, and when they are more than `EVENTS_KEPT` bytes its connection ends.

An event that waits already is not queued again, as in C xenstored (tools/xenstored/core.c,
`send_event`); those of special watches always are, and oxenstored queues every event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from guestsim.abi.xs_wire import XENSTORE_PAYLOAD_MAX, XsdSockmsgType
from guestsim.serve.hub import Hub, client_name
from guestsim.serve.limits import EVENTS_KEPT, HIGH_WATER, LOW_WATER, TURN
from guestsim.xenstore import Message, Overlong, parse

__all__ = ["Client", "Later"]

Later = Callable[[Callable[[], None]], object]
"""Call a function soon, but after what others have to do: an event loop's `call_soon`."""

_EVENT = XsdSockmsgType.XS_WATCH_EVENT


class Client(asyncio.Protocol):
    """The protocol of one connection.

    `say` is told why a connection ends from our side, `gone` that it has ended, from either.
    """

    def __init__(
        self,
        hub: Hub,
        later: Later,
        say: Callable[[str], None],
        gone: Callable[[Client], None],
    ) -> None:
        self._hub = hub
        self._later = later
        self._say = say
        self._gone = gone
        self._transport: asyncio.Transport | None = None
        self._key: int | None = None
        self._waiting = b""
        """Bytes that came and are not answered: whole requests, and the beginning of one."""
        self._at = 0
        """Where in them the next request begins."""
        self._out: list[bytes] = []
        """What is to be written at the end of this turn, or the next."""
        self._events: set[bytes] = set()
        """The events in it."""
        self._events_size = 0
        """Their bytes, while the client does not read."""
        self._full = False
        """The client does not read what is there for it."""
        self._in_turn = False
        self._next_turn = False
        self._ended = False
        """No more bytes will come, or none of them matter."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(HIGH_WATER, LOW_WATER)
        self._key = self._hub.join(self)

    def connection_lost(self, _: Exception | None) -> None:
        """The connection is gone, whoever ended it."""
        self._leave()
        self._transport = None
        self._gone(self)

    def abort(self) -> None:
        """End the connection, without what is left to write."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes from the client, however they were cut."""
        if self._ended:
            return
        rest = self._waiting[self._at :] if self._waiting else b""
        self._waiting, self._at = rest + data if rest else data, 0
        if not self._next_turn:
            self._turn()

    def eof_received(self) -> bool:
        """No more requests will come: what came is answered, then the connection ends."""
        self._ended = True
        unanswered = self._next_turn or self._full
        if not unanswered:
            self._leave()
        return unanswered

    def pause_writing(self) -> None:
        """The client does not read."""
        self._full = True

    def resume_writing(self) -> None:
        """The client has read."""
        self._full = False
        self._events_size = 0
        self._turn_later()

    def deliver(self, message: Message) -> None:
        """A message for the client."""
        encoded = message.encode()
        merged = message.type == _EVENT and self._hub.dialect.events_merged
        if merged and not message.payload.startswith(b"@"):
            if encoded in self._events:
                return
            self._events.add(encoded)
        self._out.append(encoded)
        if self._full:
            self._events_size += len(encoded)
            if self._events_size > EVENTS_KEPT:
                self._end("it does not read its watch events")
                self.abort()
        elif not self._in_turn:
            self._turn_later()

    def _turn_later(self) -> None:
        if not self._next_turn:
            self._next_turn = True
            self._later(self._soon)

    def _soon(self) -> None:
        self._next_turn = False
        if self._key is not None:
            self._turn()

    def _turn(self) -> None:
        """Answer what came, as far as its turn goes, and write all that there is for it."""
        transport = self._transport
        assert transport is not None
        self._in_turn = True
        more = False
        waiting = memoryview(self._waiting)
        for _ in range(TURN):
            more = not self._full and self._answer(waiting[self._at :])
            if not more:
                break
        self._in_turn = False
        if self._at == len(self._waiting):
            self._waiting, self._at = b"", 0
        if self._out and not self._full:
            out, self._out = self._out, []
            self._events.clear()
            transport.write(b"".join(out))
        if self._key is None:
            transport.close()
        elif self._full:  # the write may have filled the buffer
            transport.pause_reading()
        elif more:
            transport.pause_reading()
            self._turn_later()
        elif self._ended:
            self._leave()
            transport.close()
        else:
            transport.resume_reading()

    def _answer(self, rest: memoryview) -> bool:
        """Answer the first request in `rest`; False where none is whole."""
        if not rest or self._key is None:
            return False
        found = parse(rest)
        if isinstance(found, Message):
            self._at += found.size
            self._hub.request(self._key, found)
            return True
        if isinstance(found, Overlong):
            length = found.length
            self._end(f"a header announces {length} bytes, more than {XENSTORE_PAYLOAD_MAX}")
        return False

    def _end(self, why: str) -> None:
        """Nothing more of this client matters."""
        assert self._key is not None
        self._say(f"{client_name(self._key)}: connection ended: {why}")
        self._leave()
        self._ended = True
        self._waiting, self._at = b"", 0

    def _leave(self) -> None:
        if self._key is not None:
            self._hub.leave(self._key)
            self._key = None
