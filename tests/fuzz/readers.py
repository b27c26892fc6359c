"""What reads files and streams of strangers: each reader, with inputs that work and words that mean
something to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from guestsim.execute.schedule import load_schedule
from guestsim.machine.image import load_image
from guestsim.record import Record, Recorder
from guestsim.record.file import load_recording, save_recording
from guestsim.runner import builtin_images, run_once, save_schedule, set_up
from guestsim.runner.symbolize import Symbolizer
from guestsim.scenario import load, load_one
from guestsim.search import Problem, Search
from guestsim.serve.hub import Hub
from guestsim.serve.store_file import fresh_store, load_store
from guestsim.trace import Site
from guestsim.xenstore import Message, ServerState
from guestsim.xenstore.message import Parser

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = sorted((ROOT / "scenarios").glob("*.toml"))

NUMBERS = (
    *(b"0", b"-1", b"1e999", b"nan", b"18446744073709551616", b"0x", b"4294967296", b"1_000"),
    *("١٦".encode(), b"9" * 5000),
)
TEXTS = (
    *(b"\0", b"\x1b]0;x\x07", b"\xff\xfe", "é".encode(), b"\\u0000", b"\\ud800", b"a" * 3000),
    *(b"[" * 2000, b"{" * 2000, b'"', b"'''", b"\n", b"#", b"="),
)


@dataclass(frozen=True)
class Reader:
    """One reader. `read` may refuse what it is given by an InputError, and nothing else."""

    name: str
    suffix: str
    seeds: Callable[[Path], Sequence[bytes]]
    """Inputs that work; there is a folder to make them in."""
    words: Sequence[bytes]
    read: Callable[[Path], None]


# -- scenarios ------------------------------------------------------------------------------------


def scenario_seeds(_: Path) -> list[bytes]:
    return [path.read_bytes() for path in SCENARIOS]


def read_scenario(path: Path) -> None:
    for scenario in load(path):
        set_up(scenario)


SCENARIO_WORDS = (
    *(b"[boot]\n", b"[search]\n", b"[store]\n", b"[daemon]\n", b"[expect]\n", b"[platform]\n"),
    *(
        b"[[variant]]\n",
        b'"write a=1"',
        b'"commit"',
        b'"event"',
        b'"read a!ENOENT"',
        b"requests = ",
    ),
    *(
        b'"read a!ENOENT"',
        b'chain = ["frontend"]\n',
        b'"always"',
        b'"never"',
        b'script = [{ run = "guest" }]\n',
    ),
    *(b'"16 MiB"', b"runs = 4294967295\n", b"[a" + b".a" * 3000 + b"]\n", *NUMBERS, *TEXTS),
)


# -- schedules ------------------------------------------------------------------------------------


@cache
def _schedule(folder: Path) -> bytes:
    scenario = load_one(ROOT / "scenarios/torn-reset.toml#every-sc")
    path = folder / "seed.schedule.json"
    _, schedule = run_once(scenario, set_up(scenario))
    save_schedule(schedule, scenario, path)
    return path.read_bytes()


def schedule_seeds(folder: Path) -> list[bytes]:
    return [
        _schedule(folder),
        b'{"version": 1, "steps": [["guest", 3], ["daemon", 1, "why"]], "choices": [0, 1]}',
    ]


def read_schedule(path: Path) -> None:
    load_schedule(path)


SCHEDULE_WORDS = (
    *(b'"steps"', b'["guest", 1]', b"[]", b"{}", b"null", b"true", b'"outcome": "hung",', b","),
    *NUMBERS,
    *TEXTS,
)


# -- images ---------------------------------------------------------------------------------------


def image_seeds(_: Path) -> list[bytes]:
    images = builtin_images()
    return [images[name].path.read_bytes() for name in ("frontend", "reset-poison")]


def read_image(path: Path) -> None:
    image = load_image("mutant", path)
    symbols = Symbolizer((image,), ())
    for address in range(image.entry, image.entry + 64, 16):
        symbols.site(Site("mutant", address))


IMAGE_WORDS = (
    *(b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x00\x10\x00\x00", b"\x7fELF", b"\0" * 64, b"Xen\0"),
    *(b"\x04\0\0\0\x04\0\0\0\x12\0\0\0Xen\0", b".debug_line\0", b".debug_info\0", b"\x80" * 16),
)


# -- stores ---------------------------------------------------------------------------------------


def store_seeds(_: Path) -> list[bytes]:
    return [
        b'[store]\n"/vm/name" = "x"\n"data/a" = ""\n',
        b'[store]\n"hvmloader/bios" = "seabios"\n"a/b/c" = "d"\nname = "y"\n',
    ]


def read_store(path: Path) -> None:
    load_store(path)


# -- records --------------------------------------------------------------------------------------

IMAGES = {"frontend": "0" * 64}


@cache
def _recording(folder: Path) -> bytes:
    setup = set_up(load_one(ROOT / "scenarios/dom0less.toml#xenstored-sc"))
    setup.guest.keep_states = True
    search = Search(Problem(actors=setup.actors, memory=setup.memory, unheeded=setup.unheeded))
    search.run()
    path = folder / "seed.record.json"
    save_recording(path, [_first(record) for record in search.records], setup.memory, IMAGES)
    return path.read_bytes()


def _first(record: Recorder) -> Record:
    """Its first node alone: a file of a megabyte is slow to change."""
    few = Record(record.name)
    few.first, few.ops, few.following, few.answers = 0, record.ops[:1], [0], [None]
    return few


def recording_seeds(folder: Path) -> list[bytes]:
    return [
        _recording(folder),
        b'{"version": 1, "images": {"frontend": "' + b"0" * 64 + b'"}, "memory": "00",'
        b' "actors": [{"name": "guest", "first": 0, "nodes": [{"op": {"kind": 0, "address": 1040,'
        b' "size": 4}, "answers": [["0", 0], ["1", 1]]}, {"op": {"kind": 7, "end":'
        b' {"outcome": "connected", "message": "ends"}}}]}]}',
    ]


def read_recording(path: Path) -> None:
    load_recording(path, IMAGES)


RECORDING_WORDS = (
    *(b'"nodes"', b'["0", 0]', b'"kind": 9', b'"flags": 255', b'"next": 1,', b"null", b"[]", b","),
    *NUMBERS,
    *TEXTS,
)


# -- the wire -------------------------------------------------------------------------------------


class Sink:
    """A client that takes everything."""

    def deliver(self, message: Message) -> None:
        message.encode()


def wire_seeds(_: Path) -> list[bytes]:
    def request(kind: int, payload: bytes, tx: int = 0) -> bytes:
        return Message(kind, 7, tx, payload).encode()

    everything = b"".join(
        request(kind, payload)
        for kind in range(24)
        for payload in (b"", b"a\0", b"a\0b\0", b"data/x\0" + b"v" * 20, b"1\0")
    )
    transaction = (
        request(6, b"\0") + request(11, b"a\0b", 1) + request(2, b"a\0", 1) + request(7, b"T\0", 1)
    )
    return [everything, transaction, request(4, b"a\0t\0") + request(11, b"a/b\0c") * 3]


def read_wire(path: Path) -> None:
    hub = Hub(ServerState(fresh_store()))
    key = hub.join(Sink())
    _, messages = Parser().feed(path.read_bytes())
    for message in messages:
        hub.request(key, message)
    hub.leave(key)


WIRE_WORDS = (
    *(
        b"\0",
        b"\0\0\0\0",
        b"\x01\0\0\0",
        b"\xff\xff\xff\xff",
        b"/" * 300,
        b"a/" * 200,
        b"@releaseDomain\0",
    ),
    *(b"T\0", b"F\0", b"\x00\x10\0\0", b"\x01\x10\0\0", b"n0\0r1\0", b"..", b"-1\0", b"9" * 30),
)

READERS = (
    Reader("scenario", ".toml", scenario_seeds, SCENARIO_WORDS, read_scenario),
    Reader("schedule", ".schedule.json", schedule_seeds, SCHEDULE_WORDS, read_schedule),
    Reader("image", ".elf", image_seeds, IMAGE_WORDS, read_image),
    Reader("store", ".toml", store_seeds, SCENARIO_WORDS, read_store),
    Reader("recording", ".record.json", recording_seeds, RECORDING_WORDS, read_recording),
    Reader("wire", ".bin", wire_seeds, WIRE_WORDS, read_wire),
)
