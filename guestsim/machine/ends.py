"""What a shutdown means for the boot chain."""

from __future__ import annotations

from collections.abc import Sequence

from guestsim.abi.sched import Shutdown
from guestsim.machine.platform import POST_WRONG_REPLY
from guestsim.trace.ops import Outcome

__all__ = ["end_of_shutdown"]


def end_of_shutdown(reason: int, post: int, names: Sequence[str]) -> tuple[Outcome, str]:
    """Outcome and sentence of `SCHEDOP_shutdown` with `reason`, by the first of the stages `names`
    that had not ended. `post`: the last POST code, by which a stage tells why it crashes."""
    name, *following = names
    if reason == Shutdown.SHUTDOWN_crash:
        if post == POST_WRONG_REPLY:
            return Outcome.CORRUPTED, f"{name} took a wrong reply for a right one"
        return Outcome.CRASHED, f"{name} shut down with reason crash"
    if reason == Shutdown.SHUTDOWN_poweroff and not following:
        return Outcome.CONNECTED, f"{name} ended well"
    asked = f"{name} shut down with reason {reason}"
    return Outcome.CRASHED, f"{asked} before {following[0]} ran" if following else asked
