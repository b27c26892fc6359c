"""Schedules as values and as files: `*.schedule.json`.

The format is meant to be read and edited by hand: one segment per line, the reason for each
switch next to it. Whoever edits the steps deletes `digests`; the replay then follows the steps
without comparing the trace.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec

from guestsim.errors import InputError
from guestsim.execute.digest import DIGEST_LENGTH, digests
from guestsim.files import MIB, read_text, write_file
from guestsim.trace import Outcome
from guestsim.trace.results import Run
from guestsim.trace.spelling import not_one_of
from guestsim.trace.text import escaped, printable, shorten

__all__ = [
    "SUFFIX",
    "VERSION",
    "Image",
    "Schedule",
    "Segment",
    "format_schedule",
    "load_schedule",
    "parse_schedule",
    "save_schedule",
    "schedule_of",
]

VERSION = 1
"""Of the format."""

SUFFIX = ".schedule.json"


class Image(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One image of the boot chain."""

    name: str
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Segment(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Consecutive steps of one actor. In the file: `[actor, steps]` or `[actor, steps, reason]`."""

    actor: str
    steps: Annotated[int, msgspec.Meta(ge=1)]
    """An atomic read-modify-write is one step."""
    reason: str = ""


class Schedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The order in which actors perform ops, and what is needed to replay it exactly."""

    version: int = VERSION
    guestsim: str = ""
    """The version that wrote it; information."""
    title: str = ""
    scenario: str = ""
    """Path or name of the scenario that it belongs to."""
    images: tuple[Image, ...] = ()
    """The boot chain, in its order."""
    requests: tuple[tuple[str, ...], ...] = ()
    """The requests of each image of the chain, where they are not those of the scenario."""
    memory_model: str = "sc"
    strategy: str = ""
    """What made it; information, as is the seed."""
    seed: int | None = None
    outcome: Outcome | None = None
    """None: not known, or the execution was cut short; not compared."""
    steps: tuple[Segment, ...]
    choices: tuple[Annotated[int, msgspec.Meta(ge=0)], ...] = ()
    """The answers of CHOOSE ops (which order the stores of a string instruction take), in the order
    of the execution; 0 where there are no more."""
    digests: tuple[Annotated[str, msgspec.Meta(pattern=f"^[0-9a-f]{{{DIGEST_LENGTH}}}$")], ...] = ()
    """One for each segment (`guestsim.execute.digest`), or none: then the trace is not compared."""


def schedule_of(
    run: Run,
    *,
    scenario: str,
    images: Sequence[Image],
    strategy: str,
    seed: int | None = None,
    title: str = "",
    guestsim: str = "",
) -> Schedule:
    """The schedule of `run`. Without a recorded trace it has no digests."""
    return Schedule(
        guestsim=guestsim,
        title=title,
        scenario=scenario,
        images=tuple(images),
        strategy=strategy,
        seed=seed,
        outcome=run.outcome,
        steps=tuple(
            Segment(actor, count, reason)
            for (actor, count), reason in zip(run.steps, run.reasons, strict=True)
        ),
        choices=run.choices,
        digests=digests(run) if run.events else (),
    )


def format_schedule(schedule: Schedule) -> str:
    """The text of a schedule file: the same for equal schedules."""
    lines = []
    for key in Schedule.__struct_fields__:
        value = msgspec.to_builtins(getattr(schedule, key))
        if key == "steps":
            # The reason is optional in the file.
            value = [segment[:2] if not segment[2] else segment for segment in value]
        if key in ("choices", "digests", "requests") and not value:
            continue
        text = json.dumps(value) if key == "choices" else _lines(value)
        lines.append(f"  {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _lines(value: Any) -> str:
    if not isinstance(value, list | tuple) or not value:
        return json.dumps(value, ensure_ascii=False)
    items = ",\n".join(f"    {json.dumps(item, ensure_ascii=False)}" for item in value)
    return f"[\n{items}\n  ]"


def save_schedule(schedule: Schedule, path: Path) -> None:
    """Write a schedule file, all of it or none; InputError where that cannot be."""
    write_file(path, format_schedule(schedule).encode())


def load_schedule(path: Path) -> Schedule:
    """Read a schedule file; an `InputError` names the file and the key."""
    return parse_schedule(read_text(path, 64 * MIB, "schedule"), escaped(str(path)))


def parse_schedule(text: str, name: str) -> Schedule:
    """Parse the text of a schedule file; errors call it `name`."""
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{name}: line {error.lineno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise InputError(f"{name}: not a schedule: nested too deeply") from None
    except ValueError:
        # Python refuses to convert integers of thousands of digits.
        raise InputError(f"{name}: not a schedule: an integer in it is huge") from None
    if not isinstance(raw, dict):
        raise InputError(f"{name}: not a schedule: expected an object")
    # First, because another version may have other keys.
    version = raw.get("version", VERSION)
    if version != VERSION:
        other = printable(repr(version))
        raise InputError(f"{name}: version: this guestsim reads {VERSION}, not {other}")
    for key in raw:
        if key not in Schedule.__struct_fields__:
            wrong = not_one_of(key, Schedule.__struct_fields__)
            raise InputError(f"{name}: unknown key: {wrong}")
    try:
        schedule = msgspec.convert(raw, Schedule)
    except msgspec.ValidationError as error:
        raise InputError(f"{name}: {_words(str(error))}") from None
    except UnicodeEncodeError:
        raise InputError(
            f"{name}: half a character (a lone surrogate) where a word stands"
        ) from None
    if not schedule.steps:
        raise InputError(f"{name}: steps: at least one segment is needed")
    if schedule.digests and len(schedule.digests) != len(schedule.steps):
        raise InputError(
            f"{name}: digests: {len(schedule.digests)} for {len(schedule.steps)} segments; "
            "delete the key to replay edited steps"
        )
    return schedule


_LONGEST = 160
"""Characters of a message that repeats what stands in the file."""


def _words(error: str) -> str:
    """msgspec's "Expected … - at `$.steps[0]`" with the key in front."""
    message, at, where = escaped(error).partition(" - at `$")
    key = where.rstrip("`").lstrip(".")
    text = f"{message[0].lower()}{message[1:]}" if at and key else error
    text = shorten(text, _LONGEST)
    return f"{shorten(key, _LONGEST)}: {text}" if at and key else text
