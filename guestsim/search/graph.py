"""The states that a search has stored and the moves between them, in arrays of integers.

A *stop* is a state with one actor whose turn it is: number `state * actors + actor`. The search
visits stops: from a stop the actor moves on without a switch, or the turn passes to another, at the
same state. Each stop remembers the stop that it was first reached from.
"""

from __future__ import annotations

import sys
from array import array
from typing import NamedTuple

__all__ = ["ENDED", "NONE", "STUCK", "UNKNOWN", "Graph", "Move"]

UNKNOWN = -1
"""In place of the state that a move leads to: the search has not tried it."""
STUCK = -2
"""The move is not possible."""
ENDED = -3
"""The move ends the execution."""

NONE = -1
"""In place of a stop: the start."""
_NEVER = 0xFFFFFFFF
_GROWTH = 1024
_HOPE = bytes([1, 0, 0])
"""For ENDED, STUCK and UNKNOWN."""


class Move(NamedTuple):
    """One move of a path."""

    stop: int
    """Where it begins."""
    mover: int
    """The actor that moves; behind them all, the store buffers."""
    is_run: bool
    """The turn passes to `mover`, and it moves up to an op that matters to the other."""
    answer: int = 0
    """Where the move is a CHOOSE."""


class Graph:
    """States are numbered from 0, the start, in the order of their discovery: by cost."""

    def __init__(self, actors: int, movers: int) -> None:
        """`movers`: the actors, and under tso their store buffers behind them."""
        self.actors = actors
        self.movers = movers
        self.keys: list[int] = []
        self.ids: dict[int, int] = {}
        self.moves = array("i")
        """`movers` entries for each state: the state that the move leads to, or a negative
        number above."""
        self.visits = array("I")
        """For each stop, the number of the chain of moves in which it was visited; 0: never."""
        self.parents = array("i")
        """For each stop, the stop that it was reached from; as -2 - stop if by a run: the turn
        passed there to the other actor, who ran up to here."""
        self.runs = array("i")
        """For each stop, where the actor's run leads if the turn passes to it: see `search`."""
        self.room = 0
        """States that the arrays have room for: they grow by many at a time."""
        self.choices: dict[int, list[int]] = {}
        """By `state * movers + actor`, for an actor at a CHOOSE: the states that the answers from 1
        on lead to. `moves` has that of 0."""

    def add(self, key: int) -> int:
        """A new state."""
        number = len(self.keys)
        if number == self.room:
            self.room += _GROWTH
            self.moves.extend(array("i", [UNKNOWN]) * (self.movers * _GROWTH))
            stops = self.actors * _GROWTH
            self.visits.extend(array("I", [0]) * stops)
            self.parents.extend(array("i", [NONE]) * stops)
            self.runs.extend(array("i", [UNKNOWN]) * stops)
        self.ids[key] = number
        self.keys.append(key)
        return number

    def trim(self) -> None:
        """Give back the room that no state needs: the search is over."""
        self.room = len(self.keys)
        del self.moves[self.room * self.movers :]
        for stops in (self.visits, self.parents, self.runs):
            del stops[self.room * self.actors :]

    @property
    def transitions(self) -> int:
        """Moves that were tried and possible, ends included."""
        both = self.moves, self.runs
        made = sum(1 for moves in both for move in moves if move >= 0 or move == ENDED)
        return made + sum(map(len, self.choices.values()))

    def doomed(self) -> bytearray:
        """For each state, 1 if no execution from it ends: all of its future is explored, and there
        is no halt in it."""
        count = len(self.keys)
        # The last entries are for the negative numbers above, which are indices from the end.
        hopeful = bytearray(count) + _HOPE
        for state in self.open_states():
            hopeful[state] = 1
        columns = [self.moves[mover :: self.movers] for mover in range(self.movers)]
        if any(move != UNKNOWN for move in self.runs):
            columns += [self.runs[actor :: self.actors] for actor in range(self.actors)]
        # Numbers rise or fall along most ways, so a few sweeps to and fro find most of them; what
        # only a choice leads to is left to the end.
        left: list[int] = list(range(count))
        known = 2 * count
        while known - len(left) > known // 16:
            known = len(left)
            left = _sweep(left[::-1], columns, hopeful)
        self._spread(left, hopeful)
        return bytearray(1 - mark for mark in hopeful[:count])

    def _spread(self, states: list[int], hopeful: bytearray) -> None:
        """Mark those of `states` with a way to a marked state, in time linear in their moves."""
        before: dict[int, list[int]] = {}
        todo = []
        for state in states:
            moves = self.moves[state * self.movers : (state + 1) * self.movers]
            moves += self.runs[state * self.actors : (state + 1) * self.actors]
            if self.choices:
                for actor in range(self.actors):
                    moves.extend(self.choices.get(state * self.movers + actor, ()))
            for move in moves:
                if hopeful[move]:
                    todo.append(state)
                    break
                before.setdefault(move, []).append(state)
        while todo:
            state = todo.pop()
            if not hopeful[state]:
                hopeful[state] = 1
                todo += before.get(state, ())

    def open_states(self) -> list[int]:
        """The states with a stop that was never visited."""
        visits, runs, actors = self.visits, self.runs, self.actors
        stops = [stop for stop, chain in enumerate(visits) if not chain and runs[stop] == UNKNOWN]
        return sorted({stop // actors for stop in stops})

    def path(self, stop: int) -> list[Move]:
        """The way from the start to `stop`, in order."""
        moves = []
        actors = self.actors
        while (before := self.parents[stop]) != NONE:
            if before < NONE:
                before = -2 - before
                moves.append(Move(before, 1 - before % actors, True))
            else:
                after, then = divmod(stop, actors)
                if then == before % actors:
                    moves.append(self._between(before, after))
            stop = before
        moves.reverse()
        return moves

    def _between(self, stop: int, after: int) -> Move:
        """The move from `stop` to the state `after` that is not the turn passing."""
        state, actor = divmod(stop, self.actors)
        first = state * self.movers
        for mover in (actor, *range(self.actors, self.movers)):
            if self.moves[first + mover] == after:
                return Move(stop, mover, False)
        answer = 1 + self.choices[first + actor].index(after)
        return Move(stop, actor, False, answer)

    def arrival(self, state: int) -> int:
        """The stop at which the state was visited first."""
        stops = range(state * self.actors, (state + 1) * self.actors)
        return min(stops, key=lambda stop: self.visits[stop] or _NEVER)

    @property
    def bytes_used(self) -> int:
        """Roughly what all of this takes."""
        arrays = sum(
            sys.getsizeof(part) for part in (self.moves, self.visits, self.parents, self.runs)
        )
        containers = sys.getsizeof(self.keys) + sys.getsizeof(self.ids)
        # A key, and its number as an object of its own.
        objects = sum(map(sys.getsizeof, self.keys)) + 28 * len(self.keys)
        choices = sum(map(sys.getsizeof, self.choices.values())) + sys.getsizeof(self.choices)
        return arrays + containers + objects + choices


def _sweep(states: list[int], columns: list[array[int]], hopeful: bytearray) -> list[int]:
    """Mark those of `states` with a move to a marked state; the others."""
    left = []
    for state in states:
        for column in columns:
            if hopeful[column[state]]:
                hopeful[state] = 1
                break
        else:
            if not hopeful[state]:
                left.append(state)
    return left
