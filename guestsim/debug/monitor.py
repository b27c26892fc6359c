"""GDB's `monitor` commands: what the guest shares, where the schedule is, and moving the daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from guestsim.abi.xs_wire import XENSTORE_RING_SIZE, Interface
from guestsim.debug.course import DAEMON
from guestsim.debug.timeline import Timeline
from guestsim.errors import InputError
from guestsim.execute import TsoExecution
from guestsim.execute.replay import describe
from guestsim.trace import Op, Site, is_yield, shared
from guestsim.trace.events import Matcher, parse_event
from guestsim.trace.memory_model import DRAIN
from guestsim.trace.spelling import hint
from guestsim.trace.text import escaped, printable
from guestsim.xenstore import Store

__all__ = ["Monitor", "Stage"]

HELP = """\
monitor ring                  the ring page: indices, bytes in both rings, connection, error
monitor schedule              where in the execution this is, what came last, who moves next
monitor store [PATH]          the daemon's store
monitor stages                the boot chain, and where the symbols of each stage are
monitor console               what the guest has printed
monitor daemon [N]            one step of the daemon now, or N
monitor daemon until EVENT    the daemon moves until it has done that: until store rsp_prod
monitor drain [N]             tso: the guest's oldest store leaves its store buffer
monitor witness               forget what was moved by hand, and follow the witness again
"""
_WORDS = ("ring", "schedule", "store", "stages", "console", "daemon", "drain", "witness", "help")
_LATEST = 6
"""Events that `schedule` shows."""
_AHEAD = 4
"""Movers that it shows."""
_MOST = 1000
"""Steps of one `daemon until`."""
_TOLD = 20
"""Steps that are shown of many."""
_STORES = 8
"""Of a store buffer that are shown."""
_BYTES = 64
"""Of a ring that are shown."""


class Stage(NamedTuple):
    """One of the boot chain."""

    name: str
    symbols: str
    """The file of its symbols."""


class Monitor:
    """Answers to `monitor`, in lines."""

    def __init__(
        self,
        timeline: Timeline,
        stages: Sequence[Stage],
        names: Mapping[str, str],
        place: Callable[[Site], Site],
    ) -> None:
        """`names`: what people call the actors. `place`: fills in function and line."""
        self._timeline = timeline
        self._course = timeline.course
        self._stages = tuple(stages)
        self._names = names
        self._place = place

    def answer(self, line: str) -> str:
        """What is printed."""
        word, *rest = line.split() or ["help"]
        try:
            return "".join(f"{each}\n" for each in self._answer(word, rest))
        except InputError as error:
            return f"{error}\n"

    def stage(self, number: int) -> str:
        """A stage begins, or is come back to."""
        name, symbols = self._stages[number]
        return f"stage {name} now; its symbols: symbol-file {symbols}\n"

    def end(self) -> str:
        """How the execution has ended."""
        execution = self._course.execution
        if execution.end is None:
            return ""
        actor = execution.result().actor
        by = f" ({self._called(actor)})" if actor else ""
        return f"{execution.outcome or 'inconclusive'}{by}: {escaped(execution.end.message)}\n"

    def _answer(self, word: str, rest: list[str]) -> Iterator[str]:
        match word, rest:
            case "help", _:
                yield HELP.rstrip()
            case "ring", []:
                yield from self._ring()
            case "schedule", []:
                yield from self._schedule()
            case "store", [] | [_]:
                yield from self._store(*rest)
            case "stages", []:
                now = self._timeline.stage
                for number, (name, symbols) in enumerate(self._stages):
                    yield f"{'*' if number == now else ' '} {name}: symbol-file {symbols}"
            case "console", []:
                yield self._timeline.stepper.guest.console.rstrip()
            case "daemon", ["until", *event]:
                yield from self._move(DAEMON, _MOST, parse_event(" ".join(event)))
            case "daemon" | "drain", [] | [_]:
                mover = DAEMON if word == "daemon" else self._drain()
                yield from self._move(mover, _number(rest[0]) if rest else 1)
            case "witness", []:
                yield from self._witness()
            case _:
                said = printable(" ".join(("monitor", word, *rest)))
                near = "" if word in _WORDS else hint(word, _WORDS)
                raise InputError(f"{said}: no such command{near}; monitor help lists them")

    # -- looking --------------------------------------------------------------------------------

    def _ring(self) -> Iterator[str]:
        memory = self._course.execution.memory

        def word(field: Interface) -> int:
            return shared.load(memory, shared.RING + field, 4)

        for name, first, cons, prod in (
            ("req", Interface.REQ, word(Interface.REQ_CONS), word(Interface.REQ_PROD)),
            ("rsp", Interface.RSP, word(Interface.RSP_CONS), word(Interface.RSP_PROD)),
        ):
            waiting = (prod - cons) % (1 << 32)
            line = f"{name}_cons = {cons}, {name}_prod = {prod}: "
            if waiting > XENSTORE_RING_SIZE:
                difference = waiting - (1 << 32) if waiting >> 31 else waiting
                yield f"{line}{difference} bytes, which cannot be"
                continue
            data = bytes(
                memory[first + (cons + at) % XENSTORE_RING_SIZE]
                for at in range(min(waiting, _BYTES))
            )
            more = " ..." if waiting > _BYTES else ""
            yield f"{line}{waiting} bytes{': ' if data else ''}{_shown(data)}{more}"
        for field in (Interface.SERVER_FEATURES, Interface.CONNECTION, Interface.ERROR):
            yield f"{field.name.lower()} = {word(field)}"
        yield f"event pending: guest {self._pending()}, daemon {memory[shared.SERVER] & 1}"
        for name, stores in self._buffers():
            yield f"not in memory yet, in the store buffer of {name}: {', '.join(stores)}"

    def _pending(self) -> int:
        first, size = shared.PENDING, 128
        return int(any(self._course.execution.memory[first : first + size]))

    def _buffers(self) -> Iterator[tuple[str, list[str]]]:
        execution = self._course.execution
        if isinstance(execution, TsoExecution):
            for number, actor in enumerate(execution.actors):
                buffered = execution.buffered(number)
                stores = [_op(op, op.value) for op in buffered[:_STORES]]
                if len(buffered) > _STORES:
                    stores.append(f"and {len(buffered) - _STORES} more")
                if stores:
                    yield self._called(actor.name), stores

    def _schedule(self) -> Iterator[str]:
        course = self._course
        execution = course.execution
        planned = sum(count for _, count in course.plan.steps)
        step = execution.steps
        if course.departed is not None and step > course.departed:
            yield f"step {step}; the witness was left at step {course.departed}"
        else:
            yield f"step {step} of the {planned} of the witness"
        for event in execution.events[-_LATEST:]:
            yield f"  {self._called(event.actor)}: {describe(event)}{self._at(event.op.site)}"
        if execution.end is not None:
            yield self.end().rstrip()
            return
        for number, name in enumerate(execution.names):
            if number < len(execution.actors):
                op = execution.peek(number)
                waits = "" if execution.enabled(number) else ", and cannot"
                yield f"next of {self._called(name)}: {_op(op)}{waits}{self._at(op.site)}"
        yield f"who moves next: {', '.join(self._ahead())}"

    def _ahead(self) -> Iterator[str]:
        ahead = self._course.planned()
        if not ahead:
            yield "the guest as long as it can, then everybody in turn"
            return
        for name, count in ahead[:_AHEAD]:
            yield f"{self._called(name)} {count} step{'s' if count > 1 else ''}"
        if len(ahead) > _AHEAD:
            yield "..."

    def _store(self, path: str = "/") -> Iterator[str]:
        store: Store = self._course.daemon.state.server.store
        if store.get(path) is None:
            raise InputError(f"{printable(path)}: no such node")
        for each, node in store.descend(path):
            if each != "/":
                yield f'{escaped(each)} = "{_shown(node.value)}"'

    # -- moving ---------------------------------------------------------------------------------

    def _drain(self) -> int:
        mover = self._course.execution.index(self._timeline.stepper.name + DRAIN)
        if mover is None:
            raise InputError("under sc there are no store buffers")
        return mover

    def _move(self, mover: int, count: int, until: Matcher | None = None) -> Iterator[str]:
        """Steps by hand: so many, or up to an event; fewer where they lead nowhere."""
        timeline, execution = self._timeline, self._course.execution
        was, told, why = self._course.departed, list[str](), ""
        while len(told) < count:
            word = 0 if until is None else until.word(execution.memory)
            if execution.idle(mover):
                why = "goes round, and nothing changes until somebody else moves"
                break
            self._empty_buffer(mover)
            event = timeline.move(mover)
            if event is None:
                why = "cannot move now"
                break
            self._empty_buffer(mover)
            told.append(f"{self._called(event.actor)}: {describe(event)}{self._at(event.op.site)}")
            if until is not None and until.matches(event, execution.memory, word):
                break
        if len(told) > _TOLD:
            yield f"{len(told) - _TOLD} steps, and then"
        yield from told[-_TOLD:]
        if execution.end is not None:
            yield self.end().rstrip()
        elif why:
            yield f"{self._called(execution.names[mover])} {why}"
        elif until is not None and len(told) == count:
            yield f"{count} steps, and it has not done that"
        if was is None and self._course.departed is not None:
            yield f"this is not the witness any more, from step {self._course.departed} on:"
            yield (
                "the guest moves as long as it can, then everybody in turn; monitor witness returns"
            )

    def _empty_buffer(self, mover: int) -> None:
        """Under tso: what the daemon stores by hand is in memory at once."""
        execution = self._course.execution
        if mover == DAEMON and isinstance(execution, TsoExecution):
            drain = execution.names.index(execution.names[mover] + DRAIN)
            while self._timeline.move(drain) is not None:
                pass

    def _witness(self) -> Iterator[str]:
        if self._course.departed is None:
            yield "this is the witness"
        elif self._timeline.rejoin():
            yield (
                "the witness again, and the guest is back where it was left; GDB has not seen "
                "that: maintenance flush register-cache"
            )
        else:
            yield "the witness again"

    # -- words ----------------------------------------------------------------------------------

    def _called(self, name: str) -> str:
        actor, colon, drain = name.partition(":")
        return self._names.get(actor, actor) + colon + drain

    def _at(self, site: Site) -> str:
        text = str(self._place(site))
        return f" ({text})" if text else ""


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text[:9]) > 0 and len(text) < 5):
        raise InputError(f"{printable(text)}: a number of steps, from 1 to 9999")
    return int(text)


def _op(op: Op, value: int | None = None) -> str:
    if is_yield(op):
        return "yield"
    words = [op.kind.name.lower(), *([shared.place(op.address, op.size)] if op.size else [])]
    return " ".join(words) + (f" = {value}" if value is not None else "")


def _shown(data: bytes) -> str:
    return "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'\\"' else f"\\x{byte:02x}" for byte in data
    )
