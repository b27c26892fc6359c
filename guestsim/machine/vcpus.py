"""The vcpus besides vcpu 0: started, run to their HLT, and gone again.

Firmware brings each of them up for a moment, by INIT and STARTUP through the local APIC or by
`vcpu_op` (tools/firmware/hvmloader/smp.c, older and newer). Here such a vcpu runs at once, on an
emulator of its own and to its end, while vcpu 0 stands at the instruction that started it. So there
is one order, always the same; and what a vcpu leaves behind is memory, and whether it waits.

Sources: Intel SDM volume 3, 8.4 (MP initialization) and 10.6.1 (interrupt command register);
xen/include/public/vcpu.h. Xen gives vcpu N the APIC id 2 * N.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from unicorn import x86_const as x86

from guestsim.abi.vcpu import VCPU_HVM_MODE_32B, VCPU_HVM_X86_32, VcpuOp
from guestsim.abi.xen import XenErrno
from guestsim.errors import InputError, InternalError
from guestsim.machine.allowance import Allowance
from guestsim.machine.bus import Stop, StopKind
from guestsim.machine.cpu import cpu_leaf
from guestsim.machine.engine import Engine
from guestsim.machine.memory import Memory

__all__ = ["APIC_ICR_HIGH", "APIC_ICR_LOW", "SecondaryVcpus", "Trouble", "VcpuState"]

APIC_ICR_LOW = 0xFEE00300
APIC_ICR_HIGH = 0xFEE00310
_INIT, _STARTUP = 5, 6

_REGISTERS = (
    x86.UC_X86_REG_EAX,
    x86.UC_X86_REG_ECX,
    x86.UC_X86_REG_EDX,
    x86.UC_X86_REG_EBX,
    x86.UC_X86_REG_ESP,
    x86.UC_X86_REG_EBP,
    x86.UC_X86_REG_ESI,
    x86.UC_X86_REG_EDI,
)


class VcpuState(NamedTuple):
    """What of a vcpu can change, as long as it does not run."""

    waits: bool = False
    """After INIT: the next STARTUP starts it."""
    up: bool = False
    registers: tuple[int, ...] = ()
    """What VCPUOP_initialise gave: eax, ecx, edx, ebx, esp, ebp, esi, edi, eip."""


class Trouble(NamedTuple):
    """A vcpu that did not come to its HLT."""

    hung: bool
    message: str
    pc: int


class Board(Protocol):
    """What a vcpu needs of the machine: `guestsim.machine.bus.Bus` without windows."""

    def port_in(self, port: int, size: int) -> int:
        """IN: the value."""

    def port_out(self, port: int, size: int, value: int) -> None:
        """OUT."""

    def cpuid(self, leaf: int, subleaf: int) -> tuple[int, int, int, int] | None:
        """CPUID, or None for the CPU's own answer."""

    def tsc(self) -> int:
        """RDTSC."""

    def is_ram(self, address: int) -> bool:
        """Whether there is RAM at a physical address."""

    def missing_page(self, address: int, size: int, *, write: bool) -> None:
        """An access where there is no device."""

    def is_window(self, address: int) -> bool:
        """Whether there is no RAM because the page is shared, or the hypervisor's."""


class SecondaryVcpus:
    """vcpus 1 to `count` - 1. All of them that can change is in `state()`."""

    def __init__(self, board: Board, memory: Memory, count: int, allowance: Allowance) -> None:
        self._board = board
        self._memory = memory
        self._allowance = allowance
        self._states = [VcpuState() for _ in range(1, count)]
        self._engines: dict[int, Engine] = {}
        self.trouble: Trouble | None = None

    def state(self) -> tuple[VcpuState, ...]:
        """The present state."""
        return tuple(self._states)

    def restore(self, states: Sequence[VcpuState]) -> None:
        """Back to a state that `state` gave."""
        self._states = list(states)
        self.trouble = None

    def reset(self) -> None:
        """As at power on."""
        self.restore([VcpuState()] * len(self._states))

    def command(self, low: int, high: int) -> None:
        """The guest wrote the interrupt command register. Only INIT and STARTUP mean anything."""
        mode, destination = low >> 8 & 7, high >> 24
        number, odd = divmod(destination, 2)
        if odd or not 1 <= number <= len(self._states):
            return
        state = self._states[number - 1]
        if mode == _INIT:
            self._states[number - 1] = state._replace(waits=True, up=False)
        elif mode == _STARTUP and state.waits:
            self._states[number - 1] = state._replace(waits=False, up=True)
            vector = low & 0xFF
            engine = self._engine(number, real_mode=True)
            engine.set(x86.UC_X86_REG_CS, vector << 8)
            self._run(number, engine, 0)

    def operate(self, command: int, number: int, argument: int) -> int | None:
        """`vcpu_op`; None where there is no such operation."""
        if number > len(self._states) or command not in VcpuOp.__members__.values():
            return -XenErrno.ENOENT if command in VcpuOp.__members__.values() else None
        if number == 0:
            return 1 if command == VcpuOp.VCPUOP_is_up else -XenErrno.EINVAL
        state = self._states[number - 1]
        match command:
            case VcpuOp.VCPUOP_initialise:
                size = struct.calcsize(VCPU_HVM_X86_32)
                mode, _, *registers, _ = struct.unpack(
                    VCPU_HVM_X86_32, self._memory.read(argument, size)
                )
                if mode != VCPU_HVM_MODE_32B:
                    return -XenErrno.EINVAL
                self._states[number - 1] = state._replace(registers=tuple(registers))
            case VcpuOp.VCPUOP_up if not state.registers:
                return -XenErrno.EINVAL
            case VcpuOp.VCPUOP_up if not state.up:
                self._states[number - 1] = state._replace(up=True)
                engine = self._engine(number, real_mode=False)
                *values, pc = state.registers
                for register, value in zip(_REGISTERS, values, strict=True):
                    engine.set(register, value)
                self._run(number, engine, pc)
            case VcpuOp.VCPUOP_down:
                self._states[number - 1] = state._replace(up=False)
            case VcpuOp.VCPUOP_is_up:
                return int(state.up)
        return 0

    def _engine(self, number: int, *, real_mode: bool) -> Engine:
        engine = self._engines.get(number)
        if engine is None:
            bus = _VcpuBus(self._board, number)
            engine = self._engines[number] = Engine(bus, self._memory, self._allowance)
        engine.reset(real_mode=real_mode)
        engine.suspect_code()
        engine.refit()
        return engine

    def _run(self, number: int, engine: Engine, pc: int) -> None:
        stop = engine.run(pc)
        if stop.kind is not StopKind.HLT:
            hung = stop.kind is StopKind.SPENT
            self.trouble = Trouble(hung, self._what(number, stop), engine.linear(stop.pc))

    def _what(self, number: int, stop: Stop) -> str:
        if stop.kind is StopKind.SPENT:
            return f"vcpu {number} {self._allowance} without halting"
        return f"vcpu {number} {stop.detail}"


class _VcpuBus:
    """The machine as a secondary vcpu sees it. It has no part in what is shared."""

    def __init__(self, board: Board, number: int) -> None:
        self._number = number
        self.port_in, self.port_out = board.port_in, board.port_out
        self.tsc, self.is_ram = board.tsc, board.is_ram
        self._cpuid, self._is_window = board.cpuid, board.is_window
        self._missing_page = board.missing_page

    def cpuid(self, leaf: int, subleaf: int) -> tuple[int, int, int, int] | None:
        """As vcpu 0's, but for the APIC id."""
        if leaf == 1:
            eax, ebx, ecx, edx = cpu_leaf(leaf, subleaf)
            return eax, ebx & 0xFFFFFF | 2 * self._number << 24, ecx, edx
        if leaf == 0xB:
            eax, ebx, ecx, _ = cpu_leaf(leaf, subleaf)
            return eax, ebx, ecx, 2 * self._number
        return self._cpuid(leaf, subleaf)

    def missing_page(self, address: int, size: int, *, write: bool) -> None:
        """As vcpu 0's, but that windows have no place in this vcpu's engine."""
        if self._is_window(address):
            raise InputError(
                f"vcpu {self._number} touches {address:#x}, which is shared or the hypervisor's: "
                "only vcpu 0 can"
            )
        self._missing_page(address, size, write=write)

    def load(self, address: int, size: int) -> int | None:
        """Never called: there are no windows."""
        raise InternalError(f"vcpu {self._number}: load of {size} bytes in a window, {address:#x}")

    def store(self, address: int, size: int, value: int, pc: int) -> None:
        """Never called: there are no windows."""
        what = f"store of {value:#x}, {size} bytes, at {pc:#x}"
        raise InternalError(f"vcpu {self._number}: {what} in a window, {address:#x}")

    def fence(self, pc: int) -> None:
        """Of no meaning: nothing that is shared was stored."""

    def wrmsr(self, msr: int, value: int, pc: int) -> None:
        """The CPU's own."""

    def refusal(self, pc: int, what: str) -> InputError:
        """An instruction that does what this machine cannot do."""
        return InputError(
            f"vcpu {self._number}: the instruction at {pc:#x} {what}: guestsim cannot do that"
        )
