"""How each xenstored touches the ring, access by access."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from guestsim.daemon import mistakes, rfc_v2
from guestsim.daemon.actor import GeneratorActor, Point
from guestsim.daemon.config import DaemonConfig
from guestsim.daemon.unheard import make_unheard
from guestsim.daemon.visits import VISITS, Visits
from guestsim.trace.daemons import DaemonModel
from guestsim.xenstore import Store

__all__ = [
    "MODELS",
    "VISITS",
    "DaemonConfig",
    "GeneratorActor",
    "Point",
    "Visits",
    "make",
    "make_unheard",
]

MODELS: dict[str, Callable[[DaemonConfig, Store], GeneratorActor[Any]]] = {
    DaemonModel.XENSTORED: mistakes.make_xenstored,
    DaemonModel.OXENSTORED: mistakes.make_oxenstored,
    DaemonModel.RFC_V2: rfc_v2.make,
}
"""The implementations, by the name that scenarios use."""


def make(model: str, config: DaemonConfig, store: Store) -> GeneratorActor[Any]:
    """A daemon of that model (a key of `MODELS`), as an actor."""
    return MODELS[model](config, store)
