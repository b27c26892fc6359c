"""`stop` of an entry of `boot.chain`: where a stage is over that would go on for ever."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from guestsim.scenario.problem import Key, Problem
from guestsim.trace.text import quoted

__all__ = ["Stop", "check_stop"]

_U32_MAX = 0xFFFF_FFFF


class Stop(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a stage is over, and well: exactly one of these."""

    console: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="When it has printed this text."),
    ] = None
    requests: Annotated[
        Annotated[int, Meta(ge=1, le=_U32_MAX)] | None,
        Meta(description="When it has sent this many requests and taken all answers."),
    ] = None
    hlt: Annotated[bool, Meta(description="When it executes HLT.")] = False


def check_stop(stop: Stop, key: Key) -> None:
    """Raise a Problem where it is not exactly one of its keys. `key`: where it stands."""
    given = [name for name in Stop.__struct_fields__ if getattr(stop, name)]
    if len(given) != 1:
        what = f"has {' and '.join(given)}" if given else "says nothing"
        raise Problem(key, f"{what}; give one of console, requests, and hlt = true")
    if stop.console is not None and not stop.console.isascii():
        raise Problem((*key, "console"), f"{quoted(stop.console)} is not ASCII")
