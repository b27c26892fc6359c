"""A page's content as JSON: columns of small numbers, which deflate well, and tables of what they
name.

Ops are kept once each. Integers that a reader of JSON may round (above 2^53) are hexadecimal
strings.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Hashable
from typing import Any, Generic, TypeVar

import msgspec

from guestsim import __version__
from guestsim.abi.xs_wire import XENSTORE_PAYLOAD_MAX, XsdSockmsgType
from guestsim.page.content import Content, Way
from guestsim.record import END, Record
from guestsim.report.rows import where
from guestsim.report.units import FEATURES
from guestsim.trace import End, Event, Kind, Op, Site
from guestsim.trace.shared import MASK, PENDING, SELECTOR, SERVER, UPCALL_PENDING, fields
from guestsim.trace.wire import INDICES, RING_ERRORS

__all__ = ["VERSION", "deflated", "to_json"]

VERSION = 1
"""Of the format. A page carries the program that reads it, so no other program has to."""

_EXACT = 1 << 53

T = TypeVar("T", bound=Hashable)


class _Table(Generic[T]):
    """Values, each once, by number."""

    def __init__(self) -> None:
        self.numbers: dict[T, int] = {}

    def __call__(self, value: T) -> int:
        return self.numbers.setdefault(value, len(self.numbers))

    def values(self) -> list[T]:
        """In their order."""
        return list(self.numbers)


def _number(value: int) -> int | str:
    return value if value < _EXACT else f"{value:#x}"


class _Encoder:
    def __init__(self, content: Content) -> None:
        self.content = content
        self.names = [record.name for record in content.records]
        self.ops: _Table[Op] = _Table()
        self.sites: _Table[Site] = _Table()
        self.notes: _Table[str] = _Table()
        self.ends: _Table[End] = _Table()
        self.notes("")

    def page(self) -> dict[str, Any]:
        content = self.content
        actors = [self.actor(record) for record in content.records]
        begun = content.begun
        return {
            "version": VERSION,
            "guestsim": __version__,
            "name": content.name,
            "title": content.title,
            "story": content.story,
            "scenario": content.scenario,
            "images": [[name, digest] for name, digest in content.images.items()],
            "memoryModel": content.memory_model,
            "storeBuffer": content.store_buffer if content.memory_model == "tso" else 0,
            "memory": content.memory.hex(),
            "unheeded": [[start, end] for name, start, end in fields() if name in content.unheeded],
            "layout": _layout(),
            "actors": actors,
            # Who else has a lane: behind the actors, they ask the daemon.
            "others": [name for name in content.labels if name not in self.names],
            "begun": {
                "steps": begun.steps,
                "choices": begun.choices,
                "events": [self.event(event) for event in begun.events],
            },
            "whole": content.whole,
            "whyNotWhole": content.why_not_whole,
            "expected": dict(content.expected),
            "found": [str(outcome) for outcome in content.found],
            "states": content.states,
            "transitions": content.transitions,
            "certificate": msgspec.to_builtins(content.certificate),
            "ways": [_way(way) for way in content.ways],
            # Last, because what is above fills them.
            "ops": self.columns(),
            "ends": [self.end(end) for end in self.ends.values()],
            "sites": [self.site(site) for site in self.sites.values()],
            "notes": self.notes.values(),
        }

    def actor(self, record: Record) -> dict[str, Any]:
        texts: _Table[str] = _Table()
        texts("")
        standings = self.content.standings.get(record.name, {})
        return {
            "name": record.name,
            "label": self.content.labels.get(record.name, record.name),
            "first": record.first,
            "op": [self.ops(op) for op in record.ops],
            "next": [-1 if then == END else then for then in record.following],
            "answers": [
                [node, *(each for pair in answers.items() for each in (_number(pair[0]), pair[1]))]
                for node, answers in enumerate(record.answers)
                if answers is not None
            ],
            "standing": [[node, texts(text)] for node, text in sorted(standings.items()) if text],
            "standings": texts.values(),
        }

    def event(self, event: Event) -> tuple[int, int, int | str]:
        return self.names.index(event.actor), self.ops(event.op), _number(event.value)

    def columns(self) -> dict[str, list[Any]]:
        ops = self.ops.values()
        return {
            "kind": [int(op.kind) for op in ops],
            "address": [op.address for op in ops],
            "size": [op.size for op in ops],
            "value": [_number(op.value) for op in ops],
            "flags": [int(op.flags) for op in ops],
            "site": [self.sites(op.site) for op in ops],
            "note": [self.notes(op.note) for op in ops],
            "end": [
                -1 if op.kind is not Kind.HALT or op.end is None else self.ends(op.end)
                for op in ops
            ],
        }

    def end(self, end: End) -> dict[str, Any]:
        return {
            "outcome": None if end.outcome is None else str(end.outcome),
            "message": end.message,
            "site": self.sites(end.site),
            "samples": [[sample.place, sample.value] for sample in end.samples],
            "unanswered": end.unanswered,
        }

    def site(self, site: Site) -> list[str]:
        """Stage, where, text of the line."""
        text = self.content.sources.get((site.stage, site.file, site.line), "")
        return [site.stage, where(site) or site.stage, text]


def _layout() -> dict[str, Any]:
    """Where things are in shared memory, and how people call them: for the page's program."""
    return {
        "fields": fields(),
        "indices": {name: int(address) for name, address in INDICES.items()},
        "pending": PENDING,
        "mask": MASK,
        "selector": SELECTOR,
        "upcall": UPCALL_PENDING,
        "server": SERVER,
        "types": {
            int(member): member.name.removeprefix("XS_")
            for member in XsdSockmsgType
            if member is not XsdSockmsgType.XS_INVALID
        },
        "payloadMax": XENSTORE_PAYLOAD_MAX,
        "errors": list(RING_ERRORS.values()),
        "features": FEATURES,
    }


def _way(way: Way) -> dict[str, Any]:
    return {
        "title": way.title,
        "outcome": None if way.outcome is None else str(way.outcome),
        "steps": way.steps,
        "choices": way.choices,
        "sentence": way.sentence,
    }


def to_json(content: Content) -> bytes:
    """All of it, as the page's program reads it."""
    return msgspec.json.encode(_Encoder(content).page())


def deflated(data: bytes) -> str:
    """zlib's format, as base64: what a script element can hold."""
    return base64.b64encode(zlib.compress(data, 9)).decode()
