"""The page of a console: `struct xencons_interface`, xen/include/public/io/console.h."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["OUT_SIZE", "Console"]

OUT_SIZE = 2048
"""Bytes of the ring `out`; free-running 32-bit indexes."""


class Console(IntEnum):
    """Offsets in the page."""

    out = 1024
    out_cons = 3080
    out_prod = 3084
