"""What types cannot say about a scenario: strings with a grammar, and keys that exclude each other.

Every function takes one section and raises a `Problem` with the key as it stands in a file without
variants; the loader finds out where the key really stands.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Final

from guestsim.errors import InputError
from guestsim.scenario.expectations import OUTCOMES, Expect, Frequency, Judgement
from guestsim.scenario.grammar import (
    check_path,
    check_value,
)
from guestsim.scenario.models import (
    Boot,
    Daemon,
    Feature,
    Ring,
    Scenario,
    Search,
    Stage,
    Step,
    Strategy,
    StringOrder,
    feature_bit,
)
from guestsim.scenario.others import check_others, lanes
from guestsim.scenario.platform import (
    Device,
    PartError,
    Platform,
    parse_device,
    parse_memory,
    parse_xen,
)
from guestsim.scenario.problem import Key, Problem
from guestsim.scenario.requests import check_depths, check_requests
from guestsim.scenario.stops import check_stop
from guestsim.scenario.typed import check_typed
from guestsim.scenario.usual import requests_of, toolstack_store
from guestsim.trace import Kind
from guestsim.trace.daemons import MISTAKES, DaemonModel
from guestsim.trace.events import parse_event
from guestsim.trace.memory_model import MemoryModel
from guestsim.trace.spelling import hint, not_one_of
from guestsim.trace.text import printable, quoted

__all__ = ["OPTIONS", "check_line", "check_name", "check_sense", "check_step"]

OPTIONS: Final[dict[tuple[str, str], dict[str, frozenset[str]]]] = {
    ("search", "strategy"): {
        "script": frozenset({Strategy.SCRIPT, Strategy.EXHAUSTIVE, Strategy.BOUNDED}),
        "seed": frozenset({Strategy.RANDOM, Strategy.PCT}),
        "runs": frozenset({Strategy.RANDOM, Strategy.PCT}),
        "depth": frozenset({Strategy.PCT}),
        "bound": frozenset({Strategy.BOUNDED}),
    },
    ("daemon", "model"): {
        "features": frozenset({DaemonModel.XENSTORED, DaemonModel.OXENSTORED}),
        "version": frozenset({DaemonModel.RFC_V2}),
        "drop_layers": frozenset({DaemonModel.RFC_V2}),
        "mistake": frozenset({DaemonModel.XENSTORED, DaemonModel.OXENSTORED}),
    },
}
"""By (table, the key that chooses): for each option that not every choice has, which ones do."""

_TAG = re.compile(r"[a-z][a-z0-9_]*")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_BUILTIN = re.compile(r"[a-z0-9][a-z0-9_-]*")


def check_sense(scenario: Scenario, given: dict[str, Any]) -> None:
    """Raise a Problem for the first thing that makes no sense. `given` is the decoded TOML."""
    check_line(scenario.title, ("title",))
    _check_tags(scenario.tags)
    _check_boot(scenario.boot, scenario.daemon)
    _check_platform(scenario.platform)
    _check_store(scenario.store)
    _check_ring(scenario.ring)
    _check_options(given)
    _check_daemon(scenario.daemon)
    _check_others(scenario)
    _check_search(scenario)
    _check_expect(scenario.expect, scenario.search)


def check_line(text: str, key: Key) -> None:
    """A text for people: something to read, on one line."""
    if not text.strip():
        raise Problem(key, "may not be empty")
    if not text.isprintable():
        raise Problem(key, f"must be one line of text, got {quoted(text)}")


def check_name(name: str, key: Key) -> None:
    """A variant's name: it stands behind a "#" and in file names."""
    if _NAME.fullmatch(name) is None:
        raise Problem(
            key, f"{quoted(name)} is not a name; lower-case letters, digits and - make one"
        )


def _check_tags(tags: tuple[str, ...]) -> None:
    for index, tag in enumerate(tags):
        if _TAG.fullmatch(tag) is None:
            raise Problem(
                ("tags", index),
                f"{quoted(tag)} is no tag; lower-case letters, digits and _ make one, a letter "
                "first",
            )
        if tag in tags[:index]:
            raise Problem(("tags", index), f"{quoted(tag)} stands here twice")


def _check_boot(boot: Boot, daemon: Daemon) -> None:
    if not boot.chain:
        raise Problem(("boot", "chain"), "missing; name at least one image")
    for index, (entry, stage) in enumerate(zip(boot.chain, boot.stages, strict=True)):
        key: Key = ("boot", "chain", index)
        _check_image(stage, key if isinstance(entry, str) else (*key, "image"))
        lines = stage.requests or ()
        try:
            check_requests(None if stage.is_path else stage.image, lines)
            if feature_bit(Feature.WATCH_DEPTH) not in map(feature_bit, daemon.features or ()):
                check_depths(lines)
        except Problem as problem:
            raise Problem((*key, "requests", *problem.key), problem.message) from None
        if stage.stop is not None:
            check_stop(stage.stop, (*key, "stop"))
    check_typed([stage.type for stage in boot.stages])


def _check_platform(platform: Platform) -> None:
    key: Key = ("platform", "memory")
    try:
        parse_memory(platform.memory)
        key = ("platform", "xen")
        parse_xen(platform.xen)
        for index, device in enumerate(platform.devices):
            key = ("platform", "devices", index)
            if isinstance(device, Device):
                parse_device(device)
    except PartError as error:
        raise Problem((*key, *error.part), str(error)) from None
    except InputError as error:
        raise Problem(key, str(error)) from None


def _check_image(stage: Stage, key: Key) -> None:
    if not stage.image.isprintable():
        raise Problem(key, f"{quoted(stage.image)} has characters that do not print")
    if stage.is_path:
        if not stage.name:
            raise Problem(key, f"{quoted(stage.image)} names no file")
    elif _BUILTIN.fullmatch(stage.image) is None:
        raise Problem(
            key,
            f"{quoted(stage.image)} is neither the name of a built-in image nor a path "
            "(a path has a / or ends in .elf)",
        )


def _check_store(store: dict[str, str]) -> None:
    for path, value in store.items():
        try:
            check_path(path)
            check_value(value)
        except InputError as error:
            raise Problem(("store", path), str(error)) from None


def _check_others(scenario: Scenario) -> None:
    if scenario.others and not scenario.ring.xenstore:
        raise Problem(("others",), "nobody hears of them: ring.xenstore is false")
    stages = scenario.boot.stages
    # What an image of somebody else's writes nobody knows.
    known = not any(stage.is_path for stage in stages)
    requests = [line for stage in stages for line in requests_of(scenario, stage)]
    names = tuple(stage.name for stage in stages)
    check_others(scenario.others, toolstack_store(scenario), requests if known else None, names)


def _check_ring(ring: Ring) -> None:
    if ring.xenstore:
        return
    default = Ring(xenstore=False)
    for key in Ring.__struct_fields__:
        if getattr(ring, key) != getattr(default, key):
            raise Problem(("ring", key), "there is no ring: ring.xenstore is false")


def _check_options(given: dict[str, Any]) -> None:
    """Options belong to what the table chooses, and are refused, not ignored, with another."""
    for (table, chooser), options in OPTIONS.items():
        section = given.get(table, {})
        default = {"strategy": Search().strategy, "model": Daemon().model}[chooser]
        chosen = section.get(chooser, default)
        for option, choices in options.items():
            if option in section and chosen not in choices:
                source = "" if chooser in section else " (the default)"
                *first, last = sorted(choices)
                owners = f"{', '.join(first)} and {last}" if first else last
                raise Problem(
                    (table, option),
                    f'no option of {chooser} "{chosen}"{source}; it belongs to {owners}',
                )


def _check_daemon(daemon: Daemon) -> None:
    seen: dict[int, Feature | int] = {}
    for index, feature in enumerate(daemon.features or ()):
        bit = feature_bit(feature)
        if bit in seen:
            raise Problem(
                ("daemon", "features", index), f"{feature} is the same bit as {seen[bit]}"
            )
        seen[bit] = feature
    mistake = daemon.mistake
    if mistake is not None and mistake not in MISTAKES[daemon.model]:
        owners = " and ".join(model for model, can in MISTAKES.items() if mistake in can)
        raise Problem(
            ("daemon", "mistake"),
            f"{quoted(mistake)} is no mistake of {daemon.model}; {owners} can make it",
        )


def _check_search(scenario: Scenario) -> None:
    search = scenario.search
    if search.strategy is Strategy.SCRIPT and not search.script:
        raise Problem(("search", "script"), 'strategy "script" needs a script of at least one step')
    one_by_one = (Strategy.SCRIPT, Strategy.RANDOM, Strategy.PCT)
    if search.memory_model is not MemoryModel.SC and search.strategy in one_by_one:
        raise Problem(
            ("search", "memory_model"),
            f'"{search.memory_model}" is for exhaustive and bounded; {search.strategy} is under sc',
        )
    if search.string_stores is StringOrder.ANY_ORDER and search.strategy is Strategy.SCRIPT:
        raise Problem(
            ("search", "string_stores"),
            '"any-order" is for strategies that try more than one order; a script is in-order',
        )
    stages = tuple(dict.fromkeys(stage.name for stage in scenario.boot.stages))
    for index, step in enumerate(search.script):
        check_step(step, stages, lanes(scenario.others), ("search", "script", index))


def check_step(
    step: Step, stages: tuple[str, ...] | None, others: tuple[str, ...], key: Key
) -> None:
    """Raise a Problem where a step of a script makes no sense. `stages`: those of the boot chain,
    None where it is not known yet; `others`: who else there is."""
    movers = ("guest", "daemon", *others)
    if step.run not in movers:
        raise Problem((*key, "run"), not_one_of(step.run, movers))
    if step.until is not None:
        _check_until(step.run, step.until, others, (*key, "until"))
    if step.stage is not None:
        if step.run != "guest":
            raise Problem((*key, "stage"), 'only run = "guest" has stages')
        if stages is not None and step.stage not in stages:
            chain = f"the boot chain ({', '.join(printable(stage) for stage in stages)})"
            near = hint(step.stage, stages)
            raise Problem((*key, "stage"), f"{quoted(step.stage)} is not in {chain}{near}")
    if step.until is None:
        for option, value, default in (("stage", step.stage, None), ("nth", step.nth, 1)):
            if value != default:
                raise Problem((*key, option), "says which event is meant, but there is no until")


def _check_until(run: str, until: str, others: tuple[str, ...] | None, key: Key) -> None:
    try:
        event = parse_event(until)
    except InputError as error:
        raise Problem(key, str(error)) from None
    if event.kind is not Kind.ACT or others is None:
        return
    if not others:
        raise Problem(key, "nobody else asks here: there are no [[others]]")
    if run == "guest":
        raise Problem(key, "others ask the daemon; run it, or one of them")
    if event.place is not None and event.place not in others:
        raise Problem(key, not_one_of(event.place, others))


def _check_expect(expect: Expect, search: Search) -> None:
    outcomes = expect.outcomes
    if not outcomes:
        raise Problem(("expect",), f"names no outcome; at least one of {', '.join(OUTCOMES)}")
    if expect.rules.all is Judgement.BROKEN:
        raise Problem(
            ("expect", "rules", "all"), 'can only be "kept"; name the rules that are broken'
        )
    often = Counter(outcomes.values())
    if often[Frequency.NEVER] == len(OUTCOMES):
        raise Problem(("expect",), "no outcome is allowed, but every execution has one")
    happens = [name for name, often in outcomes.items() if often is not Frequency.NEVER]
    always = [name for name, often in outcomes.items() if often is Frequency.ALWAYS]
    if always and len(happens) > 1:
        other = next(name for name in happens if name != always[0])
        raise Problem(
            ("expect", other),
            f'"{outcomes[other]}" contradicts {always[0]} = "always": an execution has one outcome',
        )
    if search.strategy is Strategy.SCRIPT and len(happens) > 1:
        raise Problem(
            ("expect", happens[1]),
            f'"{outcomes[happens[1]]}" contradicts {happens[0]} = "{outcomes[happens[0]]}": '
            "a script is one execution, with one outcome",
        )
