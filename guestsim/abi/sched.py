"""Scheduler operations: xen/include/public/sched.h."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["SchedOp", "Shutdown"]


class SchedOp(IntEnum):
    """`SCHEDOP_*`, the first argument of `sched_op`."""

    SCHEDOP_yield = 0
    SCHEDOP_block = 1
    SCHEDOP_shutdown = 2
    SCHEDOP_poll = 3


class Shutdown(IntEnum):
    """`SHUTDOWN_*`: the reason given to `SCHEDOP_shutdown`."""

    SHUTDOWN_poweroff = 0
    SHUTDOWN_reboot = 1
    SHUTDOWN_suspend = 2
    SHUTDOWN_crash = 3
