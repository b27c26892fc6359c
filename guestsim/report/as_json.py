"""`guestsim check --json`: the results in the documented format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from guestsim.trace.results import Result

__all__ = ["FORMAT_VERSION", "Report", "check_json"]

FORMAT_VERSION = 1


class Report(msgspec.Struct, frozen=True):
    """The whole document: fields in this order."""

    version: int
    """Of the format: keys are only ever added, at the end."""
    guestsim: str
    """Version of the program."""
    results: tuple[Result, ...]


def check_json(results: Sequence[Result], version: str) -> bytes:
    """`results` as indented UTF-8 JSON with a newline at the end; `version` is guestsim's.

    The same results give the same bytes: fields in the order of their types, outcomes and rules
    by name.
    """
    report = Report(FORMAT_VERSION, version, tuple(results))
    plain = _spelled(msgspec.to_builtins(report, order="deterministic"))
    return msgspec.json.format(msgspec.json.encode(plain)) + b"\n"


def _spelled(value: Any) -> Any:
    r"""The same in what UTF-8 has: a file name may be of other bytes, written `\udcff`."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_spelled(key): _spelled(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_spelled(item) for item in value]
    return value
