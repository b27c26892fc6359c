"""Memory models: when a store becomes visible to others, and what a load sees meanwhile."""

from __future__ import annotations

from enum import StrEnum

from guestsim.trace.ops import Op

__all__ = ["DRAIN", "STORE_BUFFER", "MemoryModel", "overlay"]

STORE_BUFFER = 64
"""Stores that a store buffer holds, where nobody says otherwise."""

DRAIN = ":drain"
"""Behind an actor's name: its store buffer, as a mover of schedules."""


class MemoryModel(StrEnum):
    """When a store becomes visible to others."""

    SC = "sc"
    """At once."""
    TSO = "tso"
    """x86: each actor's stores wait in a buffer of its own, first in, first out."""


def overlay(data: bytearray, load: Op, store: Op) -> None:
    """Put into `data`, what `load` gives, the bytes that `store` covers."""
    first = max(load.address, store.address)
    last = min(load.address + load.size, store.address + store.size)
    if first < last:
        value = store.value.to_bytes(store.size, "little")
        data[first - load.address : last - load.address] = value[
            first - store.address : last - store.address
        ]
