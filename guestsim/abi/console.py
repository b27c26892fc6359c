"""The page of a console: `struct xencons_interface`, xen/include/public/io/console.h."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["IN_SIZE", "OUT_SIZE", "Console"]

IN_SIZE = 1024
"""Bytes of the ring `in`, to the guest; free-running 32-bit indexes."""
OUT_SIZE = 2048
"""The same of the ring `out`."""


class Console(IntEnum):
    """Offsets in the page."""

    in_ = 0
    out = 1024
    in_cons = 3072
    in_prod = 3076
    out_cons = 3080
    out_prod = 3084
