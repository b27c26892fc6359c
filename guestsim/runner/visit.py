"""A person looks into the daemon's store while the guest stands still, and may change it.

`run --socket`: at chosen events the execution stops, and the daemon's brain is served on a Unix
socket: visitors are more connections of the same brain, privileged. A real xenstored answers its
sockets in its poll, or before it looks at a ring, but not in the middle of its dealings with one; a
stop waits until the daemon stands there. Thus a stop moves nobody, and who only looks changes
nothing. A change of the store, or an event that the guest gets of it, becomes part of the daemon's
state, and ends its poll, as it does in the real one.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from guestsim.abi.xs_wire import XENSTORE_RING_SIZE, Interface
from guestsim.daemon import VISITS, GeneratorActor, Visits
from guestsim.daemon.words import request_note
from guestsim.errors import InputError, InternalError
from guestsim.execute import Execution, Schedule, fair, replay
from guestsim.execute.replay import describe
from guestsim.runner.executions import execute_once, scripted
from guestsim.runner.setup import Setup
from guestsim.scenario import Scenario, lanes
from guestsim.scenario import Strategy as StrategyName
from guestsim.serve import Hub, Listener, Server, listen
from guestsim.serve.hub import FIRST_KEY
from guestsim.serve.words import trace_line
from guestsim.trace import Event, Kind, shared
from guestsim.trace.events import Matcher, parse_event
from guestsim.trace.results import Run
from guestsim.trace.spelling import not_one_of
from guestsim.xenstore import Dialect, Message, Outgoing, Parser, ServerState

__all__ = ["Asked", "Change", "Visit", "stop_event", "visiting"]

Say = Callable[[str], None]

_PROD = shared.RING + int(Interface.REQ_PROD)


class Change(NamedTuple):
    """A request of a visitor that changed something."""

    step: int
    """Steps that the execution had made."""
    request: str


@contextmanager
def visiting(path: Path, event: str | None, say: Say) -> Iterator[Visit]:
    """A socket at `path` for a run that stops at each `event` (None: at each request of the guest)
    and at its end. `say` gets lines for the person.

    InputError where the socket cannot be made, where `event` is none, or where nobody could press
    Enter.
    """
    with listen(path) as listener:
        visit = Visit(listener, event, say)
        try:
            yield visit
        finally:
            visit.close()
    if visit.error is not None:
        raise InternalError(f"the server made a mistake: {visit.error!r}") from visit.error


class _Hub(Hub):
    """Remembers the requests that changed something, and what the guest gets of them."""

    def __init__(self, state: ServerState, dialect: Dialect) -> None:
        super().__init__(state, dialect, elsewhere=self._for_guest)
        self.changes: list[str] = []
        self.events: list[Message] = []

    def request(self, key: int, message: Message) -> None:
        before, events = self.state, len(self.events)
        super().request(key, message)
        if len(self.events) > events or _guests_part(self.state) != _guests_part(before):
            self.changes.append(trace_line(key, message, incoming=True))

    def _for_guest(self, item: Outgoing) -> None:
        if item.connection < FIRST_KEY:
            self.events.append(item.message)


def _guests_part(state: ServerState) -> tuple[Hashable, ...]:
    """All but what visitors have set up for themselves: the store as an object, because writing
    what is there already is a change, too."""
    rings = [(key, item) for key, item in state.connections.items() if key < FIRST_KEY]
    return (id(state.store), state.domains, state.settings, *rings)


class Visit:
    """The stops of one execution."""

    def __init__(self, listener: Listener, event: str | None, say: Say) -> None:
        self._matcher = None if event is None else stop_event(event)
        self._asked = Asked(b"")
        self._word = 0
        """Of the field that the event is about: its value after the last step."""
        self._path = listener.path.absolute()
        self._listener = listener
        self._say = say
        self._loop = asyncio.new_event_loop()
        self._enter = Enter(self._loop)
        self._server: Server | None = None
        self._hub: _Hub | None = None
        self._daemon: GeneratorActor[Any] | None = None
        self._visits: Visits | None = None
        self._state: Any = None
        """The daemon's, at its last checkpoint."""
        self._told = 0
        """How many of the daemon's messages for visitors they have got."""
        self._due = ""
        """Why there is to be a stop as soon as there can be one."""
        self.changes: list[Change] = []

    def check(self, scenario: Scenario) -> None:
        """InputError where `--stop-at` names somebody who does not ask in this scenario."""
        event = self._matcher
        if event is None or event.kind is not Kind.ACT:
            return
        names = lanes(scenario.others)
        if not names:
            raise InputError(f"--stop-at: nobody else asks in {scenario.name}")
        if event.place is not None and event.place not in names:
            raise InputError(f"--stop-at: {not_one_of(event.place, names)}")

    @property
    def error(self) -> BaseException | None:
        """A mistake of ours while visitors were served."""
        return None if self._server is None else self._server.error

    def close(self) -> None:
        """Send the visitors away."""
        if self._server is not None:
            self._loop.run_until_complete(self._server.__aexit__(None, None, None))
        self._enter.close()
        self._loop.close()

    def run(self, schedule: Schedule, scenario: Scenario, setup: Setup) -> Run:
        """The execution of `schedule` once more, with stops.

        Once something was changed by hand, a script is followed by its events, and any other
        schedule as far as it goes; then everyone moves in turn.
        """
        steps = msgspec.structs.replace(schedule, digests=(), outcome=None)
        by_script = scenario.search.strategy is StrategyName.SCRIPT
        follow = scripted(scenario) if by_script else replay(steps, setup.scheduled_images)

        def strategy(execution: Execution) -> None:
            self._attend(execution, setup, scenario)
            try:
                follow(execution)
            except InputError:
                if not self.changes:
                    raise
            if execution.end is None:
                fair(execution, "the schedule stops here")
            self._at_the_end(execution)

        return execute_once(
            strategy,
            setup,
            scenario.search.max_ops,
            memory_model=schedule.memory_model,
        )

    def _attend(self, execution: Execution, setup: Setup, scenario: Scenario) -> None:
        assert isinstance(setup.daemon, GeneratorActor)
        self._daemon = setup.daemon
        self._visits = VISITS[str(scenario.daemon.model)]
        self._asked = Asked(setup.memory)
        self._word = self._matcher.word(setup.memory) if self._matcher is not None else 0
        self._remember(execution)
        execution.after_step = partial(self._after, execution)

    def _at_the_end(self, execution: Execution) -> None:
        # Nothing can be changed any more that matters, but there is a store to look at.
        if self._due and not self._enter.ended:
            self._say(f"no stop at {self._due}: the daemon was in the middle of something")
        self._stop(execution, f"the execution has ended ({execution.outcome or 'inconclusive'})")

    def _after(self, execution: Execution, event: Event) -> None:
        free = self._remember(execution)
        what = self._wanted(event, execution)
        if what:
            self._due = f"step {execution.performed}: {what}"
        if self._due and free and execution.end is None:
            due, self._due = self._due, ""
            self._stop(execution, due)

    def _wanted(self, event: Event, execution: Execution) -> str:
        """What has happened, if it is something to stop at."""
        if self._matcher is None:
            request = self._asked.see(event, execution.memory)
            return f"the guest asks {request}" if request else ""
        word, self._word = self._word, self._matcher.word(execution.memory)
        if not self._matcher.matches(event, execution.memory, word):
            return ""
        return f"{event.actor}: {describe(event)}"

    def _remember(self, execution: Execution) -> bool:
        """Note the daemon's state; whether it could deal with others now."""
        point = execution.point(self._index(execution))
        if point is None:
            return False
        assert self._visits is not None
        self._state = point.state
        return not point.fed and point.state.phase in self._visits.phases

    def _index(self, execution: Execution) -> int:
        assert self._daemon is not None
        index = execution.index(self._daemon.name)
        assert index is not None
        return index

    def _stop(self, execution: Execution, what: str) -> None:
        if self._enter.ended:
            return
        hub = self._serve()
        self._say(f"{what}: XENSTORED_PATH={self._path}; Enter goes on, Ctrl-D to the end")
        self._loop.run_until_complete(self._enter.pressed())
        changes, hub.changes = hub.changes, []
        events, hub.events = tuple(hub.events), []
        if execution.end is not None or hub.state is self._state.server:
            return
        assert self._visits is not None
        assert self._daemon is not None
        if changes:
            self.changes += [Change(execution.performed, request) for request in changes]
            state = self._visits.visited(self._state, hub.state, events)
        else:
            # Who came, who left, who watches: not the guest's business.
            state = msgspec.structs.replace(self._state, server=hub.state)
        execution.replace(self._index(execution), self._daemon.stand_at(state))

    def _serve(self) -> _Hub:
        """Let the visitors in, and tell them what they have missed."""
        state = self._state
        if self._hub is None:
            assert self._visits is not None
            self._hub = _Hub(state.server, self._visits.dialect)
            self._server = Server(self._hub, self._listener, self._say)
            self._loop.run_until_complete(self._server.__aenter__())
        missed = state.aside[self._told :]
        self._told = len(state.aside)
        self._hub.state = state.server
        self._hub.send(missed)
        return self._hub


def stop_event(event: str) -> Matcher:
    """The events that `--stop-at` names."""
    try:
        return parse_event(event)
    except InputError as error:
        raise InputError(f"--stop-at: {error}") from None


class Asked:
    """What the guest asks of xenstore, seen on the request ring while an execution goes on.

    `memory` is the shared memory at the start.
    """

    def __init__(self, memory: bytes | bytearray) -> None:
        self._prod = shared.load(memory, _PROD, 4)
        self._parser = Parser()

    def see(self, event: Event, memory: bytearray) -> str | None:
        """The request that this event has made whole, in words; None for any other event.
        `memory` is the shared memory after it."""
        op = event.op
        if op.kind is not Kind.STORE or not op.address <= _PROD < op.address + op.size:
            return None
        old, self._prod = self._prod, shared.load(memory, _PROD, 4)
        length = (self._prod - old) % (1 << 32)
        if event.actor != "guest" or length > XENSTORE_RING_SIZE:
            self._parser = Parser()  # a reset, by whoever: nothing of what came before counts
            return None
        data = bytes(
            memory[shared.RING + Interface.REQ + (old + at) % XENSTORE_RING_SIZE]
            for at in range(length)
        )
        self._parser, messages = self._parser.feed(data)
        if self._parser.overlong is not None:
            self._parser = Parser()
        return request_note(messages[-1].encode()) if messages else None


class Enter:
    """A person presses Enter: lines of standard input, of which only the number matters.

    InputError where nobody could press it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lines = 0
        self._news = asyncio.Event()
        self.ended = False
        """Nobody will press it any more."""
        try:
            self._file = sys.stdin.fileno()
            loop.add_reader(self._file, self._read)
        except (OSError, ValueError):
            loop.close()
            raise InputError(
                "--socket: Enter is read from standard input, which is no terminal or pipe here"
            ) from None

    def close(self) -> None:
        """Listen no more."""
        self._loop.remove_reader(self._file)

    async def pressed(self) -> None:
        """Wait for a line, or the end of the input."""
        while not (self._lines or self.ended):
            self._news.clear()
            await self._news.wait()
        self._lines -= not self.ended

    def _read(self) -> None:
        data = os.read(self._file, 4096)
        self._lines += data.count(b"\n")
        if not data:
            self.ended = True
            self._loop.remove_reader(self._file)
        self._news.set()
