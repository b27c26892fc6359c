"""The machine of one guest: CPUs, RAM, the pages that it shares, devices, and the hypervisor.

What runs on it, and what is made of the ops that it collects, is somebody else's business
(`guestsim.machine.guest`). Each image of a boot chain has an emulator of its own; RAM and all else
is the same for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from unicorn import x86_const as x86

from guestsim.abi.xen import Hypercall, XenErrno
from guestsim.errors import InputError, InternalError, NoMemoryError
from guestsim.machine import boot, calls, hypervisor
from guestsim.machine.allowance import OP, Allowance
from guestsim.machine.boot import Stage
from guestsim.machine.engine import Engine
from guestsim.machine.listening import DeadStack, RamStores
from guestsim.machine.memory import PAGE, Memory, host_memory
from guestsim.machine.notices import Notices
from guestsim.machine.op_log import OpLog
from guestsim.machine.places import RESET_VECTOR, RING_PAGE, is_shared
from guestsim.machine.platform import DEVICE_PAGES, Platform
from guestsim.machine.points import State
from guestsim.machine.profile import Profile
from guestsim.machine.shared_info import SharedInfoPage
from guestsim.machine.snapshots import Tracker
from guestsim.machine.stops import Awaited
from guestsim.machine.symbols import symbols_of
from guestsim.machine.vcpus import APIC_ICR_HIGH, APIC_ICR_LOW, SecondaryVcpus
from guestsim.trace.ops import Kind, Op, Site

__all__ = ["Machine", "Request"]

_ENTRY_SIZE = 8
_PRINTED = 64
"""Bytes of console_io that are as much as a trap."""


class Request(Enum):
    """Why the machine has asked its CPU to stop (`Stop.detail`)."""

    HAND_OVER = "hand-over"
    HYPERCALL = "a hypercall that is not over"
    HYPERCALL_MSR = "a write of the hypercall page's MSR"
    PAUSE = "a debugger"
    PRINTED = "the text that ends the stage"
    TROUBLE = "a vcpu in trouble"


class Machine:
    """Implements `guestsim.machine.bus.Bus`; all that can change is in `state`, but for the
    consoles."""

    engine: Engine
    """vcpu 0 while `stage` runs: from `load_stage` on."""

    def __init__(self, chain: Sequence[Stage], port: int, profile: Profile, budget: int) -> None:
        """`port`: the store's event channel; `budget`: instructions between two ops."""
        self._chain = tuple(chain)
        self._port = port
        self._profile = profile
        self.allowance = Allowance(budget)
        self.stage = -1
        """The number of the image that runs; -1 before the first."""
        self.log = OpLog()
        self.platform = Platform(profile)
        self.memory = Memory(self.is_ram, profile.memory)
        self.notices = Notices()
        self.vcpus = SecondaryVcpus(self, self.memory, profile.vcpus, self.allowance)
        self._hypervisor = hypervisor.Hypervisor(self.memory, profile, port)
        self._tracker = Tracker(self.memory, (RING_PAGE,))
        self._shared_info = SharedInfoPage()
        self._engines: dict[int, Engine] = {}
        self._ram_stores: dict[int, RamStores] = {}
        self._dead_stacks: dict[int, DeadStack] = {}
        self._call: calls.Ops | calls.Shutdown | calls.Later | None = None
        self._awaited = Awaited()
        self.platform.console.heard = self._hypervisor.console.heard = self._printed
        # The bus's calls that need nothing else: one call less for each of them.
        self.store, self.fence, self.tsc = self.log.store, self.log.fence, self.platform.tsc

    def set_fences(self, fences: bool) -> None:
        """Whether instructions that wait for the store buffer are ops. What was translated before
        is void."""
        self.log.fences = fences
        self._engines.clear()
        self._shared_info = SharedInfoPage()
        self.memory.watchers.clear()

    # -- life -----------------------------------------------------------------------------------

    def power_on(self) -> None:
        """As before the first stage, and nothing in RAM."""
        self.stage = -1
        self.log.begin()
        self._call = None
        self.platform.restore(Platform(self._profile).state())
        self._hypervisor.restore(
            hypervisor.Hypervisor(self.memory, self._profile, self._port).state()
        )
        self.console = b"", b""
        self.vcpus.reset()
        self.memory.clear()

    def load_stage(self, number: int) -> int:
        """Load that image of the chain and reset the CPU; returns the image's entry point."""
        self.engine_of(number)
        self._turn_to(number)
        self._dead_stacks[number].disarm()  # of when it last ran
        self.engine.refit()
        self._place_shared_info()
        self._shared_info.fill_time()
        self.engine.reset()
        stage = self._chain[number]
        self._awaited.begin(stage.stop.console)
        start_info = boot.load_stage(self.memory, stage.image, stage.command_line, self._profile)
        self._hypervisor.type_in(stage.typed)
        self.engine.set(x86.UC_X86_REG_EBX, start_info)
        return stage.image.entry

    def _add_engine(self, number: int) -> None:
        engine = Engine(self, self.memory, self.allowance, fences=self.log.fences)
        engine.window(RING_PAGE, *host_memory(PAGE), checked=True)
        engine.stop_at(RESET_VECTOR, Request.HAND_OVER, engine.in_real_mode)
        self._ram_stores[number] = RamStores(engine, self._tracker)
        self._dead_stacks[number] = DeadStack(engine, self.memory, self._dead_was_read)
        if self._profile.vcpus > 1:
            engine.on_store(APIC_ICR_LOW, 4, self._interrupt_command)
        self._engines[number] = engine

    def engine_of(self, number: int) -> Engine:
        """That on which the image with this number of the chain runs, or will."""
        if number not in self._engines:
            self._add_engine(number)
        return self._engines[number]

    def _turn_to(self, number: int) -> None:
        self.stage = number
        self.engine = self._engines[number]
        self._hypervisor.memory_map.pvh = self._chain[number].image.pvh
        self.log.turn_to(self.engine, self._chain[number].image.name)

    def listen(self, latest: State | None) -> None:
        """Before the CPU runs from `latest`, or from a stage's entry since: hear of what snapshots
        have to know."""
        self._ram_stores[self.stage].arm()
        dead_stack = self._dead_stacks[self.stage]
        if latest is None:
            dead_stack.disarm()  # nothing has been cleared yet
        elif latest.stage == self.stage:
            dead_stack.arm(latest.ram.dead)

    def listen_to_nothing(self) -> None:
        """The same where nobody needs snapshots that are cheap."""
        self._tracker.unsure()

    def state(self, *, clear: bool) -> State:
        """The present state. With `clear` the dead part of the stack becomes zero."""
        engine, hypervisor = self.engine, self._hypervisor
        mapped = hypervisor.shared_info_gpfn is not None
        stack = self._chain[self.stage].image.stack
        return State(
            self.stage,
            engine.context(),
            self._tracker.look(stack, engine.stack_pointer(), clear=clear),
            self._shared_info.own() if mapped else b"",
            hypervisor.state(),
            self.platform.state(),
            self.vcpus.state(),
            self._awaited.seen,
            self.log.unfenced,
        )

    def restore(self, state: State) -> None:
        """Back to a state that `state` gave."""
        moved = self.stage != state.stage
        refit = moved or state.hypervisor.populated != self._hypervisor.populated
        self._turn_to(state.stage)
        self._hypervisor.restore(state.hypervisor)
        if moved:
            self.engine.suspect_code()
        if refit:
            self.engine.refit()
        self.platform.restore(state.platform)
        self.vcpus.restore(state.vcpus)
        self._awaited.text, self._awaited.seen = (
            self._chain[state.stage].stop.console,
            state.printed,
        )
        self._tracker.restore(state.ram)
        if state.shared_info:
            self._shared_info.put_own(state.shared_info)
        self._place_shared_info()
        self.engine.set_context(state.cpu)
        self.log.begin(unfenced=state.unfenced)
        self._call = None

    @property
    def console(self) -> tuple[bytes, bytes]:
        """What has been printed: on port 0xe9, and by console_io."""
        return self.platform.console.text, self._hypervisor.console.text

    @console.setter
    def console(self, console: tuple[bytes, bytes]) -> None:
        self.platform.console.text, self._hypervisor.console.text = console

    def _printed(self, more: bytes) -> None:
        if self._awaited.hear(more):
            self.engine.stop(Request.PRINTED)

    # -- Bus: called by the engine from inside Unicorn ------------------------------------------

    def load(self, address: int, size: int) -> int | None:
        """A load in a window: None where it is shared."""
        if is_shared(address, size):
            return None
        return self._shared_info.read(address % PAGE, size)

    def wrmsr(self, msr: int, value: int, pc: int) -> None:
        """WRMSR. That of the hypercall page's is ours; the others are the CPU's own."""
        del pc
        if msr != hypervisor.HYPERCALL_MSR:
            return
        try:
            self._hypervisor.wrmsr(msr, value)
        except NoMemoryError:
            self.engine.fault(f"put the hypercall page at {value:#x}, where there is no RAM")
        else:
            self.engine.stop(Request.HYPERCALL_MSR)

    def port_in(self, port: int, size: int) -> int:
        """IN."""
        self._fence_here()
        value = self.platform.port_in(port, size)
        if value is None:
            self.notices.access("port", "in", port, size, "all ones", self._here())
            value = (1 << 8 * size) - 1
        return value

    def port_out(self, port: int, size: int, value: int) -> None:
        """OUT, and hypercalls."""
        if port == hypervisor.HYPERCALL_PORT and self._is_hypercall(value):
            self.engine.set(x86.UC_X86_REG_EAX, self._hypercall(value))
            return
        self._fence_here()
        if not self.platform.port_out(port, size, value):
            answer = "nothing happens"
            self.notices.access("port", "out", port, size, answer, self._here(), value)

    def cpuid(self, leaf: int, subleaf: int) -> tuple[int, int, int, int] | None:
        """CPUID."""
        del subleaf
        self._fence_here()
        return self._hypervisor.cpuid(leaf)

    def _fence_here(self) -> None:
        if self.log.unfenced:
            self.fence(self.engine.get(x86.UC_X86_REG_EIP))

    def is_ram(self, address: int) -> bool:
        """RAM, and the device pages, which are plain memory here."""
        return self._hypervisor.is_ram(address) or address & ~(PAGE - 1) in DEVICE_PAGES

    def is_window(self, address: int) -> bool:
        """Whether there is no RAM because the page is shared, or ours."""
        return address - address % PAGE in self._windows()

    def missing_page(self, address: int, size: int, *, write: bool) -> None:
        """An access to the space of devices where there is none."""
        verb, answer = ("store", "it is lost") if write else ("load", "all ones")
        self.notices.access("device", verb, address, size, answer, self._here())

    def refusal(self, pc: int, what: str) -> InputError:
        """An instruction that does what this machine cannot do."""
        instruction = self.engine.instruction(pc)
        return self._refusal(f"the instruction at {self._place(pc)}, {instruction}, {what}")

    def _refusal(self, what: str) -> InputError:
        path = self._chain[self.stage].image.path
        return InputError(
            f"{path}: {what}: guestsim cannot do that (docs/unicorn.md, what is refused)"
        )

    # -- hypercalls -----------------------------------------------------------------------------

    def _is_hypercall(self, number: int) -> bool:
        """Whether the OUT at which the CPU stands is that of the hypercall page's entry."""
        entry = self.engine.get(x86.UC_X86_REG_EIP) - 5
        return self.is_ram(entry) and (
            self.memory.read(entry, _ENTRY_SIZE) == hypervisor.hypercall_entry(number)
        )

    def _hypercall(self, number: int) -> int:
        """Its result. Where the CPU stops for it, that of a wait: 0."""
        answer = self._answer(number)
        if isinstance(answer, calls.Missing):
            self.notices.add(answer.what, "ENOSYS", self.caller())
            answer = -XenErrno.ENOSYS
        if isinstance(answer, calls.Ops):
            if answer.ops[-1].kind is not Kind.WAIT:
                self.allowance.trap(OP)
                self.log.add(*self._called(answer.ops))
                return answer.result
        elif self.log.unfenced:
            self.log.add(Op(Kind.FENCE, site=self.caller()))
        if isinstance(answer, int):
            return answer & 0xFFFFFFFF
        self._call = answer
        self.engine.stop(Request.HYPERCALL)
        return 0

    def _answer(self, number: int) -> calls.Answer:
        engine = self.engine
        arguments = (
            engine.get(x86.UC_X86_REG_EBX) & 0xFFFFFFFF,
            engine.get(x86.UC_X86_REG_ECX) & 0xFFFFFFFF,
            engine.get(x86.UC_X86_REG_EDX) & 0xFFFFFFFF,
        )
        if number == Hypercall.console_io:
            self.allowance.trap(min(arguments[1], hypervisor.MOST_PRINTED) // _PRINTED)
        try:
            if number == Hypercall.vcpu_op:
                answer = self.vcpus.operate(*arguments)
                self._after_vcpus()
                return calls.Missing(f"vcpu_op {arguments[0]}") if answer is None else answer
            return self._hypervisor.hypercall(number, arguments)
        except NoMemoryError:
            if any(map(self.is_window, arguments[1:])):
                caller = self.caller().pc
                what = f"hypercall {number}, called at {self._place(caller)}, has an argument"
                raise self._refusal(f"{what} on a shared page") from None
            return -XenErrno.EFAULT

    def finish_call(self) -> Op | calls.Shutdown | None:
        """A hypercall for which the CPU had to stop: the op that it waits for, that the guest is
        gone, or None where it can go on at once."""
        call, self._call = self._call, None
        match call:
            case calls.Shutdown():
                return call
            case calls.Later():
                self.engine.set(x86.UC_X86_REG_EAX, self._change_map(call) & 0xFFFFFFFF)
                return None
            case calls.Ops():
                *before, last = self._called(call.ops)
                self.log.add(*before)
                return last
            case None:
                raise InternalError("a hypercall stopped the guest without a reason")

    def _called(self, ops: Sequence[Op]) -> list[Op]:
        """The ops of a hypercall, at its caller."""
        site = self.caller()
        return [
            Op(op.kind, op.address, op.size, op.value, site, op.flags, op.note, op.end)
            for op in ops
        ]

    def _change_map(self, call: calls.Later) -> int:
        address = call.gpfn * PAGE
        if call.kind == "refit":
            self.engine.refit()
            return call.result
        if call.kind == "unmap":
            self._hypervisor.shared_info_gpfn = None
            self._place_shared_info()
            return 1
        if self.is_ram(address) or address == RING_PAGE or address >> 32:
            what = f"shared_info over memory in use, or over 4 GiB, at {address:#x},"
            self.notices.add(what, "EINVAL", self.caller())
            return -XenErrno.EINVAL
        if self._hypervisor.shared_info_gpfn is None:
            self._shared_info.initialise()
        self._hypervisor.shared_info_gpfn = call.gpfn
        self._place_shared_info()
        return 0

    def _place_shared_info(self) -> None:
        """Make the present engine's map agree with where shared_info is."""
        gpfn = self._hypervisor.shared_info_gpfn
        self._shared_info.place(self.engine, None if gpfn is None else gpfn * PAGE)
        self._tracker.set_windows(self._windows())

    def _windows(self) -> tuple[int, ...]:
        """The pages that are no RAM, but shared or ours."""
        gpfn = self._hypervisor.shared_info_gpfn
        return (RING_PAGE,) if gpfn is None else (RING_PAGE, gpfn * PAGE)

    def _interrupt_command(self, low: int) -> None:
        high = int.from_bytes(self.memory.read(APIC_ICR_HIGH, 4), "little")
        self.vcpus.command(low & 0xFFFFFFFF, high)
        self._after_vcpus()

    def _after_vcpus(self) -> None:
        self._tracker.unsure()
        self.engine.suspect_code()
        if self.vcpus.trouble is not None:
            self.engine.stop(Request.TROUBLE)

    # -- places ---------------------------------------------------------------------------------

    def _here(self) -> Site:
        """Where the CPU is."""
        return self.log.site(self.engine.get(x86.UC_X86_REG_EIP))

    def caller(self) -> Site:
        """Who called the hypercall page: the return address is on the stack."""
        stack = self.engine.get(x86.UC_X86_REG_ESP) & 0xFFFFFFFF
        try:
            return self.log.site(int.from_bytes(self.memory.read(stack, 4), "little") - 1)
        except NoMemoryError:
            return self._here()  # it came by a jump, or will not get back

    def _place(self, pc: int) -> str:
        """A program counter for people."""
        function = symbols_of(self._chain[self.stage].image.content).function(pc)
        return f"{pc:#x} in {function}" if function else f"{pc:#x}"

    def _dead_was_read(self, address: int, size: int) -> None:
        pc = self.engine.get(x86.UC_X86_REG_EIP)
        raise InternalError(
            f"{self._chain[self.stage].image.path}: the instruction at {self._place(pc)}, "
            f"{self.engine.instruction(pc)}, reads {size} bytes at {address:#x}, below what was "
            "the stack pointer when guestsim took that part of the stack for dead and cleared it: "
            "no verdict. Where an image keeps data below its stack pointer, its stack must not be "
            "called `stack`"
        )
