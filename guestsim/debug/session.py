"""GDB's commands, answered from a `Timeline`; without I/O.

Source: the GDB manual, appendix "Remote Protocol", sections "Packets", "Stop Reply Packets" and
"General Query Packets". What is not known here gets the empty answer, by which GDB knows that it is
not there. The guest can be looked at and not changed: whatever is written to it is refused, because
then nothing could be repeated. Breakpoints are ours, and nothing in the guest's memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from guestsim.debug.description import REGISTERS, TARGET_XML
from guestsim.debug.monitor import Monitor
from guestsim.debug.packets import LARGEST
from guestsim.debug.timeline import Stop, Timeline, Why

__all__ = ["Session"]

_FEATURES = (
    f"PacketSize={LARGEST:x};QStartNoAckMode+;qXfer:features:read+;swbreak+;hwbreak+;"
    "vContSupported+;ReverseStep+;ReverseContinue+"
)
_REFUSED, _NO_MEMORY, _MALFORMED = b"E01", b"E14", b"E16"
_SIMPLE = {
    b"vMustReplyEmpty": b"",
    b"vCont?": b"vCont;c;C;s;S;r",
    b"qAttached": b"1",  # GDB detaches when it quits
    b"qC": b"QC1",
    b"qfThreadInfo": b"m1",
    b"qsThreadInfo": b"l",
    b"qSymbol::": b"OK",
    b"QStartNoAckMode": b"OK",
}
_RANGE = re.compile(rb"r([0-9a-f]+),([0-9a-f]+)")
_NUMBERS = re.compile(rb"([0-9a-f]+),([0-9a-f]+)")
_WATCHES = {
    b"2": (False, True, "watch"),
    b"3": (True, False, "rwatch"),
    b"4": (True, True, "awatch"),
}
_CONSOLE = 1000
"""Bytes of a message in one packet."""

Run = Callable[[Callable[[], bool]], Stop]


class Session:
    """One GDB. `ended` says that it has left."""

    def __init__(self, timeline: Timeline, monitor: Monitor) -> None:
        self._timeline = timeline
        self._monitor = monitor
        self._stop = Stop(Why.STEPPED)
        self._hardware: set[int] = set()
        self.ended = False

    def answer(self, data: bytes, interrupted: Callable[[], bool]) -> Iterator[bytes]:
        """The packets that answer this one; the last one is the answer, the others are output.
        `interrupted`: whether GDB wants a running guest to stop."""
        run = self._run(data)
        if run is None:
            yield from self._simple(data)
            return
        stage = self._timeline.stage
        self._stop = run(interrupted)
        if self._timeline.stage != stage:
            yield from _output(self._monitor.stage(self._timeline.stage))
        if self._stop.why is Why.END:
            yield from _output(self._monitor.end())
        yield self._reply()

    # -- running --------------------------------------------------------------------------------

    def _run(self, data: bytes) -> Run | None:
        """How `data` has the guest run; None where it does not."""
        timeline = self._timeline
        if data.startswith(b"vCont;"):
            data = data[6:].partition(b";")[0].partition(b":")[0]
            inside = _RANGE.fullmatch(data)
            if inside is not None:
                first, stop = (int(number, 16) for number in inside.groups())
                return lambda interrupted: timeline.forward(interrupted, range(first, stop))
        if data in (b"bs", b"bc"):
            return timeline.backward if data == b"bc" else lambda _: timeline.step_back()
        if data[:1] in (b"s", b"S"):
            return lambda _: timeline.step()
        if data[:1] in (b"c", b"C"):
            return timeline.forward
        return None

    def _reply(self) -> bytes:
        """Why the guest stands still."""
        stop = self._stop
        match stop.why:
            case Why.BREAK:
                is_hardware = self._timeline.registers()["eip"] in self._hardware
                why = "hwbreak:;" if is_hardware else "swbreak:;"
            case Why.WATCH if stop.watch is not None:
                kind = {(loads, stores): name for loads, stores, name in _WATCHES.values()}[
                    stop.watch.loads, stop.watch.stores
                ]
                why = f"{kind}:{stop.watch.address:x};"
            case Why.BEGIN:
                why = "replaylog:begin;"
            case Why.END:
                why = "replaylog:end;"
            case Why.INTERRUPTED:
                return b"T02thread:1;"
            case _:
                why = ""
        return f"T05{why}thread:1;".encode()

    # -- everything else ------------------------------------------------------------------------

    def _simple(self, data: bytes) -> Iterator[bytes]:
        if data in _SIMPLE:
            yield _SIMPLE[data]
        elif data.startswith(b"qRcmd,"):
            yield from self._command(data[6:])
        else:
            yield self._query(data)

    def _query(self, data: bytes) -> bytes:
        rest = data[1:]
        match data[:1]:
            case b"?":
                return self._reply()
            case b"g":
                values = self._registers()
                return b"".join(values[name] for name in REGISTERS)
            case b"p":
                return self._register(rest)
            case b"m":
                return self._memory(rest)
            case b"Z" | b"z":
                return self._point(rest, insert=data[:1] == b"Z")
            case b"H" | b"T":
                return b"OK"
            case b"G" | b"P" | b"M" | b"X":
                return _REFUSED
            case b"D" | b"k":
                self.ended = True
                return b"OK"
        if data.startswith(b"vKill"):
            self.ended = True
            return b"OK"
        if data.startswith(b"qSupported"):
            return _FEATURES.encode()
        if data.startswith(b"qXfer:features:read:target.xml:"):
            return _part(TARGET_XML.encode(), data.rpartition(b":")[2])
        if data.startswith(b"qThreadExtraInfo"):
            return b"vcpu 0".hex().encode()
        return b""

    def _registers(self) -> dict[str, bytes]:
        known = self._timeline.registers()
        return {
            name: known[name].to_bytes(4, "little").hex().encode()
            if name in known
            else b"xx" * size
            for name, size in REGISTERS.items()
        }

    def _register(self, number: bytes) -> bytes:
        names = [*REGISTERS]
        try:
            return self._registers()[names[int(number, 16)]]
        except (ValueError, IndexError):
            return _MALFORMED

    def _memory(self, what: bytes) -> bytes:
        numbers = _NUMBERS.fullmatch(what)
        if numbers is None:
            return _MALFORMED
        address, size = (int(number, 16) for number in numbers.groups())
        content = self._timeline.read(address, min(size, LARGEST // 2))
        return _NO_MEMORY if content is None else content.hex().encode()

    def _point(self, what: bytes, *, insert: bool) -> bytes:
        """Insert or remove a breakpoint or a watchpoint."""
        kind, _, rest = what.partition(b",")
        numbers = _NUMBERS.match(rest)
        if numbers is None:
            return _MALFORMED
        address, size = (int(number, 16) for number in numbers.groups())
        timeline = self._timeline
        if kind in (b"0", b"1"):
            timeline.breakpoints = timeline.breakpoints - {address} | (
                {address} if insert else set()
            )
            if kind == b"1":
                self._hardware = self._hardware - {address} | ({address} if insert else set())
            return b"OK"
        if kind not in _WATCHES:
            return b""
        loads, stores, _ = _WATCHES[kind]
        watch = timeline.watch(address, size, loads=loads, stores=stores)
        if watch is None:
            return _REFUSED
        timeline.watches = timeline.watches - {watch} | ({watch} if insert else set())
        return b"OK"

    def _command(self, line: bytes) -> Iterator[bytes]:
        """`monitor`: its output, and that it is done."""
        try:
            text = bytes.fromhex(line.decode("ascii")).decode("utf-8", "replace")
        except ValueError:
            yield _MALFORMED
            return
        yield from _output(self._monitor.answer(text))
        yield b"OK"


def _output(text: str) -> Iterator[bytes]:
    """For the console."""
    data = text.encode()
    for first in range(0, len(data), _CONSOLE):
        yield b"O" + data[first : first + _CONSOLE].hex().encode()


def _part(content: bytes, which: bytes) -> bytes:
    """Of an object, the part that GDB asks for."""
    numbers = _NUMBERS.fullmatch(which)
    if numbers is None:
        return _MALFORMED
    first, size = (int(number, 16) for number in numbers.groups())
    part = content[first : first + size]
    return (b"l" if first + len(part) >= len(content) else b"m") + part
