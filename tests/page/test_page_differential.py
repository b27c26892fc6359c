"""The page's program against Python's, on random problems: every state, and plays by hand.

Nothing is shared but the records. Where they differ, the smallest problem that shows it is told.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from importlib import resources
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Page
from random_problems import Case, case_of, listing, problem_of, shrunk

from guestsim.page.content import Begun, Content
from guestsim.page.encode import to_json
from guestsim.page.html import SCRIPTS
from guestsim.record import Record, RecordedExecution, Standing
from guestsim.search import Problem, Search
from guestsim.trace import Event, Kind, Op, Outcome
from guestsim.trace.memory_model import DRAIN
from guestsim.trace.shared import fields

PROBLEMS = 300
CHUNK = 100
MANY = 10_000
STATES = 500
"""Problems with more are left out."""
STEPS = 60
"""Of a play."""
FAR = 1 << 30


def program() -> str:
    """The modules of the player, up to where it needs a page, as one script."""
    names = SCRIPTS["player"]
    assets = resources.files("guestsim.page").joinpath("assets")
    texts = [assets.joinpath(f"{name}.js").read_text() for name in names[: names.index("dom")]]
    return re.sub(r"^(import .*;\n|export )", "", "\n".join(texts), flags=re.MULTILINE)


COMPARED = """
window.compared = (content, seed) => {
  const program = makeProgram(JSON.parse(content));
  const solver = new Solver(program, Infinity);
  while (solver.slice(Infinity));
  const dice = (below) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
  const far = (switches) => (switches === Infinity ? 1 << 30 : switches);
  const {count} = solver.graph;
  const distances = [];
  for (let state = 0; state < solver.states; state += 1) {
    distances.push(OUTCOMES.flatMap((outcome) => Array.from({length: count},
      (_, actor) => far(solver.switches(state, actor, outcome)))));
  }
  return {
    phase: solver.phase,
    states: solver.states,
    transitions: solver.transitions,
    memories: solver.graph.memories.count,
    outcomes: [...solver.distance.keys()].sort(),
    distances,
    play: played(program, dice, solver),
    faults: [...consistent(program, dice), ...hinted(program, dice, solver)],
  };
};

const able = (play) => Array.from({length: play.movers}, (_, mover) => mover)
  .filter((mover) => !play.whyNot(mover));

const stepped = (play, dice) => {
  const movers = able(play);
  if (!movers.length) return false;
  const mover = movers[dice(movers.length)];
  const op = mover < play.count ? play.op(mover) : null;
  return play.step(mover, op && op.kind === Kind.CHOOSE ? dice(op.value) : 0);
};

const place = (play) => JSON.stringify([[...play.memory], play.nodes,
  play.buffers.map((buffer) => buffer.map((op) => op.id)), play.ended !== null]);

/** A play, step by step: who could move, who did, and what that was. */
const played = (program, dice, solver) => {
  const play = new Play(program);
  const steps = [];
  for (let made = 0; made < STEPS; made += 1) {
    const movers = able(play);
    const known = solver.stateOf(play);
    if (!stepped(play, dice)) break;
    const {mover, answer, events} = play.steps.at(-1);
    steps.push([movers, known >= 0, mover, answer, events.map(({actor, op, value}) =>
      [actor, op.kind, op.address, op.size, `${op.value}`, `${value}`])]);
  }
  const memory = Array.from(play.memory, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return {steps, memory};
};

/** Back and forth leads to where the same steps lead at once; so do a link and a schedule. */
const consistent = (program, dice) => {
  const faults = [];
  const play = new Play(program);
  for (let made = 0; made < 2 * STEPS; made += 1) {
    const what = dice(4);
    if (what === 0) play.undo();
    else if (what === 1) play.redo();
    else stepped(play, dice);
  }
  for (let back = dice(10); back; back -= 1) play.undo();
  const fresh = new Play(program);
  for (const {mover, answer} of play.steps) fresh.step(mover, answer);
  if (place(fresh) !== place(play)) faults.push("undo");
  const story = new Chronicle(program, play);
  rowsOf(story.events, 0, story.events.length, new Set(), program);
  for (const {op, actor, value} of story.events) single({op, actor, value}, program);
  for (let actor = 0; actor < play.count; actor += 1) nextWords(play, actor);
  if (!sentence(story, play).length) faults.push("sentence");
  if ([...story.memory].join() !== [...play.memory].join()) faults.push("chronicle");
  const linked = new Play(program);
  const fragment = toFragment(play);
  if (fragment) follow(linked, fromFragment(fragment));
  if (place(linked) !== place(play)) faults.push("link");
  const saved = new Play(program);
  const why = follow(saved, fromSchedule(toSchedule(play, null), program));
  if (why || place(saved) !== place(play)) faults.push(`schedule ${why}`);
  return faults;
};

/** From a random place, hints lead to each outcome in as many switches as the solver says. */
const hinted = (program, dice, solver) => {
  const faults = [];
  for (const outcome of OUTCOMES) {
    const play = new Play(program);
    for (let made = dice(20); made && !play.ended; made -= 1) if (!stepped(play, dice)) break;
    if (play.ended) continue;
    let turn = play.turn();
    let mine = turn;
    const least = solver.switches(solver.stateOf(play), turn, outcome);
    let [switches, hints] = [0, 0];
    for (;;) {
      const hint = solver.hint(play, turn, outcome);
      if (!hint !== (least === Infinity)) faults.push(`${outcome}: no hint, but ${least}`);
      if (!hint) break;
      const could = hint.steps.every(([mover, answer]) => {
        const done = play.step(mover, answer);
        if (play.turn() !== mine) switches += mine < 0 ? 0 : 1;
        mine = play.turn();
        return done;
      });
      if (!could) {
        faults.push(`${outcome}: a hint that cannot be followed`);
        break;
      }
      if (hint.then < 0) {
        const hung = solver.isHung(solver.stateOf(play)) ? "hung" : "";
        const is = play.ended ? play.ended.end.outcome : hung;
        if (is !== outcome) faults.push(`${outcome}: hints lead to ${is}`);
        if (switches !== least) faults.push(`${outcome}: ${switches} switches, not ${least}`);
        break;
      }
      turn = hint.then;
      hints += 1;
      if (hints > 300) {
        faults.push(`${outcome}: hints for ever`);
        break;
      }
    }
  }
  return faults;
};
"""


# -- the same in Python, as plainly as can be ---------------------------------------------------


class Row(NamedTuple):
    """A state as the search has it."""

    nodes: tuple[int, ...]
    buffers: tuple[tuple[Op, ...], ...]
    memory: bytes


class Model:
    """Every state of the records, and from each the fewest switches to each outcome."""

    def __init__(self, problem: Problem, records: Sequence[Record]) -> None:
        self.problem = problem
        self.records = [completed(record, problem) for record in records]
        self.count = len(records)
        self.play = RecordedExecution(self.records, problem.first_memory, tso=problem.tso)
        self.quiet = [(s, e) for name, s, e in fields() if name in problem.unheeded]
        first = self.row()
        self.edges: dict[Row, list[tuple[int, Row | Outcome | None]]] = {}
        todo = [first]
        while todo:
            here = todo.pop()
            if here not in self.edges:
                self.edges[here] = list(self.moves(here))
                todo += [then for _, then in self.edges[here] if isinstance(then, Row)]

    def row(self) -> Row:
        """Where the execution stands, with stores entered and without what nobody heeds."""
        for actor in range(self.count):
            while (
                self.problem.tso
                and self.play.op(actor).kind is Kind.STORE
                and len(self.play.standing.buffers[actor]) < self.problem.store_buffer
            ):
                self.play.step(actor)
        memory = bytearray(self.play.standing.memory)
        for start, end in self.quiet:
            memory[start:end] = bytes(end - start)
        return Row(self.play.standing.nodes, self.play.standing.buffers, bytes(memory))

    def moves(self, here: Row) -> Iterator[tuple[int, Row | Outcome | None]]:
        for actor in range(self.count):
            self.play.standing = Standing(*here)
            op = self.play.op(actor)
            for answer in range(op.value if op.kind is Kind.CHOOSE else 1):
                self.play.standing = Standing(*here)
                if self.problem.tso and op.kind is Kind.STORE:
                    break
                if self.play.step(actor, answer) is None:
                    continue
                if op.kind is Kind.HALT:
                    assert op.end is not None
                    yield actor, op.end.outcome
                else:
                    yield actor, self.row()
            if here.buffers[actor]:
                self.play.standing = Standing(*here)
                self.play.drain(actor)
                yield self.count + actor, self.row()

    def reaching(self, some: Iterable[Row]) -> set[Row]:
        """The states from which one of them can be reached."""
        before: dict[Row, list[Row]] = defaultdict(list)
        for state, edges in self.edges.items():
            for _, then in edges:
                if isinstance(then, Row):
                    before[then].append(state)
        found = set(some)
        todo = list(found)
        while todo:
            new = [state for state in before[todo.pop()] if state not in found]
            found.update(new)
            todo += new
        return found

    def hung(self) -> set[Row]:
        """No end can be reached; and nothing changes any more, or never ceases to."""
        ending = self.reaching(
            state
            for state, edges in self.edges.items()
            if any(not isinstance(then, Row) for _, then in edges)
        )
        changing = self.reaching(
            state
            for state, edges in self.edges.items()
            if any(isinstance(then, Row) and then[1:] != state[1:] for _, then in edges)
        )
        settling = self.reaching(state for state in self.edges if state not in changing | ending)
        return {
            state
            for state in self.edges
            if state not in ending and (state not in changing or state not in settling)
        }

    def distances(self, outcome: Outcome) -> Mapping[tuple[Row, int], int]:
        """By state and whose turn it is."""
        hung = self.hung() if outcome is Outcome.HUNG else set()
        found: dict[tuple[Row, int], int] = {}
        before: dict[Row, list[tuple[int, Row]]] = defaultdict(list)
        level: list[tuple[Row, int]] = [
            (state, turn) for state in hung for turn in range(self.count)
        ]
        for state, edges in self.edges.items():
            for by, then in edges:
                if isinstance(then, Row):
                    before[then].append((by, state))
                elif then is outcome:
                    level.append((state, by))
        switches = 0
        while level:
            there = []
            while level:
                at = level.pop()
                if at in found:
                    continue
                found[at] = switches
                there.append(at[0])
                level += [
                    (state, at[1]) for by, state in before[at[0]] if by == at[1] or by >= self.count
                ]
            level = [(state, turn) for state in there for turn in range(self.count)]
            level = [at for at in level if at not in found]
            switches += 1
        return found


def completed(record: Record, problem: Problem) -> Record:
    """Of an event that nobody heeds, one answer may be known: the other leads to the same."""
    whole = deepcopy(record)
    quiet = [(s, e) for name, s, e in fields() if name in problem.unheeded]
    for op, answers in zip(whole.ops, whole.answers, strict=True):
        if answers and op.size and any(start <= op.address < end for start, end in quiet):
            (then,) = set(answers.values())
            answers.update({0: then, 1: then})
    return whole


# -- one against the other ----------------------------------------------------------------------


def content_of(problem: Problem, search: Search) -> Content:
    steps: list[tuple[str, int]] = []
    events: list[Event] = []
    choices = []
    for name, is_drain, moved in problem.begun():
        steps.append((name + DRAIN if is_drain else name, 1))
        events += moved
        choices += [event.value for event in moved if event.op.kind is Kind.CHOOSE]
    return Content(
        name="random",
        title="random",
        story="",
        scenario="random.toml",
        images={},
        labels={record.name: record.name for record in search.records},
        memory_model=str(problem.model),
        store_buffer=problem.store_buffer,
        memory=problem.memory,
        unheeded=problem.unheeded,
        records=search.records,
        whole=True,
        begun=Begun(tuple(steps), tuple(choices), tuple(events)),
    )


def differences(case: Case, page: Page) -> list[str] | None:
    """What the page has otherwise; None where the problem is too large."""
    problem = problem_of(case._replace(rules=(), preemptions=None), STATES)
    search = Search(problem)
    search.run()
    if search.why_incomplete is not None and "cut short" not in search.why_incomplete:
        return None
    content = to_json(content_of(problem, search)).decode()
    got = page.evaluate("([content, seed]) => compared(content, seed)", [content, case.seed])
    model = Model(problem, search.records)
    found = {outcome: model.distances(outcome) for outcome in Outcome}
    order = [Outcome(name) for name in page.evaluate("OUTCOMES_")]
    distances = sorted(
        [found[each].get((state, turn), FAR) for each in order for turn in range(model.count)]
        for state in model.edges
    )
    wanted = {
        "phase": "done",
        "states": search.explorer.states,
        "transitions": search.explorer.transitions,
        "memories": search.explorer.memories,
        "outcomes": sorted(map(str, search.outcomes)),
        "faults": [],
    }
    faults = [
        f"{name}: page {got[name]}, Python {value}"
        for name, value in wanted.items()
        if got[name] != value
    ]
    if sorted(got["distances"]) != distances:
        faults.append("the switches from each state to each outcome")
    return faults + play_faults(problem, model.records, got["play"])


def play_faults(problem: Problem, records: Sequence[Record], play: Mapping[str, Any]) -> list[str]:
    """The page's play, made again by Python."""
    execution = RecordedExecution(records, problem.first_memory, tso=problem.tso)
    count = len(records)
    ended = False
    for number, (movers, known, mover, answer, events) in enumerate(play["steps"]):
        if movers != ([] if ended else able(problem, execution)):
            return [f"step {number}: page {movers} can move, Python {able(problem, execution)}"]
        if not known:
            return [f"step {number}: a state that the page's solver does not know"]
        actor = mover % count
        op = execution.op(actor)
        made = execution.step(actor, answer) if mover == actor else execution.drain(actor)
        ended = op.kind is Kind.HALT and mover == actor
        mine = [
            [actor, e.op.kind, e.op.address, e.op.size, e.op.value, e.value] for e in made or ()
        ]
        theirs = [[*each[:4], int(each[4], 0), int(each[5], 0)] for each in events]
        if mine != theirs:
            return [f"step {number}: page {theirs}, Python {mine}"]
    same = bytes.fromhex(play["memory"]) == execution.standing.memory
    return [] if same else ["the memory after a play"]


def able(problem: Problem, execution: RecordedExecution) -> list[int]:
    """Who can move."""
    before = execution.standing
    found = []
    for actor, buffer in enumerate(before.buffers):
        full = len(buffer) == problem.store_buffer
        if problem.tso and execution.op(actor).kind is Kind.STORE:
            found += [] if full else [actor]
        elif execution.step(actor) is not None:
            found.append(actor)
        execution.standing = before
    return found + [len(before.buffers) + at for at, each in enumerate(before.buffers) if each]


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """A page that has the player's program and nothing else."""
    one = browser.new_page()
    ours = f"const STEPS = {STEPS};\n{COMPARED}\nwindow.OUTCOMES_ = OUTCOMES;\n"
    one.add_script_tag(content=f'"use strict";\n{{\n{program()}{ours}}}\n')
    yield one
    one.close()


def report(case: Case, page: Page) -> str:
    small = shrunk(case, lambda each: bool(differences(each, page)))
    faults = differences(small, page) or []
    return "\n".join([f"shrunk from seed {case.seed}:", listing(small), *faults])


def check(seeds: range, page: Page) -> None:
    compared = 0
    for seed in seeds:
        faults = differences(case_of(seed), page)
        compared += faults is not None
        if faults:
            pytest.fail(report(case_of(seed), page))
    assert compared > 0.8 * len(seeds)


@pytest.mark.parametrize("first", range(0, PROBLEMS, CHUNK))
def test_the_page_plays_and_finds_the_same(first: int, page: Page) -> None:
    check(range(first, first + CHUNK), page)


@pytest.mark.heavy
@pytest.mark.parametrize("first", range(PROBLEMS, PROBLEMS + MANY, 5 * CHUNK))
def test_the_page_plays_and_finds_the_same_in_many_more(first: int, page: Page) -> None:
    check(range(first, first + 5 * CHUNK), page)
