"""A scenario made ready to run: its guest and what that asks of xenstore, its daemon, the shared
memory at the start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from guestsim.abi.xs_wire import XENSTORE_RING_SIZE, Interface
from guestsim.daemon import DaemonConfig, make, make_unheard
from guestsim.errors import InputError, MissingImageError
from guestsim.execute import Image as ScheduledImage
from guestsim.machine.guest import Guest, Stage
from guestsim.machine.hypervisor import NO_PORT
from guestsim.machine.image import Image, load_image
from guestsim.machine.images import find_image
from guestsim.machine.profile import DEVICES, Bar, BarKind, PciFunction, Profile
from guestsim.machine.stops import NEVER, StopAt
from guestsim.machine.string_stores import StringStores
from guestsim.runner.interrupt import requested
from guestsim.runner.others import others_of
from guestsim.scenario import (
    Daemon,
    Device,
    Ring,
    Scenario,
    StringOrder,
    lanes,
    parse_device,
    parse_memory,
    parse_xen,
    requests_of,
    toolstack_store,
)
from guestsim.scenario import Stage as ScenarioStage
from guestsim.trace import Actor, Kind, Op, shared
from guestsim.trace.effects import apply
from guestsim.xenstore import build_store

__all__ = [
    "Setup",
    "initial_memory",
    "profile_of",
    "set_up",
]

_KINDS = {
    "io": BarKind.IO,
    "memory": BarKind.MEMORY,
    "memory64": BarKind.MEMORY_64,
    "prefetchable": BarKind.PREFETCHABLE,
}


@dataclass(frozen=True)
class Setup:
    """Everything that an execution needs. The actors can be started again and again."""

    guest: Guest
    daemon: Actor
    memory: bytes
    unheeded: frozenset[str]
    """Fields of shared memory that change nothing of what the actors do."""
    images: tuple[Image, ...]
    names: dict[str, str]
    """What reports call the actors, in the order of their columns."""

    @property
    def actors(self) -> tuple[Actor, ...]:
        """In the order of the schedule's priorities."""
        guest = StringStores(self.guest) if self.guest.mark_strings else self.guest
        return guest, self.daemon

    @property
    def scheduled_images(self) -> tuple[ScheduledImage, ...]:
        """The images as a schedule names them."""
        return tuple(ScheduledImage(image.name, image.sha256) for image in self.images)


def set_up(scenario: Scenario, images: Mapping[str, Path] | None = None) -> Setup:
    """Load the images and make the actors. `images` replaces stages by name.

    InputError, `MissingImageError` among them, where an image cannot be used.
    """
    overrides = dict(images or {})
    chain = [_image(scenario, stage, overrides) for stage in scenario.boot.stages]
    if overrides:
        known = ", ".join(stage.name for stage in scenario.boot.stages)
        raise InputError(
            f"{scenario.name}: no stage is called {next(iter(overrides))!r}; there are: {known}"
        )
    stages = [
        Stage(
            image,
            "\n".join(requests_of(scenario, stage)),
            _stop_of(stage),
            (stage.type or "").encode(),
        )
        for image, stage in zip(chain, scenario.boot.stages, strict=True)
    ]
    ring = scenario.ring
    guest = Guest(
        stages, ring.port if ring.xenstore else NO_PORT, profile_of(scenario), scenario.boot.budget
    )
    guest.should_stop = requested
    guest.mark_strings = scenario.search.string_stores is StringOrder.ANY_ORDER
    model = scenario.daemon.model
    config = DaemonConfig(
        port=ring.port,
        features=scenario.daemon.server_features,
        wakes=scenario.daemon.wakes,
        # A page whose `connection` is 1 before the guest runs waits for its introduction.
        introduce=bool(ring.connection),
        drop_layers=scenario.daemon.drop_layers,
        mistake=scenario.daemon.mistake,
        others=others_of(scenario.others),
    )
    store = build_store(
        toolstack_store(scenario), more=sorted({it.domain for it in scenario.others} - {0})
    )
    daemon = make(model, config, store) if ring.xenstore else make_unheard(model, store)
    return Setup(
        guest,
        daemon,
        initial_memory(ring, scenario.daemon),
        config.unheeded,
        tuple(chain),
        {guest.name: guest.name, daemon.name: str(model)}
        | {name: name for name in lanes(scenario.others)},
    )


def profile_of(scenario: Scenario) -> Profile:
    """The machine of `[platform]`. InputError where two functions stand at one address."""
    platform = scenario.platform
    version, subversion, extra = parse_xen(platform.xen)
    functions: dict[int, PciFunction] = {}
    for index, device in enumerate(platform.devices):
        made = _function(device) if isinstance(device, Device) else DEVICES[device]
        if made.devfn in functions:
            address = f"{made.devfn >> 3:02x}.{made.devfn & 7}"
            raise InputError(
                f"{scenario.name}: platform.devices[{index}]: there is a function at {address} "
                "already"
            )
        functions[made.devfn] = made
    plain = Profile()
    return Profile(
        memory=parse_memory(platform.memory),
        vcpus=platform.vcpus,
        xen=(version, subversion),
        extra_version=extra or plain.extra_version,
        devices=tuple(functions[devfn] for devfn in sorted(functions)),
    )


def _function(device: Device) -> PciFunction:
    parsed = parse_device(device)
    bars = tuple(Bar(number, _KINDS[kind], size) for number, kind, size in parsed.registers)
    return PciFunction(parsed.devfn, parsed.vendor, parsed.device, parsed.class_code, bars=bars)


def initial_memory(ring: Ring, daemon: Daemon) -> bytes:
    """Shared memory when the guest starts: the ring and its event as the scenario says.

    The toolstack introduces a domain to the daemon before the domain runs, so what the daemon
    advertises is on the page by then. A page whose `connection` is 1 still waits for that.
    """
    features = ring.server_features
    if not ring.connection:
        features |= daemon.server_features
    memory = bytearray(shared.SHARED_SIZE)
    memory[: shared.SHARED_INFO] = bytes([ring.fill]) * shared.SHARED_INFO
    fields = {
        Interface.REQ_CONS: ring.req_index,
        Interface.REQ_PROD: ring.req_index,
        Interface.RSP_CONS: ring.rsp_index,
        Interface.RSP_PROD: ring.rsp_index,
        Interface.SERVER_FEATURES: features,
        Interface.CONNECTION: ring.connection,
        Interface.ERROR: 0,
        Interface.EVTCHN_PORT: 0,
    }
    assert min(fields) == 2 * XENSTORE_RING_SIZE
    for offset, value in fields.items():
        shared.store(memory, shared.RING + offset, 4, value)
    address, size, bit = shared.pending_place(ring.port)
    if ring.masked:
        shared.store(memory, address - shared.PENDING + shared.MASK, size, bit)
    if ring.pending:
        apply(memory, Op(Kind.SEND, address, size, bit))
    return bytes(memory)


def _stop_of(stage: ScenarioStage) -> StopAt:
    stop = stage.stop
    if stop is None:
        return NEVER
    return StopAt((stop.console or "").encode(), stop.requests or 0, stop.hlt)


def _image(scenario: Scenario, stage: ScenarioStage, overrides: dict[str, Path]) -> Image:
    path = overrides.pop(stage.name, None) or scenario.image_path(stage)
    try:
        return load_image(stage.name, find_image(stage.name) if path is None else path)
    except MissingImageError as error:
        other = f"--image {stage.name}=PATH names another"
        raise MissingImageError(f"{scenario.name}: boot.chain: {error} ({other})") from None
    except InputError as error:
        raise type(error)(f"{scenario.name}: boot.chain: {error}") from None
