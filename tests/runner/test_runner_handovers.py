"""same-handover: which differences are found, and by what they are said to come about."""

from __future__ import annotations

from pathlib import Path

import pytest

from guestsim.abi.xs_wire import XsdSockmsgType
from guestsim.machine.handovers import Handovers
from guestsim.machine.learnt import Lesson
from guestsim.machine.messages import Said
from guestsim.runner import check, set_up
from guestsim.runner.handovers import wrong_handover
from guestsim.scenario import load_one
from guestsim.trace.results import Result, RuleFinding

VALUE = "0123456789abcdef" * 20
"""320 bytes; with its header it crosses the end of the buffer from 1000 on."""
LONG = "".join(f"{number:05}" for number in range(240))
"""1,200 bytes: more than the ring."""
CROSSES = 1000


def handover(
    folder: Path, image: str, *, start: int = 0, value: str = VALUE, more: str = "", end: str = ""
) -> RuleFinding:
    """What is found of the rule, where `image` passes on `value`."""
    path = folder / "s.toml"
    path.write_text(
        f"""
title = "a value is passed on"
[boot]
chain = [{{ image = "{image}", requests = ["read platform/smbios"] }},
         {{ image = "frontend", requests = [] }}]
[store]
"platform/smbios" = "{value}"
[ring]
rsp_index = {start}
[daemon]
features = ["reconnection"]
[search]
{more}
[expect]
connected = "always"
[expect.rules]
same-handover = "kept"
{end}
"""
    )
    return check(load_one(path)).rules["same-handover"]


@pytest.mark.parametrize("start", [0, CROSSES, 2**32 - 24])
@pytest.mark.parametrize("value", [VALUE, LONG])
def test_a_client_that_copies_right_hands_over_one_memory(
    tmp_path: Path, start: int, value: str
) -> None:
    assert handover(tmp_path, "values", start=start, value=value).kept


SOMEWHERE_ELSE = 'strategy = "script"\nscript = [{ run = "guest" }, { run = "daemon" }]'


@pytest.mark.parametrize("more", ["", SOMEWHERE_ELSE, 'strategy = "random"\nruns = 2'])
def test_a_value_that_depends_on_where_the_ring_starts_is_found(tmp_path: Path, more: str) -> None:
    found = handover(tmp_path, "partial-copy", start=CROSSES, more=more)
    assert not found.kept
    assert found.message is not None
    # Of 320 bytes the first 8 fit before the end of the buffer, and 312 are copied over them.
    said = "partial-copy: what it hands over depends on where the ring starts: "
    assert found.message.startswith(said)
    assert "from 0x90000 to 0x9013f" in found.message
    assert found.witness is None
    assert handover(tmp_path, "partial-copy", more=more).kept


def test_a_value_that_depends_on_the_schedule_is_found(tmp_path: Path) -> None:
    found = handover(tmp_path, "partial-copy", value=LONG)
    assert not found.kept
    assert found.message is not None
    assert "partial-copy: what it hands over depends on the schedule: " in found.message


WRITE = r"raw=\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00data/colour\x00blue"
"""WRITE data/colour blue, for whose answer nobody waits."""
OTHERS = """
[[others]]
name = "toolstack"
do = ["write data/colour=blue"]
"""


def learning(folder: Path, first: str, *, more: str = "", rule: str = "same-handover") -> Result:
    """What comes of it where a stage asks `first`, closes the ring, and the next reads a value."""
    path = folder / "s.toml"
    path.write_text(
        f"""
title = "a value is read"
[boot]
chain = [{{ image = "reconnect", requests = [{first}] }},
         {{ image = "reconnect", requests = ["read data/colour"] }},
         {{ image = "frontend", requests = [] }}]
[store]
"data/colour" = "red"
[daemon]
model = "oxenstored"
{more}
[expect]
connected = "always"
[expect.rules]
{rule} = "kept"
"""
    )
    return check(load_one(path))


DIFFERS = 'what it learns depends on the schedule: READ data/colour was answered "red" or "blue"'


READ_AT_ONCE = """
[search]
strategy = "script"
script = [{ run = "guest", until = "send" }, { run = "daemon" }]
"""


@pytest.mark.parametrize("start", [0, 400])
@pytest.mark.parametrize("more", ["", READ_AT_ONCE])
def test_an_answer_that_depends_on_the_schedule_is_found(
    tmp_path: Path, more: str, start: int
) -> None:
    more += f"[ring]\nreq_index = {start}\n"
    found = learning(tmp_path, f"'{WRITE}'", more=more).rules["same-handover"]
    assert found.message is not None
    # Of two stages with one name, it is the second.
    stage, _, said = found.message.partition(": ")
    assert stage == "reconnect (stage 2)"
    assert said in (DIFFERS, DIFFERS.replace('"red" or "blue"', '"blue" or "red"'))
    assert learning(tmp_path, '"write data/colour=blue"', more=more).rules["same-handover"].kept


def test_an_answer_that_depends_on_where_the_ring_starts_is_found(tmp_path: Path) -> None:
    learning(tmp_path, "")
    setup = set_up(load_one(tmp_path / "s.toml"))
    request = Said(XsdSockmsgType.XS_READ, False, b"data/colour\0")
    plain, setup.guest.handovers = Handovers(), Handovers()
    for handovers, value in ((plain, b"red"), (setup.guest.handovers, b"blue")):
        answer = Said(XsdSockmsgType.XS_READ, False, value)
        handovers.learn("firmware", Lesson((), request, answer))
    assert wrong_handover(plain, setup) == (
        "firmware: what it learns depends on where the ring starts: "
        'READ data/colour was answered "red" or "blue"'
    )
    assert wrong_handover(setup.guest.handovers, setup) is None


def test_where_others_change_the_store_an_answer_may_depend_on_them(tmp_path: Path) -> None:
    assert "same-handover" not in learning(tmp_path, "", more=OTHERS, rule="all").rules
    found = learning(tmp_path, "", more=OTHERS).rules["same-handover"]
    assert found.message == f"reconnect (stage 2): {DIFFERS}"


def test_a_chain_of_one_stage_hands_nothing_over(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(
        'title = "alone"\nboot.chain = ["frontend"]\nexpect.connected = "always"\n'
        'expect.rules.all = "kept"\n'
    )
    result = check(load_one(path))
    assert result.rules["same-handover"].kept


def test_what_is_not_judged_is_not_reported(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(
        'title = "two"\nboot.chain = ["reconnect", "frontend"]\nexpect.connected = "sometimes"\n'
        '[daemon]\nfeatures = ["reconnection"]\n'
    )
    assert "same-handover" not in check(load_one(path)).rules
