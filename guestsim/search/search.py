"""Every interleaving: a search of all states that actors on one shared memory can get into.

What costs what is said in docs/search.md. Two explorers do the work, and must agree: a compiled one
(`guestsim.search.compiled`) and one that is slow and plain (`guestsim.search.reference`).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from guestsim.errors import InternalError, StoppedError
from guestsim.record import Recorder
from guestsim.search.compiled import CompiledExplorer
from guestsim.search.problem import Explorer, Problem, Progress, Sighting
from guestsim.search.reference import ReferenceExplorer
from guestsim.search.rule_histories import RuleHistories
from guestsim.trace import Outcome, Violation
from guestsim.trace.actor import set_fences
from guestsim.trace.effects import apply

__all__ = ["ExplorerName", "Search"]


class ExplorerName(StrEnum):
    """Who explores."""

    COMPILED = "compiled"
    REFERENCE = "reference"


class Search:
    """One search. `run` makes it; then the attributes tell what it found.

    `should_stop` is asked every few milliseconds. A KeyboardInterrupt ends the search, incomplete,
    and so does a StoppedError of an actor.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        explorer: ExplorerName = ExplorerName.COMPILED,
        should_stop: Callable[[], bool] | None = None,
        progress: Progress | None = None,
    ) -> None:
        actors, prefix = problem.actors, problem.prefix
        if not actors or len({actor.name for actor in actors}) != len(actors):
            raise InternalError("a search needs actors with different names")
        set_fences(actors, problem.tso)
        self.problem = problem
        self.why_incomplete: str | None = None
        """One clause; None where everything was explored."""
        self.ended_early = False
        """There was more to explore, and no bound on preemptions that left it out."""
        self._should_stop, self._progress = should_stop, progress
        self.give_up: Callable[[], bool] | None = None
        """Of live executions of what was found: see `Execution.should_stop`."""
        bursts = (None,) * len(actors) if prefix is None else prefix.bursts
        self.records = tuple(
            Recorder(actor, len(problem.memory), twice=problem.twice, begin=burst)
            for actor, burst in zip(actors, bursts, strict=True)
        )
        self._broken_before: dict[str, tuple[Violation, Sighting]] = {}
        histories = self._histories()
        self.explorer: Explorer
        if explorer is ExplorerName.COMPILED:
            self.explorer = CompiledExplorer(problem, self.records, histories)
        else:
            self.explorer = ReferenceExplorer(problem, self.records, histories)

    def _histories(self) -> RuleHistories | None:
        """The rules, with their histories where the search begins."""
        rules, prefix = self.problem.rules, self.problem.prefix
        if not rules:
            return None
        first = [each.initial for each in rules]
        memory = bytearray(self.problem.memory)
        for event in () if prefix is None else prefix.events:
            for at, each in enumerate(rules):
                first[at], broken = each.step(first[at], memory, event)
                for violation in broken:
                    found = violation, Sighting(-1, -1, 0, 0, 0)
                    self._broken_before.setdefault(violation.rule, found)
            apply(memory, event.op)
        return RuleHistories(rules, first)

    @property
    def complete(self) -> bool:
        """Whether every interleaving was explored."""
        return self.why_incomplete is None

    @property
    def outcomes(self) -> dict[Outcome, Sighting]:
        """How executions can end, and where that was first seen; `hung` where none ends."""
        return self.explorer.outcomes

    @property
    def violations(self) -> dict[str, tuple[Violation, Sighting]]:
        """The first violation of each rule that can be broken."""
        return self.explorer.violations | self._broken_before

    def run(self) -> None:
        """Search until everything is explored or a limit is reached."""
        explorer = self.explorer
        try:
            self.why_incomplete = explorer.run(self._poll)
            # Where it was cut short, nothing can be said about what never ends.
            if self.why_incomplete is None and not explorer.classify(self._poll):
                self.why_incomplete = "stopped: the time is used up"
        except KeyboardInterrupt:
            self.why_incomplete = "interrupted"
        except StoppedError as error:
            self.why_incomplete = str(error)
        self.ended_early = self.why_incomplete is not None
        if self.why_incomplete is None and explorer.is_bounded():
            self.why_incomplete = f"only up to {self.problem.limits.preemptions} preemptions"
        self.why_incomplete = self.why_incomplete or explorer.cut_short

    def _poll(self, states: int, waiting: int) -> bool:
        if self._progress is not None:
            self._progress(states, waiting, tuple(self.outcomes))
        return self._should_stop is not None and self._should_stop()
