"""Whatever bytes they get, readers refuse them by an InputError of one line or take them: no other
exception, no more than 5 seconds, no more than a gigabyte.

    pytest tests/fuzz                 # a part of it, as CI does
    pytest -m heavy tests/fuzz        # 100,000 inputs for each reader
"""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from mutated import Edit, changes, edited
from readers import READERS, Reader

from guestsim.errors import InputError

SECONDS = 5
MOST_KILOBYTES = 1 << 20
INPUTS = 1000
"""In one batch."""

CORPUS = Path(__file__).with_name("corpus")
"""Inputs that were not refused well once: one folder for each reader."""


@contextmanager
def in_time(what: bytes) -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(f"more than {SECONDS} s: {what[:400]!r}")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def give(reader: Reader, data: bytes, folder: Path) -> None:
    """The reader gets the data; AssertionError where it does not refuse it as it should."""
    path = folder / f"input{reader.suffix}"
    path.write_bytes(data)
    try:
        with in_time(data):
            reader.read(path)
    except InputError as error:
        text = str(error)
        assert "\n" not in text.strip(), f"more than one line: {text!r}"
        assert path.name in text, f"does not name the file: {text!r}"
        assert text.isprintable(), f"would be printed raw: {text!r}"
        assert len(text) < 1000, f"{len(text)} characters: {text[:200]!r}"


def run_batch(reader: Reader, batch: int, inputs: int, folder: Path) -> None:
    seeds = reader.seeds(folder)

    @seed(batch)
    @settings(
        max_examples=inputs,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(changes(len(seeds), reader.words))
    def each(change: tuple[int, list[Edit]]) -> None:
        number, edits = change
        give(reader, edited([*seeds, b""][number], edits), folder)

    each()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert most < MOST_KILOBYTES, f"{most:,} kB"


every_reader = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)


@every_reader
def test_some_inputs(reader: Reader, tmp_path: Path) -> None:
    run_batch(reader, 0, INPUTS // 4, tmp_path)


@pytest.mark.heavy
@pytest.mark.parametrize("batch", range(1, 101))
@every_reader
def test_many_inputs(reader: Reader, batch: int, tmp_path: Path) -> None:
    run_batch(reader, batch, INPUTS, tmp_path)


@every_reader
def test_what_works_is_taken(reader: Reader, tmp_path: Path) -> None:
    """Or the others would test nothing."""
    for data in reader.seeds(tmp_path):
        path = tmp_path / f"input{reader.suffix}"
        path.write_bytes(data)
        reader.read(path)


@pytest.mark.parametrize(
    ("reader", "path"),
    [
        pytest.param(reader, path, id=f"{reader.name}-{path.stem}")
        for reader in READERS
        for path in sorted((CORPUS / reader.name).glob("*"))
    ],
)
def test_what_was_found(reader: Reader, path: Path, tmp_path: Path) -> None:
    give(reader, path.read_bytes(), tmp_path)
