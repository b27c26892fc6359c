"""From one document to scenarios: a side for each variant, a case for each row of its matrix."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from guestsim.scenario.matrix import MAX_CASES, Case, cases, merged, without
from guestsim.scenario.models import Scenario, ScenarioFile, Sections
from guestsim.scenario.problem import Key, Problem
from guestsim.scenario.sense import OPTIONS, check_line, check_name, check_sense
from guestsim.scenario.shape import check_shape
from guestsim.trace.text import quoted

__all__ = ["scenarios_of"]

_SECTIONS = Sections.__struct_fields__


def scenarios_of(
    path: Path, document: dict[str, Any], most_cases: int = MAX_CASES
) -> tuple[Scenario, ...]:
    """The scenarios of a decoded file. A Problem, with the key as it stands there, where it makes
    no sense, or a matrix has more than `most_cases`."""
    check_shape(document)
    variants: list[dict[str, Any]] = document.get("variant", [])
    found: list[Scenario] = []
    if not variants:
        found += _each_case(path, document, None, most_cases)
    else:
        check_line(document["title"], ("title",))
    known: set[str] = set()
    for index, variant in enumerate(variants):
        name = variant["name"]
        check_name(name, ("variant", index, "name"))
        if name in known:
            raise Problem(("variant", index, "name"), f"{quoted(name)} is the name of two variants")
        known.add(name)
        try:
            found += _each_case(path, _side(document, variant), name, most_cases)
        except Problem as problem:
            raise _relocated(problem, document, variant, index) from None
    for name, count in Counter(scenario.variant for scenario in found).items():
        if count > 1:
            raise Problem(("matrix",), f"{quoted(str(name))} is the name of two scenarios")
    for scenario in found:
        if scenario.case is not None and scenario.variant in known:
            name = quoted(str(scenario.variant))
            raise Problem(("matrix",), f"{name} would mean a case and a variant")
    return tuple(found)


def _each_case(
    path: Path, document: dict[str, Any], side: str | None, most: int
) -> Iterator[Scenario]:
    base = {key: value for key, value in document.items() if key != "matrix"}
    there_are_none = True
    for case in cases(document, most):
        there_are_none = False
        changes = {"title": f"{document['title']}{_said(case)}", **case.changes}
        try:
            yield _scenario(path, _laid_over(base, changes), side, case)
        except Problem as problem:
            raise _in_matrix(problem, case) from None
    if there_are_none:
        yield _scenario(path, base, side, None)


def _said(case: Case) -> str:
    """The memory model, behind a title. All else that is different is in the name."""
    model = case.values.get(_MODEL)
    return f", under {model}" if model is not None else ""


_MODEL = ("search", "memory_model")


def _in_matrix(problem: Problem, case: Case) -> Problem:
    """The same problem, where its key is one of the matrix, or is expected of this case alone."""
    for key in case.values:
        if problem.key[: len(key)] == key or (key[: len(problem.key)] == problem.key):
            return Problem(
                ("matrix", ".".join(key)), f"{problem.message} (in case {quoted(case.name)})"
            )
    if problem.key in case.expected:
        place = case.expected[problem.key]
        return Problem(place, f"{problem.message} (in case {quoted(case.name)})")
    return problem


def _scenario(
    path: Path, document: dict[str, Any], side: str | None, case: Case | None
) -> Scenario:
    if case is not None:
        check_shape(document)
    file = msgspec.convert(document, ScenarioFile)
    pair = None
    if file.pair is not None:
        pair = path.parent / file.pair
        # os.path.isfile: any name is an answer, an impossible one too.
        if not os.path.isfile(pair):
            raise Problem(("pair",), f"{quoted(file.pair)}: no such file beside this one")
        if pair.samefile(path):
            raise Problem(("pair",), f"{quoted(file.pair)} is this file itself")
    name = None if case is None else case.name
    scenario = Scenario(
        path=path,
        title=file.title,
        variant="-".join(filter(None, (side, name))) or None,
        side=side,
        case=name,
        varied=()
        if case is None
        else tuple(zip(map(".".join, case.values), case.words, strict=True)),
        pair=pair,
        **{name: getattr(file, name) for name in _SECTIONS},
    )
    check_sense(scenario, document)
    return scenario


def _side(document: dict[str, Any], variant: dict[str, Any]) -> dict[str, Any]:
    """The document that a variant means. Keys of the file's matrix that it sets are not varied."""
    base = {key: value for key, value in without(document, variant).items() if key != "variant"}
    changes = {key: value for key, value in variant.items() if key != "name"}
    changes.setdefault("title", f"{document['title']} ({variant['name']})")
    return _laid_over(base, changes)


def _laid_over(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Tables are merged key by key, all else is replaced.

    Where the changes choose another strategy or daemon model, the base's options that the new
    choice does not have are left out: they said something about the base's choice.
    """
    result = merged(base, changes)
    for (table, chooser), options in OPTIONS.items():
        own = changes.get(table, {})
        if chooser in own:
            result[table] = {
                key: value
                for key, value in result[table].items()
                if key in own or key not in options or own[chooser] in options[key]
            }
    return result


def _relocated(
    problem: Problem, document: dict[str, Any], variant: dict[str, Any], index: int
) -> Problem:
    """The same problem, with its key where it stands: in the variant, or in the base."""
    key = problem.key
    if _stands(key, variant) or (not _stands(key, document) and _stands(key[:1], variant)):
        return Problem(("variant", index, *key), problem.message)
    return Problem(key, f"{problem.message} (in variant {quoted(variant['name'])})")


def _stands(key: Key, table: Any) -> bool:
    for part in key:
        if isinstance(part, int):
            if not (isinstance(table, list) and part < len(table)):
                return False
        elif not (isinstance(table, dict) and part in table):
            return False
        table = table[part]
    return True
