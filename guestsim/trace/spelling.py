"""Words from a known list: is it one of them, and if not, which one was meant?"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from guestsim.errors import InputError
from guestsim.trace.text import quoted

__all__ = ["distance", "hint", "nearest", "not_one_of", "one_of"]

_SHOWN = 3
"""More suggestions than this say nothing."""

_LONGEST = 64
"""Longer words are not typing errors."""


def distance(left: str, right: str) -> int:
    """Typing errors between two words: characters changed, left out, put in, or swapped with
    their neighbour (the optimal string alignment distance)."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        older, before, row = before, row, [i]
        for j, b in enumerate(right, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]


def nearest(word: str, choices: Iterable[str]) -> tuple[str, ...]:
    """The choices that `word` was probably meant to be, all that are equally near; () for none.

    Upper and lower case count as equal. A third of a choice may be mistyped, one character at
    least; a word that is further off counts if it is plainly a piece or a variation of a choice.
    """
    if len(word) > _LONGEST:
        return ()
    known = tuple(choices)
    typed = word.lower()
    near: list[tuple[int, str]] = []
    for choice in known:
        most = max(1, len(choice) // 3)
        if abs(len(typed) - len(choice)) > most:
            continue
        errors = distance(typed, choice.lower())
        if errors <= most:
            near.append((errors, choice))
    if not near:
        return tuple(difflib.get_close_matches(typed, known, n=1, cutoff=0.65))
    fewest = min(errors for errors, _ in near)
    best = tuple(choice for errors, choice in near if errors == fewest)
    return best if len(best) <= _SHOWN else ()


def hint(word: str, choices: Iterable[str]) -> str:
    """`; did you mean "x"?`, or "" where nothing is near."""
    best = nearest(word, choices)
    return f"; did you mean {' or '.join(quoted(choice) for choice in best)}?" if best else ""


def one_of(word: str, choices: Iterable[str]) -> str:
    """`word`, or an InputError that lists the choices and names the nearest."""
    known = tuple(choices)
    if word in known:
        return word
    raise InputError(not_one_of(word, known))


def not_one_of(word: str, choices: Iterable[str]) -> str:
    """The sentence that refuses `word`: `"x" is not one of a, b; did you mean "a"?`."""
    known = tuple(choices)
    return f"{quoted(word)} is not one of {', '.join(known)}{hint(word, known)}"
