"""Who may do what with a node.

Source: docs/misc/xenstore.txt (GET_PERMS, SET_PERMS); `perm_for_conn` of tools/xenstored/core.c.
"""

from __future__ import annotations

import re
from enum import IntFlag
from typing import NamedTuple

__all__ = [
    "Access",
    "Permission",
    "Permissions",
    "access_of",
    "format_permission",
    "parse_permission",
]


class Access(IntFlag):
    """What a permission entry grants."""

    NONE = 0
    READ = 1
    WRITE = 2
    OWNER = 4
    """Never in an entry: the domain of the first entry has it."""


class Permission(NamedTuple):
    """One entry: `domid` may do `access`."""

    domid: int
    access: Access


Permissions = tuple[Permission, ...]
"""At least one. The first names the owner, and what every domain without an entry may do."""

_ALL = Access.READ | Access.WRITE | Access.OWNER
_LETTERS = {
    "n": Access.NONE,
    "r": Access.READ,
    "w": Access.WRITE,
    "b": Access.READ | Access.WRITE,
}
_BY_ACCESS = {access: letter for letter, access in _LETTERS.items()}
_ENTRY = re.compile(r"([nrwb])([0-9]{1,5})\Z")


def parse_permission(text: str) -> Permission | None:
    """`r1` and the like; None if it is not an entry."""
    match = _ENTRY.match(text)
    return Permission(int(match[2]), _LETTERS[match[1]]) if match else None


def format_permission(permission: Permission) -> str:
    """The entry as it travels: `r1`."""
    return f"{_BY_ACCESS[permission.access]}{permission.domid}"


def access_of(domid: int, privileged: bool, permissions: Permissions) -> Access:
    """What a connection may do with a node: the tools and the owner everything."""
    if privileged or permissions[0].domid == domid:
        return _ALL
    for entry in permissions[1:]:
        if entry.domid == domid:
            return entry.access
    return permissions[0].access
