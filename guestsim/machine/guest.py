"""The guest: a boot chain of images on one machine, as an actor.

What the guest does to the ring page, and to the event words of shared_info, surfaces as ops; the
rest of its life is private. Stores and sends are collected while the CPU runs on; a load, an atomic
read-modify-write or a wait stops it until its answer is known.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Sequence

from guestsim.errors import InternalError
from guestsim.machine import boot
from guestsim.machine.allowance import DEFAULT_BUDGET, STOP
from guestsim.machine.answers import BEGIN, Answers, follow, verdict
from guestsim.machine.boot import Stage
from guestsim.machine.bus import Stop, StopKind
from guestsim.machine.calls import Shutdown
from guestsim.machine.cpu import EIP
from guestsim.machine.ends import end_of_shutdown, judged, ways_out
from guestsim.machine.handovers import Handovers
from guestsim.machine.learnt import Lesson, lesson
from guestsim.machine.machine import Machine, Request
from guestsim.machine.notices import Notice
from guestsim.machine.points import Point, State
from guestsim.machine.profile import Profile
from guestsim.machine.stops import StopAt
from guestsim.trace.actor import Burst
from guestsim.trace.ops import End, Flag, Kind, Op, Outcome, Site
from guestsim.trace.text import quoted

__all__ = ["Guest", "Stage"]

_WRMSR_SIZE = 2


class _PausedError(Exception):
    """The CPU has executed as much of a burst as a debugger wants."""


class Guest:
    """Implements `guestsim.trace.actor.Actor` for a boot chain.

    Going on from the latest point costs one resumption of the CPU. To go back to an earlier point,
    its state is restored where the guest keeps states (`keep_states`: a search does); otherwise
    the guest runs anew, with the answers that led there. The machine's state, and what is under way
    between the last stage and its daemon (where `handovers` are wanted: any stage), make a point's
    key.
    """

    name = "guest"

    def __init__(
        self,
        chain: Sequence[Stage],
        port: int,
        profile: Profile | None = None,
        budget: int = DEFAULT_BUDGET,
    ) -> None:
        """`port`: the store's event channel, or `hypervisor.NO_PORT`. InputError where an
        image does not fit into the platform's memory."""
        profile = profile or Profile()
        for stage in chain:
            boot.check_fits(stage.image, profile.memory)
        self.chain = tuple(chain)
        self.machine = Machine(chain, port, profile, budget)
        self.keep_states = False
        """Whether points come with the state that they stand for."""
        self.handovers: Handovers | None = None
        """Where somebody wants to know: what stages hand over, and learn before that. To be set
        before anything runs."""
        self._latest: Point | None = None
        self._begin()

    @property
    def fences(self) -> bool:
        """Whether instructions that wait for the store buffer surface as FENCE. Points of before it
        was changed cannot be resumed."""
        return self.machine.log.fences

    @fences.setter
    def fences(self, fences: bool) -> None:
        if fences != self.fences:
            self.machine.set_fences(fences)
            self._latest = None

    @property
    def should_stop(self) -> Callable[[], bool]:
        """Asked every few milliseconds: whether to give up what is under way, by a StoppedError."""
        return self.machine.allowance.should_stop

    @should_stop.setter
    def should_stop(self, should_stop: Callable[[], bool]) -> None:
        self.machine.allowance.should_stop = should_stop

    @property
    def mark_strings(self) -> bool:
        """Whether stores of one string instruction say so (`Flag.STRING`)."""
        return self.machine.log.mark_strings

    @mark_strings.setter
    def mark_strings(self, mark: bool) -> None:
        self.machine.log.mark_strings = mark

    def _begin(self) -> None:
        self._latest = None
        self._answer = 0
        self._silent: tuple[int, int] | None = None  # ops and console as the stage found them
        self._followed: Answers | None = None
        self._heard: tuple[Op, int] | None = None  # what the burst began with
        self._earlier = 0  # ops of this burst that are of the stage before, or followed

    # -- Actor ----------------------------------------------------------------------------------

    def start(self) -> Burst:
        """Power on: the first stage's entry point, up to its first load."""
        self._begin()
        self.machine.allowance.begin_execution()
        self.machine.power_on()
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
            self.machine.log.locked = point.pc, pending.address
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

    def stop_within(
        self, before: Point | None, value: int, count: int, end: Point | None
    ) -> tuple[Op, ...]:
        """Stand in the middle of the burst from `before` (None: from power on) with `value`, after
        `count` instructions of it; the ops that they made. The burst, which ends at `end`, has been
        run, and the guest keeps states."""
        allowance = self.machine.allowance
        allowance.pause_after = count
        try:
            burst = self.start() if before is None else self.resume(before, value)
        except _PausedError:
            anchor = end or before
            # Not a point that anybody has: to go on from any, its state is restored.
            self._latest = None if anchor is None else anchor._replace()
            self.machine.listen_to_nothing()
            return tuple(self.machine.log.ops)
        finally:
            allowance.pause_after = None
        return burst.ops[:-1]

    def key(self, point: Point) -> Hashable:
        """The point's op and all that the guest's future depends on."""
        state, followed = point.state, point.followed
        if state is None:
            self._stand_at(point)
            state, followed = self.state()
        return point.op, point.answers, state, followed

    def state(self) -> tuple[State, Answers | None]:
        """Everything of the guest that can change, as it stands now: its machine's, and what is
        under way between the stage and its daemon (None where nobody follows that)."""
        return self.machine.state(clear=self.keep_states), self._followed

    def _stand_at(self, point: Point) -> None:
        """Make `point` the latest one."""
        if point is self._latest:
            return
        if point.state is None or self._latest is None or self._latest.state is None:
            self._run_to(point)
        else:
            self.machine.restore(point.state)
            self._followed = point.followed
            self._silent = None
        self.machine.console = point.console
        self._latest = point

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
        return b"".join(self.machine.console).decode("utf-8", errors="replace")

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What the guest asked for and this machine does not provide, and what else is odd about
        it, in the order of its doing."""
        return self.machine.notices.all()

    # -- stages ---------------------------------------------------------------------------------

    def _next_stage(self) -> int:
        """Load the next image; returns its entry point."""
        self._end_stage()
        self._silent = self._heard_of()
        entry = self.machine.load_stage(self.machine.stage + 1)
        last = self._is_last_stage()
        counts = bool(self._stop.requests)
        self._followed = None
        if last or counts or self.handovers is not None:
            changes = None if last or self.handovers is None else ()
            self._followed = BEGIN._replace(changes=changes, sent=0 if counts else None)
            self._heard = None
            self._earlier = len(self.machine.log.ops)
        return entry

    def _hand_over(self) -> None:
        if self.handovers is None:
            return
        self._follow()
        if self._followed is not None and (wrong := verdict(self._followed).wrong) is not None:
            self._learn(lesson(wrong.before, wrong.request, wrong.message))
        images = [stage.image for stage in self.chain[: self.machine.stage + 1]]
        dead = (segment for image in images for segment in image.segments)
        self.handovers.take(self._stage_name(), self.machine.memory, dead)

    def _learn(self, learnt: Lesson) -> None:
        if self.handovers is not None:
            self.handovers.learn(self._stage_name(), learnt)

    def _stage_name(self) -> str:
        """Of the present stage, as no other is called."""
        names = [stage.image.name for stage in self.chain]
        number = self.machine.stage
        name = names[number]
        return name if names.count(name) == 1 else f"{name} (stage {number + 1})"

    @property
    def _stop(self) -> StopAt:
        """What ends the present stage."""
        return self.chain[self.machine.stage].stop

    def _is_last_stage(self) -> bool:
        return self.machine.stage + 1 == len(self.chain)

    def _heard_of(self) -> tuple[int, int]:
        """How much others could see of the guest: ops of this burst, and what it has printed."""
        return len(self.machine.log.ops), sum(map(len, self.machine.console))

    def _end_stage(self) -> None:
        """The present stage is over, if there is one. One that did nothing that others could see
        may never have run as it was meant to."""
        if self._silent == self._heard_of():
            name = self.chain[self.machine.stage].image.name
            remark = f"stage {name} touched neither ring nor console"
            self.machine.notices.remark(remark, Site(name))

    # -- bursts ---------------------------------------------------------------------------------

    def _advance(self, pc: int, answers: tuple[int, ...] = (), *, alone: bool = False) -> Burst:
        machine = self.machine
        machine.allowance.begin(live=not self.keep_states)
        self._listen()
        while True:
            stop = machine.engine.run(pc, answers, alone=alone)
            answers, alone = (), False
            over = None  # how the stage has ended well
            match stop.kind:
                case StopKind.LOAD:
                    over = self._asked_enough()
                    if over is None:
                        atomic = machine.engine.instruction(stop.pc).is_atomic
                        return self._burst(machine.log.load(stop, atomic=atomic), stop.pc, stop)
                case StopKind.REQUEST if stop.detail is Request.HYPERCALL:
                    machine.allowance.trap(STOP)
                    op = machine.finish_call()
                    pc = machine.engine.get(EIP)
                    if isinstance(op, Shutdown):
                        return self._burst(self._shutdown(op.reason), pc)
                    if op is not None:
                        over = self._asked_enough()
                        if over is None:
                            return self._burst(op, pc)
                case StopKind.REQUEST if stop.detail is Request.HYPERCALL_MSR:
                    machine.allowance.trap(STOP)
                    pc = machine.engine.get(EIP) + _WRMSR_SIZE
                case StopKind.REQUEST if stop.detail is Request.PAUSE:
                    raise _PausedError
                case StopKind.REQUEST if stop.detail is Request.TROUBLE:
                    return self._vcpu_trouble()
                case StopKind.REQUEST if stop.detail is Request.PRINTED:
                    over = f"printed {quoted(self._stop.console.decode())}"
                case StopKind.REQUEST:
                    over = "handed over at F000:FFF0"
                case StopKind.FAULT:
                    return self._halt(Outcome.CRASHED, str(stop.detail), stop.pc)
                case StopKind.HLT:
                    over = "executed HLT" if self._stop.hlt else self._asked_enough()
                    if over is None:
                        message = "executed HLT, and nothing can wake it"
                        return self._come_to_nothing(message, stop.pc)
                case StopKind.SPENT:
                    if machine.allowance.is_paused:
                        machine.engine.set(EIP, stop.pc)
                        raise _PausedError
                    message = f"{machine.allowance} without a load from a shared page"
                    return self._come_to_nothing(message, stop.pc)
            if over is not None:
                if self._is_last_stage():
                    return self._halt(Outcome.CONNECTED, over, stop.pc)
                self._hand_over()
                pc = self._next_stage()
                self._listen()

    def _asked_enough(self) -> str | None:
        """How the stage has ended, where it had to send so many requests and has their answers."""
        enough = self._stop.requests
        if not enough:
            return None
        self._follow()
        known = self._followed
        if known is None or known.sent is None or known.sent < enough or known.waiting:
            return None
        return f"had the answers to {enough} request{'s' if enough > 1 else ''}"

    def _listen(self) -> None:
        if self.keep_states:
            self.machine.listen(None if self._latest is None else self._latest.state)
        else:
            self.machine.listen_to_nothing()

    def _burst(self, last: Op, pc: int, stop: Stop | None = None) -> Burst:
        machine = self.machine
        self._follow()
        last = self._as_judged(last)
        halted = last.kind is Kind.HALT
        if halted:
            self._end_stage()
        self._silent = None
        machine.log.add(last)
        ops = machine.log.take()
        self._earlier = 0
        state = machine.state(clear=True) if self.keep_states else None
        answers, alone = (stop.answers, stop.alone) if stop else ((), False)
        self._latest = Point(
            self._latest,
            self._answer,
            last,
            pc,
            answers,
            alone,
            state,
            self._followed,
            machine.console,
        )
        return Burst(ops, None if halted else self._latest)

    def _follow(self) -> None:
        """Follow the stage's requests and their answers."""
        if self._followed is None:
            return
        ops = self.machine.log.ops[self._earlier :] if self._earlier else self.machine.log.ops
        self._earlier = len(self.machine.log.ops)
        self._followed = follow(self._followed, self._heard, ops, self._learn)
        self._heard = None

    def _as_judged(self, last: Op) -> Op:
        """An end is judged by the answers that the last stage took."""
        if self._followed is None or last.end is None or last.end.outcome is not Outcome.CONNECTED:
            return last
        end = judged(last.end, self.chain[-1].image.name, self._followed)
        return Op(Kind.HALT, site=last.site, end=end)

    # -- ends -----------------------------------------------------------------------------------

    def _halt(self, outcome: Outcome, message: str, pc: int) -> Burst:
        return self._burst(_end(outcome, message, self.machine.log.site(pc)), pc)

    def _come_to_nothing(self, message: str, pc: int) -> Burst:
        ways = ways_out(self._stop, last=self._is_last_stage())
        return self._halt(Outcome.HUNG, f"{message}; {ways}", pc)

    def _shutdown(self, reason: int) -> Op:
        names = [stage.image.name for stage in self.chain[self.machine.stage :]]
        outcome, message = end_of_shutdown(reason, self.machine.platform.post, names)
        return _end(outcome, message, self.machine.caller())

    def _vcpu_trouble(self) -> Burst:
        trouble = self.machine.vcpus.trouble
        if trouble is None:
            raise InternalError("a vcpu stopped the guest without a reason")
        outcome = Outcome.HUNG if trouble.hung else Outcome.CRASHED
        return self._halt(outcome, trouble.message, trouble.pc)


def _end(outcome: Outcome, message: str, site: Site) -> Op:
    return Op(Kind.HALT, site=site, end=End(outcome, message, site))
