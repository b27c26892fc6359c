"""Several pieces of work at the same time, each in a process of its own.

So one that is killed, for want of memory or by somebody, costs no other. A process is forked for
its piece, and gone after it; it never outlives us, however we end.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any, NamedTuple, TypeVar

from guestsim.runner.interrupt import leave_it_to_the_parent

__all__ = ["Died", "in_processes"]

T = TypeVar("T")
Tell = Callable[[Any], None]
"""A piece says how far it has come."""

_PR_SET_PDEATHSIG = 1
"""prctl(2)."""


class Died(NamedTuple):
    """What comes of a piece whose process ended before it."""

    status: int
    """Its exit status, or minus the signal that killed it."""

    def __str__(self) -> str:
        if self.status >= 0:
            return f"its process ended with status {self.status}"
        name = signal.Signals(-self.status).name
        why = " (was there too little memory?)" if -self.status == signal.SIGKILL else ""
        return f"its process was killed by {name}{why}"


def in_processes(
    pieces: Sequence[Callable[[Tell], T]], jobs: int, heard: Callable[[int, Any], None]
) -> Generator[T | Died, None, None]:
    """What comes of each piece, in their order, each as soon as it and all before it are there; at
    most `jobs` of them at the same time. `heard` gets the number of a piece and what it tells.

    Linux only. For the main thread: a process ends with the thread that forked it.
    """
    context = multiprocessing.get_context("fork")
    begun = 0
    running: dict[Connection, tuple[int, ForkProcess]] = {}
    ended: dict[int, T | Died] = {}
    try:
        for wanted in range(len(pieces)):
            while wanted not in ended:
                while begun < len(pieces) and len(running) < jobs:
                    reader, writer = context.Pipe(duplex=False)
                    process = context.Process(
                        target=_work, args=(pieces[begun], writer, os.getpid()), daemon=True
                    )
                    process.start()
                    # Ours is closed, so the end of the process is the end of the pipe.
                    writer.close()
                    running[reader] = begun, process
                    begun += 1
                ready = wait(list(running))
                for reader in [each for each in running if each in ready]:
                    number, process = running[reader]
                    try:
                        finished, content = reader.recv()
                    except (EOFError, OSError):
                        process.join()
                        finished, content = True, Died(process.exitcode or 0)
                    if not finished:
                        heard(number, content)
                        continue
                    ended[number] = content
                    process.join()
                    reader.close()
                    del running[reader]
            yield ended.pop(wanted)
    finally:
        for _, process in running.values():
            process.kill()
            process.join()


def _work(piece: Callable[[Tell], object], writer: Connection, parent: int) -> None:
    """What a process does."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it was gone before it could be watched
    leave_it_to_the_parent()
    writer.send((True, piece(lambda told: writer.send((False, told)))))
