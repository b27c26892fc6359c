"""error-final."""

from __future__ import annotations

import pytest
from rule_steps import daemon, expect, guest, ring


@pytest.mark.parametrize("index", ["req_cons", "rsp_prod"])
@pytest.mark.parametrize("error", [1, 2, 3, 99])
def test_error_final_fires_on_a_move_after_an_error(index: str, error: int) -> None:
    expect(
        "error-final",
        ring(),
        [daemon.store(index, 1), daemon.store("error", error), daemon.store(index, 2)],
        {2: f"daemon stored {index} = 2 over 1 while error is {error}"},
    )


def test_error_final_lets_the_server_write_and_signal_what_moves_nothing() -> None:
    expect(
        "error-final",
        ring(5, error=2),
        [daemon.store("req_cons", 5), daemon.store("error", 3), daemon.send(), daemon.wait()],
        {},
    )


@pytest.mark.parametrize("clears", [True, False])
def test_error_final_is_lifted_by_a_reset(clears: bool) -> None:
    clear = [daemon.store("error", 0)] if clears else []
    expect(
        "error-final",
        ring(22, error=2),
        [
            guest.store("connection", 1),
            daemon.store("req_cons", 0, size=16),
            daemon.store("connection", 0),
            *clear,
            daemon.store("req_cons", 1),
        ],
        {},
    )


def test_error_final_counts_an_error_after_a_reset() -> None:
    expect(
        "error-final",
        ring(22, error=2, connection=1),
        [
            daemon.store("connection", 0),
            daemon.store("error", 2),
            daemon.store("req_cons", 23),
        ],
        {2: "while error is 2"},
    )


def test_error_final_lets_the_guest_move_but_not_hide_the_error() -> None:
    expect(
        "error-final",
        ring(error=2),
        [guest.store("req_prod", 1), guest.store("error", 0)],
        {1: "guest stored error = 0 over 2, which only the server may write"},
    )
