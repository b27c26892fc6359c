"""Files that show one execution in other tools: `--svg`, `--perfetto`, `--vcd`, `--mermaid`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from guestsim.errors import InputError
from guestsim.files import check_writable, write_file
from guestsim.trace.results import Run
from guestsim.trace.text import escaped

__all__ = ["Figures"]


class Figures:
    """The figures that are wanted: a file for each, or None."""

    def __init__(
        self, *, svg: Path | None, perfetto: Path | None, vcd: Path | None, mermaid: Path | None
    ) -> None:
        wanted = {"--svg": svg, "--perfetto": perfetto, "--vcd": vcd, "--mermaid": mermaid}
        self._paths = {option: path for option, path in wanted.items() if path is not None}

    def check(self, others: Mapping[str, Path | None]) -> None:
        """Before anything is run: InputError where a file cannot be written, or is that of two
        options. `others`: options with files that are written as well."""
        for path in self._paths.values():
            check_writable(path)
        seen: dict[str, str] = {}
        for option, file in [*self._paths.items(), *others.items()]:
            if file is None:
                continue
            real = os.path.realpath(file)
            if real in seen:
                here = escaped(str(file))
                raise InputError(f"{option} {here}: is the file of {seen[real]} as well")
            seen[real] = option

    def spare(self, *inputs: Path) -> None:
        """InputError where a figure would take the place of what is read."""
        for option, path in self._paths.items():
            if any(file.exists() and path.exists() and path.samefile(file) for file in inputs):
                raise InputError(f"{option} {escaped(str(path))}: is what is run")

    def write(self, run: Run, names: Mapping[str, str], title: str, *, full: bool = False) -> None:
        """The files. `full`: the picture shows every op, as the timeline does."""
        for option, path in self._paths.items():
            write_file(path, _draw(option, run, names, title, full=full).encode())


def _draw(option: str, run: Run, names: Mapping[str, str], title: str, *, full: bool) -> str:
    if option == "--svg":
        from guestsim.report.figures.svg import picture

        return picture(run, names, title, full=full)
    if option == "--perfetto":
        from guestsim.report.figures.perfetto import trace_events

        return trace_events(run, names, title)
    if option == "--vcd":
        from guestsim.report.figures.vcd import value_change_dump

        return value_change_dump(run, names, title)
    from guestsim.report.figures.mermaid import sequence_diagram

    return sequence_diagram(run, names, title)
