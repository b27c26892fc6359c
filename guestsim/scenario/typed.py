"""`type` of an entry of `boot.chain`: what somebody has typed on its console before it begins."""

from __future__ import annotations

from collections.abc import Sequence

from guestsim.abi.console import IN_SIZE
from guestsim.scenario.problem import Key, Problem
from guestsim.trace.text import quoted

__all__ = ["check_typed"]


def check_typed(texts: Sequence[str | None]) -> None:
    """Raise a Problem for a text, by its entry's place in the chain, that the console's ring cannot
    hold. An earlier image may leave all of its text there: they are counted together."""
    before = 0
    for index, text in enumerate(texts):
        if text is None:
            continue
        key: Key = ("boot", "chain", index, "type")
        if not text.isascii():
            raise Problem(key, f"{quoted(text)} is not ASCII")
        if before + len(text) > IN_SIZE:
            more = f" behind the {before:,} of earlier entries" if before else ""
            raise Problem(
                key, f"has {len(text):,} bytes{more}; the console's ring holds {IN_SIZE:,}"
            )
        before += len(text)
