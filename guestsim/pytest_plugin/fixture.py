"""The fixture `guestsim`: scenarios that a test in Python makes, checked like files.

def test_my_firmware_survives_a_reset(guestsim, my_elf):
    result = guestsim.check('''
        title = "my firmware, then a frontend"
        [boot]
        chain = ["mine", "frontend"]
        [expect]
        connected = "always"
    ''', images={"mine": my_elf})
    assert result.verdict == "pass", result.failures
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from guestsim.pytest_plugin.options import check
from guestsim.runner import Options
from guestsim.scenario import load_one
from guestsim.trace.results import Result

__all__ = ["Guestsim"]


class Guestsim:
    """Checks scenarios, with the options of this run of pytest."""

    def __init__(
        self, folder: Path, options: Options, record: Callable[[str, object], None]
    ) -> None:
        self._folder = folder
        self._options = options
        self._record = record
        self._made = 0

    def check(
        self,
        scenario: Path | str,
        *,
        images: Mapping[str, Path] | None = None,
        seconds: float | None = None,
        states: int | None = None,
    ) -> Result:
        """Run one scenario and judge it: the entry that `guestsim check --json` would have.

        `scenario`: a file (with `#variant` where it has several), or the text of one. `images`:
        ELF files for stages of the boot chain. `seconds` and `states` bound the search; one that
        was cut short is inconclusive. InputError, one line, where something is wrong with it.
        """
        path = scenario if isinstance(scenario, Path) else self._written(scenario)
        changes: dict[str, object] = {"images": self._options.images | dict(images or {})}
        if seconds is not None:
            changes["seconds"] = seconds
        if states is not None:
            changes["states"] = states
        result = check(load_one(path), msgspec.structs.replace(self._options, **changes))
        self._record("guestsim", f"{result.verdict}: {result.title}")
        return result

    def _written(self, text: str) -> Path:
        self._made += 1
        path = self._folder / f"scenario-{self._made}.toml"
        path.write_text(text, encoding="utf-8")
        return path
