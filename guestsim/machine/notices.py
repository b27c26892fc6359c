"""What a guest asked for and this machine does not provide, and what else is odd about it."""

from __future__ import annotations

from typing import NamedTuple

from guestsim.trace.ops import Site

__all__ = ["Notice", "Notices"]


class Notice(NamedTuple):
    """One thing, asked for at one place; not said twice."""

    what: str
    """`hypercall 55`, `port 0x1234 (in, 1 byte)`… Without an answer, a whole clause."""
    answer: str
    """What it got instead: `ENOSYS`, `all ones`… Empty where nothing was asked for."""
    site: Site
    """Where in the guest's program."""

    def __str__(self) -> str:
        if not self.answer:
            return self.what
        line = f", {self.site}" if self.site.function or self.site.file else ""
        where = f" (asked for at {self.site.pc:#x} in {self.site.stage}{line})"
        return f"{self.what} is not provided: {self.answer}{where}"


class _Access(NamedTuple):
    """What accesses have in common that are one notice: one instruction of a loop, most often."""

    what: str
    verb: str
    size: int
    answer: str
    site: Site


class _Seen(NamedTuple):
    places: set[int]
    values: set[int]


class Notices:
    """Collects them, in the order of asking."""

    def __init__(self) -> None:
        self._found: dict[Notice | _Access, _Seen] = {}

    def add(self, what: str, answer: str, site: Site) -> None:
        """One thing that was asked for."""
        self._found.setdefault(Notice(what, answer, site), _Seen(set(), set()))

    def remark(self, clause: str, site: Site) -> None:
        """Something odd that nobody asked for."""
        self.add(clause, "", site)

    def access(
        self,
        what: str,
        verb: str,
        place: int,
        size: int,
        answer: str,
        site: Site,
        value: int | None = None,
    ) -> None:
        """An access to a `port` or a `device`. All that one instruction does in the same way, at
        any places and with any values, is one notice."""
        seen = self._found.setdefault(_Access(what, verb, size, answer, site), _Seen(set(), set()))
        seen.places.add(place)
        if value is not None:
            seen.values.add(value)

    def all(self) -> tuple[Notice, ...]:
        """What was collected so far."""
        return tuple(
            Notice(_words(key, seen), key.answer, key.site) if isinstance(key, _Access) else key
            for key, seen in self._found.items()
        )


def _words(access: _Access, seen: _Seen) -> str:
    """`port 0x99 (out, 1 byte, 0x77)`, `a device at 0xfed90000..0xfed90730 (store, 4 bytes
    each, 461 places)`."""
    first, last = min(seen.places), max(seen.places)
    many = len(seen.places) > 1
    what = "a device at"
    if access.what == "port":
        what = "ports" if many else "port"
    where = f"{first:#x}..{last:#x}" if many else f"{first:#x}"
    size = f"{access.size} byte{'s' if access.size > 1 else ''}"
    parts = [access.verb, f"{size} each" if many or len(seen.values) > 1 else size]
    if many:
        parts.append(f"{len(seen.places)} places")
    if len(seen.values) > 1:
        parts.append(f"{len(seen.values)} values")
    else:
        parts += [f"{value:#x}" for value in seen.values]
    return f"{what} {where} ({', '.join(parts)})"
