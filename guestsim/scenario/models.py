"""What a scenario file says, as types: the file's keys, their defaults and their meaning.

The loader, the JSON Schema and the reference (`docs/scenarios.md`) all follow these types. What
types cannot say is in `guestsim.scenario.sense`.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from guestsim.abi.xs_wire import ServerFeature
from guestsim.scenario.expectations import Expect, Judgement
from guestsim.scenario.others import Other
from guestsim.scenario.platform import Platform
from guestsim.scenario.stops import Stop
from guestsim.trace.daemons import DaemonModel, Mistake, Wakes
from guestsim.trace.events import Matcher, parse_event
from guestsim.trace.memory_model import MemoryModel

__all__ = [
    "DEFAULT_STRATEGY",
    "Boot",
    "Daemon",
    "Feature",
    "Ring",
    "Scenario",
    "ScenarioFile",
    "Search",
    "Sections",
    "Stage",
    "Step",
    "Strategy",
    "StringOrder",
    "Variant",
]

U32_MAX = 0xFFFF_FFFF


class Feature(StrEnum):
    """Bits of `server_features` that have a name."""

    RECONNECTION = "reconnection"
    ERROR = "error"
    WATCH_DEPTH = "watch-depth"
    DOMID_ANY = "domid-any"


class Strategy(StrEnum):
    """How executions are chosen."""

    EXHAUSTIVE = "exhaustive"
    BOUNDED = "bounded"
    RANDOM = "random"
    SCRIPT = "script"
    PCT = "pct"


class StringOrder(StrEnum):
    """In which order the stores of one string instruction reach memory."""

    IN_ORDER = "in-order"
    ANY_ORDER = "any-order"


DEFAULT_STRATEGY: Final = Strategy.EXHAUSTIVE

_FEATURE_BITS: Final = {
    Feature.RECONNECTION: ServerFeature.XENSTORE_SERVER_FEATURE_RECONNECTION,
    Feature.ERROR: ServerFeature.XENSTORE_SERVER_FEATURE_ERROR,
    Feature.WATCH_DEPTH: ServerFeature.XENSTORE_SERVER_FEATURE_WATCHDEPTH,
    Feature.DOMID_ANY: ServerFeature.XENSTORE_SERVER_FEATURE_DOMID_ANY,
}

_DEFAULT_FEATURES: Final[dict[DaemonModel, tuple[Feature, ...]]] = {
    DaemonModel.XENSTORED: (),
    DaemonModel.OXENSTORED: (Feature.RECONNECTION,),
}


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One image of the boot chain."""

    image: Annotated[
        str,
        Meta(
            description="A built-in image's name, or the path of an ELF file (with a / or ending "
            "in .elf), relative to the scenario file."
        ),
    ]
    requests: Annotated[
        tuple[str, ...] | None,
        Meta(description="The image's xenstore requests, one line each."),
    ] = None
    stop: Annotated[
        Stop | None,
        Meta(
            description="For an image that neither hands over nor shuts down: where its stage is "
            "over, and well."
        ),
    ] = None
    type: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(
            description="What somebody has typed on its console before it begins, in ASCII: a "
            'return is "\\r".'
        ),
    ] = None

    @property
    def is_path(self) -> bool:
        """Whether `image` is a path, not a built-in name."""
        return "/" in self.image or self.image.endswith(".elf")

    @property
    def name(self) -> str:
        """What traces and scripts call this stage: the built-in name, or the file's name without
        its folder and without `.elf`."""
        return self.image.rpartition("/")[2].removesuffix(".elf")


class Boot(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[boot]`: what runs in the guest."""

    chain: Annotated[
        tuple[str | Stage, ...],
        Meta(min_length=1, description="The images that run one after another, at least one."),
    ] = ()
    budget: Annotated[
        int,
        Meta(
            ge=1,
            le=U32_MAX,
            description="Instructions that the guest may execute between two ops that need an "
            "answer before it counts as running away. For each hundred it may trap once (a port, "
            "CPUID, a hypercall, a store to a shared page), and 20,000 times at least.",
        ),
    ] = 50_000_000
    skip_without_image: Annotated[
        bool,
        Meta(
            description="Where the file of an image is not there, skip the scenario instead of "
            "refusing it."
        ),
    ] = False

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The chain, each entry as a `Stage`."""
        return tuple(
            Stage(image=entry) if isinstance(entry, str) else entry for entry in self.chain
        )


class Ring(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[ring]`: the shared page and its event channel as the guest finds them."""

    req_index: Annotated[
        int, Meta(ge=0, le=U32_MAX, description="First value of req_cons and req_prod.")
    ] = 0
    rsp_index: Annotated[
        int, Meta(ge=0, le=U32_MAX, description="First value of rsp_cons and rsp_prod.")
    ] = 0
    fill: Annotated[int, Meta(ge=0, le=255, description="First value of all unused bytes.")] = 0
    connection: Annotated[int, Meta(ge=0, le=1, description="First value of connection.")] = 0
    server_features: Annotated[
        int,
        Meta(
            ge=0,
            le=U32_MAX,
            description="What the field holds before the daemon advertises its own features.",
        ),
    ] = 0
    port: Annotated[
        int, Meta(ge=1, le=1023, description="The guest's event channel port for xenstore.")
    ] = 2
    pending: Annotated[
        bool, Meta(description="Whether an event is pending at the port when the guest starts.")
    ] = False
    masked: Annotated[
        bool, Meta(description="Whether the port is masked when the guest starts.")
    ] = False
    xenstore: Annotated[
        bool, Meta(description="Whether the domain has a xenstore: a page, a port, a daemon's ear.")
    ] = True


class Daemon(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[daemon]`: the xenstored on the other side."""

    model: Annotated[DaemonModel, Meta(description="Which implementation.")] = DaemonModel.XENSTORED
    features: Annotated[
        tuple[Feature | Annotated[int, Meta(ge=0, le=31)], ...] | None,
        Meta(description="What it advertises in server_features: names, or numbers of bits."),
    ] = None
    wakes: Annotated[
        Wakes,
        Meta(description="any: other domains' work wakes it too; event: only this guest's."),
    ] = Wakes.ANY
    version: Annotated[
        int, Meta(ge=0, le=U32_MAX, description="rfc-v2: the protocol version that it writes.")
    ] = 1
    drop_layers: Annotated[
        bool,
        Meta(
            description="rfc-v2: whether a close drops watches, transactions, and requests in "
            "flight. The draft does not say."
        ),
    ] = False
    mistake: Annotated[
        Mistake | None,
        Meta(description="What the daemon gets wrong; not every model can make every mistake."),
    ] = None

    @property
    def server_features(self) -> int:
        """What the daemon writes at `server_features`: its feature bits, or rfc-v2's version."""
        if self.model is DaemonModel.RFC_V2:
            return self.version
        features = _DEFAULT_FEATURES[self.model] if self.features is None else self.features
        bits = 0
        for feature in features:
            bits |= feature_bit(feature)
        return bits


def feature_bit(feature: Feature | int) -> int:
    """The mask of a feature's name or bit number."""
    return int(_FEATURE_BITS[feature]) if isinstance(feature, Feature) else 1 << feature


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One step of a script."""

    run: Annotated[
        str,
        Meta(
            description="Who has priority: guest, daemon, or one of the others. It moves whenever "
            "it can."
        ),
    ]
    until: Annotated[
        str | None, Meta(description="The event after which the step ends: KIND PLACE[ = VALUE].")
    ] = None
    stage: Annotated[
        str | None, Meta(description="Count only the events of this image of the chain.")
    ] = None
    nth: Annotated[
        int, Meta(ge=1, le=U32_MAX, description="Which of these events, counted in this step.")
    ] = 1

    @property
    def event(self) -> Matcher | None:
        """`until`, parsed; None where the step has none."""
        return None if self.until is None else parse_event(self.until)


class Search(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[search]`: which executions are tried."""

    strategy: Annotated[Strategy, Meta(description="How executions are chosen.")] = DEFAULT_STRATEGY
    memory_model: Annotated[
        MemoryModel, Meta(description="In which order stores become visible.")
    ] = MemoryModel.SC
    string_stores: Annotated[
        StringOrder,
        Meta(description="The same for the stores of one string instruction (rep stos, rep movs)."),
    ] = StringOrder.IN_ORDER
    script: Annotated[
        tuple[Step, ...],
        Meta(
            description="Who moves, until when. With exhaustive and bounded, the search begins "
            "where the script ends."
        ),
    ] = ()
    seed: Annotated[
        int, Meta(ge=0, le=U32_MAX, description="random, pct: where the random numbers begin.")
    ] = 0
    runs: Annotated[
        int, Meta(ge=1, le=U32_MAX, description="random, pct: how many executions.")
    ] = 100
    depth: Annotated[
        int, Meta(ge=1, le=64, description="pct: how many ordering constraints the bug needs.")
    ] = 3
    bound: Annotated[
        int, Meta(ge=0, le=64, description="bounded: how many switches that nobody asked for.")
    ] = 2
    max_ops: Annotated[
        int, Meta(ge=1, le=U32_MAX, description="Ops after which an execution is cut short.")
    ] = 1_000_000


class Sections(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The tables that a file, a variant and a scenario have in common."""

    tags: Annotated[
        tuple[str, ...],
        Meta(description="Words to choose scenarios by: marks, where pytest runs them."),
    ] = ()
    boot: Annotated[Boot, Meta(description="What runs in the guest.")] = Boot()
    platform: Annotated[Platform, Meta(description="What the guest's machine is made of.")] = (
        Platform()
    )
    store: Annotated[
        dict[str, str],
        Meta(
            description="What the toolstack wrote before boot: path (absolute, or relative to the "
            "guest's own) to value."
        ),
    ] = {}
    ring: Annotated[Ring, Meta(description="The shared page as the guest finds it.")] = Ring()
    daemon: Annotated[Daemon, Meta(description="The xenstored on the other side.")] = Daemon()
    others: Annotated[
        tuple[Other, ...],
        Meta(description="What others do to the store while the guest runs."),
    ] = ()
    search: Annotated[Search, Meta(description="Which executions are tried.")] = Search()
    expect: Annotated[Expect, Meta(description="How executions may end.")] = Expect()


Matrix = Annotated[
    dict[str, Any],
    Meta(
        description="A scenario for each combination: a dotted key and its values, exclude, and "
        "[[matrix.expect]]."
    ),
]


class Variant(Sections, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One `[[variant]]`: a name, and what differs from the rest of the file."""

    name: Annotated[str, Meta(description="Its name: lower-case letters, digits and -.")]
    title: Annotated[str | None, Meta(description="Its own title.")] = None
    matrix: Matrix = {}


class ScenarioFile(Sections, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole scenario file."""

    title: Annotated[str, Meta(min_length=1, description="What the scenario shows, in one line.")]
    pair: Annotated[
        str | None,
        Meta(description="The scenario file that shows the other side, relative to this one."),
    ] = None
    matrix: Matrix = {}
    variant: Annotated[
        tuple[Variant, ...],
        Meta(
            min_length=1,
            description="The sides of this file: each is a scenario, the rest is their base.",
        ),
    ] = ()


class Scenario(Sections, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One scenario, ready to run: a file, or one variant of a file."""

    path: Path
    """The file, as the user gave it."""
    title: str
    variant: str | None = None
    """What stands behind the "#": the side, and the case."""
    side: str | None = None
    """The name of the `[[variant]]`."""
    case: str | None = None
    """Of a matrix: what is different."""
    varied: tuple[tuple[str, str], ...] = ()
    """Of a matrix: each dotted key, and the word for its value here."""
    pair: Path | None = None
    """The file that shows the other side."""

    @property
    def name(self) -> str:
        """What reports call it: the path, or `path#variant`."""
        return str(self.path) if self.variant is None else f"{self.path}#{self.variant}"

    @property
    def judged(self) -> dict[str, Judgement]:
        """What is expected of each rule that is judged, by the rule's name. Where others change the
        store, what a stage learns may depend on when: `all` does not speak of `same-handover`."""
        judged = self.expect.rules.judged
        if self.others and self.expect.rules.same_handover is None:
            judged.pop("same-handover", None)
        return judged

    def image_path(self, stage: Stage) -> Path | None:
        """Where the image of `stage` is, None for a built-in. Nobody has looked if it exists."""
        return self.path.parent / stage.image if stage.is_path else None
