"""What a shutdown means for the boot chain, and what an end that looks well is worth."""

from __future__ import annotations

from collections.abc import Sequence

from guestsim.abi.sched import Shutdown
from guestsim.machine.answers import Answers, verdict
from guestsim.machine.platform import POST_WRONG_REPLY
from guestsim.machine.stops import StopAt
from guestsim.trace.ops import End, Outcome
from guestsim.trace.text import quoted
from guestsim.trace.wire import WRONG_REPLY

__all__ = ["end_of_shutdown", "judged", "ways_out"]


def end_of_shutdown(reason: int, post: int, names: Sequence[str]) -> tuple[Outcome, str]:
    """Outcome and sentence of `SCHEDOP_shutdown` with `reason`, by the first of the stages `names`
    that had not ended. `post`: the last POST code, by which a stage tells why it crashes."""
    name, *following = names
    if reason == Shutdown.SHUTDOWN_crash:
        if post == POST_WRONG_REPLY:
            return Outcome.CORRUPTED, f"{name} {WRONG_REPLY}"
        return Outcome.CRASHED, f"{name} shut down with reason crash"
    if reason == Shutdown.SHUTDOWN_poweroff and not following:
        return Outcome.CONNECTED, f"{name} ended well"
    asked = f"{name} shut down with reason {reason}"
    if following:
        asked += f" before {following[0]} ran: all but the last end by a jump to F000:FFF0"
    return Outcome.CRASHED, asked


def ways_out(stop: StopAt, *, last: bool) -> str:
    """How a stage that came to nothing could have ended well, as a clause. `last`: of the chain."""
    if stop.console:
        own = f"by printing {quoted(stop.console.decode())}"
    elif stop.requests:
        own = f"by the answers to {stop.requests} request{'s' if stop.requests > 1 else ''}"
    elif stop.hlt:
        own = "by HLT"
    else:
        own = "by a `stop` in boot.chain"
    shutdown = "SCHEDOP_shutdown, " if last else ""
    return f"it could end by {shutdown}a jump to F000:FFF0, or {own}"


def judged(end: End, name: str, answers: Answers) -> End:
    """`end` of the last stage, `name`, which by itself says `connected`: that stands only if the
    guest took no other message in the place of an answer."""
    wrong, unanswered = verdict(answers)
    if wrong is not None:
        return End(Outcome.CORRUPTED, f"{name} took {wrong}", end.site)
    return End(end.outcome, end.message, end.site, unanswered=tuple(map(str, unanswered)))
