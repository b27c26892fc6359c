"""What the page of a scenario holds: its actors recorded by a search, and the ways to its ends."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from guestsim.daemon import Point
from guestsim.daemon.standing import standing
from guestsim.errors import InputError, InternalError, StoppedError
from guestsim.page.content import Begun, Content, Way
from guestsim.record import Record, RecordedExecution, Recorder, cut
from guestsim.report.explain import sentence
from guestsim.runner.control import Options, Progress
from guestsim.runner.executions import execute_once, scripted
from guestsim.runner.interrupt import INTERRUPTED, requested
from guestsim.runner.once import replay_once
from guestsim.runner.searched import problem_of, search
from guestsim.runner.setup import Setup, set_up
from guestsim.runner.symbolize import Sources, Symbolizer
from guestsim.runner.witnesses import schedule_for_witness
from guestsim.scenario import Scenario, story_of
from guestsim.scenario import Strategy as StrategyName
from guestsim.search import Findings, Problem
from guestsim.trace import Event, Kind, Outcome, Site
from guestsim.trace.memory_model import DRAIN
from guestsim.trace.results import Run

__all__ = ["content_of"]

MOST_NODES = 200_000
"""Of all actors: more than that makes a page of many megabytes."""
MOST_STATES = 8_000_000
"""Where nobody says otherwise. More than that no browser explores."""


def content_of(
    scenario: Scenario,
    options: Options,
    *,
    beside: Path,
    debug: Sequence[Path] = (),
    source: Sequence[Path] = (),
    progress: Progress | None = None,
    most_nodes: int = MOST_NODES,
) -> Content:
    """Search the scenario, and put together what its page in the folder `beside` needs.

    Whatever the scenario's own strategy is, its page can be played in every way, so the search is
    exhaustive; the execution of a script is one of the ways that the page shows. Where the search
    was cut short, or has recorded more than `most_nodes`, the page holds the ways only. InputError
    where it cannot be run; StoppedError where it was interrupted before there was anything to show.
    """
    own = {stage.name for stage in scenario.boot.stages}
    setup = set_up(scenario, {n: path for n, path in options.images.items() if n in own})
    symbols, sources = Symbolizer(setup.images, debug), Sources(source)
    searched = _exhaustive(scenario)
    problem = problem_of(searched, setup)
    if options.states is None:
        options = msgspec.structs.replace(options, states=MOST_STATES)
    found = search(searched, setup, options, progress=progress)
    if requested() or not found.outcomes:
        raise StoppedError(found.certificate.why_incomplete or INTERRUPTED)
    runs = list(_ways(scenario, searched, setup, found))
    ways = tuple(
        Way(title, run.outcome, run.steps, run.choices, sentence(symbols.run(run), setup.names))
        for title, run in runs
    )
    records: Sequence[Record] = found.records
    nodes = sum(len(record.ops) for record in records)
    why = found.certificate.why_incomplete or ""
    if not why and nodes > most_nodes:
        why = f"the record of the actors has {nodes:,} nodes, too many for a page"
    standings = {record.name: _standings(record) for record in found.records}
    if why:
        records, standings = _only(problem, records, [run for _, run in runs], standings)
    records = [_symbolized(record, symbols) for record in records]
    certificate = msgspec.structs.replace(found.certificate, peak_bytes=0)
    return Content(
        name=scenario.path.stem + ("" if scenario.variant is None else f"#{scenario.variant}"),
        title=scenario.title,
        story=story_of(scenario.path),
        scenario=_beside(scenario, beside),
        images={image.name: image.sha256 for image in setup.images},
        labels=setup.names,
        memory_model=str(searched.search.memory_model),
        store_buffer=problem.store_buffer,
        memory=problem.memory,
        unheeded=problem.unheeded,
        records=records,
        whole=not why,
        why_not_whole=why,
        begun=_begun(problem),
        ways=ways,
        expected={
            str(outcome): str(frequency)
            for outcome in Outcome
            if (frequency := getattr(scenario.expect, outcome)) is not None
        },
        found=tuple(found.outcomes),
        states=found.states,
        transitions=found.transitions,
        certificate=certificate,
        standings=standings,
        sources=_sources(records, sources),
    )


def _exhaustive(scenario: Scenario) -> Scenario:
    """The same with every interleaving. Of an exhaustive search, what comes before it stays."""
    kept = scenario.search
    script = kept.script if kept.strategy is StrategyName.EXHAUSTIVE else ()
    changed = msgspec.structs.replace(kept, strategy=StrategyName.EXHAUSTIVE, script=script)
    return msgspec.structs.replace(scenario, search=changed)


def _ways(
    scenario: Scenario, searched: Scenario, setup: Setup, found: Findings
) -> Iterable[tuple[str, Run]]:
    """Executions to show, from power on, with the rules that they break."""
    most = scenario.search.max_ops
    if scenario.search.strategy is StrategyName.SCRIPT:
        yield "the scenario's own script", execute_once(scripted(scenario), setup, most)
    for outcome, witness in found.outcomes.items():
        schedule = schedule_for_witness(witness, searched, setup)
        run = replay_once(schedule, setup, max_ops=most, go_on=outcome is Outcome.HUNG)
        title = f"{outcome}, in the simplest way"
        yield title, run if run.outcome is outcome else witness.run


def _begun(problem: Problem) -> Begun:
    """What stands before the search, step by step."""
    steps: list[tuple[str, int]] = []
    events: list[Event] = []
    choices: list[int] = []
    for name, is_drain, moved in problem.begun():
        mover = name + DRAIN if is_drain else name
        count = steps.pop()[1] if steps and steps[-1][0] == mover else 0
        steps.append((mover, count + 1))
        events += moved
        choices += [event.value for event in moved if event.op.kind is Kind.CHOOSE]
    return Begun(tuple(steps), tuple(choices), tuple(events))


def _standings(record: Recorder) -> dict[int, str]:
    """Of a daemon: what it has set up for its guest, where it waits for an answer."""
    return {
        node: standing(point.state) for node, point in record.points() if isinstance(point, Point)
    }


def _only(
    problem: Problem,
    records: Sequence[Record],
    runs: Sequence[Run],
    standings: Mapping[str, Mapping[int, str]],
) -> tuple[list[Record], dict[str, dict[int, str]]]:
    """What `runs` need of the records."""
    walks = [_walk(problem, records, run) for run in runs]
    parts, kept_standings = [], {}
    for actor, record in enumerate(records):
        part, kept = cut(record, [walk[actor] for walk in walks])
        parts.append(part)
        kept_standings[record.name] = {
            kept[node]: text for node, text in standings[record.name].items() if node in kept
        }
    return parts, kept_standings


def _walk(problem: Problem, records: Sequence[Record], run: Run) -> list[list[tuple[int, int]]]:
    """For each actor the nodes that it leaves in `run`, with their answers."""
    play = RecordedExecution(records, problem.first_memory, tso=problem.tso)
    names = [record.name for record in records]
    walks: list[list[tuple[int, int]]] = [[] for _ in records]
    skip = sum(1 for _ in problem.begun())
    chosen = iter(run.choices[len(_begun(problem).choices) :])
    movers = [name for name, count in run.steps for _ in range(count)][skip:]
    for mover in movers:
        actor = names.index(mover.removesuffix(DRAIN))
        if mover != names[actor]:
            play.drain(actor)
            continue
        node, op = play.standing.nodes[actor], play.op(actor)
        events = play.step(actor, next(chosen) if op.kind is Kind.CHOOSE else 0)
        if events is None:
            raise InternalError(f"{mover} cannot move on its record as it did live (page)")
        walks[actor].append((node, events[0].value if events else 0))
        if op.kind is Kind.RMW:
            walks[actor].append((records[actor].after(node, events[0].value), 0))
    for actor, walk in enumerate(walks):
        walk.append((play.standing.nodes[actor], 0))
    return walks


def _symbolized(record: Record, symbols: Symbolizer) -> Record:
    """The same with functions and lines, where they are known."""
    better = Record(record.name)
    better.first, better.following, better.answers = record.first, record.following, record.answers
    for op in record.ops:
        end = op.end
        if end is not None:
            end = msgspec.structs.replace(end, site=symbols.site(end.site))
        better.ops.append(msgspec.structs.replace(op, site=symbols.site(op.site), end=end))
    return better


def _sources(records: Iterable[Record], sources: Sources) -> dict[tuple[str, str, int], str]:
    found = {}
    sites: set[Site] = {op.site for record in records for op in record.ops}
    for site in sites:
        text = sources(site)
        if text:
            found[site.stage, site.file, site.line] = text
    return found


def _beside(scenario: Scenario, folder: Path) -> str:
    """As a schedule in `folder` names the scenario."""
    variant = "" if scenario.variant is None else f"#{scenario.variant}"
    relative = os.path.relpath(scenario.path.resolve(), folder.resolve()) + variant
    try:
        relative.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{scenario.name}: its name is not UTF-8, which a page has to be"
        ) from None
    return relative
