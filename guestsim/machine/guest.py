"""The guest: a boot chain of images on one machine, as an actor.

What the guest does to the ring page, and to the event words of shared_info, surfaces as ops; the
rest of its life is private. Stores and sends are collected while the CPU runs on; a load, an atomic
read-modify-write or a wait stops it until its answer is known.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import Enum

from unicorn import x86_const as x86

from guestsim.abi.xen import SharedInfo, XenErrno
from guestsim.errors import InputError, InternalError
from guestsim.machine import boot, hypervisor, instructions
from guestsim.machine.ends import end_of_shutdown
from guestsim.machine.engine import Engine, Stop, StopKind
from guestsim.machine.image import Image
from guestsim.machine.memory import PAGE, Memory, host_memory
from guestsim.machine.platform import DEVICE_PAGES, Platform
from guestsim.machine.points import (
    VCPU0_EVENTS,
    Point,
    State,
    key_of,
    put_without_event_words,
    without_event_words,
)
from guestsim.trace import shared
from guestsim.trace.actor import Burst
from guestsim.trace.ops import End, Flag, Kind, Op, Outcome, Site

__all__ = ["DEFAULT_BUDGET", "DEFAULT_MEMORY", "Guest", "Stage"]

DEFAULT_MEMORY = 16 << 20
DEFAULT_BUDGET = 50_000_000
"""Instructions that a guest may execute between two ops before it counts as running away."""

RESET_VECTOR = 0xFFFF0
"""F000:FFF0: the end of a firmware stage."""

_STORE = Kind.STORE
_RING_PAGE = hypervisor.STORE_PFN * PAGE
_WRMSR = b"\x0f\x30"
_MSR_STEPS = 4096
"""Single steps after CPUID leaf +2 in which the guest has to write the hypercall MSR."""


@dataclass(frozen=True)
class Stage:
    """One image of the boot chain and its command line."""

    image: Image
    command_line: str = ""


class _Request(Enum):
    HAND_OVER = "hand-over"
    HYPERCALL_MSR = "hypercall msr"
    WRMSR = "wrmsr"


class Guest:
    """Implements `guestsim.trace.actor.Actor` for a boot chain.

    Going on from the latest point costs one resumption of the CPU. To go back to an earlier point,
    its state is restored where the guest keeps states (`keep_states`: a search does); otherwise
    the guest runs anew, with the answers that led there. The registers, RAM, and the state of the
    hypervisor and the platform make a point's key.
    """

    name = "guest"

    def __init__(
        self,
        chain: Sequence[Stage],
        port: int,
        memory: int = DEFAULT_MEMORY,
        budget: int = DEFAULT_BUDGET,
    ) -> None:
        """`port`: the store's event channel. `memory`: bytes of RAM. InputError where an image
        does not fit into it."""
        self._chain = tuple(chain)
        self._port = port
        self._ram_size = memory
        self._budget = budget
        for stage in chain:
            boot.check_fits(stage.image, memory)
        self.keep_states = False
        """Whether points come with the state that they stand for."""
        self._platform = Platform()
        self._memory = Memory(self.is_ram)
        self._hypervisor = hypervisor.Hypervisor(self._memory, memory, port)
        self._engines: dict[int, Engine] = {}
        self._wrmsr: set[tuple[int, int]] = set()  # (stage, pc) of each known WRMSR
        self._shared_info, self._shared_info_pointer = host_memory(PAGE)
        self._shared_info_at: dict[int, int] = {}  # stage: where its engine has the page
        self._latest: Point | None = None
        self._sites: dict[tuple[int, int], Site] = {}
        self._begin()

    def _begin(self) -> None:
        self._ops: list[Op] = []
        self._feed: int | None = None
        self._locked: tuple[int, int] | None = None  # (pc, address) of an RMW's awaited store
        self._call: hypervisor.Ops | hypervisor.Shutdown | hypervisor.Later | None = None
        self._stage = -1
        self._latest = None
        self._answer = 0

    # -- Actor ----------------------------------------------------------------------------------

    def start(self) -> Burst:
        """Power on: the first stage's entry point, up to its first load."""
        self._begin()
        self._platform.restore(Platform().state())
        self._platform.console = b""
        self._hypervisor.restore(
            hypervisor.Hypervisor(self._memory, self._ram_size, self._port).state()
        )
        self._hypervisor.console = b""
        self._memory.clear()
        return self._advance(self._next_stage())

    def resume(self, point: Point, value: int) -> Burst:
        """Go on with the answer to the burst's last op."""
        self._stand_at(point)
        pending = point.op
        self._answer = value
        self._feed = 0 if pending.kind is Kind.WAIT else value  # a poll's result is always 0
        if pending.kind is Kind.RMW:
            self._locked = point.pc, pending.address
        burst = self._advance(point.pc)
        if pending.kind is Kind.RMW and not burst.ops[0].flags & Flag.LOCKED:
            # A comparison that failed: hardware writes the old value back all the same.
            back = Op(Kind.STORE, pending.address, pending.size, value, pending.site, Flag.LOCKED)
            burst = Burst((back, *burst.ops), burst.point)
        return burst

    def key(self, point: Point) -> Hashable:
        """Registers, RAM without dead stack, hypervisor and platform at the point."""
        state = point.state
        if state is None:
            self._stand_at(point)
            state = self._state()
        return key_of(point.op, state, self._chain[state.stage].image.stack)

    def _state(self) -> State:
        mapped = self._hypervisor.shared_info_gpfn is not None
        return State(
            self._stage,
            self._engine.context(),
            self._engine.get(x86.UC_X86_REG_ESP) & 0xFFFFFFFF,
            self._memory.snapshot(),
            without_event_words(self._shared_info) if mapped else b"",
            self._hypervisor.state(),
            self._platform.state(),
        )

    def _stand_at(self, point: Point) -> None:
        """Make `point` the latest one."""
        if point is self._latest:
            return
        if point.state is None or self._latest is None or self._latest.state is None:
            self._run_to(point)
        else:
            self._restore(point.state)
        self._platform.console, self._hypervisor.console = point.console
        self._latest = point

    def _restore(self, state: State) -> None:
        self._memory.restore(state.ram)
        self._hypervisor.restore(state.hypervisor)
        self._platform.restore(state.platform)
        self._stage = state.stage
        if state.shared_info:
            put_without_event_words(self._shared_info, state.shared_info)
        self._place_shared_info()
        self._engine.set_context(state.cpu)
        self._ops = []
        self._feed = self._locked = self._call = None

    def _run_to(self, point: Point) -> None:
        path = []
        at: Point | None = point
        while at is not None:
            path.append(at)
            at = at.before
        burst = self.start()
        for earlier, later in itertools.pairwise(reversed(path)):
            if burst.point.op != earlier.op:
                break
            burst = self.resume(burst.point, later.answer)
        if burst.point is None or burst.point.op != point.op:
            raise InternalError("the guest is not deterministic: the same answers led elsewhere")

    # -- for reports ----------------------------------------------------------------------------

    @property
    def console(self) -> str:
        """What the guest has printed so far, on port 0xe9 and by console_io."""
        text = self._platform.console + self._hypervisor.console
        return text.decode("utf-8", errors="replace")

    @property
    def notices(self) -> tuple[str, ...]:
        """What the guest asked for and this machine does not provide."""
        return tuple(self._hypervisor.notices)

    # -- running --------------------------------------------------------------------------------

    @property
    def _engine(self) -> Engine:
        return self._engines[self._stage]

    def _next_stage(self) -> int:
        """Load the next image; returns its entry point."""
        self._stage += 1
        stage = self._chain[self._stage]
        if self._stage not in self._engines:
            engine = Engine(self, self._memory, self._budget)
            for address in (_RING_PAGE, hypervisor.TRAP_PAGE):
                engine.window(address, *host_memory(PAGE))
            engine.stop_at(RESET_VECTOR, _Request.HAND_OVER)
            self._engines[self._stage] = engine
        self._place_shared_info()
        self._engine.reset()
        start_info = boot.load_stage(self._memory, stage.image, stage.command_line, self._ram_size)
        self._engine.set(x86.UC_X86_REG_EBX, start_info)
        return stage.image.entry

    def _advance(self, pc: int) -> Burst:
        while True:
            stop = self._engine.run(pc)
            match stop.kind:
                case StopKind.LOAD:
                    op = self._answered(stop)
                    if op is not None:
                        return self._burst(op, stop.pc)
                    pc = stop.pc
                case StopKind.REQUEST if stop.detail is _Request.HYPERCALL_MSR:
                    pc = self._await_wrmsr()
                case StopKind.REQUEST if stop.detail is _Request.WRMSR:
                    pc = self._do_wrmsr(self._engine.get(x86.UC_X86_REG_EIP))
                case StopKind.REQUEST:
                    if self._stage + 1 == len(self._chain):
                        return self._halt(Outcome.CONNECTED, "handed over at F000:FFF0", stop)
                    pc = self._next_stage()
                case StopKind.FAULT:
                    return self._halt(Outcome.CRASHED, str(stop.detail), stop)
                case StopKind.IDLE:
                    return self._idle(stop)

    def _answered(self, stop: Stop) -> Op | None:
        """The op that the CPU stands at, or None where it can go on at once."""
        if not self._in_trap_page(stop.address):
            return self._load_op(stop)
        call, self._call = self._call, None
        match call:
            case hypervisor.Shutdown():
                return self._shutdown(call.reason)
            case hypervisor.Later():
                self._feed = self._change_map(call)
                return None
            case hypervisor.Ops():
                site = self._caller()
                *before, last = (_at(op, site) for op in call.ops)
                self._ops += before
                return last
            case None:
                raise InternalError("a hypercall stopped the guest without a reason")

    def _load_op(self, stop: Stop) -> Op:
        instruction = self._memory.read(stop.pc, instructions.LONGEST)
        site = self._site(stop.pc)
        if instructions.loads_twice(instruction) or (
            stop.size == 8 and not instructions.is_cmpxchg8b(instruction)
        ):
            raise InputError(
                f"{self._chain[self._stage].image.path}: the instruction at {stop.pc:#x} loads "
                f"more than one word of {shared.place(self._place(stop.address), stop.size)} at a "
                "time; build the image with general registers only"
            )
        kind = Kind.RMW if instructions.is_atomic(instruction) else Kind.LOAD
        return Op(kind, self._place(stop.address), stop.size, 0, site)

    def _burst(self, last: Op, pc: int) -> Burst:
        ops = (*self._ops, last)
        self._ops = []
        halted = last.kind is Kind.HALT
        state = self._state() if self.keep_states else None
        console = self._platform.console, self._hypervisor.console
        self._latest = Point(self._latest, self._answer, last, pc, state, console)
        return Burst(ops, None if halted else self._latest)

    def _await_wrmsr(self) -> int:
        """Single-step to the write of the hypercall MSR, which Unicorn cannot hook. The next time
        the CPU stops there by itself."""
        engine = self._engine
        pc = engine.get(x86.UC_X86_REG_EIP)
        for _ in range(_MSR_STEPS):
            msr = engine.get(x86.UC_X86_REG_ECX) & 0xFFFFFFFF
            if self._memory.read(pc, 2) == _WRMSR and msr == hypervisor.HYPERCALL_MSR:
                self._wrmsr.add((self._stage, pc))
                engine.stop_at(pc, _Request.WRMSR)
                return self._do_wrmsr(pc)
            if engine.step(pc) is not None:
                return pc  # something else happened: run into it again
            pc = engine.get(x86.UC_X86_REG_EIP)
        return pc

    def _do_wrmsr(self, pc: int) -> int:
        engine = self._engine
        low = engine.get(x86.UC_X86_REG_EAX) & 0xFFFFFFFF
        high = engine.get(x86.UC_X86_REG_EDX) & 0xFFFFFFFF
        self._hypervisor.wrmsr(engine.get(x86.UC_X86_REG_ECX) & 0xFFFFFFFF, high << 32 | low)
        return pc + len(_WRMSR)

    def _change_map(self, call: hypervisor.Later) -> int:
        address = call.gpfn * PAGE
        if call.kind == "unmap":
            self._hypervisor.shared_info_gpfn = None
            self._place_shared_info()
            return 1
        if self.is_ram(address) or address in (_RING_PAGE, hypervisor.TRAP_PAGE):
            self._hypervisor.notices.setdefault(
                f"shared_info over memory in use, at {address:#x}, is not provided: EINVAL"
            )
            return -XenErrno.EINVAL
        if self._hypervisor.shared_info_gpfn is None:
            self._shared_info[:] = hypervisor.initial_shared_info()
        self._hypervisor.shared_info_gpfn = call.gpfn
        self._place_shared_info()
        return 0

    def _place_shared_info(self) -> None:
        """Make the present engine's map agree with where shared_info is."""
        gpfn = self._hypervisor.shared_info_gpfn
        wanted = None if gpfn is None else gpfn * PAGE
        present = self._shared_info_at.get(self._stage)
        if present == wanted:
            return
        if present is not None:
            self._engine.remove_window(self._shared_info_at.pop(self._stage))
        if wanted is not None:
            self._engine.window(wanted, self._shared_info, self._shared_info_pointer)
            self._shared_info_at[self._stage] = wanted

    # -- ends -----------------------------------------------------------------------------------

    def _halt(self, outcome: Outcome, message: str, stop: Stop) -> Burst:
        return self._burst(self._halt_op(outcome, message, self._site(stop.pc)), stop.pc)

    def _halt_op(self, outcome: Outcome, message: str, site: Site) -> Op:
        return Op(Kind.HALT, site=site, end=End(outcome, message, site))

    def _shutdown(self, reason: int) -> Op:
        names = [stage.image.name for stage in self._chain[self._stage :]]
        outcome, message = end_of_shutdown(reason, self._platform.post, names)
        return self._halt_op(outcome, message, self._caller())

    def _idle(self, stop: Stop) -> Burst:
        if self._memory.read(stop.pc - 1, 1) == b"\xf4":
            return self._halt(Outcome.HUNG, "executed HLT, and nothing can wake it", stop)
        message = f"executed {self._budget:,} instructions without touching a shared page"
        return self._halt(Outcome.HUNG, message, stop)

    # -- Bus: called by the engine from inside Unicorn ------------------------------------------

    def load(self, address: int, size: int) -> int | None:
        """A load in a window: fed, private, a hypercall, or a stop."""
        if self._feed is not None:
            value, self._feed = self._feed, None
            return value & (1 << 8 * size) - 1
        if self._in_trap_page(address):
            return self._hypercall((address - hypervisor.TRAP_PAGE) // 4)
        if self._is_shared(address, size):
            return None
        offset = address % PAGE
        return int.from_bytes(self._shared_info[offset : offset + size], "little")

    def store(self, address: int, size: int, value: int, pc: int) -> None:
        """A store in a window: an op, unless it is private. By far the most frequent call."""
        place = address - _RING_PAGE
        if not 0 <= place < PAGE:
            if not self._is_shared(address, size):
                return
            place = self._place(address)
        site = self._sites.get((self._stage, pc)) or self._site(pc)
        if self._locked is None:
            self._ops.append(Op(_STORE, place, size, value, site))
            return
        flags = Flag.LOCKED if self._locked == (pc, place) else Flag.NONE
        self._locked = None
        self._ops.append(Op(_STORE, place, size, value, site, flags))

    def port_in(self, port: int, size: int) -> int:
        """IN."""
        return self._platform.port_in(port, size)

    def port_out(self, port: int, size: int, value: int) -> None:
        """OUT."""
        self._platform.port_out(port, size, value)

    def tsc(self) -> int:
        """RDTSC."""
        return self._platform.tsc()

    def cpuid(self, leaf: int, subleaf: int) -> tuple[int, int, int, int] | None:
        """CPUID. After leaf +2 the guest writes the hypercall MSR."""
        del subleaf
        answer = self._hypervisor.cpuid(leaf)
        known = any(stage == self._stage for stage, _ in self._wrmsr)
        if answer is not None and answer[1] == hypervisor.HYPERCALL_MSR and not known:
            self._engine.stop(_Request.HYPERCALL_MSR)
        return answer

    def is_ram(self, address: int) -> bool:
        """RAM, and the device pages, which are plain memory here."""
        return self._hypervisor.is_ram(address) or address & ~(PAGE - 1) in DEVICE_PAGES

    def _hypercall(self, number: int) -> int | None:
        engine = self._engine
        answer = self._hypervisor.hypercall(
            number,
            (
                engine.get(x86.UC_X86_REG_EBX) & 0xFFFFFFFF,
                engine.get(x86.UC_X86_REG_ECX) & 0xFFFFFFFF,
                engine.get(x86.UC_X86_REG_EDX) & 0xFFFFFFFF,
            ),
        )
        if isinstance(answer, int):
            return answer & 0xFFFFFFFF
        if isinstance(answer, hypervisor.Ops) and answer.ops[-1].kind is not Kind.WAIT:
            site = self._caller()
            self._ops += [_at(op, site) for op in answer.ops]
            return answer.result
        self._call = answer
        return None

    # -- places ---------------------------------------------------------------------------------

    @staticmethod
    def _in_trap_page(address: int) -> bool:
        return hypervisor.TRAP_PAGE <= address < hypervisor.TRAP_PAGE + PAGE

    def _is_shared(self, address: int, size: int) -> bool:
        """Whether others see it: the ring page, and the event words of shared_info."""
        base = address & ~(PAGE - 1)
        if base == _RING_PAGE:
            return True
        if base == hypervisor.TRAP_PAGE:
            return False
        offset = address - base
        return offset < VCPU0_EVENTS or (
            offset + size > SharedInfo.evtchn_pending and offset < SharedInfo.wc_version
        )

    def _place(self, address: int) -> int:
        offset = address % PAGE
        return offset + (shared.RING if address - offset == _RING_PAGE else shared.SHARED_INFO)

    def _caller(self) -> Site:
        """Who called the hypercall page: the return address is on the stack."""
        stack = self._engine.get(x86.UC_X86_REG_ESP) & 0xFFFFFFFF
        return self._site(int.from_bytes(self._memory.read(stack, 4), "little") - 1)

    def _site(self, pc: int) -> Site:
        site = self._sites.get((self._stage, pc))
        if site is None:
            site = self._sites[self._stage, pc] = Site(self._chain[self._stage].image.name, pc)
        return site


def _at(op: Op, site: Site) -> Op:
    return Op(op.kind, op.address, op.size, op.value, site, op.flags, op.note, op.end)
