"""ELF files of strangers: whatever is wrong with one, pyelftools' complaint becomes one error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from guestsim.errors import GuestsimError

__all__ = ["DamagedError", "reading"]


class DamagedError(Exception):
    """A file that is no whole ELF file, or whose tables make no sense. `str()` says what."""


@contextmanager
def reading() -> Iterator[None]:
    """A block that has pyelftools read a file, and does as little else as can be.

    pyelftools has no one exception for damaged files: KeyError, AssertionError, ConstructError,
    UnicodeDecodeError, MemoryError and a dozen others were seen (`tests/fuzz`).
    """
    try:
        yield
    except GuestsimError:
        raise
    except Exception as error:
        detail = " ".join(f"{type(error).__name__}: {error}".strip(": ").split())
        raise DamagedError(detail) from None
