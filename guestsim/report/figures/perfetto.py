"""The execution as Trace Event Format JSON, which https://ui.perfetto.dev opens.

A microsecond there is one event here: at n µs begins event n, as the timeline counts them. No time
of a clock is in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from guestsim.report.explain import sentence
from guestsim.report.figures.movers import actors_of, buffer_name, buffers_of, turns_of
from guestsim.report.ring_history import Indices, Message, RingHistory, ring_history
from guestsim.report.rows import where
from guestsim.report.units import name_of, units
from guestsim.trace.results import Run
from guestsim.trace.text import escaped
from guestsim.trace.wire import WATCH_EVENT

__all__ = ["trace_events"]

_PROCESS = 1
_END = 1
"""The thread of the end, which nobody may have caused. Actors are numbered behind it."""

TraceEvent = dict[str, Any]


def trace_events(run: Run, names: Mapping[str, str], title: str = "") -> str:
    """`run` as JSON: a track for each actor, one slice for each run of its ops; tracks of requests,
    from the last byte of one to that of its reply; counters; broken rules and the end."""
    now = ring_history(run)
    actors = actors_of(run, names)
    threads = {actor: number for number, actor in enumerate(actors, start=_END + 1)}
    events = [
        *_metadata(title, actors, names),
        *_slices(run, names, threads),
        *_requests(run, now, len(actors) + _END + 1),
        *_counters(run, now, names),
        *_instants(run, names, threads),
    ]
    head = {
        "displayTimeUnit": "ms",
        "otherData": {"title": escaped(title), "end": _end(run, names)},
    }
    # One event a line: for people, and for diff.
    lines = ",\n".join(map(json.dumps, events))
    return f'{json.dumps(head)[:-1]}, "traceEvents": [\n{lines}\n]}}\n'


def _metadata(title: str, actors: tuple[str, ...], names: Mapping[str, str]) -> list[TraceEvent]:
    found = [_meta("process_name", 0, name=escaped(title) or "guestsim")]
    for number, name in enumerate(["end", *(name_of(actor, names) for actor in actors)], _END):
        found += [
            _meta("thread_name", number, name=name),
            _meta("thread_sort_index", number, sort_index=number),
        ]
    return found


def _meta(kind: str, thread: int, /, **args: str | int) -> TraceEvent:
    return {"ph": "M", "pid": _PROCESS, "tid": thread, "name": kind, "args": args}


def _slice(thread: int, name: str, first: int, end: int, /, **args: str | int) -> TraceEvent:
    return {
        "ph": "X",
        "pid": _PROCESS,
        "tid": thread,
        "name": name,
        "ts": first,
        "dur": end - first,
        "args": args,
    }


def _slices(run: Run, names: Mapping[str, str], threads: Mapping[str, int]) -> Iterator[TraceEvent]:
    reasons: dict[int, str] = {}
    mover = ""
    for turn, reason in zip(turns_of(run), run.reasons, strict=True):
        if turn.first < turn.end and turn.actor != mover:
            reasons[turn.first], mover = ("" if turn.drains else reason), turn.actor
    for unit in units(run.events, names, frozenset()):
        site = run.events[unit.first].op.site
        args = {"stage": escaped(site.stage), "where": escaped(where(site))}
        if reasons.get(unit.first):
            args["why it moves"] = escaped(reasons[unit.first])
        yield _slice(threads[unit.lane], unit.text, unit.first, unit.end, **args)


def _requests(run: Run, now: RingHistory, thread: int) -> Iterator[TraceEvent]:
    """Requests, each on the first track of theirs on which there is room."""
    free: list[int] = []
    for asked, end, answer in _answered(run, now):
        track = next((at for at, until in enumerate(free) if until <= asked.step), len(free))
        if track == len(free):
            free.append(0)
            name = "requests" if not track else f"requests {track + 1}"
            yield _meta("thread_name", thread + track, name=name)
            yield _meta("thread_sort_index", thread + track, sort_index=thread + track)
        free[track] = end
        args: dict[str, str | int] = {
            "req_id": asked.header.req_id,
            "tx_id": asked.header.tx_id,
            "reply": answer,
        }
        yield _slice(thread + track, asked.title, asked.step, end, **args)


def _answered(run: Run, now: RingHistory) -> list[tuple[Message, int, str]]:
    """Each request with the step of its reply's last byte and the reply; without one, the end."""
    found: list[tuple[Message, int, str]] = []
    open_ones: list[int] = []
    for message in now.messages:
        if message.ring == "req":
            open_ones.append(len(found))
            found.append((message, len(run.events), "none"))
        elif message.header.type != WATCH_EVENT:
            for at in open_ones:
                asked = found[at][0]
                if _answers(message, asked):
                    found[at] = (asked, message.step, message.words)
                    open_ones.remove(at)
                    break
    return found


def _answers(reply: Message, asked: Message) -> bool:
    here, there = reply.header, asked.header
    same = (here.req_id, here.tx_id) == (there.req_id, there.tx_id)
    return same and here.type in (there.type, "ERROR")


def _counters(run: Run, now: RingHistory, names: Mapping[str, str]) -> Iterator[TraceEvent]:
    for index in Indices._fields:
        last = None
        for step, after in enumerate(now.after or (now.initial,)):
            value = getattr(after, index)
            if value != last:
                yield _counter(index, step, value)
                last = value
    for actor, buffer in buffers_of(run).items():
        for step, count in buffer.waiting:
            yield _counter(buffer_name(actor, names), step, count, "stores")


def _counter(name: str, step: int, value: int, unit: str = "value") -> TraceEvent:
    return {"ph": "C", "pid": _PROCESS, "tid": 0, "name": name, "ts": step, "args": {unit: value}}


def _instants(
    run: Run, names: Mapping[str, str], threads: Mapping[str, int]
) -> Iterator[TraceEvent]:
    for violation in run.violations:
        here = 0 <= violation.step < len(run.events)
        step = violation.step if here else len(run.events)
        thread = threads[run.events[step].actor] if here else _END
        name = f"broken: {escaped(violation.rule)}"
        yield _instant(thread, name, step, message=escaped(violation.message))
    name = str(run.outcome or "inconclusive")
    yield _instant(_END, name, len(run.events), why=_end(run, names))


def _instant(thread: int, name: str, step: int, /, **args: str) -> TraceEvent:
    return {
        "ph": "i",
        "s": "t",
        "pid": _PROCESS,
        "tid": thread,
        "name": name,
        "ts": step,
        "args": args,
    }


def _end(run: Run, names: Mapping[str, str]) -> str:
    return f"{run.outcome or 'inconclusive'}: {sentence(run, names)}"
