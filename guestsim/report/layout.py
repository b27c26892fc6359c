"""How wide each column of a timeline is, for a given page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rich.cells import cell_len

from guestsim.report.ring_history import Indices
from guestsim.report.rows import Row, RowKind

__all__ = ["Layout", "choose_layout"]

_BAR = 3
"""Columns between two cells."""
_WIDE = 100
"""From here on the source line has a column of its own."""
_SOURCES = (28, 26, 24, 22, 20, 18)
"""Columns that it may have."""
_LEAST_ACTORS = 40
"""Columns that the actors need together, before the other columns give way."""
_LEAST_COLUMN = 16


class Layout(NamedTuple):
    """Widths in columns."""

    step: int
    actors: tuple[int, ...]
    where: int
    """0: the source line stands under the op."""
    index_columns: tuple[int, ...]
    """Empty: the indices stand under the row that changed them."""
    short_heading: bool
    """The headings of the indices take two lines."""

    @property
    def widths(self) -> tuple[int, ...]:
        """All cells of a line, from left to right."""
        rest = [self.where] if self.where else []
        if self.index_columns:
            rest.append(sum(self.index_columns) + len(self.index_columns) - 1)
        return (self.step, *self.actors, *rest)

    @property
    def total(self) -> int:
        """Columns of a whole line."""
        return sum(self.widths) + _BAR * (len(self.widths) - 1)

    @property
    def span(self) -> int:
        """Columns of the actors and the source line together."""
        cells = [*self.actors, self.where] if self.where else self.actors
        return sum(cells) + _BAR * (len(cells) - 1)

    @property
    def heading(self) -> str:
        """The names of the indices over their columns."""
        if not self.short_heading:
            names = zip(Indices._fields, self.index_columns, strict=True)
            return " ".join(name.rjust(width) for name, width in names)
        halves = zip(*(name.split("_") for name in Indices._fields), strict=True)
        return "\n".join(
            " ".join(
                half.rjust(width) for half, width in zip(line, self.index_columns, strict=True)
            )
            for line in halves
        )

    def start(self, actor: str, names: Mapping[str, str]) -> int:
        """The column at which the cell of `actor` begins."""
        at = list(names).index(actor)
        return self.step + _BAR + sum(width + _BAR for width in self.actors[:at])


def choose_layout(rows: Sequence[Row], names: Mapping[str, str], width: int) -> Layout:
    """The columns in which `rows` take the fewest lines of `width` columns."""
    needs = _Needs(rows, names)
    where = [min(needs.where, most) for most in _SOURCES] if width >= _WIDE else []
    for sources, short in ((where, (False, True)), ([0], (True,))):
        found = [
            layout._replace(actors=actors)
            for source in sources
            for heading in short
            for layout in (needs.columns(source, short=heading),)
            if width - layout.total >= min(sum(needs.actors), _LEAST_ACTORS)
            for actors in _splits(needs.actors, width - layout.total)
        ]
        if found:
            # Of equals the first: the widest source column, headings on one line.
            return _widened(min(found, key=needs.lines), rows, width)
    layout = needs.columns(0, short=True)._replace(index_columns=())
    return layout._replace(actors=_share(needs.actors, width - layout.total))


class _Needs:
    """What the rows of a timeline would like to have."""

    def __init__(self, rows: Sequence[Row], names: Mapping[str, str]) -> None:
        ops = [row for row in rows if row.kind is RowKind.OPS]
        self.step = max([len("step"), *(len(str(row.first)) for row in rows)])
        self.values = [
            max([1, *(len(str(getattr(row.indices, name))) for row in rows if name in row.shown)])
            for name in Indices._fields
        ]
        self.actors = tuple(
            max([cell_len(name), *(cell_len(row.text) for row in ops if row.actor == actor)])
            for actor, name in names.items()
        )
        self.where = max([len("where"), *(len(row.where) for row in ops)])
        order = list(names)
        self.sizes = Counter(
            (order.index(row.actor), cell_len(row.text), len(row.where)) for row in ops
        )

    def columns(self, where: int, *, short: bool) -> Layout:
        """All but the actors, whose columns are 0."""
        indices = tuple(max(value, 4 if short else 8) for value in self.values)
        return Layout(self.step, (0,) * len(self.actors), where, indices, short)

    def lines(self, layout: Layout) -> int:
        """About how many lines the ops take."""
        return sum(
            count
            * max(
                1,
                -(-text // layout.actors[actor]),
                -(-where // layout.where) if layout.where else 1,
            )
            for (actor, text, where), count in self.sizes.items()
        )


def _splits(wanted: tuple[int, ...], room: int) -> Iterator[tuple[int, ...]]:
    """Ways to divide `room` among the actors: as they want, or one held back for the others."""
    yield _share(wanted, room)
    for at, want in enumerate(wanted):
        for most in range(_LEAST_COLUMN, min(want, room), 2):
            yield _share((*wanted[:at], most, *wanted[at + 1 :]), room)


def _widened(layout: Layout, rows: Sequence[Row], width: int) -> Layout:
    """Room for the folds, which run over all columns but the first and the indices."""
    folds = [cell_len(row.text) for row in rows if row.kind is RowKind.FOLD]
    missing = min(max([0, *folds]) - layout.span, width - layout.total)
    if missing <= 0:
        return layout
    more = missing // len(layout.actors)
    first, *rest = (actor + more for actor in layout.actors)
    return layout._replace(actors=(first + missing - more * len(layout.actors), *rest))


def _share(wanted: tuple[int, ...], room: int) -> tuple[int, ...]:
    """Divide `room` among columns that would like to be `wanted` wide: the small ones first."""
    given = dict.fromkeys(range(len(wanted)), 0)
    left, open_ = max(room, len(wanted)), sorted(given, key=lambda at: (wanted[at], at))
    while open_:
        at = open_.pop(0)
        given[at] = max(1, min(wanted[at], left // (len(open_) + 1)))
        left -= given[at]
    return tuple(given[at] for at in range(len(wanted)))
