"""Lists of requests: what the images would give up at is refused when the scenario is loaded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from guestsim.errors import InputError
from guestsim.scenario import load
from guestsim.scenario.requests import IN_FLIGHT_MAX, WATCHES_MAX, RequestList

LIB = Path(__file__).parents[2] / "firmware" / "lib"


def take(*lines: str) -> None:
    requests = RequestList()
    for line in lines:
        requests.take(line)


def defined(name: str, file: str) -> int:
    match = re.search(rf"#define {name} (\d+)", (LIB / file).read_text())
    assert match is not None
    return int(match[1])


def test_the_limits_are_those_of_the_images() -> None:
    assert defined("WATCHES_MAX", "requests.c") == WATCHES_MAX
    assert defined("IN_FLIGHT_MAX", "xenbus.c") == IN_FLIGHT_MAX


WATCHES = tuple(f"watch data/{number}" for number in range(WATCHES_MAX))
SENDS = ("send data/x",) * IN_FLIGHT_MAX


@pytest.mark.parametrize(
    "lines",
    [
        (*WATCHES, "watch data/0", "watch data/one-more!E2BIG"),
        (*SENDS, "read data/x!ENOENT", *SENDS),
        ("transaction", "commit", "transaction", "abort"),
        ("transaction!ENOSPC", "transaction", "commit"),
        ("transaction", "tx 7 commit!ENOENT", "commit"),
        ("watch data", "unwatch data", "event data"),
        ("watch @releaseDomain", "event @releaseDomain"),
        ("watch data", "reset-watches", "event data"),
        ("send data/x", "partial data/x"),
    ],
)
def test_what_makes_sense_is_taken(lines: tuple[str, ...]) -> None:
    take(*lines)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((*WATCHES, "watch data/more"), "at most 32 watches (WATCHES_MAX)"),
        ((*SENDS, "send data/x"), "at most 64 requests in flight (IN_FLIGHT_MAX)"),
        (("commit",), "no transaction is open"),
        (("transaction", "commit", "abort"), "no transaction is open"),
        (("tx 0 commit",), "0 is no transaction"),
        (("transaction", "transaction"), "a transaction is open already"),
        (("transaction", "transaction!ENOSPC"), "a transaction is open already"),
        (("watch data/a", "event data/b"), 'no watch on "data/b"'),
        (("watch data/abc", "event data/abd"), 'did you mean "data/abc"?'),
        (("watch data!EACCES", "event data"), 'no watch on "data"'),
        (("partial data/x", "read data/x"), 'after "partial"'),
        ((f"watch /{'x' * 2048}",), "its key twice, as path and as token: 4100"),
    ],
)
def test_what_cannot_mean_anything_is_refused(lines: tuple[str, ...], said: str) -> None:
    *before, last = lines
    requests = RequestList()
    for line in before:
        requests.take(line)
    with pytest.raises(InputError, match=re.escape(said)):
        requests.take(last)


SCENARIO = """title = "a list"
[boot]
chain = ["reset-poison", { image = "%s", requests = ["read data!ENOENT", "commit"] }]
[expect]
connected = "always"
"""


def test_the_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(SCENARIO % "frontend")
    with pytest.raises(InputError, match=r"s\.toml: boot\.chain\[1\]\.requests\[1\]: no transact"):
        load(path)


def test_of_somebody_elses_image_nothing_is_known(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(SCENARIO % "./mine.elf")
    assert load(path)
