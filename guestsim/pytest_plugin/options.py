"""What a run of pytest says about checks: images, budgets, where witnesses go."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import pytest

from guestsim.errors import InputError
from guestsim.runner import Options
from guestsim.runner import check as run_check
from guestsim.runner.control import budget_of, images_of
from guestsim.runner.interrupt import interrupted, listening
from guestsim.scenario import Scenario
from guestsim.trace.results import Result

__all__ = ["check", "options_of"]

_FOLDER = "guestsim-witnesses"
_KEY = pytest.StashKey[Options]()


def check(scenario: Scenario, options: Options) -> Result:
    """As `guestsim.runner.check`. Ctrl-C ends it where it can be ended, and then pytest's run."""
    if threading.current_thread() is not threading.main_thread():
        return run_check(scenario, options)
    with listening():
        result = run_check(scenario, options)
    if interrupted():
        raise KeyboardInterrupt
    return result


def options_of(config: pytest.Config) -> Options:
    """The options of every check in this run. A UsageError where one of them is wrong."""
    if _KEY not in config.stash:
        config.stash[_KEY] = _options(config)
    return config.stash[_KEY]


def _options(config: pytest.Config) -> Options:
    budget = config.getoption("--guestsim-budget")
    try:
        return Options(
            images=images_of(config.getoption("--guestsim-image")),
            witnesses=_witnesses(config),
            cache=_verdicts(config),
            seconds=budget_of(budget, "s"),
            states=budget_of(budget, ""),
        )
    except InputError as error:
        raise pytest.UsageError(str(error)) from None


def _verdicts(config: pytest.Config) -> Path | None:
    cache: pytest.Cache | None = getattr(config, "cache", None)
    wanted = cache is not None and not config.getoption("--guestsim-no-cache")
    return cache.mkdir("guestsim-verdicts") if cache is not None and wanted else None


def _witnesses(config: pytest.Config) -> Path:
    folder = config.getoption("--guestsim-witnesses")
    if folder is None:
        cache: pytest.Cache | None = getattr(config, "cache", None)  # -p no:cacheprovider
        return cache.mkdir(_FOLDER) if cache else Path(tempfile.mkdtemp(prefix=_FOLDER))
    path = Path(config.invocation_params.dir, folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise pytest.UsageError(f"--guestsim-witnesses {folder}: {error.strerror}") from None
    return path
