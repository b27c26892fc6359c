"""Functions and source lines for the sites of a trace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from guestsim.machine.debug import debug_files
from guestsim.machine.image import Image
from guestsim.machine.notices import Notice
from guestsim.machine.symbols import symbols_of
from guestsim.trace import Op, Site
from guestsim.trace.results import Run

__all__ = ["Symbolizer"]


class Symbolizer:
    """Knows the images of one boot chain, and the separate debug files of those that have any."""

    def __init__(self, images: Sequence[Image], debug: Sequence[Path] = ()) -> None:
        """`debug`: files and folders of the user's. InputError where one of them is no use."""
        self._contents = {image.name: image.content for image in images}
        self._contents |= debug_files(images, debug)
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
        """One line for each, with the place in the program."""
        return tuple(str(notice._replace(site=self.site(notice.site))) for notice in notices)

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
