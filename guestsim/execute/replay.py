"""Replaying a schedule: exact, or refused with the place where it does not fit."""

from __future__ import annotations

from collections.abc import Sequence

from guestsim.errors import InternalError, ReplayError
from guestsim.execute.digest import Digest
from guestsim.execute.execution import Chooser, Execution
from guestsim.execute.schedule import Image, Schedule, Segment
from guestsim.execute.strategies import Strategy
from guestsim.trace import Event, Flag, Kind, Op, is_yield
from guestsim.trace.shared import place
from guestsim.trace.spelling import not_one_of

__all__ = ["check_images", "describe", "replay"]

_SHOWN = 3
"""Events that a message quotes."""


def check_images(schedule: Schedule, images: Sequence[Image]) -> None:
    """Refuse a schedule that was recorded with another boot chain."""
    if len(images) != len(schedule.images):
        theirs = ", ".join(image.name for image in schedule.images) or "none"
        ours = ", ".join(image.name for image in images) or "none"
        raise ReplayError(f"images: the schedule is for the chain {theirs}; this one is {ours}")
    for recorded, image in zip(schedule.images, images, strict=True):
        if recorded.name != image.name:
            raise ReplayError(f"images: the schedule has {recorded.name} where {image.name} is now")
        if recorded.sha256 != image.sha256:
            raise ReplayError(
                f"image {image.name} has changed: the schedule was recorded with SHA-256 "
                f"{recorded.sha256}, this one has {image.sha256}"
            )


def replay(schedule: Schedule, images: Sequence[Image]) -> Strategy:
    """Follow `schedule` to the letter. `ReplayError` where that is not possible.

    Compared are the images (at once), the memory model, who can move at each step, whether there is
    what each choice names, the digest of the trace after each segment, where the schedule has
    digests (then the execution must record), and the outcome, where it has one. A schedule without
    an outcome may stop before the end; one with an outcome may not.
    """
    check_images(schedule, images)

    def follow(execution: Execution) -> None:
        model = execution.memory_model
        if schedule.memory_model != model:
            raise ReplayError(
                f"memory_model: {schedule.memory_model!r} cannot be replayed in an execution of "
                f"{model!r}"
            )
        if schedule.digests and not execution.recording:
            raise InternalError("comparing digests needs an execution that records its events")
        digest = Digest()
        execution.choose = _answers(schedule.choices, execution)
        for number, segment in enumerate(schedule.steps, 1):
            first, before = execution.steps + 1, len(execution.events)
            _follow_segment(execution, schedule, number, segment)
            if not schedule.digests:
                continue
            events = execution.events[before:]
            if digest.add(events) != schedule.digests[number - 1]:
                shown = ", ".join(map(describe, events[:_SHOWN]))
                raise ReplayError(
                    f"segment {number} (steps {first} to {execution.steps}, {segment.actor}): the "
                    f"trace is not the recorded one; it begins with {shown}"
                )
        if len(execution.choices) < len(schedule.choices):
            raise ReplayError(
                f"choices: the schedule has {len(schedule.choices)}, the execution made "
                f"{len(execution.choices)} by the end of the schedule"
            )
        if schedule.outcome is None:
            return
        if execution.end is None:
            raise ReplayError(
                f"the schedule ends after step {execution.steps}, but the execution does not: "
                f"{execution.situation()}; the outcome should be {schedule.outcome}"
            )
        if execution.outcome is not schedule.outcome:
            raise ReplayError(
                f"the execution ended {_outcome(execution)} at step {execution.steps}; the "
                f"schedule says {schedule.outcome}"
            )

    return follow


def describe(event: Event) -> str:
    """An event in a few words: `load req_cons = 22`."""
    op = event.op
    if is_yield(op):
        return "yield"
    words = [op.kind.name.lower()]
    if op.size:
        words.append(place(op.address, op.size))
    if op.kind is Kind.ACT:
        words.append(f"{op.site.stage}: {op.note}")
    elif op.kind is Kind.CHOOSE:
        words.append(f"{event.value} of 0..{op.value - 1}")
    elif op.kind in (Kind.LOAD, Kind.STORE, Kind.RMW):
        words.append(f"= {event.value:#x}" if event.value > 0xFFFF else f"= {event.value}")
    elif op.kind is Kind.WAIT and not (event.value or op.flags & Flag.POLL):
        words.append("(spurious end)")
    return " ".join(words)


def _answers(choices: Sequence[int], execution: Execution) -> Chooser:
    def choose(op: Op) -> int:
        at = len(execution.choices)
        answer = choices[at] if at < len(choices) else 0
        if answer >= op.value:
            raise ReplayError(
                f"choices[{at}] (step {execution.steps}): {answer}, but there are only {op.value} "
                "to choose from, counted from 0"
            )
        return answer

    return choose


def _follow_segment(
    execution: Execution, schedule: Schedule, number: int, segment: Segment
) -> None:
    actor = execution.index(segment.actor)
    if actor is None:
        raise ReplayError(f"segment {number}: {not_one_of(segment.actor, execution.names)}")
    done = execution.run_steps(actor, segment.steps, segment.reason or "schedule")
    if done == segment.steps:
        return
    if execution.end is not None:
        raise _ended_early(execution, schedule, number, done)
    op = execution.peek(actor)
    raise ReplayError(
        f"step {execution.steps + 1} (segment {number}): the schedule moves {segment.actor}, but "
        f"it waits for {place(op.address, op.size)}"
    )


def _ended_early(execution: Execution, schedule: Schedule, number: int, done: int) -> ReplayError:
    assert execution.end is not None
    left = sum(segment.steps for segment in schedule.steps[number - 1 :]) - done
    return ReplayError(
        f"the execution ended {_outcome(execution)} at step {execution.steps}, but the schedule "
        f"has {left} steps left (segment {number}): {execution.end.message}"
    )


def _outcome(execution: Execution) -> str:
    return str(execution.outcome) if execution.outcome else "without an outcome"
