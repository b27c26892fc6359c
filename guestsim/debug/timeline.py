"""One execution, and its guest between any two instructions: where a debugger stands, goes to and
comes back to.

A `Moment` is a place in the guest's program. Others move as late as they can: before an instruction
of the guest that touches what is shared, the schedule is followed until it is the guest's turn.
Only where a person has moved them, or where a watchpoint stopped on what they did, have others
moved earlier; such steps are remembered with their moment, and done again at it.

Going back is to begin anew, and to follow the same schedule to an earlier step: the actors are
deterministic, and the guest remembers (`guestsim.machine.stepping`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from guestsim.debug.course import Course, Mark, Plan
from guestsim.machine.stepping import Leg
from guestsim.trace import Event, Kind

__all__ = ["Moment", "Stop", "Timeline", "Watch", "Why"]


class Moment(NamedTuple):
    """A place in the guest's program: the leg, and the position in it."""

    leg: int
    at: int


class Why(Enum):
    """Why the guest stands still."""

    STEPPED = "stepped"
    BREAK = "at a breakpoint"
    WATCH = "at a watchpoint"
    STAGE = "the next stage of the boot chain begins"
    BEGIN = "at the beginning"
    END = "at the end"
    INTERRUPTED = "interrupted"


class Stop(NamedTuple):
    """That it does."""

    why: Why
    watch: Watch | None = None


class Watch(NamedTuple):
    """Of shared memory, what to watch for whom it concerns, whoever touches it."""

    place: int
    size: int
    loads: bool
    stores: bool
    address: int
    """As the guest calls it."""

    def sees(self, event: Event) -> bool:
        """Whether an event touches it."""
        op = event.op
        if not (op.address < self.place + self.size and self.place < op.address + op.size):
            return False
        if op.kind in (Kind.LOAD, Kind.RMW):
            return self.loads
        return self.stores and op.kind in (Kind.STORE, Kind.SEND, Kind.UNMASK)


class Timeline:
    """Stands at `moment`, with the execution as far as it has come by then."""

    def __init__(self, plan: Plan) -> None:
        """At power on."""
        self.course = Course(plan)
        self.stepper = plan.guest
        self.breakpoints: set[int] = set()
        """Linear addresses."""
        self.watches: set[Watch] = set()
        self.moment = Moment(0, 0)
        self._early: dict[int, Moment] = {}
        """Steps of others that come before they have to, by number: when."""
        self._departed_at = Moment(0, 0)

    @property
    def leg(self) -> Leg:
        """The leg in which the guest stands."""
        return self.course.legs[self.moment.leg]

    def _perform(self, goal: Mark, *, watching: bool = False) -> Watch | None:
        """Follow the schedule until the guest has come as far as `goal`; or to the end, or to what
        a watch sees."""
        course = self.course
        while course.mark < goal and not course.ended:
            course.step()
            seen = self._seen(course.steps - 1) if watching and self.watches else None
            if seen is not None:
                return seen
        return None

    def _seen(self, step: int) -> Watch | None:
        """What a watch sees in that step."""
        for event in self.course.events(step):
            for watch in sorted(self.watches):
                if watch.sees(event):
                    return watch
        return None

    def _place_of(self, mark: Mark) -> Moment:
        """Where the guest stands while it has come so far: before its next op."""
        leg = self.course.legs[mark.leg]
        return Moment(mark.leg, self.stepper.position_of(leg, mark.done))

    # -- forward --------------------------------------------------------------------------------

    def step(self) -> Stop:
        """Execute one instruction."""
        first, before = self.course.steps, self.moment
        self._instruction()
        if self.moment == before:
            return Stop(Why.END)
        if self.watches:
            for step in range(first, self.course.steps):
                seen = self._seen(step)
                if seen is not None:
                    return Stop(Why.WATCH, seen)
        return Stop(Why.STEPPED)

    def forward(self, interrupted: Callable[[], bool], inside: range | None = None) -> Stop:
        """Go on to what there is to stop at: also to the first instruction that is not `inside`."""
        course = self.course
        while True:
            leg = self.leg
            stops = self._stops(leg)
            if inside is not None:
                left = self.stepper.leaving(leg, self.moment.at, inside)
                stops |= {} if left is None or left in stops else {left: Why.STEPPED}
            ahead = [at for at in stops if at > self.moment.at]
            target = min(ahead, default=leg.length)
            goal = Mark(leg.number, self.stepper.done(leg, target))
            seen = self._perform(goal, watching=True)
            if seen is not None:
                return self._watched(seen)
            if course.mark < goal:
                break  # the end comes before
            self._arrive(Moment(leg.number, target))
            if ahead:
                return Stop(stops[target])
            if interrupted():
                return Stop(Why.INTERRUPTED)
            seen = self._perform(Mark(leg.number + 1, 0), watching=True)
            if seen is not None:
                return self._watched(seen)
            if course.mark.leg == leg.number:
                break
            self._arrive(Moment(leg.number + 1, 0))
        self.moment = self._place_of(course.mark)
        return Stop(Why.END)

    def _stops(self, leg: Leg) -> dict[int, Why]:
        """Where in a leg there is something to stop at."""
        stops = dict.fromkeys(self.stepper.beginnings(leg), Why.STAGE)
        if self.breakpoints:
            stops |= dict.fromkeys(self.stepper.hits(leg, self.breakpoints), Why.BREAK)
        return stops

    def _instruction(self) -> None:
        """One instruction, or as much of it as comes before the end."""
        leg, at = self.leg, self.moment.at
        while at == leg.length and not self.course.ended:
            self._perform(Mark(leg.number + 1, 0))
            if self.course.mark < Mark(leg.number + 1, 0):
                break
            leg, at = self.course.legs[leg.number + 1], 0
        if at < leg.length:
            goal = Mark(leg.number, self.stepper.done(leg, at + 1))
            self._perform(goal)
            if self.course.mark >= goal:
                at += 1
        self._arrive(Moment(leg.number, at))

    def _arrive(self, moment: Moment) -> None:
        """The guest stands there; what others did there before they had to, they do again."""
        self.moment = moment
        while not self.course.ended and self._is_early(self.course.steps, moment):
            self.course.step()

    def _is_early(self, step: int, moment: Moment) -> bool:
        when = self._early.get(step)
        return when is not None and when <= moment

    def _watched(self, seen: Watch) -> Stop:
        """The latest step is one that a watch has seen."""
        step = self.course.steps - 1
        self.moment = self._place_of(self.course.marks[step])
        if self.course.moves_guest(step):
            self._instruction()
        else:
            self._hold(step + 1)
        return Stop(Why.WATCH, seen)

    def _hold(self, stop: int) -> None:
        """The steps before `stop` that others have made since the guest's latest are early ones:
        they come as soon as the guest is at the present moment."""
        step = stop - 1
        while step >= 0 and self.course.marks[step] == self.course.marks[stop]:
            if self._is_early(step, self.moment):
                break  # and those before it
            self._early[step] = self.moment
            step -= 1

    # -- back -----------------------------------------------------------------------------------

    def step_back(self) -> Stop:
        """Undo one instruction."""
        number, at = self.moment
        if at <= 1 and number > 0:
            back = self._end_before(number)
            if at == 0:
                back = Moment(back.leg, back.at - 1)
        elif at > 0:
            back = Moment(number, at - 1)
        else:
            return Stop(Why.BEGIN)
        self.return_to(back)
        return Stop(Why.STEPPED)

    def _end_before(self, number: int) -> Moment:
        """The place at which that leg begins, as the end of one."""
        number -= 1
        while number > 0 and self.course.legs[number].length == 0:
            number -= 1
        return Moment(number, self.course.legs[number].length)

    def backward(self, interrupted: Callable[[], bool]) -> Stop:
        """Go back to what there is to stop at."""
        watched, seen = self._seen_before()
        for number in range(self.moment.leg, watched.leg - 1, -1):
            leg = self.course.legs[number]
            stops = self._stops(leg)
            behind = [at for at in stops if Moment(number, at) < self.moment]
            if behind and Moment(number, max(behind)) > watched:
                self.return_to(Moment(number, max(behind)))
                return Stop(stops[max(behind)])
            if interrupted():
                self.return_to(Moment(number, 0) if number == 0 else self._end_before(number))
                return Stop(Why.INTERRUPTED)
        if seen is None:
            self.return_to(Moment(0, 0))
            return Stop(Why.BEGIN)
        step, watch = seen
        self.moment = watched
        self._forget_early(step)
        self._hold(step)
        self.return_to(watched)
        return Stop(Why.WATCH, watch)

    def _seen_before(self) -> tuple[Moment, tuple[int, Watch] | None]:
        """The latest step that a watch has seen, and where the guest stands before it."""
        if self.watches:
            for step in range(self.course.steps - 1, -1, -1):
                watch = self._seen(step)
                if watch is not None:
                    return self._place_of(self.course.marks[step]), (step, watch)
        return Moment(0, 0), None

    def return_to(self, moment: Moment) -> None:
        """Back to a moment before the present one, or again to this."""
        leg, course = self.course.legs[moment.leg], self.course
        done = self.stepper.done(leg, moment.at) if moment.at else leg.first_done
        step = bisect_left(course.marks, Mark(moment.leg, done))
        while self._is_early(step, moment):
            step += 1
        if step < course.steps:
            course.begin()
        while course.steps < step:
            course.step()
        self.moment = moment

    # -- by hand --------------------------------------------------------------------------------

    def move(self, mover: int) -> Event | None:
        """Somebody other than the guest makes a step now; its event, None where it cannot move."""
        course = self.course
        if not course.execution.enabled(mover):
            return None
        step, was = course.steps, course.departed
        op = course.execution.peek(mover)
        if course.move(mover):
            self._forget_early(step)
        if was is None and course.departed is not None:
            self._departed_at = self.moment
        self._hold(step + 1)
        events = course.events(step)
        return events[0] if events else Event(course.execution.names[mover], op, op.value)

    def rejoin(self) -> bool:
        """Forget what was moved by hand; whether the guest had to go back for it, to where it was
        when that began."""
        step = self.course.departed
        if step is None:
            return False
        before = self.moment
        moment = min(before, self._departed_at)
        self._forget_early(step)
        self.course.rejoin()
        self.return_to(moment)
        return moment != before

    def _forget_early(self, step: int) -> None:
        """That step and those behind it are not early ones any more."""
        for number in [number for number in self._early if number >= step]:
            del self._early[number]

    # -- what is there --------------------------------------------------------------------------

    def registers(self) -> dict[str, int]:
        """Of the guest."""
        self._look()
        return self.stepper.registers()

    def read(self, address: int, size: int) -> bytes | None:
        """Memory as the guest would load it; None where there is none."""
        self._look()
        return self.stepper.read(address, size, self.course.shared())

    def watch(self, address: int, size: int, *, loads: bool, stores: bool) -> Watch | None:
        """What to watch for an address; None where it is not shared."""
        self._look()
        place = self.stepper.shared_place(address, size)
        return None if place is None else Watch(place, size, loads, stores, address)

    @property
    def stage(self) -> int:
        """Of the boot chain, from 0."""
        return self._look()

    def _look(self) -> int:
        """Have the machine stand where the guest does."""
        return self.stepper.stand(self.leg, self.moment.at).stage
