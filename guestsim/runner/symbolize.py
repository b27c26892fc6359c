"""Functions, source lines and their texts for the sites of a trace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

from guestsim.errors import InputError
from guestsim.files import MIB, read_file
from guestsim.machine.debug import debug_files
from guestsim.machine.image import Image
from guestsim.machine.notices import Notice
from guestsim.machine.symbols import symbols_of
from guestsim.trace import Op, Site
from guestsim.trace.results import Run

__all__ = ["Sources", "Symbolizer"]


class Symbolizer:
    """Knows the images of one boot chain, and the separate debug files of those that have any."""

    def __init__(self, images: Sequence[Image], debug: Sequence[Path] = ()) -> None:
        """`debug`: files and folders of the user's. InputError where one of them is no use."""
        self._contents = {image.name: image.content for image in images}
        separate = debug_files(images, debug)
        self._contents |= {name: file.content for name, file in separate.items()}
        self.files = {image.name: image.path for image in images}
        """Where the symbols of each image are, by name."""
        self.files |= {name: file.path for name, file in separate.items()}
        self._sites: dict[Site, Site] = {}

    def run(self, run: Run) -> Run:
        """`run` with function, file and line filled in, where they are known."""
        ops: dict[int, Op] = {}

        def better(op: Op) -> Op:
            known = ops.get(id(op))
            if known is None:
                known = ops[id(op)] = msgspec.structs.replace(op, site=self.site(op.site))
            return known

        return msgspec.structs.replace(
            run,
            events=tuple(
                msgspec.structs.replace(event, op=better(event.op)) for event in run.events
            ),
            end=msgspec.structs.replace(run.end, site=self.site(run.end.site)),
        )

    def notices(self, notices: Iterable[Notice]) -> tuple[str, ...]:
        """One line for each, with the place in the program; and for each image whose tables could
        not be read."""
        damaged = [
            f"{stage}: no functions or lines, or not all: its tables are damaged ({damage})"
            for stage, content in self._contents.items()
            if (damage := symbols_of(content).damage)
        ]
        placed = (str(notice._replace(site=self.site(notice.site))) for notice in notices)
        return (*placed, *damaged)

    def site(self, site: Site) -> Site:
        """One site, filled in."""
        known = self._sites.get(site)
        if known is None:
            known = self._sites[site] = self._resolve(site)
        return known

    def _resolve(self, site: Site) -> Site:
        content = self._contents.get(site.stage)
        if content is None or not site.pc:
            return site
        symbols = symbols_of(content)
        file, line = symbols.line(site.pc)
        function = symbols.function(site.pc)
        return msgspec.structs.replace(site, function=function, file=file, line=line)


class Sources:
    """Finds the text of a site's line in the folders that the user gave. What is not there is left
    out: no error."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """InputError where a folder is none."""
        for folder in folders:
            if not folder.is_dir():
                raise InputError(f"--source {folder}: no such folder")
        self._folders = tuple(folders)
        self._file = lru_cache(maxsize=None)(self._read)

    def __call__(self, site: Site) -> str:
        """The line without its margins, "" where it is not known."""
        if not site.file or not site.line:
            return ""
        lines = self._file(site.file, site.stage)
        return lines[site.line - 1].strip() if site.line <= len(lines) else ""

    def _read(self, name: str, stage: str) -> tuple[str, ...]:
        path = self._find(name, stage)
        if path is None:
            return ()
        try:
            content = read_file(path, 16 * MIB)
        except InputError:
            return ()
        return tuple(content.decode(errors="replace").splitlines())

    def _find(self, name: str, stage: str) -> Path | None:
        """Debug information names a file without its folders here: so the one of that name; of
        several, the one in a folder that is called like the stage."""
        for folder in self._folders:
            if (folder / name).is_file():
                return folder / name
            found = sorted(path for path in folder.rglob(name) if path.is_file())
            own = [path for path in found if stage in path.relative_to(folder).parts]
            for choice in (found, own):
                if len(choice) == 1:
                    return choice[0]
        return None
