"""Functions and source lines for the sites of a trace."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from guestsim.machine.image import Image
from guestsim.machine.symbols import symbols_of
from guestsim.trace import Op, Site
from guestsim.trace.results import Run

__all__ = ["symbolize"]


def symbolize(run: Run, images: Sequence[Image]) -> Run:
    """`run` with function, file and line filled in, where the images know them."""
    contents = {image.name: image.content for image in images}
    sites: dict[Site, Site] = {}
    ops: dict[int, Op] = {}

    def resolve(site: Site) -> Site:
        known = sites.get(site)
        if known is None:
            known = sites[site] = _resolve(site, contents)
        return known

    def better(op: Op) -> Op:
        known = ops.get(id(op))
        if known is None:
            known = ops[id(op)] = msgspec.structs.replace(op, site=resolve(op.site))
        return known

    return msgspec.structs.replace(
        run,
        events=tuple(msgspec.structs.replace(event, op=better(event.op)) for event in run.events),
        end=msgspec.structs.replace(run.end, site=resolve(run.end.site)),
    )


def _resolve(site: Site, contents: dict[str, bytes]) -> Site:
    content = contents.get(site.stage)
    if content is None or not site.pc:
        return site
    symbols = symbols_of(content)
    file, line = symbols.line(site.pc)
    return msgspec.structs.replace(site, function=symbols.function(site.pc), file=file, line=line)
