"""All of the guest is in a snapshot: going back to any point and on gives the same trace and RAM.

An honest execution is recorded once. From its points, in a shuffled order, a guest that keeps
states goes on with the recorded answers; another one that never goes back is what it is compared
with. And points with equal keys, reached in different executions, must have equal continuations.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from guestsim.execute import execute, random_walk
from guestsim.machine.guest import Guest
from guestsim.runner import set_up
from guestsim.runner.setup import Setup
from guestsim.scenario import load_one
from guestsim.trace import Burst, Kind

HVMLOADER = Path(os.environ.get("GUESTSIM_HVMLOADER", "/usr/lib/xen-4.17/boot/hvmloader"))

CHAINS = {
    "reset-poison": ("reset-poison", "xenstored", "", 1),
    "reconnect": ("reconnect", "oxenstored", "", 1),
    "hvmloader-reset": (str(HVMLOADER), "xenstored", "", 100),
    "hvmloader-close": (str(HVMLOADER), "oxenstored", "", 100),
    "hvmloader-2-vcpus": (str(HVMLOADER), "xenstored", "vcpus = 2", 100),
}
"""Image, daemon, platform; and the whole rest is run from one of so many points."""


@pytest.fixture(params=CHAINS)
def chain(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if CHAINS[name][0] == str(HVMLOADER) and not HVMLOADER.exists():
        pytest.skip(f"Debian's hvmloader is not there: {HVMLOADER}")
    return name


def made(folder: Path, chain: str) -> Setup:
    image, model, platform, _ = CHAINS[chain]
    path = folder / "x.toml"
    path.write_text(
        f"""title = "a boot"
[boot]
chain = ["{image}", "frontend"]
[platform]
memory = "64 MiB"
{platform}
[store]
"hvmloader/bios" = "seabios"
[daemon]
model = "{model}"
[expect]
connected = "sometimes"
"""
    )
    return set_up(load_one(path))


def answers(setup: Setup, seed: int) -> list[int]:
    """What the guest's loads and waits gave in one random execution."""
    run = execute(random_walk(seed), setup.actors, setup.memory)
    return [
        event.value
        for event in run.events
        if event.actor == setup.guest.name and event.op.kind in (Kind.LOAD, Kind.RMW, Kind.WAIT)
    ]


def running(guest: Guest, values: Sequence[int]) -> Iterator[Burst]:
    """One burst after another with these answers, from power on."""
    burst = guest.start()
    yield burst
    for value in values:
        burst = guest.resume(burst.point, value)
        yield burst


def boot(guest: Guest, values: Sequence[int]) -> list[Burst]:
    """All of them."""
    return list(running(guest, values))


def final(guest: Guest) -> Hashable:
    """Registers, RAM, hypervisor, platform and console as they stand."""
    return guest.state(), guest.console


def test_from_every_point_on_it_goes_as_without_going_back(tmp_path: Path, chain: str) -> None:
    setup = made(tmp_path, chain)
    values = answers(setup, 1)
    expected = boot(setup.guest, values)
    # What a frame holds before anything is stored there: with states, dead stack is cleared.
    undisturbed = made(tmp_path, chain).guest
    undisturbed.keep_states = True
    assert [burst.ops for burst in boot(undisturbed, values)] == [burst.ops for burst in expected]
    end = final(undisturbed)
    keys = [undisturbed.key(burst.point) for burst in running(undisturbed, values) if burst.point]
    guest = made(tmp_path, chain).guest
    guest.keep_states = True
    recorded = boot(guest, values)
    assert [burst.ops for burst in recorded] == [burst.ops for burst in expected]
    assert final(guest) == end
    order = list(range(len(values)))
    Random(2).shuffle(order)
    for at in order:
        burst = guest.resume(recorded[at].point, values[at])
        assert burst.ops == expected[at + 1].ops, f"one answer on from point {at}"
        if burst.point is not None:
            assert guest.key(burst.point) == keys[at + 1], f"one answer on from point {at}"
    for at in order[:: CHAINS[chain][3]]:
        burst = recorded[at]
        for number in range(at, len(values)):
            burst = guest.resume(burst.point, values[number])
            assert burst.ops == expected[number + 1].ops, f"from point {at}, at {number}"
        assert final(guest) == end, f"from point {at}"


def test_points_with_equal_keys_go_on_alike(tmp_path: Path, chain: str) -> None:
    setup = made(tmp_path, chain)
    walks = [answers(setup, seed) for seed in range(4)]
    setup.guest.keep_states = True
    seen: dict[Hashable, list[tuple[int, int]]] = {}
    for walk, values in enumerate(walks):
        for at, burst in enumerate(boot(setup.guest, values)):
            if burst.point is not None:
                seen.setdefault(setup.guest.key(burst.point), []).append((walk, at))
    pairs = [
        (places[0], places[-1])
        for places in seen.values()
        if walks[places[0][0]][: places[0][1]] != walks[places[-1][0]][: places[-1][1]]
    ]
    assert len(pairs) > 5, "nothing to compare: no two ways lead to one point"
    plain = made(tmp_path, chain).guest
    plain.keep_states = True
    for one, other in Random(3).sample(pairs, 5):
        rest = walks[other[0]][other[1] :]
        going_on = boot(plain, [*walks[one[0]][: one[1]], *rest])[one[1] + 1 :]
        one_end = final(plain)
        expected = boot(plain, walks[other[0]])[other[1] + 1 :]
        assert [burst.ops for burst in going_on] == [burst.ops for burst in expected]
        assert one_end[0] == final(plain)[0]  # type: ignore[index]
