"""The rule of the `error` field: `error-final`."""

from __future__ import annotations

from guestsim.rules.page import CONNECTION, DAEMON, ERROR, ERROR_FEATURE, index_name
from guestsim.rules.rule import make
from guestsim.rules.view import View
from guestsim.trace.ops import Event

__all__ = ["ERROR_FINAL"]

# What the server stores while `connection` is nonzero is a reset, and lifts the error; whether it
# also clears the field is not said by the specification. Hence the history: True after a reset
# that left `error` nonzero. To store an index again unchanged moves nothing.
#
# The page table gives `error` to the server alone, and no other rule sees a guest that hides it.


def _error_final(lifted: bool, view: View, event: Event) -> tuple[bool, str | None]:
    address, value = view.accessed(event)
    before = view.word(address)
    if address == ERROR:
        if event.actor == DAEMON:
            return False, None
        return lifted, (
            f"{event.actor} stored error = {value} over {before}, which only the server may write"
        )
    error = view.word(ERROR)
    if address == CONNECTION:
        return (lifted or error != 0) if before and not value else lifted, None
    if not error or lifted or value == before or view.word(CONNECTION):
        return lifted, None
    return lifted, (
        f"{event.actor} stored {index_name(address)} = {value} over {before} while error is {error}"
    )


ERROR_FINAL = make(
    "error-final",
    ERROR_FEATURE,
    "Once error is nonzero the server moves nothing more on that ring until a reset.",
    frozenset(
        {
            "STORE error",
            "daemon STORE connection",
            "daemon STORE req_cons",
            "daemon STORE req_prod",
            "daemon STORE rsp_cons",
            "daemon STORE rsp_prod",
        }
    ),
    initial=False,
    check=_error_final,
    looks={
        "daemon STORE connection": "error",
        "daemon STORE req_cons": "error connection",
        "daemon STORE req_prod": "error connection",
        "daemon STORE rsp_cons": "error connection",
        "daemon STORE rsp_prod": "error connection",
    },
)
