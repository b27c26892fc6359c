"""A second CPU, in plain Python: what a test's machine code does, worked out independently.

It interprets the few instructions that `guest_programs` emits, from the bytes in its own memory at
the moment they run, and gives the ops that the machine must surface.

What an instruction loads from a shared page, it loads before it changes anything. So an instruction
that waits for an answer can be run anew from its beginning with the answers that it has.
"""

from __future__ import annotations

import struct

from code86 import HYPERCALL_PAGE, PORT
from cpu86 import EAX, EBX, ECX, MASK, PAGE, RAM, Core, Expected, UnmodelledError, WaitsError
from decode86 import decode
from instructions86 import HANDLERS

from guestsim.trace import shared
from guestsim.trace.ops import Kind, Outcome

__all__ = ["RAM", "Cpu", "Expected", "UnmodelledError"]


class Cpu(Core):
    """Runs instructions and hypercalls, from one answer to the next."""

    def run(self, answer: int | None = None) -> list[Expected]:
        """The ops up to the next one that needs an answer, or up to the end."""
        if answer is not None:
            assert self.asked is not None
            wide = 1 << 8 * self.asked.size
            self.fed.append(0 if self.asked.kind is Kind.WAIT else answer % wide)
        self.ops, self.asked = [], None
        while not self.halted:
            try:
                self._step()
            except WaitsError as wait:
                self.asked = wait.op
                self.surface(wait.op)
                break
        return self.ops

    def _step(self) -> None:
        if HYPERCALL_PAGE <= self.eip < HYPERCALL_PAGE + PAGE:
            self._hypercall((self.eip - HYPERCALL_PAGE) // 32)
            return
        offset = self.eip % PAGE
        page = self.page(self.eip)
        window = bytes(page[offset : offset + 15])
        if len(window) < 15:
            window += bytes(self.page(self.eip + 15)[: 15 - len(window)])
        ins = decode(window)
        self.next = 0
        self.at = range(self.eip, self.eip + 1)
        self.length = ins.length
        following = self.eip + ins.length
        handler = HANDLERS.get(ins.code)
        if handler is None:
            raise UnmodelledError(f"{self.eip:#x}: {window.hex(' ')}")
        self.several = False
        target = handler(self, ins)
        if self.trace is not None:
            self.trace.append((self.eip, window))
        self.fed.clear()
        self.eip = following if target is None else target & MASK

    # -- hypercalls -----------------------------------------------------------------------------

    def _hypercall(self, number: int) -> None:
        self.next, self.at, self.several = 0, self.caller, False
        command, argument = self.regs[EBX], self.regs[ECX]
        result = 0
        port = int.from_bytes(self._words(argument, 4), "little")
        match number, command:
            case 29, 2:
                reason = int.from_bytes(self._words(argument, 4), "little")
                self.halt(Outcome.CONNECTED if reason == 0 else Outcome.CRASHED)
                return
            case 29, 3:
                ports, count, timeout = struct.unpack("<IIQ", self._words(argument, 16))
                if count != 1 or timeout:
                    raise UnmodelledError("a poll of several ports, or one that times out")
                polled = int.from_bytes(self._words(ports, 4), "little")
                address, size, bits = shared.pending_place(polled)
                if self.next == len(self.fed):
                    raise WaitsError(Expected(Kind.WAIT, address, size, bits, False, self.at))
            case 32, 4 if port == PORT:
                place = shared.server_pending_place()
                self.surface(Expected(Kind.SEND, *place, False, self.at))
            case 32, 9:
                place = shared.pending_place(port)
                self.surface(Expected(Kind.UNMASK, *place, False, self.at))
            case 29, 0:
                if self.next == len(self.fed):
                    raise WaitsError(Expected(Kind.WAIT, 0, 0, 0, False, self.at))
            case 17, 0:
                self.order()
                result = 4 << 16 | 17
            case 12, 7:  # add_to_physmap of shared_info, which is where it is from the start here
                self.order()
            case 20, _:
                self.order()
                result = -38
            case _:
                raise UnmodelledError(f"hypercall {number}, command {command}")
        self.fed.clear()
        self.regs[EAX] = result & MASK
        self.eip = self.pop()

    def _words(self, address: int, size: int) -> bytes:
        return bytes(self.page(address + at)[(address + at) % PAGE] for at in range(size))
