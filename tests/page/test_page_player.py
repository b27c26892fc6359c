"""The player in a real browser, with real presses."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from browsing import SCENARIOS, Open, Opened, html
from playwright.sync_api import Browser

from guestsim.execute import load_schedule
from guestsim.page.content import Content
from guestsim.page.encode import deflated
from guestsim.page.html import Entry, beside_html, lesson_html, player_html
from guestsim.page.lessons import load_lessons, to_play
from guestsim.runner import Options, replay_once, run_once, save_schedule, set_up
from guestsim.runner.player import content_of
from guestsim.scenario import load_one
from guestsim.trace import Event, Outcome

LESSONS = load_lessons(SCENARIOS.parent / "docs" / "lessons")


def press(page: Opened, actor: int, what: str = "step", times: int = 1) -> None:
    for _ in range(times):
        page.page.click(f"button.{what}[data-actor='{actor}']")


def move_on(page: Opened) -> None:
    """Let the guest run as far as it can, else the daemon."""
    blocked = page.page.is_disabled("button.run[data-actor='0']")
    press(page, 1 if blocked else 0, "run")


def memory(page: Opened) -> bytes:
    return bytes(page.js("Array.from(guestsim.play.memory)"))


WANDER = """(steps) => {
    // A walk that is the same every time.
    let seed = 1;
    for (let made = 0; made < steps; made += 1) {
        const {play} = guestsim;
        const able = Array.from({length: play.movers}, (_, mover) => mover)
            .filter((mover) => !play.whyNot(mover));
        if (!able.length) break;
        seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
        const mover = able[(seed >>> 16) % able.length];
        const op = mover < play.count ? play.op(mover) : null;
        guestsim.step(mover, op && op.kind === 8 ? (seed >>> 8) % op.value : 0);
    }
    guestsim.show();
}"""


def events_of(page: Opened) -> list[tuple[str, int, int, int, int, int]]:
    """The trace of the play, as `of_run` has it."""
    found = page.js(
        """guestsim.story.events.map(({actor, op, value}) => [guestsim.program.actors[actor].name,
            op.kind, op.address, op.size, `${op.value}`, `${value}`])"""
    )
    return [
        (name, kind, at, size, int(op, 0), int(value, 0))
        for name, kind, at, size, op, value in found
    ]


def of_run(events: tuple[Event, ...]) -> list[tuple[str, int, int, int, int, int]]:
    return [
        (event.actor, event.op.kind, event.op.address, event.op.size, event.op.value, event.value)
        for event in events
    ]


def test_the_legacy_scenario_is_played_to_refused_by_hand_and_back(opened: Open) -> None:
    page = opened(html("torn-reset.toml#every-sc"))
    page.solved()
    first = memory(page)
    while True:
        if page.page.is_enabled("button.run[data-actor='0']"):
            press(page, 0, "run")
        if "store req_prod = 0" in page.text("#rows tr:last-child"):
            break
        while "wake up without an event" not in page.text(".card.by-1 .next"):
            press(page, 1, "run")
    assert page.text("#fields tr:nth-child(1) td") == "31"
    assert "refused in 1 switch" in page.text("#reach")
    press(page, 1, times=4)
    press(page, 0, times=3)
    assert "refused in 1 switch" in page.text("#reach")
    for _ in range(3):
        press(page, 1, "run")
        if page.outcome:
            break
    assert page.outcome == "refused"
    assert "held req_cons = 31 from before the guest's reset" in page.text("#outcome")
    assert page.page.is_disabled("button.step[data-actor='0']")
    page.page.keyboard.press("u")
    assert page.outcome == ""
    page.js("(() => { while (guestsim.undo()); guestsim.show(); })()")
    assert memory(page) == first
    assert page.text("#position").startswith("step 0 of")
    assert page.page.is_disabled("#undo")
    # And all of it again, switch by switch.
    while page.page.is_enabled("#switch"):
        page.page.click("#switch")
    assert page.outcome == "refused"


@pytest.mark.parametrize("variant", ["closing-sc", "closing-tso"])
def test_whatever_is_done_the_closing_protocol_connects(variant: str, opened: Open) -> None:
    page = opened(html(f"torn-reset.toml#{variant}"))
    page.solved()
    assert page.js("[...guestsim.solver.distance.keys()]") == ["connected"]
    assert page.js("guestsim.solver.distance.get('connected').every((switches) => switches < 255)")
    assert "From nowhere: refused, corrupted, hung, crashed" in page.text("#reach")
    page.js(f"({WANDER})(20000)")
    assert page.outcome == "connected"


@pytest.mark.parametrize(
    "name",
    [
        "torn-reset.toml#every-sc",
        "torn-reset.toml#every-tso",
        pytest.param("empty-value.toml#any-order", marks=pytest.mark.heavy),
        "close-watches.toml#closing-xenstored-tso",
        pytest.param("dom0less.toml#xenstored-sc", marks=pytest.mark.heavy),
        pytest.param("torn-reset-oxenstored.toml#every-sc", marks=pytest.mark.heavy),
    ],
)
def test_a_play_goes_out_as_a_link_and_as_a_schedule(name: str, opened: Open) -> None:
    """Both bring the same trace back; `guestsim replay` makes it of real machine code."""
    page = opened(html(name))
    page.js(f"({WANDER})(700)")
    played = events_of(page)
    assert len(played) > 300
    schedule = page.path.with_name("played.schedule.json")
    schedule.write_text(page.js("guestsim.schedule()"))
    scenario = load_one(SCENARIOS / name)
    read = load_schedule(schedule)
    assert read.scenario == name
    run = replay_once(read, set_up(scenario), max_ops=scenario.search.max_ops)
    assert of_run(run.events) == played
    page.until("location.hash === guestsim.link.slice(guestsim.link.indexOf('#'))")
    fragment = page.js("location.hash")
    again = opened(html(name), "again.html")
    again.go(fragment)
    again.until("guestsim.play.steps.length > 0")
    assert events_of(again) == played
    other = opened(html(name), "other.html")
    other.page.set_input_files("#open", schedule)
    other.until("guestsim.play.steps.length > 0")
    assert events_of(other) == played


def lesson_page(name: str) -> str:
    (lesson,) = [each for each in LESSONS if each.name == name]
    found = content_of(to_play(lesson, SCENARIOS), Options(), beside=SCENARIOS)
    return lesson_html(found, lesson, back="all lessons")


@pytest.mark.parametrize("name", ["03-torn-reset", "11-store-buffers"])
def test_a_schedule_of_a_page_that_begins_later_is_whole(name: str, opened: Open) -> None:
    """What a script did before the page begins is in it, too."""
    (lesson,) = [each for each in LESSONS if each.name == name]
    page = opened(lesson_page(name))
    page.js(f"({WANDER})(300)")
    schedule = page.path.with_name("played.schedule.json")
    schedule.write_text(page.js("guestsim.schedule()"))
    scenario = to_play(lesson, SCENARIOS)
    run = replay_once(load_schedule(schedule), set_up(scenario), max_ops=100_000)
    assert of_run(run.events) == events_of(page)
    again = opened(lesson_page(name), "again.html")
    again.page.set_input_files("#open", schedule)
    again.until("guestsim.play.steps.length > 0")
    assert events_of(again) == events_of(page)


def test_a_witness_of_the_search_opens_in_the_page(opened: Open, tmp_path: Path) -> None:
    scenario = load_one(SCENARIOS / "torn-reset.toml#every-tso")
    run, schedule = run_once(scenario, set_up(scenario), outcome=Outcome.CRASHED)
    path = tmp_path / "witness.schedule.json"
    save_schedule(schedule, scenario, path)
    page = opened(html("torn-reset.toml#every-tso"))
    page.page.set_input_files("#open", path)
    page.until("guestsim.outcome === 'crashed'")
    assert events_of(page) == of_run(run.events)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"memory_model": "tso"}, 'this schedule is for "tso", the page for sc'),
        ({"images": []}, "this schedule was recorded with other images than this page"),
        ({"steps": 5}, "this is no schedule: it has no steps"),
        ({"steps": [["nobody", 3]]}, 'this page has no "nobody"'),
        ({"steps": [["guest", 0]]}, "a step count is not a number"),
        ({"steps": [["guest", 99999]]}, "guest cannot move: it waits for the daemon's signal"),
        (None, "this is no schedule: not JSON"),
    ],
)
def test_a_schedule_that_does_not_fit_is_refused_in_a_line(
    change: dict[str, object] | None, said: str, opened: Open
) -> None:
    page = opened(html("torn-reset.toml#every-sc"))
    text = "nonsense"
    if change is not None:
        whole = msgspec.json.decode(page.js("(guestsim.step(0), guestsim.schedule())"))
        text = msgspec.json.encode(whole | change).decode()
    page.page.evaluate("(text) => guestsim.openSchedule(text, 'x.json')", text)
    assert page.text("#said").startswith("x.json: ")
    assert said in page.text("#said")


def test_a_hang_is_named_and_its_schedule_is_replayed(opened: Open) -> None:
    name = "mutants/never-clears.toml"
    page = opened(html(name))
    page.solved()
    page.js(f"({WANDER})(6000)")
    assert page.outcome == "hung"
    assert "`connection` is still 1, which only oxenstored may clear" in page.text("#outcome")
    path = page.path.with_name("played.schedule.json")
    path.write_text(page.js("guestsim.schedule()"))
    scenario = load_one(SCENARIOS / name)
    run = replay_once(load_schedule(path), set_up(scenario), max_ops=100_000, go_on=True)
    assert run.outcome is Outcome.HUNG


FOLLOW_HINTS = """(outcome) => {
    let switches = 0;
    let turn = -1;
    for (;;) {
        const {steps, then} = guestsim.solver.hint(guestsim.play, turn, outcome);
        for (const [mover, answer] of steps) if (!guestsim.step(mover, answer)) return "stuck";
        if (then < 0) break;
        switches += 1;
        turn = then;
        if (switches > 100) return "for ever";
    }
    guestsim.show();
    return switches;
}"""


@pytest.mark.parametrize(
    ("name", "outcomes"),
    [
        ("torn-reset.toml#every-sc", ["connected", "refused", "crashed"]),
        ("torn-reset.toml#every-tso", ["connected", "refused", "crashed"]),
        ("mutants/never-clears.toml", ["hung"]),
        ("close-in-flight.toml#draft-event-sc", ["connected", "corrupted"]),
    ],
)
def test_hints_lead_to_every_outcome(name: str, outcomes: list[str], opened: Open) -> None:
    """What a hint says, done again and again, gets there, in as many switches as the page says."""
    page = opened(html(name))
    page.solved()
    for outcome in outcomes:
        page.js("(guestsim.restart(), guestsim.show())")
        least = page.js(f"guestsim.solver.switches(guestsim.state, -1, '{outcome}')")
        assert page.js(f"({FOLLOW_HINTS})('{outcome}')") == least
        assert page.outcome == outcome


def test_a_choice_is_made_by_the_reader(opened: Open) -> None:
    page = opened(html("empty-value.toml#any-order"))
    while page.page.is_hidden("select"):
        move_on(page)
    assert "choose" in page.text(".card.by-0 .next")
    options = page.page.locator("select:visible option").all_inner_texts()
    assert len(options) > 1
    page.page.select_option("select:visible", "1")
    press(page, 0)
    assert options[1] in page.text("#rows tr:last-child")


def test_store_buffers_are_queues(opened: Open) -> None:
    page = opened(html("torn-reset.toml#every-tso"))
    while not page.page.locator(".card.by-0 .queue li").count():
        press(page, 0)
    first = page.text(".card.by-0 .queue li:first-child")
    assert first.startswith("store ")
    before = memory(page)
    press(page, 0, "drain")
    assert memory(page) != before
    assert first.split(" = ")[0] in page.text("#rows tr:last-child")


def test_keys_alone_are_enough(opened: Open) -> None:
    page = opened(html("torn-reset.toml#every-sc"))
    for key in "gggddGDurn":
        page.page.keyboard.press(key)
    assert page.js("guestsim.play.steps.map((step) => step.mover).slice(0, 5)") == [0, 0, 0, 1, 1]
    page.page.keyboard.press("Home")
    assert page.js("guestsim.play.steps.length") == 0
    page.page.focus("button.step[data-actor='1']")
    page.page.keyboard.press("Enter")
    assert page.js("guestsim.play.steps.length") == 1


def test_two_pages_move_together(opened: Open, tmp_path: Path) -> None:
    for side, name in (("left", "every-sc"), ("right", "closing-sc")):
        (tmp_path / f"{side}.html").write_text(html(f"torn-reset.toml#{name}"))
    text = beside_html("both", Entry("left.html", "left"), Entry("right.html", "right"))
    (tmp_path / "both.html").write_text(text)
    page = opened(html("torn-reset.toml#every-sc"), "left.html")
    page.page.goto((tmp_path / "both.html").as_uri())
    page.requests.clear()
    left, right = page.page.frames[1:]
    for frame in (left, right):
        frame.wait_for_selector("html[data-ready]", state="attached")
    left.click("button.step[data-actor='0']")
    right.click("button.run[data-actor='1']")
    page.page.wait_for_timeout(200)
    movers = "[...new Set(guestsim.play.steps.map((step) => step.mover))]"
    assert left.evaluate(movers) == right.evaluate(movers) == [0, 1]
    # What one cannot do, the other may: going back, each takes back its own.
    made = "guestsim.play.steps.length"
    stood = [(left.evaluate(made), right.evaluate(made))]
    for actor in (0, 0, 0, 1, 1, 0, 1):
        for frame in (left, right):
            button = f"button.run[data-actor='{actor}']"
            if frame.is_enabled(button):
                frame.click(button)
                break
        page.page.wait_for_timeout(100)
        stood.append((left.evaluate(made), right.evaluate(made)))
    assert len({one - other for one, other in stood}) > 1, "they never differed"
    for before in stood[-2::-1]:
        right.click("#undo") if right.is_enabled("#undo") else left.click("#undo")
        page.page.wait_for_timeout(100)
        assert (left.evaluate(made), right.evaluate(made)) == before


def small(name: str) -> Content:
    scenario = load_one(SCENARIOS / name)
    return content_of(scenario, Options(), beside=SCENARIOS, most_nodes=100)


def test_the_timeline_tells_the_play_that_is_there(opened: Open) -> None:
    """Also where a longer one has taken the place of a shorter one."""
    page = opened(html("torn-reset.toml#every-sc"))
    told = []
    for number in (0, 1, 0):
        page.js(f"guestsim.way({number})")
        told.append((page.js("guestsim.story.events.length"), page.text("#rows")))
    assert told[1][0] < told[0][0]
    assert told[2] == told[0]


def test_a_record_that_is_too_large_leaves_the_ways(opened: Open) -> None:
    found = small("torn-reset.toml#every-sc")
    assert not found.whole
    page = opened(player_html(found))
    assert "the record of the actors has 3,149 nodes, too many for a page" in page.text("#reach")
    assert "guestsim's own search tried every order and found: " in page.text("#reach")
    for number, way in enumerate(found.ways):
        page.js(f"guestsim.way({number})")
        assert page.outcome == way.outcome
    # Off the ways, it says so.
    page.js("(guestsim.restart(), guestsim.show())")
    for _ in range(200):
        if page.page.is_enabled("button.step[data-actor='1']"):
            press(page, 1)
    assert "it holds some ways only" in page.text(".card.by-1 .why")


def test_what_a_scenario_says_stays_text(opened: Open, tmp_path: Path) -> None:
    hostile = "</script><script>window.hacked = 1</script><img src=x onerror=window.hacked=1>"
    path = tmp_path / "x.toml"
    path.write_text(
        f"""# {hostile}
title = "{hostile}"
[boot]
chain = [{{ image = "reset-poison", requests = ["read data/<script>hacked<-script>"] }}, "frontend"]
[store]
"data/<script>hacked<-script>" = "{hostile}"
[expect]
connected = "sometimes"
""".replace("data/<script>hacked<-script>", "data/x")
    )
    scenario = load_one(path)
    found = content_of(scenario, Options(), beside=tmp_path)
    page = opened(player_html(found))
    page.js(f"({WANDER})(3000)")
    assert page.js("window.hacked") is None
    assert page.text("h1") == hostile
    assert hostile in (page.page.text_content("#story") or "")
    assert "window.hacked" in page.text("#messages")


START = '<script type="text/plain" id="content">'


def spoilt(text: str) -> str:
    return text.replace(f"{START}eN", f"{START}AA")


def cut_short(text: str) -> str:
    end = text.index("</script>", text.index(START))
    return text[: end - 400] + text[end:]


def of_another_version(text: str) -> str:
    start = text.index(START) + len(START)
    end = text.index("</script>", start)
    data = zlib.decompress(base64.b64decode(text[start:end]))
    other = data.replace(b'"version":1', b'"version":2', 1)
    return text[:start] + deflated(other) + text[end:]


@pytest.mark.parametrize("damage", [spoilt, cut_short, of_another_version])
def test_a_damaged_page_says_so(
    damage: Callable[[str], str], browser: Browser, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    path.write_text(damage(html("dom0less.toml#xenstored-sc")))
    page = browser.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector("#said:not(:empty)")
    assert page.inner_text("#said").startswith("This page cannot be shown: ")
    page.close()
