"""How much a client may have under way, and how many there may be.

A real xenstored bounds what a client can make it keep: outstanding requests, memory, and seconds
that a watch event waits (tools/xenstored/core.c, `timeout_watch_event_msec`; domain.c,
`domain_can_read`). Those of domain 0 are not bounded there. Here they are, by what is simple to
see: bytes that wait to be read.
"""

from __future__ import annotations

import resource

__all__ = ["BACKLOG", "EVENTS_KEPT", "HIGH_WATER", "LOW_WATER", "TURN", "client_limit"]

TURN = 32
"""Requests of one client that are answered before the others have their turn."""

HIGH_WATER = 64 * 1024
"""Bytes that wait to be read by a client; above, no request of it is answered."""

LOW_WATER = 16 * 1024
"""Bytes at which its requests are answered again."""

EVENTS_KEPT = 1 << 20
"""Bytes of watch events that are kept for a client that does not read; above, its connection
ends. An event that waits already is not kept twice."""

BACKLOG = 4096
"""Connections that wait to be accepted. The kernel may allow fewer (net.core.somaxconn)."""

_WANTED = 65536
_OWN = 64
"""Files that the process needs for itself."""


def client_limit() -> int:
    """How many clients there may be: raises the soft limit of open files as far as it goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return _WANTED if soft == resource.RLIM_INFINITY else max(0, soft - _OWN)
