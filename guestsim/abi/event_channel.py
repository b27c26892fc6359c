"""Event channel operations: xen/include/public/event_channel.h."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["EvtchnOp", "EvtchnStatus"]


class EvtchnOp(IntEnum):
    """`EVTCHNOP_*`, the first argument of `event_channel_op`."""

    EVTCHNOP_close = 3
    EVTCHNOP_send = 4
    EVTCHNOP_status = 5
    EVTCHNOP_alloc_unbound = 6
    EVTCHNOP_unmask = 9


class EvtchnStatus(IntEnum):
    """`EVTCHNSTAT_*`."""

    EVTCHNSTAT_closed = 0
    EVTCHNSTAT_unbound = 1
    EVTCHNSTAT_interdomain = 2
