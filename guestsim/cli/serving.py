"""The command `serve`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from guestsim.cli.command import Command
from guestsim.cli.commands import app, say
from guestsim.cli.options import one_word_of
from guestsim.errors import OutputError
from guestsim.trace.daemons import DaemonModel

__all__ = ["serve"]


_MODELS = (DaemonModel.XENSTORED, DaemonModel.OXENSTORED)


@app.command(cls=Command, short_help="Be a xenstored on a Unix socket, until Ctrl-C.")
def serve(
    socket: Annotated[
        Path,
        typer.Option(
            "--socket", metavar="PATH", help="Make the socket there; for your own user only."
        ),
    ],
    store: Annotated[
        Path | None,
        typer.Option(
            "--store",
            metavar="FILE",
            help="Begin with the [store] of this TOML file. Default: an empty store.",
        ),
    ] = None,
    model: Annotated[
        DaemonModel,
        typer.Option(
            "--model",
            parser=one_word_of(_MODELS),
            metavar="xenstored|oxenstored",
            help="Whose ways it has: those of the C implementation, or of the one in OCaml.",
        ),
    ] = DaemonModel.XENSTORED,
    trace: Annotated[bool, typer.Option("--trace", help="Print every message.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing.")] = False,
) -> None:
    """Be a xenstored on a Unix socket, until Ctrl-C: for xenstore-ls, libxenstore and the like."""
    # asyncio takes a while to import, and no other command needs it.
    from guestsim.serve import Listener, new_hub
    from guestsim.serve import serve as serve_clients

    warn = _ignore if quiet else say
    tell = _ignore if quiet else _teller("nothing more is printed")

    def ready(listener: Listener) -> None:
        if listener.took_over:
            warn(f"{listener.path}: nobody listened on the socket that was there; replaced")
        tell(f"ready: export XENSTORED_PATH={listener.path.absolute()}")

    shown = _teller("no more messages are shown") if trace else None
    hub = new_hub(store, shown, model)
    serve_clients(hub, socket, ready=ready, say=warn)


def _teller(otherwise: str) -> Callable[[str], None]:
    """Prints lines, as long as they can be: a server's clients do not care who reads them."""
    can_print = True

    def tell(line: str) -> None:
        nonlocal can_print
        if can_print:
            try:
                print(line, flush=True)
            except OutputError as error:
                can_print = False
                say(f"{error}; {otherwise}, the server goes on")

    return tell


def _ignore(_: str) -> None:
    pass
