"""pytest runs scenario files: `pytest --guestsim PATH`, or the ini option `guestsim_scenarios`.

Every pytest on a machine with guestsim loads this module, so it imports nothing that takes time;
the rest is imported when a scenario is collected. The hooks are pytest's: see its reference,
"Writing hook functions" and "Working with non-python tests".
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from guestsim.pytest_plugin.fixture import Guestsim
    from guestsim.pytest_plugin.items import ScenarioFile

__all__ = [
    "guestsim",
    "pytest_addoption",
    "pytest_collect_file",
    "pytest_configure",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the command line and the ini file."""
    parser.addini(
        "guestsim_scenarios",
        "Scenario files that are tests: patterns, relative to the ini file's folder.",
        type="linelist",
        default=[],
    )
    group = parser.getgroup("guestsim", "boot scenarios (guestsim)")
    group.addoption(
        "--guestsim",
        metavar="PATH",
        action="append",
        default=[],
        help="Run the scenarios of this file or folder. May be repeated. Without other arguments, "
        "run nothing else.",
    )
    group.addoption(
        "--guestsim-image",
        metavar="NAME=PATH",
        action="append",
        default=[],
        help="Use the ELF file PATH for the stage NAME of the boot chain. May be repeated.",
    )
    group.addoption(
        "--guestsim-budget",
        metavar="LIMIT",
        action="append",
        default=[],
        help="End each search after so many seconds (30s) or stored states (100000). A search that "
        "was cut short is an error. May be given once for each.",
    )
    group.addoption(
        "--guestsim-max-cases",
        metavar="N",
        type=int,
        default=1000,
        help="How many cases a matrix may have.",
    )
    group.addoption(
        "--guestsim-no-cache",
        action="store_true",
        help="Run everything, also where pytest's cache has the verdict, on the same everything.",
    )
    group.addoption(
        "--guestsim-witnesses",
        metavar="FOLDER",
        default=None,
        help="Write schedules of what was found there; default: a folder in pytest's cache.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """What `--guestsim` names is collected, too; alone, where nothing else was asked for."""
    paths = config.getoption("--guestsim")
    for path in paths:
        if not Path(config.invocation_params.dir, path.partition("#")[0]).exists():
            raise pytest.UsageError(f"--guestsim {path}: no such file or folder")
    if any(map(config.getoption, ("guestsim_image", "guestsim_budget", "guestsim_witnesses"))):
        from guestsim.pytest_plugin.options import options_of  # noqa: PLC0415 (see above)

        options_of(config)  # whatever is wrong with them is told now
    if not paths:
        return
    asked = config.args if config.args_source is config.ArgsSource.ARGS else []
    config.args[:] = [*asked, *(path for path in paths if path not in asked)]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    """A scenario file, if it is one that was asked for."""
    if file_path.suffix.lower() != ".toml" or not _asked_for(parent.config, file_path):
        return None
    from guestsim.pytest_plugin.items import ScenarioFile  # noqa: PLC0415 (see above)

    file: ScenarioFile = ScenarioFile.from_parent(parent, path=file_path)
    return file


def _asked_for(config: pytest.Config, file: Path) -> bool:
    here = config.invocation_params.dir
    for name in config.getoption("--guestsim"):
        path = Path(here, name).resolve()
        if file.resolve() == path:
            return True
        if file.resolve().is_relative_to(path):
            # As `guestsim check` takes the files of a folder.
            inside = file.resolve().relative_to(path).parts
            return (
                not any(part.startswith(".") for part in inside) and file.name != "pyproject.toml"
            )
    if not file.is_relative_to(config.rootpath):
        return False
    relative = file.relative_to(config.rootpath).as_posix()
    return any(fnmatch(relative, pattern) for pattern in config.getini("guestsim_scenarios"))


@pytest.fixture
def guestsim(
    request: pytest.FixtureRequest, tmp_path: Path, record_property: Callable[[str, object], None]
) -> Guestsim:
    """Checks scenarios from Python: `guestsim.check(…)`. See `guestsim.pytest_plugin.fixture`."""
    from guestsim.pytest_plugin.fixture import Guestsim  # noqa: PLC0415
    from guestsim.pytest_plugin.options import options_of  # noqa: PLC0415

    return Guestsim(tmp_path, options_of(request.config), record_property)
