"""The text of source lines, from the folders that the user gave."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from guestsim.errors import InputError
from guestsim.trace import Site

__all__ = ["Sources"]


class Sources:
    """Finds the line of a site. What is not there is left out: no error."""

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
        return tuple(path.read_text(encoding="utf-8", errors="replace").splitlines())

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
