"""`[[others]]`: what makes no sense is refused when the file is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from guestsim.errors import InputError
from guestsim.scenario import load, load_one

HEAD = """
title = "t"
boot.chain = [{ image = "frontend", requests = ["write data/x=1"] }]
expect.connected = "always"
"""


def entry(text: str) -> str:
    return f'{HEAD}\n[[others]]\nname = "backend"\n{text}\n'


def script(step: str) -> str:
    return f'[search]\nstrategy = "script"\nscript = [{{ {step} }}]\n'


def complaint(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("x.toml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load(Path("x.toml"))
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            entry('do = ["wrote data/y=1"]'),
            'others[0].do[0]: "wrote" is not one of abort, commit, directory, get-perms, message, '
            "mkdir, read, rm, set-perms, transaction, write, introduce, release, live-update, "
            'restore, resume; did you mean "write"?',
        ),
        (
            entry('do = ["event data/y"]'),
            'others[0].do[0]: others do no "event"; there are: abort, commit, directory, '
            "get-perms, message, mkdir, read, rm, set-perms, transaction, write, introduce, "
            "release, live-update, restore, resume",
        ),
        (entry("do = []"), "others[0].do: may not be empty"),
        (entry(""), "others[0].do: missing; expected a list"),
        (entry('do = ["introduce 1"]'), 'others[0].do[0]: nothing stands behind "introduce"'),
        (entry('do = ["tx 1 read a"]'), "others[0].do[0]: others have one transaction at a time"),
        (
            entry('do = ["transaction a"]'),
            "others[0].do[0]: the transactions of others have no names",
        ),
        (entry('do = ["commit"]'), "others[0].do[0]: no transaction is open here"),
        (entry('do = ["transaction"]'), "others[0].do: its transaction is never ended"),
        (
            entry('do = ["transaction", "transaction"]'),
            "others[0].do[1]: a transaction is open already",
        ),
        (
            entry('do = ["transaction", "release"]'),
            "others[0].do[1]: the transaction before it is still open",
        ),
        (
            entry('do = ["release", "release"]'),
            "others[0].do[1]: the domain is released already",
        ),
        (
            entry('domain = 2\ndo = ["release"]'),
            'others[0].do[0]: "release" is for the toolstack, which is in domain 0',
        ),
        (entry('domain = 1\ndo = ["rm a"]'), "others[0].domain: 1 is the guest itself"),
        (entry('domain = 40000\ndo = ["rm a"]'), "others[0].domain: 40000 is too large"),
        (
            entry('do = ["rm a"]\nafter = "toolstack"'),
            'others[0].after: "toolstack" is not one of backend',
        ),
        (
            entry('do = ["rm a"]\nafter = "backend"'),
            'others[0].after: "backend" would wait for itself',
        ),
        (
            entry('do = ["rm a"]\nafter = "b"')
            + '[[others]]\nname = "b"\ndo = ["rm a"]\nafter = "backend"',
            'others[0].after: "backend" would wait for itself, by way of "b"',
        ),
        (
            entry('do = ["rm a"]\nwhen = { path = "data/z", is = "1" }'),
            'others[0].when.path: nobody writes "data/z"; did you mean "/local/domain/1/data/x"?',
        ),
        (
            entry('do = ["rm a"]\nwhen = { path = "data/x", is = "2" }'),
            'others[0].when.is: nobody writes "2" to "data/x"; did you mean "1"?',
        ),
        (
            entry('do = ["rm a"]\nwhen = { path = "device/vbd/51712/state" }'),
            'others[0].when: nobody removes "device/vbd/51712/state"',
        ),
        (
            entry('do = ["rm a"]\nwhen = { path = "data//x", is = "1" }'),
            'others[0].when.path: a path may not have "//"',
        ),
        (
            entry('do = ["rm a"]\nwhen = {}'),
            "others[0].when: names no path, and suspended is not true",
        ),
        (
            entry('do = ["rm a"]\nwhen = { path = "data/x", suspended = true }'),
            "others[0].when.suspended: stands instead of a path",
        ),
        (
            entry('do = ["rm a"]\nwhen = { is = "1", suspended = true }'),
            "others[0].when.is: is a node's, and no path is named",
        ),
        (
            entry('do = ["rm a"]\nwhen = { suspended = true }'),
            "others[0].when.suspended: no stage ever suspends",
        ),
        (
            entry('do = ["rm a"]') + "ring.xenstore = false\n",
            "others[0].ring: unknown key",
        ),
        (
            "ring.xenstore = false\n" + entry('do = ["rm a"]'),
            "others: nobody hears of them: ring.xenstore is false",
        ),
        (
            entry('do = ["rm a"]\nwhen = { path = "data/x", was = "1" }'),
            "others[0].when.was: unknown key",
        ),
        (
            entry('do = ["rm a"]').replace('"backend"', '"Backend"'),
            'others[0].name: "Backend" is not a name',
        ),
        (
            entry('do = ["rm a"]').replace('"backend"', '"daemon"'),
            'others[0].name: "daemon" is the name of somebody else here',
        ),
        (
            entry('do = ["rm a"]').replace('"backend"', '"oxenstored"'),
            'others[0].name: "oxenstored" is the name of somebody else here',
        ),
        (
            entry('do = ["rm a"]').replace('"backend"', '"frontend"'),
            'others[0].name: "frontend" is the name of somebody else here',
        ),
        (
            entry('do = ["rm a"]\n[[others]]\nname = "backend"\ndomain = 2\ndo = ["rm a"]'),
            'others[0].domain: "backend" is in two domains',
        ),
        (
            entry('do = ["rm a"]') + script('run = "bakend"'),
            'search.script[0].run: "bakend" is not one of guest, daemon, backend; did you mean '
            '"backend"?',
        ),
        (
            entry('do = ["rm a"]') + script('run = "daemon", until = "act bakend"'),
            'search.script[0].until: "bakend" is not one of backend; did you mean "backend"?',
        ),
        (
            entry('do = ["rm a"]') + script('run = "guest", until = "act backend"'),
            "search.script[0].until: others ask the daemon; run it, or one of them",
        ),
        (
            HEAD + script('run = "daemon", until = "act"'),
            "search.script[0].until: nobody else asks here: there are no [[others]]",
        ),
    ],
)
def test_each_mistake_has_its_line(
    text: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert complaint(text, tmp_path, monkeypatch).startswith(f"x.toml: {line}")


@pytest.mark.parametrize(
    "text",
    [
        entry('do = ["rm data/x"]\nwhen = { path = "data/x", is = "1" }'),
        entry('do = ["rm data/x"]\nwhen = { path = "/local/domain/1/data/x", is = "1" }'),
        entry('do = ["release", "introduce", "release"]'),
        entry('do = ["restore", "resume"]\nwhen = { suspended = true }').replace(
            "write data/x=1", "suspend"
        ),
        entry('domain = 2\ndo = ["write data/y=1"]'),
        # What an image of one's own writes nobody knows.
        entry('do = ["rm a"]\nwhen = { path = "data/z", is = "1" }').replace(
            '{ image = "frontend", requests = ["write data/x=1"] }', '"./own.elf"'
        ),
        # Nor what a message does.
        entry('do = ["rm a"]\nwhen = { path = "data/z", is = "1" }').replace(
            "write data/x=1", "message 11=data"
        ),
    ],
)
def test_what_makes_sense_is_loaded(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text, encoding="utf-8")
    assert load_one(path).others
