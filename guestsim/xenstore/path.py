"""Paths: what is allowed, what a relative one means.

Source: docs/misc/xenstore.txt; `canonicalize`, `is_valid_nodename` and `get_parent` of
tools/xenstored/core.c; `path_validate` of tools/ocaml/xenstored/utils.ml.
"""

from __future__ import annotations

import re
from itertools import takewhile

from guestsim.abi.xs_wire import XENSTORE_REL_PATH_MAX

__all__ = [
    "ROOT",
    "absolute",
    "canonical",
    "common",
    "domain_path",
    "is_below",
    "is_relative",
    "join",
    "names",
    "parent",
]

ROOT = "/"

_VALID = re.compile(rb"[A-Za-z0-9/_@-]+\Z")
_LOCAL = re.compile(r"/local/domain/-?[0-9]{1,5}/")


def domain_path(domid: int) -> str:
    """A domain's own path, which its relative paths are under."""
    return f"/local/domain/{domid}"


def is_relative(raw: bytes) -> bool:
    """Whether a path on the wire is meant to be under its domain's own."""
    return not raw.startswith((b"/", b"@"))


def absolute(raw: bytes, base: str) -> str:
    """The path that `raw` stands for, be it a valid one or not; any byte is one character."""
    path = raw.decode("latin-1")
    return f"{base}/{path}" if is_relative(raw) else path


def canonical(raw: bytes, base: str, longest: int = XENSTORE_REL_PATH_MAX) -> str | None:
    """The absolute path that `raw` (no nul in it) stands for, None if it is not a valid one.

    `base` is the domain's own path. Special names (`@introduceDomain`) are no paths. Length: a
    path under any domain's own is limited behind that part, as a relative one is, so that it stays
    valid when the domain id changes on migration. Both daemons hold any other path to the same
    2048 (`quota_max_path_len`, `Define.path_max`), whereas the documentation allows an absolute
    one 3072. A tool can set another limit: `longest`.
    """
    if not _VALID.match(raw) or raw.startswith(b"@"):
        return None
    path = absolute(raw, base)
    if (path.endswith("/") and path != ROOT) or "//" in path:
        return None
    local = _LOCAL.match(path)
    length = len(path) - local.end() if local else len(path)
    return path if length <= longest else None


def names(path: str) -> list[str]:
    """The steps from the top of the store: `""` first for a path, the name itself for `@…`."""
    return [""] if path == ROOT else path.split("/")


def parent(path: str) -> str:
    """The path one level up; of the root and of a special name, the root."""
    return path.rpartition("/")[0] or ROOT


def common(path: str, other: str) -> str:
    """The deepest path that both are at or below."""
    pairs = zip(names(path), names(other), strict=False)
    return "/".join(step for step, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)) or ROOT


def join(path: str, name: str) -> str:
    """The path of the child `name`."""
    return f"/{name}" if path == ROOT else f"{path}/{name}"


def is_below(path: str, ancestor: str, depth: int | None = None) -> bool:
    """Whether `path` is `ancestor` or under it, by at most `depth` levels."""
    if ancestor == ROOT:
        if not path.startswith(ROOT):
            return False
    elif path != ancestor and not path.startswith(ancestor + "/"):
        return False
    return depth is None or len(names(path)) - len(names(ancestor)) <= depth
