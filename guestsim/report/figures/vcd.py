"""The fields of shared memory as waveforms: a value change dump, for GTKWave and the like.

Time is the number of the event, as the timeline counts them: at time n stand the values that event
n leaves. At time 0, too: what stood there before the first event is not shown where it differs.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

from vcd import VCDWriter
from vcd.common import VarType

from guestsim import __version__
from guestsim.report.figures.movers import turns_of
from guestsim.report.text import asciify
from guestsim.report.units import name_of
from guestsim.trace import Kind, shared
from guestsim.trace.effects import apply
from guestsim.trace.memory_model import DRAIN
from guestsim.trace.results import Run
from guestsim.trace.text import escaped

__all__ = ["value_change_dump"]

_RING = (
    "req_cons",
    "req_prod",
    "rsp_cons",
    "rsp_prod",
    "server_features",
    "connection",
    "error",
)
_PENDING = {"guest_pending": "evtchn_pending", "server_pending": "server_pending"}
"""The guest has one event channel: any bit is its bit."""
_NOBODY = "-"


def value_change_dump(run: Run, names: Mapping[str, str], title: str = "") -> str:
    """`run` as a value change dump.

    Scope `ring`: the four indices and the other fields of the ring page, 32 bits each. Scope
    `events`: one bit for each side of the event channel, who moves, and the rule that is broken at
    this event (both as strings, which GTKWave and Surfer show); where others ask the daemon, who
    asks what.
    """
    out = io.StringIO()
    with VCDWriter(
        out,
        timescale="1 us",
        date="none, time is the number of the event",
        comment=_plain(title) or "one execution",
        version=f"guestsim {__version__}",
    ) as writer:
        places = {name: (first, end - first) for name, first, end in shared.fields()}
        memory = bytearray(run.initial)
        watched = []
        for name in _RING:
            variable = writer.register_var(
                "ring", name, VarType.wire, size=32, init=shared.load(memory, *places[name])
            )
            watched.append((variable, *places[name], False))
        for name, field in _PENDING.items():
            bit = int(any(_bytes(memory, *places[field])))
            variable = writer.register_var("events", name, VarType.wire, size=1, init=bit)
            watched.append((variable, *places[field], True))
        moves = writer.register_var("events", "moves", VarType.string, init=_NOBODY)
        broken = writer.register_var("events", "broken", VarType.string, init=_NOBODY)
        movers = {
            turn.first: _plain(name_of(turn.actor, names)) + (DRAIN if turn.drains else "")
            for turn in turns_of(run)
            if turn.first < turn.end
        }
        acts = [event.op.kind is Kind.ACT for event in run.events]
        asks = (
            writer.register_var("events", "asks", VarType.string, init=_NOBODY)
            if any(acts)
            else None
        )
        rules: dict[int, list[str]] = {}
        for violation in run.violations:
            rules.setdefault(violation.step, []).append(violation.rule)
        for step, event in enumerate(run.events):
            if step in movers:
                writer.change(moves, step, movers[step])
            writer.change(broken, step, _plain("+".join(rules.get(step, ()))) or _NOBODY)
            if asks is not None:
                who = f"{event.op.site.stage}: {event.op.note}" if acts[step] else _NOBODY
                writer.change(asks, step, _plain(who))
            if not apply(memory, event.op):
                continue
            for variable, first, size, bit_only in watched:
                value = int.from_bytes(_bytes(memory, first, size), "little")
                writer.change(variable, step, int(value != 0) if bit_only else value)
        # One event more, so that the last one has a width.
        writer.change(moves, len(run.events), _NOBODY)
        writer.change(broken, len(run.events), _NOBODY)
        if asks is not None:
            writer.change(asks, len(run.events), _NOBODY)
        writer.close(len(run.events))
    return out.getvalue()


def _bytes(memory: bytearray, first: int, size: int) -> bytes:
    return bytes(memory[first : first + size])


def _plain(text: str) -> str:
    """In ASCII, and without what would end a section of the header."""
    return asciify(escaped(text)).replace("$", "\\x24")
