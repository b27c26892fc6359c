"""The functions of `explorer.c`, as Python calls them."""

from __future__ import annotations

import ctypes
import os
from ctypes import c_uint32, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

from guestsim.errors import GuestsimError

__all__ = ["END_OF_NUMBERS", "Config", "Facts", "RawSighting", "load_library"]

LIBRARY = Path(os.environ.get("GUESTSIM_EXPLORER") or Path(__file__).with_name("explorer.so"))
"""GUESTSIM_EXPLORER names another build of it: one with sanitizers, say."""

END_OF_NUMBERS = 0xFFFFFFFF
"""In place of a number: none."""


def _fields(**words: str) -> list[tuple[str, Any]]:
    sizes = {"u32": c_uint32, "u64": c_uint64}
    return [(name, sizes[size]) for size, names in words.items() for name in names.split()]


class Config(ctypes.Structure):
    """`struct config`."""

    _fields_ = _fields(
        u32="actors tso buffer size fields rules preemptions pending mask selector upcall server",
        u64="states bytes",
    )


class RawSighting(ctypes.Structure):
    """`struct sighting`."""

    _fields_ = _fields(u32="stop mover answer preemptions switches node")


class Facts(ctypes.Structure):
    """`struct facts`."""

    _fields_ = _fields(
        u64="states transitions memories bytes peak waiting visited work value",
        u32="full histories actor node view history memory unused",
    )


@cache
def load_library() -> Any:
    """The library. GuestsimError where there is none."""
    try:
        library = ctypes.CDLL(str(LIBRARY))
    except OSError as error:
        raise GuestsimError(
            f"the compiled explorer cannot be used ({error}). `pip install` builds it for Linux on "
            "x86-64 and aarch64; elsewhere, and for small searches, use --explorer reference"
        ) from None
    library.explorer_new.restype = c_void_p
    for name in ("explorer_unmarked", "explorer_parent"):
        getattr(library, name).restype = c_uint32
    library.explorer_stands.restype = c_uint64
    for name in ("free", "state", "read", "seen", "facts"):
        getattr(library, f"explorer_{name}").restype = None
    return library
