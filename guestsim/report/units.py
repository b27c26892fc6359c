"""Ops in words, long runs of them folded: the text of the rows of a timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from guestsim.report.ring_history import DAEMON, GUEST, touched, value_of, whole
from guestsim.report.text import data_words
from guestsim.trace import Event, Flag, Kind, Op, Outcome, Site, asks, is_yield, meaning, shared
from guestsim.trace.text import escaped
from guestsim.trace.wire import INDICES, RING_ERRORS, RING_SIZE

__all__ = ["FEATURES", "Role", "Unit", "asker", "lane_of", "name_of", "server_of", "units"]


class Role(StrEnum):
    """What kind of row it is, for the eye."""

    DATA = "data"
    FILL = "fill"
    INDEX = "index"
    LOOK = "look"
    """Loads an index, nothing more."""
    FIELD = "field"
    EVENT = "event"
    FENCE = "fence"
    ACT = "act"
    """Somebody else asks the daemon."""
    CHOICE = "choice"
    """Not an access: which of several orders the accesses behind it take."""
    HALT = "halt"
    GIVES_UP = "gives up"


class Unit(NamedTuple):
    """Events of one actor in a row that people see as one thing."""

    first: int
    """Index of the first event."""
    end: int
    """One past the last."""
    lane: str
    """The actor whose events they are, or who asks it."""
    site: Site
    text: str
    role: Role


_DATA = frozenset({"req", "rsp", "reserved"})
_PAGE = 4096
_WORD = 4
_FILL = 256
"""Stores of this many equal bytes are a wipe, not a message."""
FEATURES = ("reconnection", "error", "watch depth", "DOMID_ANY")
"""Bits of `server_features` in words, from bit 0."""


def name_of(actor: str, names: Mapping[str, str]) -> str:
    """How people call `actor`."""
    return escaped(names.get(actor, actor))


def server_of(names: Mapping[str, str]) -> str:
    """How people call the other side of the ring."""
    servers = [DAEMON] if DAEMON in names else [actor for actor in names if actor != GUEST]
    return name_of(servers[0], names) if len(servers) == 1 else "the daemon"


def asker(site: Site, names: Mapping[str, str]) -> str:
    """Which of those who ask the daemon the op at `site` is done for; "" where it is for nobody."""
    return site.stage if site.stage in names and site.stage not in (GUEST, DAEMON) else ""


def lane_of(event: Event, names: Mapping[str, str]) -> str:
    """In which lane an event stands: its actor's; what the daemon does for others, in theirs."""
    who = asker(event.op.site, names) if event.actor == DAEMON else ""
    return who or event.actor


def units(
    events: Sequence[Event], names: Mapping[str, str], stops: frozenset[int]
) -> tuple[Unit, ...]:
    """Cut `events` into units. A run of loads or stores of ring data is one; at a step in
    `stops` a new one always begins."""
    found = []
    step = 0
    while step < len(events):
        end, text, role = _unit(events, step, names, stops)
        event = events[step]
        if event.op.note and role not in (Role.CHOICE, Role.ACT):
            text += f" · {escaped(event.op.note)}"
        # Who is served and what is asked, in one unit: where it stands, the latter says.
        last = events[end - 1] if role is Role.ACT else event
        found.append(Unit(step, end, lane_of(last, names), last.op.site, text, role))
        step = end
    return tuple(found)


def _unit(
    events: Sequence[Event], step: int, names: Mapping[str, str], stops: frozenset[int]
) -> tuple[int, str, Role]:
    event = events[step]
    op = event.op
    if op.kind is Kind.RMW:
        return _rmw(events, step)
    moves = op.kind in (Kind.LOAD, Kind.STORE)
    if moves and shared.field(op.address) in _DATA and not touched(op):
        return _data(events, step, stops)
    if op.kind is Kind.STORE and touched(op) and op.size < _WORD:
        whole_index = _bytes_of_index(events, step, stops)
        if whole_index is not None:
            return whole_index
    after = events[step + 1] if step + 1 < len(events) and step + 1 not in stops else None
    if after is not None and _leads_to(event, after):
        return step + 2, *_single(after, names)
    text, role = _single(event, names)
    return step + 1, text, role


def _leads_to(event: Event, after: Event) -> bool:
    """Whether a choice says who is served, and `after` what they ask."""
    op = after.op
    return (
        event.op.kind is Kind.CHOOSE
        and op.kind is Kind.ACT
        and meaning(event) == asks(op.site.stage)
    )


def _rmw(events: Sequence[Event], step: int) -> tuple[int, str, Role]:
    event = events[step]
    op = event.op
    name = _name(op)
    role = Role.INDEX if touched(op) else Role.EVENT
    after = events[step + 1] if step + 1 < len(events) else None
    if after is None or not after.op.flags & Flag.LOCKED or after.actor != event.actor:
        return step + 1, f"load {name} → {_value(event)}", role
    old, new = event.value, after.value
    if name == "evtchn_pending" and not new & ~old:
        return step + 2, f"take {name} (was {int(old != new)})", role
    change = f"{name} {_value(event)} → {_value(after)}"
    moved = (new - old) % (1 << 32)
    if len(whole(op)) == 1 and moved <= RING_SIZE:
        return step + 2, f"advance {change} (+{moved})", role
    return step + 2, f"exchange {change}", role


def _name(op: Op) -> str:
    """`req_prod`, `req_cons..rsp_prod`, `req_prod byte 2`, `connection`."""
    names = touched(op)
    if not names:
        return shared.place(op.address, op.size)
    if op.size < _WORD:
        return f"{names[0]} byte {op.address % _WORD}"
    return names[0] if len(names) == 1 else f"{names[0]}..{names[-1]}"


def _value(event: Event) -> str:
    """The value of a load or store in words: of several indices, each, if they differ."""
    names = whole(event.op)
    if not names:
        return _value_words(shared.field(event.op.address), event.value, event.op.size)
    values = [value_of(event, name) for name in names]
    return str(values[0]) if len(set(values)) == 1 else ", ".join(map(str, values))


def _bytes_of_index(
    events: Sequence[Event], step: int, stops: frozenset[int]
) -> tuple[int, str, Role] | None:
    """An index that is stored in pieces, in one row; None where it is not."""
    first = events[step]
    (name,) = touched(first.op)
    end, data = step, b""
    while end < len(events) and (end == step or end not in stops) and len(data) < _WORD:
        event, op = events[end], events[end].op
        if (
            event.actor != first.actor
            or op.kind is not Kind.STORE
            or op.site.function != first.op.site.function
            or op.address != INDICES[name] + len(data)
        ):
            break
        data += event.value.to_bytes(op.size, "little")
        end += 1
    if len(data) != _WORD:
        return None
    value = int.from_bytes(data, "little")
    return end, f"store {name} = {value}, in {end - step} pieces", Role.INDEX


class _Span:
    """Ring bytes that a row of loads or stores covers, in any order that leaves no gap."""

    def __init__(self, op: Op, value: int) -> None:
        self.size = _PAGE if shared.field(op.address) == "reserved" else RING_SIZE
        self.base = op.address - op.address % self.size
        self.first = op.address - self.base
        self.data = bytearray(value.to_bytes(op.size, "little"))

    def add(self, op: Op, value: int) -> bool:
        """Take `op` in too; False where it leaves a gap, or disagrees on a byte."""
        if op.address - op.address % self.size != self.base:
            return False
        data = value.to_bytes(op.size, "little")
        length = len(self.data)
        offset = (op.address - self.base - self.first) % self.size
        if offset <= length and offset + op.size <= self.size:
            known = self.data[offset : offset + op.size]
            if known != data[: len(known)]:
                return False
            self.data[offset : offset + op.size] = data
            return True
        if (offset + op.size) % self.size == 0 and length + op.size <= self.size:
            self.first = op.address - self.base
            self.data[:0] = data
            return True
        return False

    def __str__(self) -> str:
        if self.size == _PAGE:
            return "the rest of the page"
        name = shared.field(self.base)
        if len(self.data) == 1:
            return f"{name}[{self.first}]"
        return f"{name}[{self.first}..{(self.first + len(self.data) - 1) % self.size}]"


def _data(events: Sequence[Event], step: int, stops: frozenset[int]) -> tuple[int, str, Role]:
    event = events[step]
    span = _Span(event.op, event.value)
    end = step + 1
    while end < len(events) and end not in stops:
        this = events[end]
        if (
            this.actor != event.actor
            or this.op.kind is not event.op.kind
            or this.op.site.stage != event.op.site.stage
            or this.op.site.function != event.op.site.function
            or shared.field(this.op.address) != shared.field(event.op.address)
            or not span.add(this.op, this.value)
        ):
            break
        end += 1
    words = data_words(bytes(span.data))
    uniform = words.startswith("0x")
    if event.op.kind is Kind.LOAD:
        return end, f"load {span} → {words}", Role.DATA
    role = Role.FILL if uniform and len(span.data) >= _FILL else Role.DATA
    return end, f"store {span} {'=' if uniform else '←'} {words}", role


def _single(event: Event, names: Mapping[str, str]) -> tuple[str, Role]:
    op = event.op
    if op.kind is Kind.FENCE:
        return "fence", Role.FENCE
    if op.kind is Kind.HALT:
        return _halt(op, names)
    if op.kind is Kind.CHOOSE:
        return _choice(event), Role.CHOICE
    if op.kind is Kind.ACT:
        return escaped(op.note), Role.ACT
    if op.kind in (Kind.SEND, Kind.UNMASK, Kind.WAIT):
        return _channel(event, names), Role.EVENT
    name, value = _name(op), _value(event)
    if op.kind is Kind.STORE and name == "suspended":
        return f"resume {name_of(GUEST, names)}", Role.EVENT
    if op.kind is Kind.LOAD:
        role = Role.LOOK if touched(op) else Role.FIELD
        return f"load {name} → {value}", role
    return f"store {name} = {value}", Role.INDEX if touched(op) else Role.FIELD


def _choice(event: Event) -> str:
    return escaped(meaning(event)) or f"choice {event.value} of 0..{event.op.value - 1}"


def _halt(op: Op, names: Mapping[str, str]) -> tuple[str, Role]:
    if op.end is None:
        return "halts", Role.HALT
    if op.end.outcome is Outcome.REFUSED and not asker(op.site, names):
        # Where the values are known, the remarks on their loads say it better.
        why = "" if op.end.samples else f": {escaped(op.end.message)}"
        return f"gives the ring up{why}", Role.GIVES_UP
    return f"ends {op.end.outcome}: {escaped(op.end.message)}", Role.HALT


def _channel(event: Event, names: Mapping[str, str]) -> str:
    op = event.op
    if op.kind is Kind.UNMASK:
        return "unmask the event channel"
    if is_yield(op):
        return "yields"
    if op.kind is Kind.WAIT and shared.field(op.address) == "suspended":
        return "goes on: it is resumed"
    if op.kind is Kind.WAIT:
        if op.flags & Flag.POLL:
            return "poll(0): an event" if event.value else "poll(0): nothing"
        return "woken by an event" if event.value else "woken (no event: other domains' work)"
    to = shared.field(op.address)
    if to == "suspended":
        return "suspends itself"
    receiver = server_of(names) if to == "server_pending" else name_of(GUEST, names)
    return f"signal {receiver}" + ("" if event.value else " (was pending)")


def _value_words(name: str, value: int, size: int) -> str:
    if name == "error":
        words = RING_ERRORS.get(value)
        return f"{value} ({words})" if words and value else str(value)
    if name == "connection":
        return f"{value} ({'reconnect' if value else 'connected'})" if value < 2 else str(value)
    if name == "server_features" and value:
        bits = [FEATURES[bit] if bit < len(FEATURES) else f"bit {bit}" for bit in range(32)]
        return f"{value:#x} ({', '.join(bits[bit] for bit in range(32) if value >> bit & 1)})"
    if name.startswith("evtchn"):
        return f"{value:#x}"
    if size > 4:
        return f"{value:#x}" if value else "0"
    return str(value)
