"""Checks on many machines: the workers of a scheduler of dask's distributed.

A worker runs the same guestsim on the same files, under the same paths (a shared folder); that is
compared, not assumed. Where one dies, its cases are run by another.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Sequence
from importlib import import_module
from typing import Any

import msgspec

from guestsim.errors import InputError
from guestsim.runner.check import checked, error_of
from guestsim.runner.control import Options
from guestsim.runner.interrupt import listening, requested
from guestsim.runner.verdicts import key_of, program_digest
from guestsim.runner.workers import Died
from guestsim.scenario import Scenario
from guestsim.trace.results import Result
from guestsim.trace.text import printable

__all__ = ["on_cluster"]

_PATIENCE = 10
"""Seconds in which a scheduler has to answer."""
_POLL = 0.5


def on_cluster(
    scenarios: Sequence[Scenario],
    options: Options,
    address: str,
    heard: Callable[[int, Result], None],
) -> Generator[Result, None, None]:
    """The results of `check`, in order. `heard` gets the number and the result of each when it
    comes. After Ctrl-C, those that have not come are inconclusive. InputError where no scheduler
    answers."""
    # Each worker has a folder of its own for what it keeps.
    alone = msgspec.structs.replace(options, cache=None)
    distributed = _distributed()
    with listening(), _connected(distributed, address) as client:
        program = program_digest()
        futures = [
            client.submit(_check, scenario, alone, key_of(scenario, options), program, pure=False)
            for scenario in scenarios
        ]
        left = {future.key: number for number, future in enumerate(futures)}
        came: dict[int, Result] = {}
        try:
            for wanted, scenario in enumerate(scenarios):
                while wanted not in came and not requested():
                    waiting = [futures[number] for number in left.values()]
                    for future in _done(distributed, waiting):
                        number = left.pop(future.key)
                        came[number] = _result(future, scenarios[number])
                        heard(number, came[number])
                yield came.pop(wanted) if wanted in came else checked(scenario, options)
        finally:
            client.cancel([futures[number] for number in left.values()])


def _check(scenario: Scenario, options: Options, key: str | None, program: str) -> Result:
    """On a worker."""
    if program_digest() != program:
        raise InputError(f"{scenario.name}: a worker has another guestsim, or other libraries")
    if key_of(scenario, options) != key:
        raise InputError(f"{scenario.name}: a worker has other files under its paths")
    return checked(scenario, options)


def _distributed() -> Any:
    """The package, which is an extra."""
    try:
        return import_module("distributed")
    except ImportError:
        raise InputError("--dask: needs distributed: pip install 'guestsim[dask]'") from None


def _connected(distributed: Any, address: str) -> Any:
    try:
        return distributed.Client(address, timeout=_PATIENCE)
    except (OSError, ValueError) as error:
        why = printable(str(error).splitlines()[0] if str(error) else type(error).__name__)
        raise InputError(f"--dask {printable(address)}: no scheduler answers: {why}") from None


def _done(distributed: Any, futures: Sequence[Any]) -> list[Any]:
    """What has come meanwhile; waits a little for the first."""
    try:
        finished = distributed.wait(futures, timeout=_POLL, return_when="FIRST_COMPLETED").done
    except TimeoutError:
        return []
    return [future for future in futures if future in finished]


def _result(future: Any, scenario: Scenario) -> Result:
    error = future.exception()
    if error is None:
        result: Result = future.result()
        return result
    if type(error).__name__ == "KilledWorker":
        error = Died(-signal.SIGKILL)  # again and again
    return error_of(scenario, error)
