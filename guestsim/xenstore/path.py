"""Paths: what is allowed, what a relative one means.

Source: docs/misc/xenstore.txt; `canonicalize` and `get_parent` of tools/xenstored/core.c.
"""

from __future__ import annotations

import re

from guestsim.abi.xs_wire import XENSTORE_ABS_PATH_MAX, XENSTORE_REL_PATH_MAX

__all__ = ["ROOT", "canonical", "domain_path", "is_below", "is_relative", "join", "names", "parent"]

ROOT = "/"

_VALID = re.compile(rb"[A-Za-z0-9/_@-]+\Z")
_LOCAL = re.compile(r"/local/domain/[0-9]{1,5}/")


def domain_path(domid: int) -> str:
    """A domain's own path, which its relative paths are under."""
    return f"/local/domain/{domid}"


def is_relative(raw: bytes) -> bool:
    """Whether a path on the wire is meant to be under its domain's own."""
    return not raw.startswith((b"/", b"@"))


def canonical(raw: bytes, base: str, *, special: bool = False) -> str | None:
    """The absolute path that `raw` (no nul in it) stands for, None if it is not a valid one.

    `base` is the domain's own path. With `special`, `@` names (`@introduceDomain`) are paths too.
    Length: a path under any domain's own is limited behind that part, as a relative one is, so
    that it stays valid when the domain id changes on migration.
    """
    if not _VALID.match(raw) or (raw.startswith(b"@") and not special):
        return None
    path = raw.decode("ascii")
    if is_relative(raw):
        path = f"{base}/{path}"
    if (path.endswith("/") and path != ROOT) or "//" in path:
        return None
    local = _LOCAL.match(path)
    length, limit = (
        (len(path) - local.end(), XENSTORE_REL_PATH_MAX)
        if local
        else (len(path), XENSTORE_ABS_PATH_MAX)
    )
    return path if length <= limit else None


def names(path: str) -> list[str]:
    """The steps from the top of the store: `""` first for a path, the name itself for `@…`."""
    return [""] if path == ROOT else path.split("/")


def parent(path: str) -> str:
    """The path one level up; of the root and of a special name, the root."""
    return path.rpartition("/")[0] or ROOT


def join(path: str, name: str) -> str:
    """The path of the child `name`."""
    return f"/{name}" if path == ROOT else f"{path}/{name}"


def is_below(path: str, ancestor: str) -> bool:
    """Whether `path` is `ancestor` or under it."""
    if ancestor == ROOT:
        return path.startswith(ROOT)
    return path == ancestor or path.startswith(ancestor + "/")
