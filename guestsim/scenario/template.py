"""The scenario that `guestsim new` writes: every table once, with what it is for."""

from __future__ import annotations

__all__ = ["TEMPLATE"]

TEMPLATE = """\
# A scenario: what runs, against which xenstored, which executions are tried, how they may end.
# docs/scenarios.md explains every key; `guestsim lint` finds mistakes, `guestsim check` runs it.
title = "NAME: my firmware's reset, then a frontend"

[boot]
# The images that run one after another in the same guest: names of built-in ones (`guestsim
# images`), or paths of your own ELF files, like "./build/firmware.elf".
chain = ["reset-poison", "frontend"]

[store]
# What the toolstack wrote before boot.
"hvmloader/bios" = "seabios"

[daemon]
# The xenstored on the other side: xenstored (C) or oxenstored.
model = "xenstored"

[search]
# Every interleaving of guest and daemon: a proof, where it is complete.
strategy = "exhaustive"

[matrix]
# A scenario for each combination of values of any keys.
"search.memory_model" = ["sc", "tso"]

[expect]
# How executions may end: always, sometimes or never.
connected = "sometimes"
refused = "sometimes"
hung = "never"

[expect.rules]
# Rules of the ring (docs/rules.md): kept or broken. `all = "kept"` judges every one.
publish-order = "broken"
"""
