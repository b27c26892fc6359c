"""How a command ends: its exit status, and one line for whatever ended it."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from typer.exceptions import TyperException

from guestsim.cli.command import Crash
from guestsim.errors import (
    GuestsimError,
    InternalError,
    ReaderGoneError,
    StoppedError,
    blame,
)
from guestsim.runner.interrupt import by, interrupted
from guestsim.trace.text import escaped

__all__ = [
    "FAILED",
    "INCONCLUSIVE",
    "OK",
    "OUR_FAULT",
    "STATUSES",
    "WRONG_INPUT",
    "Wishes",
    "complain",
    "ended",
]

OK, FAILED, WRONG_INPUT, INCONCLUSIVE, OUR_FAULT = range(5)
STATUSES = (
    "Exit status: 0 all as expected; 1 an expectation failed; 2 the input is wrong, or the output "
    "cannot be written; 3 inconclusive; 4 guestsim itself is wrong, or one of its processes was "
    "killed."
)
_INTERRUPTED = 130
"""What typer makes of Ctrl-C."""


@dataclass
class Wishes:
    """What the options before the command ask for."""

    traceback: bool = False


def ended(command: Callable[[], object], wishes: Wishes) -> int:
    """Run a command of the command line; its exit status. What ended it is told in one line, and
    what it printed is written."""
    status = _run(command, wishes)
    flushed = _run(sys.stdout.flush, wishes)
    return status or flushed


def complain(error: GuestsimError | TyperException, status: int) -> int:
    """Tell an error; its status."""
    _tell(error.format_message() if isinstance(error, TyperException) else str(error))
    return status


def _run(command: Callable[[], object], wishes: Wishes) -> int:
    try:
        status = command()
    except ReaderGoneError:
        _die_of(signal.SIGPIPE)
    except StoppedError as error:
        if not interrupted():
            return complain(error, INCONCLUSIVE)
        status = _INTERRUPTED
    except InternalError as error:
        return _ours(error, wishes)
    except (GuestsimError, TyperException) as error:
        return complain(error, WRONG_INPUT)
    except KeyboardInterrupt:
        status = _INTERRUPTED
    except Crash as crash:
        return _ours(crash.__cause__ or crash, wishes)
    except Exception as error:
        # The one right place: whatever it is, nobody above could say more about it than we can. It
        # must not end in Python's own status 1.
        return _ours(error, wishes)
    if status == _INTERRUPTED or (interrupted() and status):
        _tell(f"interrupted{by()}: incomplete")
    if status == _INTERRUPTED:
        return INCONCLUSIVE
    return status if isinstance(status, int) else OK


def _ours(error: BaseException, wishes: Wishes) -> int:
    if wishes.traceback:
        traceback.print_exception(error)
    _tell(blame(error))
    return OUR_FAULT


def _tell(text: str) -> None:
    print(f"guestsim: {escaped(' '.join(text.split()))}", file=sys.stderr)


def _die_of(number: signal.Signals) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    os._exit(128 + number)  # where it cannot kill us: as a shell would say it
