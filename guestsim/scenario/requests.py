"""A list of requests as the built-in images carry it out: what they would give up at is refused.

Source: `watches.c`, `transactions.c` and `xenbus.c` in `firmware/lib`, whose limits these are.
Those of watches and transactions are above the quotas of all daemons: the daemon refuses first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from guestsim.abi.xs_wire import XENSTORE_PAYLOAD_MAX
from guestsim.errors import InputError
from guestsim.scenario.escapes import spelled_bytes
from guestsim.scenario.grammar import Request, parse_request
from guestsim.scenario.problem import Problem
from guestsim.trace.spelling import hint
from guestsim.trace.text import quoted

__all__ = [
    "IN_FLIGHT_MAX",
    "TRANSACTIONS_MAX",
    "WATCHES_MAX",
    "RequestList",
    "check_depths",
    "check_requests",
]

WATCHES_MAX: Final = 160
TRANSACTIONS_MAX: Final = 16
IN_FLIGHT_MAX: Final = 64

_TWICE_THE_KEY: Final = ("watch", "unwatch")
"""Their payload has it as path and as token."""


_RUN_TWICE: Final = frozenset({"close-no-wait"})
"""Images that carry out their list once more after a close."""

_TERSE: Final = frozenset({"quiet", "mute"})
"""Images that know two requests."""


def check_requests(image: str | None, lines: Sequence[str]) -> None:
    """The list of a built-in image, or of somebody else's (None), of which nothing is known but the
    language. A Problem, whose key is the line's number, where it cannot be carried out."""
    requests = RequestList()
    for _ in range(2 if image in _RUN_TWICE else 1):
        for at, line in enumerate(lines):
            try:
                request = parse_request(line)
                if image is None:
                    continue
                if image in _TERSE:
                    _check_terse(image, request)
                requests.take(line)
            except InputError as error:
                raise Problem((at,), str(error)) from None


def _check_terse(image: str, request: Request) -> None:
    plain = Request(request.verb, request.key)
    if request.verb not in ("read", "watch") or request != plain:
        raise InputError(f"{image} knows read KEY and watch KEY only")


def check_depths(lines: Sequence[str]) -> None:
    """For a daemon that offers no depths, whatever the image: a Problem, whose key is the line's
    number, where a watch with one is expected to be set."""
    for at, line in enumerate(lines):
        request = parse_request(line)
        if request.depth is not None and request.error is None:
            raise Problem(
                (at,),
                'the daemon does not offer depths: "watch-depth" in daemon.features does, and '
                "where it is not, the answer is an error",
            )


class RequestList:
    """The requests of one stage, taken line by line."""

    def __init__(self) -> None:
        self._watched: dict[tuple[str, bytes], None] = {}
        self._named: dict[str, None] = {}
        self._in_flight = 0
        self._open = False
        self._half_sent = False

    def take(self, line: str) -> Request:
        """The next line. InputError, one sentence, where no image can carry it out."""
        request = parse_request(line)
        if self._half_sent:
            raise InputError('nothing can be sent after "partial": its other half never comes')
        self._check_size(request)
        if request.tx_name is not None and request.tx_name not in self._named:
            near = hint(request.tx_name, self._named)
            raise InputError(f"no transaction {quoted(request.tx_name)} is open here{near}")
        match request.verb:
            case "watch":
                self._watch(request)
            case "event":
                self._event(request)
            case "until":
                self._until(request)
            case "transaction":
                self._begin(request)
            case "commit" | "abort":
                self._end(request)
            case "send":
                self._send()
            case "partial":
                self._half_sent = True
        if request.verb not in ("send", "raw", "partial", "event", "suspend"):
            # Replies come in order: with this one, all earlier ones are there.
            self._in_flight = 0
        return request

    def _watch(self, request: Request) -> None:
        if request.error is not None:
            return
        self._watched[_watch_of(request)] = None
        if len(self._watched) > WATCHES_MAX:
            raise InputError(f"the images keep at most {WATCHES_MAX} watches (WATCHES_MAX)")

    def _event(self, request: Request) -> None:
        path, token = wanted = _watch_of(request)
        if wanted not in self._watched:
            what = quoted(path)
            if any(other == path for other, _ in self._watched):
                what += f" with the token {quoted(request.token or path)}"
            near = hint(path, [other for other, _ in self._watched if other != path])
            raise InputError(f"no watch on {what} before it, so its event never comes{near}")
        for other, its in self._watched:
            if its == token and other != path and (_above(other, path) or _above(path, other)):
                raise InputError(
                    f"the watches on {quoted(path)} and {quoted(other)} have the same token: "
                    "their events cannot be told apart"
                )

    def _until(self, request: Request) -> None:
        path = request.key or ""
        if not any(other == path for other, _ in self._watched):
            near = hint(path, [other for other, _ in self._watched])
            raise InputError(
                f"no watch on {quoted(path)} before it, so nothing tells of a change{near}"
            )

    def _begin(self, request: Request) -> None:
        name = request.key
        if name is None:
            if self._open:
                raise InputError(
                    "a transaction is open already: the images keep one without a name; end it by "
                    "commit or abort, or give names"
                )
            self._open = request.error is None
            return
        if name in self._named:
            raise InputError(f"a transaction {quoted(name)} is open already")
        if request.error is None:
            self._named[name] = None
        if len(self._named) > TRANSACTIONS_MAX:
            raise InputError(
                f"the images keep at most {TRANSACTIONS_MAX} transactions with names "
                "(TRANSACTIONS_MAX)"
            )

    def _end(self, request: Request) -> None:
        if request.tx_name is not None:
            del self._named[request.tx_name]
            return
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
        if request.verb in _TWICE_THE_KEY and request.token is None:
            size = 2 * (len(request.key or "") + 1)
            if size > XENSTORE_PAYLOAD_MAX:
                raise InputError(
                    f"a payload has at most {XENSTORE_PAYLOAD_MAX} bytes; this one has its key "
                    f"twice, as path and as token: {size}"
                )


def _watch_of(request: Request) -> tuple[str, bytes]:
    """What makes a watch: its path and its token."""
    path = request.key or ""
    return path, spelled_bytes(path if request.token is None else request.token)


def _above(path: str, below: str) -> bool:
    return (path == "/" and below.startswith("/")) or below.startswith(f"{path}/")
