"""Grant table operations: xen/include/public/grant_table.h."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["GNTST_general_error", "GNTST_okay", "GrantTableOp"]

GNTST_okay = 0
GNTST_general_error = -1


class GrantTableOp(IntEnum):
    """`GNTTABOP_*`, the first argument of `grant_table_op`."""

    GNTTABOP_setup_table = 2
    GNTTABOP_dump_table = 3
    GNTTABOP_set_version = 8
