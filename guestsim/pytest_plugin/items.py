"""Scenario files as files of tests: an item for each variant and case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from guestsim.errors import GuestsimError, InputError
from guestsim.pytest_plugin.options import check, options_of
from guestsim.pytest_plugin.reports import failure_of, timeline_of
from guestsim.scenario import Scenario, load
from guestsim.trace.results import Result, Verdict

__all__ = ["ScenarioFile", "ScenarioItem"]


class ScenarioFile(pytest.File):
    """One file. What is wrong with it is one line."""

    def collect(self) -> Iterable[ScenarioItem]:
        """Its scenarios, in the file's order."""
        try:
            scenarios = load(self.path, self.config.getoption("--guestsim-max-cases"))
        except InputError as error:
            raise self.CollectError(f"guestsim: {error}") from None
        for scenario in scenarios:
            name = scenario.side or self.path.stem
            if scenario.case is not None:
                name += f"[{scenario.case}]"
            yield ScenarioItem.from_parent(self, name=name, scenario=scenario)


class ScenarioItem(pytest.Item):
    """One scenario. It is run at setup: what ends without a verdict is then an error of the test,
    and no failure."""

    def __init__(self, *, scenario: Scenario, **rest: Any) -> None:
        super().__init__(**rest)
        self.scenario = scenario
        for tag in scenario.tags:
            self.config.addinivalue_line("markers", f"{tag}: a tag of scenarios")
            self.add_marker(tag)
        self.result: Result | None = None

    def setup(self) -> None:
        """Run the scenario."""
        try:
            result = check(self.scenario, options_of(self.config))
        except GuestsimError as error:
            pytest.fail(f"guestsim: {error}", pytrace=False)
        self.result = result
        self.user_properties += _properties(result)
        if result.verdict is Verdict.SKIP:
            pytest.skip(result.error or "")
        if result.verdict in (Verdict.ERROR, Verdict.INCONCLUSIVE):
            why = result.error or "; ".join(result.failures) or "the search was cut short"
            pytest.fail(f"guestsim: {result.verdict}: {why}", pytrace=False)

    def runtest(self) -> None:
        """Judge it."""
        assert self.result is not None
        if self.result.verdict is not Verdict.PASS:
            width = self.config.get_terminal_writer().fullwidth
            text = timeline_of(self.result, self.scenario, options_of(self.config), width)
            self.add_report_section("call", "timeline", text)
            pytest.fail(failure_of(self.result), pytrace=False)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Where it is, and what it is called."""
        return self.path, None, f"{self.name}: {self.scenario.title}"


def _properties(result: Result) -> Iterator[tuple[str, object]]:
    """For `--junitxml`."""
    found = [name for name, finding in result.outcomes.items() if finding.found]
    yield "outcomes", ", ".join(found)
    if result.search is not None:
        yield "complete", str(result.search.complete).lower()
        yield "states", result.search.states or 0
