"""What `guestsim new` writes: a scenario with every table once, with what it is for.

And with `--image`: a client in C (`client.c`, the one of docs/own-image.md) and its scenario.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final

__all__ = ["BUILD", "CLIENT", "IMAGE_TEMPLATE", "TEMPLATE"]

CLIENT: Final = files("guestsim.scenario").joinpath("client.c").read_text(encoding="utf-8")

BUILD: Final = (
    "gcc -m32 -O2 -g -ffreestanding -nostdlib -static -fno-pie -fno-stack-protector "
    "-mgeneral-regs-only -Wl,-Ttext-segment=0x100000 -o {elf} {source}"
)
"""A format: the shell's line that makes an image of the client. docs/own-image.md has those for
other compilers."""

IMAGE_TEMPLATE: Final = """\
# A client of your own, NAME.c, against every interleaving with a xenstored.
# docs/own-image.md tells how it is built, and what an image may do and may not.
title = "NAME: my own client reads a key"

[boot]
# What runs in the guest. `requests` is the command line: the client knows `read KEY=VALUE`.
chain = [{ image = "./NAME.elf", requests = ["read hvmloader/bios=seabios"] }]

[store]
# What the toolstack wrote before boot.
"hvmloader/bios" = "seabios"

[search]
# Every interleaving of guest and daemon: a proof, where it is complete.
strategy = "exhaustive"

[matrix]
# A scenario for each combination of values.
"daemon.model" = ["xenstored", "oxenstored"]
"search.memory_model" = ["sc", "tso"]

[expect]
# How executions may end: always, sometimes or never.
connected = "always"

[expect.rules]
# No rule of the ring (docs/rules.md) is broken.
all = "kept"
"""

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
