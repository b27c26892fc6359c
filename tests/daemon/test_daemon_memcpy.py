"""The compiled copy: every byte once at least, in the pieces that the disassembly shows."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guestsim.daemon.memcpy import copy_in, copy_out, pieces
from guestsim.trace import Kind, Op, Site


@pytest.mark.parametrize(
    ("length", "alignment", "expected"),
    [
        (0, 0, []),
        (1, 0, [(0, 1)]),
        (2, 0, [(0, 1), (0, 2)]),
        (3, 0, [(0, 1), (1, 2)]),
        (4, 0, [(0, 4), (0, 4)]),
        (5, 0, [(0, 4), (1, 4)]),
        (7, 3, [(0, 4), (3, 4)]),
        (8, 0, [(0, 8), (0, 8)]),
        (16, 0, [(0, 8), (8, 8), (8, 8)]),
        (21, 0, [(0, 8), (13, 8), (8, 8)]),
        (16, 6, [(0, 8), (8, 8), (2, 8)]),
        (24, 1, [(0, 8), (16, 8), (7, 8), (15, 8)]),
    ],
)
def test_pieces(length: int, alignment: int, expected: list[tuple[int, int]]) -> None:
    assert list(pieces(length, alignment)) == expected


@given(st.integers(0, 1024), st.integers(0, 7))
def test_all_bytes_and_no_other(length: int, alignment: int) -> None:
    touched = {offset + i for offset, size in pieces(length, alignment) for i in range(size)}
    assert touched == set(range(length))


@given(st.binary(max_size=100), st.integers(0, 50))
def test_copies(data: bytes, address: int) -> None:
    memory = bytearray(200)
    for op in copy_out(address, data, Site()):
        assert op.kind is Kind.STORE
        memory[op.address : op.address + op.size] = op.value.to_bytes(op.size, "little")
    assert memory[address : address + len(data)] == data
    assert run(copy_in(address, len(data), address, Site()), memory) == data


def run(reader: Generator[Op, int, bytes], memory: bytearray) -> bytes:
    """Answer the reader's loads from `memory`; what it returns."""
    try:
        op = next(reader)
        while True:
            value = int.from_bytes(memory[op.address : op.address + op.size], "little")
            op = reader.send(value)
    except StopIteration as end:
        return bytes(end.value)
