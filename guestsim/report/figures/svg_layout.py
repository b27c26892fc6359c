"""Where the columns of the picture are, in its own units: pixels at its natural size."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from guestsim.report.ring_history import Indices
from guestsim.report.rows import Row

__all__ = ["GAP", "LINE", "SMALL", "TEXT", "Columns"]

TEXT = 12
"""Size of the letters, and of smaller ones."""
SMALL = 10
LINE = 16
GAP = 8
_MARGIN = 16
_LANE = 410
_LANE_OF_MANY = 300
_BUFFER = 124


class Columns:
    """Steps, a lane for each actor, its store buffer where it has one, the indices."""

    def __init__(
        self, rows: Sequence[Row], actors: Sequence[str], buffers: Sequence[str] = ()
    ) -> None:
        self.rows = len(rows)
        self.buffers = tuple(buffers)
        steps = max([4, *(len(str(row.first)) for row in rows)])
        self.left = _MARGIN
        self.step_end = self.left + self.wide("0" * steps)
        self._lane = _LANE if len(actors) <= 2 else _LANE_OF_MANY
        self._lanes = [
            self.step_end + 2 * GAP + at * (self._lane + GAP) for at in range(len(actors))
        ]
        values = [
            max([len(name), *(len(str(getattr(row.indices, name))) for row in rows if row.indices)])
            for name in Indices._fields
        ]
        x = self.step_end + 2 * GAP + len(actors) * (self._lane + GAP)
        self._buffers = {actor: x + at * _BUFFER for at, actor in enumerate(self.buffers)}
        x += len(self.buffers) * _BUFFER
        self._indices: dict[str, int] = {}
        for name, signs in zip(Indices._fields, values, strict=True):
            x += self.wide("0" * signs) + GAP + GAP // 2
            self._indices[name] = x
        self.width = x + _MARGIN
        self.inner = self.width - 2 * _MARGIN

    @staticmethod
    def wide(text: str, size: int = TEXT) -> int:
        """How wide a text is at most. No common monospaced letter is wider than 0.61 em."""
        return -(-cell_len(text) * size * 61 // 100)

    @staticmethod
    def signs(width: int, size: int = TEXT) -> int:
        """How many letters of that size fit."""
        return max(1, width * 100 // (size * 61))

    def lane(self, number: int) -> tuple[int, int]:
        """Left edge and width of an actor's lane."""
        return self._lanes[number], self._lane

    def middle(self, number: int) -> int:
        """The middle of an actor's lane."""
        return self._lanes[number] + self._lane // 2

    def all_lanes(self) -> tuple[int, int]:
        """Left edge and width of all lanes together."""
        return self._lanes[0], self._lanes[-1] + self._lane - self._lanes[0]

    def buffer(self, actor: str) -> int:
        """The middle of the lane of an actor's store buffer."""
        return self._buffers[actor] + (_BUFFER - GAP) // 2

    def buffer_lane(self, actor: str) -> tuple[int, int]:
        """Left edge and width of the same."""
        return self._buffers[actor], _BUFFER - GAP

    def index(self, name: str) -> int:
        """The right edge of an index."""
        return self._indices[name]
