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

from guestsim.abi.xen import Hypercall, XenErrno
from guestsim.errors import InputError, InternalError, NoMemoryError
from guestsim.machine import boot, hypervisor
from guestsim.machine.answers import BEGIN, Answers, follow
from guestsim.machine.bus import Stop, StopKind
from guestsim.machine.ends import end_of_shutdown, judged
from guestsim.machine.engine import Engine
from guestsim.machine.image import Image
from guestsim.machine.listening import DeadStack, QuietRam
from guestsim.machine.memory import PAGE, Memory, host_memory
from guestsim.machine.notices import Notice, Notices
from guestsim.machine.places import RESET_VECTOR, RING_PAGE, is_shared, place_of
from guestsim.machine.platform import DEVICE_PAGES, Platform
from guestsim.machine.points import Point, State
from guestsim.machine.profile import Profile
from guestsim.machine.shared_info import SharedInfoPage
from guestsim.machine.snapshots import Tracker
from guestsim.machine.symbols import symbols_of
from guestsim.machine.vcpus import APIC_ICR_HIGH, APIC_ICR_LOW, SecondaryVcpus
from guestsim.trace.actor import Burst
from guestsim.trace.ops import End, Flag, Kind, Op, Outcome, Site

__all__ = ["DEFAULT_BUDGET", "Guest", "Stage"]

DEFAULT_BUDGET = 50_000_000
"""Instructions that a guest may execute between two ops before it counts as running away."""

_STORE = Kind.STORE
_NO_FLAG = Flag.NONE
_ENTRY_SIZE = 8
_WRMSR_SIZE = 2
_DRAINS = frozenset({Kind.RMW, Kind.FENCE, Kind.SEND, Kind.UNMASK, Kind.WAIT})
"""Ops that wait until the store buffer is empty, under TSO."""


@dataclass(frozen=True)
class Stage:
    """One image of the boot chain and its command line."""

    image: Image
    command_line: str = ""


class _Request(Enum):
    HAND_OVER = "hand-over"
    HYPERCALL = "a hypercall that is not over"
    HYPERCALL_MSR = "a write of the hypercall page's MSR"
    TROUBLE = "a vcpu in trouble"


class Guest:
    """Implements `guestsim.trace.actor.Actor` for a boot chain.

    Going on from the latest point costs one resumption of the CPU. To go back to an earlier point,
    its state is restored where the guest keeps states (`keep_states`: a search does); otherwise
    the guest runs anew, with the answers that led there. The registers, RAM, the state of the
    hypervisor and the platform, and what is under way between the last stage and its daemon make a
    point's key.
    """

    name = "guest"

    def __init__(
        self,
        chain: Sequence[Stage],
        port: int,
        profile: Profile | None = None,
        budget: int = DEFAULT_BUDGET,
    ) -> None:
        """`port`: the store's event channel. InputError where an image does not fit into the
        platform's memory."""
        self._chain = tuple(chain)
        self._port = port
        self._profile = profile or Profile()
        self._budget = budget
        for stage in chain:
            boot.check_fits(stage.image, self._profile.memory)
        self.keep_states = False
        """Whether points come with the state that they stand for."""
        self._fences = False
        self.mark_strings = False
        """Whether stores of one string instruction say so (`Flag.STRING`)."""
        self._left = 0  # ECX at the latest store, where they do
        self._platform = Platform(self._profile)
        self._memory = Memory(self.is_ram, self._profile.memory)
        self._tracker = Tracker(self._memory, (RING_PAGE,))
        self._hypervisor = hypervisor.Hypervisor(self._memory, self._profile, port)
        self._vcpus = SecondaryVcpus(self, self._memory, self._profile.vcpus, budget)
        self._notices = Notices()
        self._engines: dict[int, Engine] = {}
        self._quiet: dict[int, QuietRam] = {}
        self._dead_stacks: dict[int, DeadStack] = {}
        self._shared_info = SharedInfoPage()
        self._latest: Point | None = None
        self._sites: dict[tuple[int, int], Site] = {}
        self._begin()

    @property
    def fences(self) -> bool:
        """Whether instructions that wait for the store buffer surface as FENCE. Points of before it
        was changed cannot be resumed."""
        return self._fences

    @fences.setter
    def fences(self, fences: bool) -> None:
        if fences != self._fences:
            self._fences = fences
            self._engines.clear()
            self._shared_info = SharedInfoPage()
            self._memory.watchers.clear()
            self._latest = None

    def _begin(self) -> None:
        self._ops: list[Op] = []
        self._unfenced = False  # whether a store may still be in the buffer
        self._locked: tuple[int, int] | None = None  # (pc, address) of an RMW's awaited store
        self._call: hypervisor.Ops | hypervisor.Shutdown | hypervisor.Later | None = None
        self._stage = -1
        self._latest = None
        self._answer = 0
        self._silent: tuple[int, int] | None = None  # ops and console as the stage found them
        self._answers: Answers | None = None
        self._heard: tuple[Op, int] | None = None  # what the burst began with
        self._earlier = 0  # ops of this burst that are of the stage before

    # -- Actor ----------------------------------------------------------------------------------

    def start(self) -> Burst:
        """Power on: the first stage's entry point, up to its first load."""
        self._begin()
        self._platform.restore(Platform(self._profile).state())
        self._platform.console = b""
        self._hypervisor.restore(
            hypervisor.Hypervisor(self._memory, self._profile, self._port).state()
        )
        self._hypervisor.console = b""
        self._vcpus.reset()
        self._memory.clear()
        return self._advance(self._next_stage())

    def resume(self, point: Point, value: int) -> Burst:
        """Go on with the answer to the burst's last op."""
        self._stand_at(point)
        pending = point.op
        self._answer = value
        # A hypercall has its result already.
        answers = () if pending.kind is Kind.WAIT else (*point.answers, value)
        self._heard = pending, value
        if pending.kind is Kind.RMW:
            self._locked = point.pc, pending.address
        try:
            burst = self._advance(point.pc, answers, alone=point.alone)
        except BaseException:
            self._latest = None  # the machine stands nowhere now
            raise
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
            state = self.state()
        return point.op, point.answers, state

    def state(self) -> State:
        """Everything of the guest that can change, as it stands now."""
        engine, hypervisor = self._engine, self._hypervisor
        mapped = hypervisor.shared_info_gpfn is not None
        return State(
            self._stage,
            engine.context(),
            self._tracker.look(
                self._chain[self._stage].image.stack,
                engine.stack_pointer(),
                clear=self.keep_states,
            ),
            self._shared_info.own() if mapped else b"",
            hypervisor.state(),
            self._platform.state(),
            self._vcpus.state(),
            self._unfenced,
            self._answers,
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
        moved = self._stage != state.stage
        refit = moved or state.hypervisor.populated != self._hypervisor.populated
        self._stage = state.stage
        self._hypervisor.restore(state.hypervisor)
        if moved:
            self._engine.suspect_code()
        if refit:
            self._engine.refit()
        self._platform.restore(state.platform)
        self._vcpus.restore(state.vcpus)
        self._answers = state.answers
        self._tracker.restore(state.ram)
        if state.shared_info:
            self._shared_info.put_own(state.shared_info)
        self._place_shared_info()
        self._engine.set_context(state.cpu)
        self._silent = None
        self._ops = []
        self._unfenced = state.unfenced
        self._locked = self._call = None

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
        return self._printed().decode("utf-8", errors="replace")

    def _printed(self) -> bytes:
        return self._platform.console + self._hypervisor.console

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What the guest asked for and this machine does not provide, and what else is odd about
        it, in the order of its doing."""
        return self._notices.all()

    # -- running --------------------------------------------------------------------------------

    @property
    def _engine(self) -> Engine:
        return self._engines[self._stage]

    def _next_stage(self) -> int:
        """Load the next image; returns its entry point."""
        self._end_stage()
        self._stage += 1
        self._silent = len(self._ops), len(self._printed())
        stage = self._chain[self._stage]
        if self._stage not in self._engines:
            engine = Engine(self, self._memory, self._budget, fences=self.fences)
            engine.window(RING_PAGE, *host_memory(PAGE), checked=True)
            engine.stop_at(RESET_VECTOR, _Request.HAND_OVER, engine.in_real_mode)
            self._quiet[self._stage] = QuietRam(engine, self._tracker.unsure)
            self._dead_stacks[self._stage] = DeadStack(engine, self._memory, self._dead_was_read)
            if self._profile.vcpus > 1:
                engine.on_store(APIC_ICR_LOW, 4, self._interrupt_command)
            self._engines[self._stage] = engine
        self._engine.refit()
        self._place_shared_info()
        self._shared_info.fill_time()
        self._engine.reset()
        start_info = boot.load_stage(self._memory, stage.image, stage.command_line, self._profile)
        self._engine.set(x86.UC_X86_REG_EBX, start_info)
        if self._stage + 1 == len(self._chain):
            self._answers, self._heard, self._earlier = BEGIN, None, len(self._ops)
        return stage.image.entry

    def _advance(self, pc: int, answers: tuple[int, ...] = (), *, alone: bool = False) -> Burst:
        self._listen()
        while True:
            stop = self._engine.run(pc, answers, alone=alone)
            answers, alone = (), False
            match stop.kind:
                case StopKind.LOAD:
                    return self._burst(self._load_op(stop), stop.pc, stop)
                case StopKind.REQUEST if stop.detail is _Request.HYPERCALL:
                    op = self._finish_call()
                    pc = self._engine.get(x86.UC_X86_REG_EIP)
                    if op is not None:
                        return self._burst(op, pc)
                case StopKind.REQUEST if stop.detail is _Request.HYPERCALL_MSR:
                    pc = self._engine.get(x86.UC_X86_REG_EIP) + _WRMSR_SIZE
                case StopKind.REQUEST if stop.detail is _Request.TROUBLE:
                    return self._vcpu_trouble()
                case StopKind.REQUEST:
                    if self._stage + 1 == len(self._chain):
                        return self._halt(Outcome.CONNECTED, "handed over at F000:FFF0", stop)
                    pc = self._next_stage()
                    self._listen()
                case StopKind.FAULT:
                    return self._halt(Outcome.CRASHED, str(stop.detail), stop)
                case StopKind.IDLE:
                    return self._idle(stop)

    def _listen(self) -> None:
        """Before the CPU runs: hear of what snapshots have to know."""
        if not self.keep_states:
            self._tracker.unsure()
            return
        self._quiet[self._stage].arm(self._tracker.quiet)
        dead_stack = self._dead_stacks[self._stage]
        if self._latest is None or self._latest.state is None:
            dead_stack.disarm()  # nothing has been cleared yet
        elif self._latest.state.stage == self._stage:
            stack = self._chain[self._stage].image.stack
            dead_stack.arm(stack, self._engine.stack_pointer())

    def _finish_call(self) -> Op | None:
        """A hypercall for which the CPU had to stop: the op that it waits for, or None where it can
        go on at once."""
        call, self._call = self._call, None
        match call:
            case hypervisor.Shutdown():
                return self._shutdown(call.reason)
            case hypervisor.Later():
                self._engine.set(x86.UC_X86_REG_EAX, self._change_map(call) & 0xFFFFFFFF)
                return None
            case hypervisor.Ops():
                site = self._caller()
                *before, last = (_at(op, site) for op in call.ops)
                self._add(*before)
                return last
            case None:
                raise InternalError("a hypercall stopped the guest without a reason")

    def _load_op(self, stop: Stop) -> Op:
        site = self._site(stop.pc)
        kind = Kind.RMW if self._engine.instruction(stop.pc).is_atomic else Kind.LOAD
        if kind is Kind.RMW and self._ops and self._ops[-1] == Op(Kind.FENCE, site=site):
            self._ops.pop()  # the RMW itself is one
        return Op(kind, place_of(stop.address), stop.size, 0, site)

    def _burst(self, last: Op, pc: int, stop: Stop | None = None) -> Burst:
        last = self._follow(last)
        halted = last.kind is Kind.HALT
        if halted:
            self._end_stage()
        self._silent = None
        self._add(last)
        ops = tuple(self._ops)
        self._ops = []
        state = self.state() if self.keep_states else None
        console = self._platform.console, self._hypervisor.console
        answers, alone = (stop.answers, stop.alone) if stop else ((), False)
        self._latest = Point(self._latest, self._answer, last, pc, answers, alone, state, console)
        return Burst(ops, None if halted else self._latest)

    def _add(self, *ops: Op) -> None:
        """Ops that are no stores of the CPU's."""
        for op in ops:
            self._ops.append(op)
            if op.kind is Kind.STORE:
                self._unfenced = self._fences
            elif op.kind in _DRAINS:
                self._unfenced = False

    def _follow(self, last: Op) -> Op:
        """Follow the last stage's requests and their answers; an end is judged by them."""
        if self._answers is None:
            return last
        ops = self._ops[self._earlier :] if self._earlier else self._ops
        self._answers = follow(self._answers, self._heard, ops)
        self._earlier = 0
        if last.end is None or last.end.outcome is not Outcome.CONNECTED:
            return last
        end = judged(last.end, self._chain[-1].image.name, self._answers)
        return Op(Kind.HALT, site=last.site, end=end)

    def _change_map(self, call: hypervisor.Later) -> int:
        address = call.gpfn * PAGE
        if call.kind == "refit":
            self._engine.refit()
            return call.result
        if call.kind == "unmap":
            self._hypervisor.shared_info_gpfn = None
            self._place_shared_info()
            return 1
        if self.is_ram(address) or address == RING_PAGE:
            what = f"shared_info over memory in use, at {address:#x},"
            self._notices.add(what, "EINVAL", self._caller())
            return -XenErrno.EINVAL
        if self._hypervisor.shared_info_gpfn is None:
            self._shared_info.initialise()
        self._hypervisor.shared_info_gpfn = call.gpfn
        self._place_shared_info()
        return 0

    def _place_shared_info(self) -> None:
        """Make the present engine's map agree with where shared_info is."""
        gpfn = self._hypervisor.shared_info_gpfn
        address = None if gpfn is None else gpfn * PAGE
        self._shared_info.place(self._engine, address)
        self._tracker.set_windows(self._windows())

    def _windows(self) -> tuple[int, ...]:
        """The pages that are no RAM, but shared or ours."""
        gpfn = self._hypervisor.shared_info_gpfn
        return (RING_PAGE,) if gpfn is None else (RING_PAGE, gpfn * PAGE)

    def _end_stage(self) -> None:
        """The present stage is over, if there is one. One that did nothing that others could see
        may never have run as it was meant to."""
        if self._silent == (len(self._ops), len(self._printed())):
            name = self._chain[self._stage].image.name
            self._notices.remark(f"stage {name} touched neither ring nor console", Site(name))

    # -- ends -----------------------------------------------------------------------------------

    def _halt(self, outcome: Outcome, message: str, stop: Stop) -> Burst:
        return self._burst(self._halt_op(outcome, message, self._site(stop.pc)), stop.pc)

    def _halt_op(self, outcome: Outcome, message: str, site: Site) -> Op:
        return Op(Kind.HALT, site=site, end=End(outcome, message, site))

    def _shutdown(self, reason: int) -> Op:
        names = [stage.image.name for stage in self._chain[self._stage :]]
        outcome, message = end_of_shutdown(reason, self._platform.post, names)
        return self._halt_op(outcome, message, self._caller())

    def _vcpu_trouble(self) -> Burst:
        trouble = self._vcpus.trouble
        if trouble is None:
            raise InternalError("a vcpu stopped the guest without a reason")
        site = self._site(trouble.pc)
        outcome = Outcome.HUNG if trouble.hung else Outcome.CRASHED
        return self._burst(self._halt_op(outcome, trouble.message, site), trouble.pc)

    def _idle(self, stop: Stop) -> Burst:
        if self._memory.read(stop.pc - 1, 1) == b"\xf4":
            return self._halt(Outcome.HUNG, "executed HLT, and nothing can wake it", stop)
        message = f"executed {self._budget:,} instructions without touching a shared page"
        return self._halt(Outcome.HUNG, message, stop)

    # -- Bus: called by the engine from inside Unicorn ------------------------------------------

    def load(self, address: int, size: int) -> int | None:
        """A load in a window: None where it is shared."""
        if is_shared(address, size):
            return None
        return self._shared_info.read(address % PAGE, size)

    def store(self, address: int, size: int, value: int, pc: int) -> None:
        """A store in a window: an op, unless it is private. By far the most frequent call."""
        place = address - RING_PAGE
        if not 0 <= place < PAGE:
            if not is_shared(address, size):
                return
            place = place_of(address)
        site = self._sites.get((self._stage, pc)) or self._site(pc)
        if self._locked is None:
            flags = self._string_flag(place, size, pc) if self.mark_strings else _NO_FLAG
            self._ops.append(Op(_STORE, place, size, value, site, flags))
            self._unfenced = self._fences
            return
        flags = Flag.LOCKED if self._locked == (pc, place) else Flag.NONE
        self._locked = None
        self._ops.append(Op(_STORE, place, size, value, site, flags))
        self._unfenced = self._fences and not flags

    def fence(self, pc: int) -> None:
        """The CPU waits until its store buffer is empty. Where it is, that is no op."""
        if self._unfenced:
            self._add(Op(Kind.FENCE, site=self._site(pc)))

    def wrmsr(self, msr: int, value: int, pc: int) -> None:
        """WRMSR. That of the hypercall page's is ours; the others are the CPU's own."""
        del pc
        if msr != hypervisor.HYPERCALL_MSR:
            return
        try:
            self._hypervisor.wrmsr(msr, value)
        except NoMemoryError:
            self._engine.fault(f"put the hypercall page at {value:#x}, where there is no RAM")
        else:
            self._engine.stop(_Request.HYPERCALL_MSR)

    def refusal(self, pc: int, what: str) -> InputError:
        """An instruction that does what this machine cannot do."""
        instruction = self._engine.instruction(pc)
        return self._refusal(f"the instruction at {self._place(pc)}, {instruction}, {what}")

    def _refusal(self, what: str) -> InputError:
        image = self._chain[self._stage].image
        return InputError(
            f"{image.path}: {what}: guestsim cannot do that (docs/unicorn.md, what is refused)"
        )

    def _place(self, pc: int) -> str:
        """A program counter for people."""
        function = symbols_of(self._chain[self._stage].image.content).function(pc)
        return f"{pc:#x} in {function}" if function else f"{pc:#x}"

    def _dead_was_read(self, address: int, size: int) -> None:
        pc = self._engine.get(x86.UC_X86_REG_EIP)
        raise InternalError(
            f"{self._chain[self._stage].image.path}: the instruction at {self._place(pc)}, "
            f"{self._engine.instruction(pc)}, reads {size} bytes at {address:#x}, below what was "
            "the stack pointer when guestsim took that part of the stack for dead and cleared it: "
            "no verdict. Where an image keeps data below its stack pointer, its stack must not be "
            "called `stack`"
        )

    def _string_flag(self, place: int, size: int, pc: int) -> Flag:
        """STRING where a store goes on with the string instruction that made the one before it: the
        same instruction, the place next to it, and ECX one less."""
        before, self._left = self._left, self._engine.get(x86.UC_X86_REG_ECX)
        last = self._ops[-1] if self._ops else None
        if last is None or last.site.pc != pc or self._left != before - 1:
            return Flag.NONE
        if last.size != size or abs(place - last.address) != size:
            return Flag.NONE
        return Flag.STRING if self._engine.instruction(pc).repeats_store else Flag.NONE

    def port_in(self, port: int, size: int) -> int:
        """IN."""
        self._fence_here()
        value = self._platform.port_in(port, size)
        if value is None:
            self._notices.access("port", "in", port, size, "all ones", self._here())
            value = (1 << 8 * size) - 1
        return value

    def port_out(self, port: int, size: int, value: int) -> None:
        """OUT, and hypercalls."""
        if port == hypervisor.HYPERCALL_PORT and self._is_hypercall(value):
            self._engine.set(x86.UC_X86_REG_EAX, self._hypercall(value))
            return
        self._fence_here()
        if not self._platform.port_out(port, size, value):
            answer = "nothing happens"
            self._notices.access("port", "out", port, size, answer, self._here(), value)

    def tsc(self) -> int:
        """RDTSC."""
        return self._platform.tsc()

    def cpuid(self, leaf: int, subleaf: int) -> tuple[int, int, int, int] | None:
        """CPUID."""
        del subleaf
        self._fence_here()
        return self._hypervisor.cpuid(leaf)

    def _fence_here(self) -> None:
        if self._unfenced:
            self.fence(self._engine.get(x86.UC_X86_REG_EIP))

    def _is_hypercall(self, number: int) -> bool:
        """Whether the OUT at which the CPU stands is that of the hypercall page's entry."""
        entry = self._engine.get(x86.UC_X86_REG_EIP) - 5
        return self.is_ram(entry) and (
            self._memory.read(entry, _ENTRY_SIZE) == hypervisor.hypercall_entry(number)
        )

    def missing_page(self, address: int, size: int, *, write: bool) -> None:
        """An access to the space of devices where there is none."""
        verb, answer = ("store", "it is lost") if write else ("load", "all ones")
        self._notices.access("device", verb, address, size, answer, self._here())

    def is_window(self, address: int) -> bool:
        """Whether there is no RAM because the page is shared, or ours."""
        return address - address % PAGE in self._windows()

    def is_ram(self, address: int) -> bool:
        """RAM, and the device pages, which are plain memory here."""
        return self._hypervisor.is_ram(address) or address & ~(PAGE - 1) in DEVICE_PAGES

    def _hypercall(self, number: int) -> int:
        """Its result. Where the CPU stops for it, that of a wait: 0."""
        engine = self._engine
        arguments = (
            engine.get(x86.UC_X86_REG_EBX) & 0xFFFFFFFF,
            engine.get(x86.UC_X86_REG_ECX) & 0xFFFFFFFF,
            engine.get(x86.UC_X86_REG_EDX) & 0xFFFFFFFF,
        )
        answer: hypervisor.Answer | None
        if number == Hypercall.vcpu_op:
            answer = self._vcpus.operate(*arguments)
            self._after_vcpus()
            if answer is None:
                answer = hypervisor.Missing(f"vcpu_op {arguments[0]}")
        else:
            try:
                answer = self._hypervisor.hypercall(number, arguments)
            except NoMemoryError:
                if any(map(self.is_window, arguments[1:])):
                    caller = self._caller().pc
                    what = f"hypercall {number}, called at {self._place(caller)}, has an argument"
                    raise self._refusal(f"{what} on a shared page") from None
                answer = -XenErrno.EFAULT
        if isinstance(answer, hypervisor.Missing):
            self._notices.add(answer.what, "ENOSYS", self._caller())
            answer = -XenErrno.ENOSYS
        if isinstance(answer, hypervisor.Ops):
            if answer.ops[-1].kind is not Kind.WAIT:
                site = self._caller()
                self._add(*(_at(op, site) for op in answer.ops))
                return answer.result
        elif self._unfenced:
            self._add(Op(Kind.FENCE, site=self._caller()))
        if isinstance(answer, int):
            return answer & 0xFFFFFFFF
        self._call = answer
        engine.stop(_Request.HYPERCALL)
        return 0

    def _interrupt_command(self, low: int) -> None:
        high = int.from_bytes(self._memory.read(APIC_ICR_HIGH, 4), "little")
        self._vcpus.command(low & 0xFFFFFFFF, high)
        self._after_vcpus()

    def _after_vcpus(self) -> None:
        self._tracker.unsure()
        self._engine.suspect_code()
        if self._vcpus.trouble is not None:
            self._engine.stop(_Request.TROUBLE)

    # -- places ---------------------------------------------------------------------------------

    def _here(self) -> Site:
        """Where the CPU is."""
        return self._site(self._engine.get(x86.UC_X86_REG_EIP))

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
