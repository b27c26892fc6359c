"""Executions to draw: those of the timelines' tests, shipped scenarios, and a hostile one."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from report_traces import NAMES, SCENES, Guest, Tape, Xenstored, exchange

from guestsim.runner import run_once, set_up
from guestsim.scenario import load
from guestsim.trace import End, Event, Flag, Kind, Op, Outcome, Site, shared
from guestsim.trace.results import Run
from guestsim.trace.wire import INDICES

SCENARIOS = Path(__file__).parents[3] / "scenarios"
SHIPPED = (
    "torn-reset.toml#legacy",  # a script
    "torn-reset.toml#every-sc",
    "torn-reset.toml#every-tso",
    "closing-protocol.toml#xenstored-sc",
    "torn-reset.toml#closing-tso",
)
SCRIPT = "<script>alert('&\"')</script>"
TITLE = f"{SCRIPT} \x02\ud800"
HOSTILE = "hostile"
ALL = (*SCENES, *SHIPPED, HOSTILE)
NASTY_NAMES = {"guest": "gu<b>est; #%%", "daemon": 'xen"stored\x1b[31m'}


@cache
def run_of(name: str) -> Run:
    if name in SCENES:
        return SCENES[name]()
    if name == HOSTILE:
        return hostile()
    (scenario,) = load(SCENARIOS / name)
    return run_once(scenario, set_up(scenario))[0]


def names_of(name: str) -> dict[str, str]:
    return NASTY_NAMES if name == HOSTILE else NAMES


def hostile() -> Run:
    """All that a scenario, a store and a guest may say is markup."""
    tape = Tape()
    guest, daemon = Guest(tape, SCRIPT), Xenstored(tape, {f"{SCRIPT}\0": SCRIPT})
    tape.because(SCRIPT)
    exchange(tape, guest, daemon, f"{SCRIPT}\0")
    tape.site = Site(SCRIPT, 1, f"{SCRIPT}\x01", f"/x/{SCRIPT}", 7)
    tape.because(SCRIPT)
    tape.load(2064)
    tape.broken(SCRIPT, f"{SCRIPT} $end ;\n end\x00")
    end = End(Outcome.CRASHED, f"{SCRIPT} ]]> --> %% ;", tape.site)
    tape.halt(end)
    return tape.run(Outcome.CRASHED, end, "guest", (SCRIPT,))


def in_flight() -> Run:
    """Two requests, then the reply to the first, and none to the second."""
    tape = Tape()
    guest, daemon = Guest(tape), Xenstored(tape, {"bios": "seabios"})
    guest.ask("bios\0", req_id=1)
    guest.ask("bios\0", req_id=2)
    daemon.serve()
    guest.take()
    return tape.run(None, End(None, "a budget ended it"), "")


def buffered() -> Run:
    """Under tso: two stores wait while the guest loads and the daemon moves; one of them for ever.

    The steps are: guest (a store into the buffer, a load, a store into the buffer), daemon (a
    load), the guest's buffer (one store), daemon (an atomic, of one step and two events).
    """

    def store(name: str, value: int) -> Op:
        return Op(Kind.STORE, INDICES[name], 4, value, Site("stub"))

    def load_of(name: str) -> Op:
        return Op(Kind.LOAD, INDICES[name], 4, 0, Site("stub"))

    address = INDICES["rsp_prod"]
    events = (
        Event("guest", load_of("rsp_prod"), 0),
        Event("daemon", load_of("req_prod"), 0),
        Event("guest", store("req_prod", 5), 5),
        Event("daemon", Op(Kind.RMW, address, 4, 0), 0),
        Event("daemon", Op(Kind.STORE, address, 4, 7, flags=Flag.LOCKED), 7),
    )
    return Run(
        None,
        End(None, "a budget ended it"),
        "",
        bytes(shared.SHARED_SIZE),
        events,
        (("guest", 3), ("daemon", 1), ("guest:drain", 1), ("daemon", 1)),
        reasons=("a", "b", "", "c"),
        began=(0, 1, 2, 3),
    )
