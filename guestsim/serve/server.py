"""The event loop: accepts clients on a listening socket, until it is told to end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from guestsim.errors import InternalError
from guestsim.serve.client import Client
from guestsim.serve.hub import Hub
from guestsim.serve.limits import BACKLOG, client_limit
from guestsim.serve.listener import Listener, listen
from guestsim.serve.store_file import fresh_store, load_store
from guestsim.serve.words import trace_line
from guestsim.trace.daemons import DaemonModel
from guestsim.xenstore import OXENSTORED, Dialect, Message, ServerState

__all__ = ["MODELS", "Server", "new_hub", "serve"]

Say = Callable[[str], None]

MODELS = {DaemonModel.XENSTORED: Dialect(), DaemonModel.OXENSTORED: OXENSTORED}
"""The ways of each server that there is to be."""

_MANY = 1000
"""Clients that ought to be possible; told if they are not."""


class _Refused(asyncio.Protocol):
    """A client that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


class Server:
    """Clients of `hub` on the socket of `listener`, in the running loop: `async with Server(…)`.

    `say` is told, in one line each, what somebody should know.
    """

    def __init__(self, hub: Hub, listener: Listener, say: Say) -> None:
        self._hub = hub
        self._listener = listener
        self._say = say
        self._limit = client_limit()
        self._clients: set[Client] = set()
        self._server: asyncio.Server | None = None
        self.error: BaseException | None = None
        """The first mistake of ours. Its client has lost its connection; the others go on."""
        if self._limit < _MANY:
            say(f"at most {self._limit} clients: the hard limit of open files allows no more")

    async def __aenter__(self) -> Server:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._mistake)
        self._server = await loop.create_unix_server(
            self._accept, sock=self._listener.socket, backlog=BACKLOG
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for client in tuple(self._clients):
            client.abort()
        # An aborted connection is told so in the loop's next round.
        await asyncio.sleep(0)

    def _accept(self) -> asyncio.Protocol:
        if len(self._clients) >= self._limit:
            self._say(f"a client is turned away: {self._limit} are connected")
            return _Refused()
        later = asyncio.get_running_loop().call_soon
        client = Client(self._hub, later, self._say, self._clients.discard)
        self._clients.add(client)
        return client

    def _mistake(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self._say(f"guestsim is wrong: {context['message']}: {error!r}")
        self.error = self.error or error


def new_hub(
    store: Path | None = None,
    trace: Say | None = None,
    model: DaemonModel = DaemonModel.XENSTORED,
) -> Hub:
    """A server without clients. Its store is that of the file `store`, or a fresh one; `trace` is
    given every message, one line each; `model` is one of `MODELS`, whose ways it has. InputError
    where the file cannot be used."""

    def show(key: int, message: Message, incoming: bool) -> None:
        assert trace is not None
        trace(trace_line(key, message, incoming))

    dialect = MODELS[model]
    contents = fresh_store(dialect) if store is None else load_store(store, dialect)
    return Hub(ServerState(contents), dialect, watcher=show if trace is not None else None)


def serve(hub: Hub, path: Path, *, ready: Callable[[Listener], None], say: Say) -> None:
    """Serve `hub` at `path` until SIGINT, SIGTERM or SIGHUP.

    `ready` is called when clients can connect. InputError where the socket cannot be made;
    InternalError, at the end, if guestsim made a mistake.
    """
    asyncio.run(_until_signal(hub, path, ready, say))


async def _until_signal(hub: Hub, path: Path, ready: Callable[[Listener], None], say: Say) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    # Before there is a socket: from here on, none of them ends us in the middle of anything.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number is signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, told.set)
    with listen(path) as listener:
        async with Server(hub, listener, say) as server:
            ready(listener)
            await told.wait()
    if server.error is not None:
        raise InternalError(f"the server made a mistake: {server.error!r}") from server.error
