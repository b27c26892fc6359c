"""Who may do what with a node.

Source: docs/misc/xenstore.txt (GET_PERMS, SET_PERMS, SET_TARGET); `perm_for_conn` of
tools/xenstored/core.c, `xs_strings_to_perms` of tools/libs/store.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import NamedTuple

from guestsim.abi.xen import DOMID_SELF
from guestsim.xenstore.numbers import ocaml_number

__all__ = [
    "Access",
    "Permission",
    "Permissions",
    "access_of",
    "format_permission",
    "parse_permission",
]


class Access(IntEnum):
    """What a permission entry grants: bits, which are added up as plain integers (each request
    does so, and flags are slow)."""

    NONE = 0
    READ = 1
    WRITE = 2
    OWNER = 4
    """Never in an entry: the domain of the first entry has it."""
    IGNORED = 8
    """The entry is still told, and grants nothing: its domain is not there, or is another one of
    the same number (`XS_PERM_IGNORE`)."""


class Permission(NamedTuple):
    """One entry: `domid` may do `access`."""

    domid: int
    access: int
    """`Access` bits."""


Permissions = tuple[Permission, ...]
"""At least one. The first names the owner, and what every domain without an entry may do."""

_ALL = Access.READ | Access.WRITE | Access.OWNER
_LETTERS = {
    "n": int(Access.NONE),
    "r": int(Access.READ),
    "w": int(Access.WRITE),
    "b": Access.READ | Access.WRITE,
}
_BY_ACCESS = {
    access | ignored: letter
    for letter, access in _LETTERS.items()
    for ignored in (Access.NONE, Access.IGNORED)
}
_ENTRY = re.compile(r"([nrwb])[ \t-\r]*([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)\Z")


def parse_permission(text: str, *, ocaml: bool = False) -> Permission | None:
    """`r1` and the like; None if it is not an entry.

    The number is read as strtol reads it: decimal, octal with a 0 in front, or hexadecimal. Or as
    OCaml does.
    """
    if ocaml:
        return _parse_ocaml(text)
    match = _ENTRY.match(text)
    if match is None:
        return None
    letter, sign, digits = match.groups()
    octal = digits[0] == "0" and digits[1:].isdecimal()
    if octal and ("8" in digits or "9" in digits):
        return None
    number = int(digits, 8) if octal else int(digits, 0)
    domid = (-number if sign == "-" else number) & 0xFFFFFFFF
    access = _LETTERS[letter]
    # From DOMID_SELF on they are names of groups, and no domain has such a number.
    return Permission(domid, access if domid < DOMID_SELF else access | Access.IGNORED)


def _parse_ocaml(text: str) -> Permission | None:
    domid = ocaml_number(text[1:])
    if domid is None or text[0] not in _LETTERS:
        return None
    return Permission(domid & 0xFFFFFFFF, _LETTERS[text[0]])


def format_permission(permission: Permission) -> str:
    """The entry as it travels: `r1`. The number is told as a signed one."""
    domid = permission.domid - (1 << 32 if permission.domid >= 1 << 31 else 0)
    return f"{_BY_ACCESS[permission.access]}{domid}"


def access_of(
    domid: int, privileged: bool, permissions: Permissions, target: int | None = None
) -> int:
    """What a connection may do with a node: the tools and the owner everything.

    A domain with a `target` has that domain's rights, too.
    """
    owner = permissions[0].domid
    if privileged or owner in (domid, target):
        return _ALL
    for entry in permissions[1:]:
        if entry.domid in (domid, target) and entry.access < Access.IGNORED:
            return entry.access
    return permissions[0].access
