"""Lists of requests: what the images would give up at is refused when the scenario is loaded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from guestsim.daemon import oxenstored, xenstored
from guestsim.errors import InputError
from guestsim.scenario import load
from guestsim.scenario.requests import (
    IN_FLIGHT_MAX,
    TRANSACTIONS_MAX,
    WATCHES_MAX,
    RequestList,
)
from guestsim.xenstore import Dialect

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
    assert defined("WATCHES_MAX", "watches.c") == WATCHES_MAX
    assert defined("TRANSACTIONS_MAX", "transactions.c") == TRANSACTIONS_MAX
    assert defined("IN_FLIGHT_MAX", "xenbus.c") == IN_FLIGHT_MAX


@pytest.mark.parametrize("dialect", [xenstored.DIALECT, oxenstored.DIALECT])
def test_it_is_the_daemon_that_refuses_one_too_many(dialect: Dialect) -> None:
    """One more than a daemon takes is expected to fail, and is not kept."""
    assert dialect.quotas.watches <= WATCHES_MAX
    assert dialect.quotas.transactions <= TRANSACTIONS_MAX


WATCHES = tuple(f"watch data/{number}" for number in range(WATCHES_MAX))
NAMED = tuple(f"transaction t{number}" for number in range(TRANSACTIONS_MAX))
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
        ("watch data a", "watch data b", "event data a", "event data b", "unwatch data a"),
        ("watch data a", "watch data data", "event data"),
        ("watch data a", r"event data \x61"),
        ("watch data/x a", "watch data/xy a", "event data/x a"),
        ("watch data a", "watch data/x a"),
        (*NAMED, "transaction one-more!ENOSPC", "tx t0 commit", "transaction t0"),
        ("transaction a", "transaction", "commit", "tx a read data/x", "tx a abort"),
        ("transaction a", "tx a transaction!EBUSY", "tx a commit!EAGAIN"),
        (r"raw=\x00", "read data/x"),
    ],
)
def test_what_makes_sense_is_taken(lines: tuple[str, ...]) -> None:
    take(*lines)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((*WATCHES, "watch data/more"), "at most 160 watches (WATCHES_MAX)"),
        ((*WATCHES, "watch data/0 other"), "at most 160 watches (WATCHES_MAX)"),
        ((*NAMED, "transaction more"), "at most 16 transactions with names (TRANSACTIONS_MAX)"),
        (("transaction a", "transaction a"), 'a transaction "a" is open already'),
        (("tx a read data",), 'no transaction "a" is open here'),
        (("transaction first", "tx fist read data"), 'did you mean "first"?'),
        (("transaction a!ENOSPC", "tx a read data"), 'no transaction "a" is open here'),
        (("transaction a", "tx a commit", "tx a abort"), 'no transaction "a" is open here'),
        (("watch data a", "event data"), 'no watch on "data" with the token "data"'),
        (("watch data a", "event data b"), 'no watch on "data" with the token "b"'),
        (("watch data a", "watch data/x a", "event data a"), "cannot be told apart"),
        (("watch / a", "watch /x a", "event /x a"), "cannot be told apart"),
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


DEPTH = """title = "a depth"
[boot]
chain = [{ image = "%s", requests = ["read data!ENOENT", "watch data t 1%s"] }]
[daemon]
features = ["reconnection", %s]
[expect]
connected = "always"
"""


@pytest.mark.parametrize("image", ["frontend", "./mine.elf"])
def test_a_depth_needs_a_daemon_that_offers_it(image: str, tmp_path: Path) -> None:
    """By name or by number, whatever the image; where an error is expected, it needs none."""
    path = tmp_path / "s.toml"
    for text in (
        DEPTH % (image, "", '"watch-depth"'),
        DEPTH % (image, "", "2"),
        DEPTH % (image, "!EINVAL", ""),
    ):
        path.write_text(text)
        assert load(path)
    path.write_text(DEPTH % (image, "", '"error"'))
    said = r"s\.toml: boot\.chain\[0\]\.requests\[1\]: the daemon does not offer depths"
    with pytest.raises(InputError, match=said):
        load(path)


def test_of_somebody_elses_image_nothing_is_known(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(SCENARIO % "./mine.elf")
    assert load(path)
