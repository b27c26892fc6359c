"""A list of requests as the built-in images carry it out: what they would give up at is refused.

Source: `firmware/lib/requests.c` and `firmware/lib/xenbus.c`, whose limits these are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from guestsim.abi.xs_wire import XENSTORE_PAYLOAD_MAX
from guestsim.errors import InputError
from guestsim.scenario.grammar import Request, parse_request
from guestsim.scenario.problem import Problem
from guestsim.trace.spelling import hint
from guestsim.trace.text import quoted

__all__ = ["IN_FLIGHT_MAX", "WATCHES_MAX", "RequestList", "check_requests"]

WATCHES_MAX: Final = 32
IN_FLIGHT_MAX: Final = 64

_TWICE_THE_KEY: Final = ("watch", "unwatch")
"""Their payload has it as path and as token."""


_RUN_TWICE: Final = frozenset({"close-no-wait"})
"""Images that carry out their list once more after a close."""


def check_requests(image: str | None, lines: Sequence[str]) -> None:
    """The list of a built-in image, or of somebody else's (None), of which nothing is known but the
    language. A Problem, whose key is the line's number, where it cannot be carried out."""
    requests = RequestList()
    for _ in range(2 if image in _RUN_TWICE else 1):
        for at, line in enumerate(lines):
            try:
                parse_request(line) if image is None else requests.take(line)
            except InputError as error:
                raise Problem((at,), str(error)) from None


class RequestList:
    """The requests of one stage, taken line by line."""

    def __init__(self) -> None:
        self._watched: dict[str, None] = {}
        self._in_flight = 0
        self._open = False
        self._half_sent = False

    def take(self, line: str) -> Request:
        """The next line. InputError, one sentence, where no image can carry it out."""
        request = parse_request(line)
        if self._half_sent:
            raise InputError('nothing can be sent after "partial": its other half never comes')
        self._check_size(request)
        match request.verb:
            case "watch":
                self._watch(request)
            case "event":
                self._event(request)
            case "transaction":
                if self._open:
                    raise InputError(
                        "a transaction is open already: the images keep one; end it by commit or "
                        "abort, or name others by tx ID"
                    )
                self._open = request.error is None
            case "commit" | "abort":
                self._end(request)
            case "send":
                self._send()
            case "partial":
                self._half_sent = True
        if request.verb not in ("send", "partial", "event"):
            # Replies come in order: with this one, all earlier ones are there.
            self._in_flight = 0
        return request

    def _watch(self, request: Request) -> None:
        if request.error is not None:
            return
        self._watched[request.key or ""] = None
        if len(self._watched) > WATCHES_MAX:
            raise InputError(f"the images keep at most {WATCHES_MAX} watches (WATCHES_MAX)")

    def _event(self, request: Request) -> None:
        key = request.key or ""
        if key not in self._watched:
            near = hint(key, self._watched)
            raise InputError(f"no watch on {quoted(key)} before it, so its event never comes{near}")

    def _end(self, request: Request) -> None:
        if request.tx is None and not self._open:
            raise InputError('no transaction is open here; "transaction" begins one')
        if request.tx == 0:
            raise InputError("0 is no transaction")
        if request.tx is None:
            self._open = False

    def _send(self) -> None:
        self._in_flight += 1
        if self._in_flight > IN_FLIGHT_MAX:
            raise InputError(
                f"the images keep at most {IN_FLIGHT_MAX} requests in flight (IN_FLIGHT_MAX); one "
                "that waits for its answer has to come in between"
            )

    @staticmethod
    def _check_size(request: Request) -> None:
        if request.verb in _TWICE_THE_KEY:
            size = 2 * (len(request.key or "") + 1)
            if size > XENSTORE_PAYLOAD_MAX:
                raise InputError(
                    f"a payload has at most {XENSTORE_PAYLOAD_MAX} bytes; this one has its key "
                    f"twice, as path and as token: {size}"
                )
