"""What the images do with each line of their command line, against a daemon: the right answer is
taken, a wrong one is told in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guestsim.runner import run_once, set_up
from guestsim.scenario import load_one
from guestsim.trace import Outcome

NAMES = [f"device-number-{number}" for number in range(300)]
FIRST, REST = NAMES[:232], NAMES[232:]
"""A directory whose list takes two payloads, and what is in each: room is for 4074 to 4078 bytes,
as long as the generation count is."""

TEXT = """
title = "requests"
[boot]
chain = [{ image = "frontend", requests = %s }]
[store]
"big" = ""
%s
[daemon]
model = "%s"
features = %s
[search]
strategy = "random"
runs = 1
[expect]
connected = "always"
"""


def played(
    folder: Path, *lines: str, model: str = "xenstored", features: tuple[str, ...] = ()
) -> tuple[Outcome | None, str]:
    """How it ends, and what the guest says about it."""
    path = folder / "s.toml"
    nodes = "\n".join(f'"big/{name}" = ""' for name in NAMES)
    values = (json.dumps(lines), nodes, model, json.dumps(features))
    path.write_text(TEXT % values)
    scenario = load_one(path)
    run, _ = run_once(scenario, set_up(scenario))
    return run.outcome, " ".join(run.hints)


BOTH: dict[str, tuple[str, ...]] = {
    "directory": (
        "write data/b=1",
        "write data/a/deep=2",
        "directory data",
        "directory data/b=",
        "directory data/a=deep",
        "directory data/none!ENOENT",
        "directory big!E2BIG",
    ),
    "permissions": (
        "write data/x=1",
        "set-perms data/x=n1,r7",
        "get-perms data/x=n1,r7",
        "get-perms data/x",
        "set-perms data/x!EINVAL=x1",
        "set-perms data/x!EINVAL=",
        "set-perms data/x=b1",
        "get-perms data/x=b1",
    ),
    "domain path": (
        "get-domain-path 1=/local/domain/1",
        "get-domain-path 7",
        "get-domain-path 0=/local/domain/0",
    ),
    "tokens": (
        "watch data/x first",
        r"watch data/x with\x20space\x3d\\",
        "watch data/x first!EEXIST",
        "event data/x first",
        r"event data/x \x77ith\x20space\x3d\\",
        "write data/x=1",
        "event data/x first",
        r"event data/x with\x20space\x3d\\",
        "unwatch data/x!ENOENT",
        "unwatch data/x first",
        "unwatch data/x first!ENOENT",
        "write data/x=2",
        r"event data/x with\x20space\x3d\\",
    ),
    "the same token elsewhere": (
        "watch data/x same",
        "watch data/xy same",
        "event data/x same",
        "event data/xy same",
        "write data/xy=1",
        "event data/xy same",
    ),
    "the root": (
        "watch /",
        "event /",
        "write data/x=1",
        "event /",
    ),
    "no depth": ("watch data t 1!EINVAL",),
    "transactions": (
        "write data/x=0",
        "transaction one",
        "transaction two",
        "tx one write data/x=1",
        "tx two read data/x=0",
        "read data/x=0",
        "tx two abort",
        "tx one transaction!EBUSY",
        "tx one commit",
        "read data/x=1",
        "transaction",
        "write data/x=2",
        "transaction one",
        "tx one read data/x=1",
        "tx one abort",
        "commit",
        "read data/x=2",
    ),
    "bytes": (
        r"write data/x=\x00\xff\\x41=é",
        r"read data/x=\x00\xff\\x41=\xc3\xa9",
    ),
    "messages": (
        "message 99!ENOSYS=",
        "message 65535!ENOSYS=anything",
        r"message 2!EINVAL=a//b\x00",
        "message 2!EINVAL=no-nul",
        r"message 11=data/x\x00value",
        "read data/x=value",
        r"message 2=data/x\x00",
        r"message 8!EACCES=1\x002\x003\x00",
    ),
    "raw": (
        # READ data/x, as request 77 and in no transaction.
        r"raw=\x02\x00\x00\x00\x4d\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00data/x\x00",
        # Its header only: the next line is its payload.
        r"raw=\x02\x00\x00\x00\x4e\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00",
        r"raw=data/y\x00",
        "read data/x!ENOENT",
    ),
}


@pytest.mark.parametrize("model", ["xenstored", "oxenstored"])
@pytest.mark.parametrize("lines", BOTH.values(), ids=BOTH)
def test_what_both_daemons_do(lines: tuple[str, ...], model: str, tmp_path: Path) -> None:
    assert played(tmp_path, *lines, model=model) == (Outcome.CONNECTED, "")


@pytest.mark.parametrize(
    ("model", "lines"),
    [
        ("xenstored", ("write data/b=", "write data/a=", "directory data=b,a")),
        ("oxenstored", ("write data/b=", "write data/a=", "directory data=a,b")),
        ("oxenstored", ("directory-part data!ENOSYS",)),
        ("xenstored", ("write data/b=", "directory-part data=b", "directory-part data/b=")),
        ("xenstored", ("write data/b=", "directory-part data 2=", "directory-part x!ENOENT")),
        (
            "xenstored",
            (
                "directory-part /local/domain/1/big",
                f"directory-part big={','.join(FIRST)},",
                f"directory-part big {sum(len(it) + 1 for it in FIRST)}={','.join(REST)}",
                f"directory-part big {sum(len(it) + 1 for it in NAMES)}=",
            ),
        ),
        ("xenstored", ("write data/x=1", "set-perms data/x!EPERM=n0")),
        ("oxenstored", ("mkdir data/x", "set-perms data/x!EACCES=n0")),
        # The second forgets to say why, so that the answer is the error of the first.
        ("xenstored", ("get-perms @releaseDomain!EINVAL", "set-perms @releaseDomain!EINVAL=n1")),
        ("oxenstored", ("get-perms @releaseDomain!EACCES",)),
    ],
)
def test_what_one_daemon_does(model: str, lines: tuple[str, ...], tmp_path: Path) -> None:
    assert played(tmp_path, *lines, model=model) == (Outcome.CONNECTED, "")


def test_a_depth(tmp_path: Path) -> None:
    """What is too deep is not told: of two writes, one is."""
    lines = (
        "mkdir data/x/y",
        "watch data t 1",
        "event data t",
        "write data/x/y=1",
        "write data/x=1",
        "event data t",
        "read data/x=1",
    )
    depth = ("watch-depth",)
    assert played(tmp_path, *lines, features=depth) == (Outcome.CONNECTED, "")
    outcome, _ = played(tmp_path, *lines, "event data t", features=depth)
    assert outcome is Outcome.HUNG
    assert played(tmp_path, "watch data t 0", "event data t", features=depth)[0] is (
        Outcome.CONNECTED
    )


def test_the_quota_of_watches_is_the_daemons(tmp_path: Path) -> None:
    for model, most, error in (("xenstored", 129, "E2BIG"), ("oxenstored", 101, "EQUOTA")):
        lines = [f"watch data/{number}" for number in range(most)]
        last = f"watch data/more!{error}"
        assert played(tmp_path, *lines, last, model=model) == (Outcome.CONNECTED, "")


def test_the_quota_of_transactions_is_the_daemons(tmp_path: Path) -> None:
    for model, error in (("xenstored", "ENOSPC"), ("oxenstored", "EQUOTA")):
        lines = [f"transaction t{number}" for number in range(11)]
        last = f"transaction more!{error}"
        assert played(tmp_path, *lines, last, model=model) == (Outcome.CONNECTED, "")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("directory data=b,c", r'directory data: expected "b\x00c\x00", got "b\x00"'),
        ("directory data!ENOENT", r'directory data: expected error "ENOENT", got "b\x00"'),
        ("directory-part data=b,", 'directory-part data: expected "(not the last part)", got'),
        ("directory-part big=b", 'directory-part big: expected "(the last part)", got'),
        ("directory-part data=c", r'directory-part data: expected "c\x00", got "b\x00"'),
        ("directory-part data!EIO", 'directory-part data: expected error "EIO", got'),
        ("directory-part none=c", r'expected "c\x00", got error "ENOENT"'),
        ("get-perms data/b=n0", r'get-perms data/b: expected "n0\x00", got "'),
        ("set-perms data/b!EPERM=n1", r'set-perms data/b: expected error "EPERM", got "OK\x00"'),
        (
            "get-domain-path 1=/x",
            r'get-domain-path 1: expected "/x\x00", got "/local/domain/1\x00"',
        ),
        ("message 99=", 'message 99: expected "(no error)", got error "ENOSYS"'),
        ("message 99!EIO=", 'message 99: expected error "EIO", got error "ENOSYS"'),
        ("transaction a!ENOSPC", r'transaction a: expected error "ENOSPC", got "1\x00"'),
        ("watch data t!EEXIST", r'watch data t: expected error "EEXIST", got "OK\x00"'),
        (r"read data/b=\x00", r'read data/b: expected "\x00", got "1"'),
        # A watch that no line has set.
        (r"message 4=data\x00strange\x00", 'watch event data: expected none, got token "strange"'),
    ],
)
def test_a_wrong_answer_is_told(line: str, said: str, tmp_path: Path) -> None:
    # What comes after an answer, an event, is only taken with the next one.
    outcome, hint = played(tmp_path, "write data/b=1", line, "read data/b")
    assert outcome is Outcome.CORRUPTED
    assert hint.startswith(f"wrong reply: {said}") or said in hint, hint


def test_a_header_that_is_too_long_ends_the_connection(tmp_path: Path) -> None:
    """Bytes are put on the ring as they are, whatever they mean."""
    line = r"raw=\x02\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x10\x00\x00"
    outcome, _ = played(tmp_path, line, "read data/x!ENOENT")
    assert outcome is Outcome.REFUSED


def test_until_reads_until_a_watch_has_brought_what_it_wants(tmp_path: Path) -> None:
    """What is there already is taken at once; each event after that is one more look."""
    lines = ("watch data/x", "write data/x=1", "write data/x=2", "until data/x=2")
    assert played(tmp_path, *lines) == (Outcome.CONNECTED, "")
    gone = ("watch data/x", "write data/x=1", "rm data/x", "until data/x!ENOENT")
    assert played(tmp_path, *gone) == (Outcome.CONNECTED, "")


def test_who_is_never_resumed_stands_still(tmp_path: Path) -> None:
    assert played(tmp_path, "suspend", "write data/x=1") == (Outcome.HUNG, "")
