"""A daemon that never hears of the domain, which has no xenstore: it sleeps."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from guestsim.daemon import oxenstored, xenstored
from guestsim.daemon.actor import GeneratorActor
from guestsim.daemon.parts import wait_event
from guestsim.trace import Op, Site
from guestsim.trace.daemons import DaemonModel
from guestsim.xenstore import Store, serve_domain

__all__ = ["make_unheard"]


def make_unheard(model: str, contents: Store, domid: int = 1) -> GeneratorActor[Any]:
    """A daemon of that model. Its state is that of the model where it sleeps, with the store
    `contents`, which others can still ask for."""
    server = serve_domain(contents, domid)
    state: oxenstored.State | xenstored.State
    if model == DaemonModel.OXENSTORED:
        state = oxenstored.State(oxenstored.Phase.SLEEP, server)
    else:
        state = xenstored.State(xenstored.Phase.SLEEP, server)
    sleep = wait_event(Site(stage=model, function="main"), spurious=False)

    def turn(state: Any) -> Generator[Op, int, Any]:
        yield sleep
        return state

    return GeneratorActor(state, turn)
