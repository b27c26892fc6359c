"""The xenstore wire protocol and ring page: xen/include/public/io/xs_wire.h."""

from __future__ import annotations

from enum import IntEnum, IntFlag

__all__ = [
    "XENSTORE_ABS_PATH_MAX",
    "XENSTORE_PAYLOAD_MAX",
    "XENSTORE_REL_PATH_MAX",
    "XENSTORE_RING_SIZE",
    "XSD_ERRORS",
    "XSD_HEADER_SIZE",
    "ConnectionState",
    "Interface",
    "RingError",
    "ServerFeature",
    "XsdSockmsgType",
]

XENSTORE_RING_SIZE = 1024
"""Bytes in each direction's buffer; stream offset x lives at x mod this."""

XENSTORE_PAYLOAD_MAX = 4096
XENSTORE_ABS_PATH_MAX = 3072
XENSTORE_REL_PATH_MAX = 2048

XSD_HEADER_SIZE = 16
"""`struct xsd_sockmsg`: u32 type, req_id, tx_id, len; little-endian."""


class Interface(IntEnum):
    """Offsets in `struct xenstore_domain_interface` (the ring page, 4096 bytes)."""

    REQ = 0
    RSP = 1024
    REQ_CONS = 2048
    REQ_PROD = 2052
    RSP_CONS = 2056
    RSP_PROD = 2060
    SERVER_FEATURES = 2064
    CONNECTION = 2068
    ERROR = 2072
    EVTCHN_PORT = 2076


class XsdSockmsgType(IntEnum):
    """`enum xsd_sockmsg_type`. 20 is a hole (XS_RESTRICT, removed)."""

    XS_CONTROL = 0
    XS_DIRECTORY = 1
    XS_READ = 2
    XS_GET_PERMS = 3
    XS_WATCH = 4
    XS_UNWATCH = 5
    XS_TRANSACTION_START = 6
    XS_TRANSACTION_END = 7
    XS_INTRODUCE = 8
    XS_RELEASE = 9
    XS_GET_DOMAIN_PATH = 10
    XS_WRITE = 11
    XS_MKDIR = 12
    XS_RM = 13
    XS_SET_PERMS = 14
    XS_WATCH_EVENT = 15
    XS_ERROR = 16
    XS_IS_DOMAIN_INTRODUCED = 17
    XS_RESUME = 18
    XS_SET_TARGET = 19
    XS_RESET_WATCHES = 21
    XS_DIRECTORY_PART = 22
    XS_GET_FEATURE = 23
    XS_SET_FEATURE = 24
    XS_GET_QUOTA = 25
    XS_SET_QUOTA = 26
    XS_INVALID = 0xFFFF
    """Guaranteed never to become a valid type."""


class ServerFeature(IntFlag):
    """Bits of `server_features`. A guest ignores bits that it does not know."""

    XENSTORE_SERVER_FEATURE_RECONNECTION = 1
    XENSTORE_SERVER_FEATURE_ERROR = 2
    XENSTORE_SERVER_FEATURE_WATCHDEPTH = 4
    XENSTORE_SERVER_FEATURE_DOMID_ANY = 8


class ConnectionState(IntEnum):
    """Values of `connection`. Only the guest writes 0 to 1, only the server 1 to 0."""

    XENSTORE_CONNECTED = 0
    XENSTORE_RECONNECT = 1


class RingError(IntEnum):
    """Values of `error`; others may be added without notice."""

    XENSTORE_ERROR_NONE = 0
    XENSTORE_ERROR_COMM = 1
    XENSTORE_ERROR_RINGIDX = 2
    XENSTORE_ERROR_PROTO = 3


XSD_ERRORS: dict[str, int] = {
    "EINVAL": 22,
    "EACCES": 13,
    "EEXIST": 17,
    "EISDIR": 21,
    "ENOENT": 2,
    "ENOMEM": 12,
    "ENOSPC": 28,
    "EIO": 5,
    "ENOTEMPTY": 39,
    "ENOSYS": 38,
    "EROFS": 30,
    "EBUSY": 16,
    "EAGAIN": 11,
    "EISCONN": 106,
    "E2BIG": 7,
    "EPERM": 1,
}
"""Errors travel by name; the numbers are Xen's (xen/include/public/errno.h)."""
