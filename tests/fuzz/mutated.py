"""Inputs that nearly are what they should be: files that work, changed here and there."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

MOST_EDITS = 6
PLACES = 1 << 16

Edit = tuple[str, int, int, bytes]
"""What is done, where (of PLACES), to how many bytes, with which."""


def edited(data: bytes, edits: Sequence[Edit]) -> bytes:
    """The data after all of them."""
    for how, where, length, new in edits:
        at = where * (len(data) + 1) // PLACES
        end = min(len(data), at + length)
        if how == "replace":
            data = data[:at] + new + data[at + len(new) :]
        elif how == "insert":
            data = data[:at] + new + data[at:]
        elif how == "delete":
            data = data[:at] + data[end:]
        elif how == "repeat":
            data = data[:at] + data[at:end] * (2 + new[0] % 64 if new else 2) + data[end:]
        else:
            data = data[:at]
    return data


def changes(seeds: int, words: Sequence[bytes]) -> st.SearchStrategy[tuple[int, list[Edit]]]:
    """The number of a seed, and a few edits, by bytes at random and by `words`, that mean something
    there. One seed in eight is `seeds` itself: nothing, to which edits add."""
    edit = st.tuples(
        st.sampled_from(["replace", "insert", "insert", "delete", "repeat", "cut"]),
        st.integers(0, PLACES - 1),
        st.one_of(st.integers(0, 16), st.integers(0, 2000)),
        st.one_of(st.sampled_from(list(words)), st.binary(max_size=8)),
    )
    which = [st.integers(0, seeds - 1)] * 7 + [st.just(seeds)]
    return st.tuples(st.one_of(which), st.lists(edit, max_size=MOST_EDITS))
