"""Records in a file: what every actor of a search does, whichever way memory goes.

One JSON object: `version`, `images` (name -> SHA-256), `memory` (hexadecimal, as it is where the
records begin), and for each actor its `name`, `first` node and `nodes`. A node has `op`, and
`next`, or `answers` (pairs of a value and a node). Values are decimal strings: other readers have
no integers of 64 bits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from guestsim.errors import InputError
from guestsim.files import MIB, read_file, write_file
from guestsim.record.record import END, Record
from guestsim.trace import Flag, Kind, Op
from guestsim.trace.ops import NOWHERE, End, Site
from guestsim.trace.text import escaped, printable

__all__ = ["VERSION", "Recording", "load_recording", "save_recording"]

VERSION = 1

_DECIMAL = re.compile(r"[0-9]{1,2500}")
"""As many digits as a kilobyte has, the largest store of a string instruction."""


class _Op(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    kind: int
    address: int = 0
    size: int = 0
    value: str = "0"
    flags: int = 0
    site: Site = NOWHERE
    note: str = ""
    end: End | None = None


class _Node(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    op: _Op
    next: int | None = None
    answers: tuple[tuple[str, int], ...] | None = None


class _Actor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    first: int
    nodes: tuple[_Node, ...]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    images: dict[str, str]
    memory: str
    actors: tuple[_Actor, ...]


class Recording(msgspec.Struct, frozen=True):
    """The records of all actors, and what they belong to."""

    images: dict[str, str]
    """Of the boot chain: name -> SHA-256."""
    memory: bytes
    """Shared memory where the records begin."""
    records: tuple[Record, ...]


def save_recording(
    path: Path, records: Sequence[Record], memory: bytes, images: Mapping[str, str]
) -> None:
    """Write a file, all of it or none; InputError where that cannot be."""
    actors = tuple(_Actor(record.name, record.first, tuple(_nodes(record))) for record in records)
    file = _File(VERSION, dict(images), memory.hex(), actors)
    write_file(path, msgspec.json.encode(file))


def load_recording(path: Path, images: Mapping[str, str]) -> Recording:
    """Read a file. An InputError names it: unreadable, of another version, or recorded with other
    images than `images`."""
    here = escaped(str(path))
    raw = read_file(path, 64 * MIB, "recording")
    try:
        file = msgspec.json.decode(raw, type=_File)
        if file.version != VERSION:
            raise InputError(f"{here}: version: this guestsim reads {VERSION}, not {file.version}")
        recording = Recording(
            file.images, bytes.fromhex(file.memory), tuple(map(_record, file.actors))
        )
    except (ValueError, RecursionError) as error:
        raise InputError(f"{here}: not a recording: {printable(str(error))}") from None
    if list(file.images) != list(images):
        theirs, ours = (", ".join(names) or "none" for names in (file.images, images))
        theirs = printable(theirs)
        raise InputError(f"{here}: recorded with the images {theirs}; here they are {ours}")
    for name, digest in images.items():
        if file.images[name] != digest:
            raise InputError(
                f"{here}: image {name} has changed: recorded with SHA-256 "
                f"{printable(file.images[name])}, "
                f"this one has {digest}"
            )
    return recording


def _nodes(record: Record) -> list[_Node]:
    nodes = []
    for op, following, answers in zip(record.ops, record.following, record.answers, strict=True):
        saved = _Op(
            int(op.kind),
            op.address,
            op.size,
            str(op.value),
            int(op.flags),
            op.site,
            op.note,
            op.end,
        )
        pairs = (
            None if answers is None else tuple((str(value), to) for value, to in answers.items())
        )
        nodes.append(_Node(saved, None if following == END else following, pairs))
    return nodes


def _number(text: str) -> int:
    if _DECIMAL.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no decimal number")
    return int(text)


def _record(actor: _Actor) -> Record:
    record = Record(actor.name)
    record.first = actor.first
    count = len(actor.nodes)
    for node in actor.nodes:
        op = node.op
        record.ops.append(
            Op(
                Kind(op.kind),
                op.address,
                op.size,
                _number(op.value),
                op.site,
                Flag(op.flags),
                op.note,
                op.end,
            )
        )
        record.following.append(END if node.next is None else node.next)
        answers = (
            None if node.answers is None else {_number(value): to for value, to in node.answers}
        )
        record.answers.append(answers)
        leads = [*([] if node.next is None else [node.next]), *(answers or {}).values()]
        if not all(0 <= to < count for to in leads):
            raise ValueError(f"{actor.name}: a node that is not there")
    if not 0 <= actor.first < count:
        raise ValueError(f"{actor.name}: a node that is not there")
    return record
