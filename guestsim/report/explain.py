"""One sentence that says how an execution ended, in words of the protocol.

Everything in it is derived from the trace; where the trace does not show a cause, none is given.
"""

from __future__ import annotations

from collections.abc import Mapping

from guestsim.report.marks import owner_of, use_words
from guestsim.report.ring_history import GUEST, Indices, Message, RingHistory, ring_history
from guestsim.report.rows import where
from guestsim.report.tear import Tear, find_tear, samples_of
from guestsim.report.text import signed, spoken
from guestsim.report.units import asker, name_of, server_of
from guestsim.trace import Outcome, shared
from guestsim.trace.results import Run
from guestsim.trace.text import escaped
from guestsim.trace.wire import RING_SIZE, WATCH_EVENT, WRONG_REPLY

__all__ = ["MAY_WRITE", "sentence"]

_CONNECTION = 0x814

MAY_WRITE = (
    "a guest may write in its own places only: below attr, control/shutdown and the like, data, "
    "device/CLASS/ID, drivers, error and feature"
)
"""Those of `guestsim.xenstore.toolstack.GUEST_OWNED`."""


def sentence(run: Run, names: Mapping[str, str]) -> str:
    """What went wrong (or well) in `run`, in one sentence. `names`: how actors are called."""
    now = ring_history(run)
    tear = find_tear(run, now)
    if run.outcome is None:
        count = sum(count for _, count in run.steps)
        text = f"cut short after {count} ops, so nothing is proved: {_message(run)}"
    elif run.outcome is Outcome.CONNECTED:
        text = _connected(run)
    elif who := asker(run.end.site, names):
        # Its message begins with who it was.
        said = _message(run).removeprefix(f"{who}: ")
        text = f"{name_of(who, names)} cannot go on: {said}{_cause(tear, names)}"
    elif run.outcome is Outcome.REFUSED:
        text = _refused(run, tear, names)
    elif run.outcome is Outcome.CORRUPTED:
        text = _corrupted(run, now, tear, names)
    elif run.outcome is Outcome.HUNG:
        text = _hung(run, now, tear, names)
    else:
        text = _crashed(run, tear, names)
    broken = [violation.rule for violation in run.violations]
    if broken:
        noun = "rules were" if len(broken) > 1 else "rule was"
        text += f"; {len(broken)} {noun} broken on the way: {', '.join(broken)}"
    named = run.outcome is Outcome.REFUSED or asker(run.end.site, names)
    return f"{text[0] if named else text[0].upper()}{text[1:]}."


def _the(actor: str, names: Mapping[str, str]) -> str:
    return f"the {name_of(actor, names)}" if actor == GUEST else name_of(actor, names)


def _message(run: Run) -> str:
    return escaped(run.end.message).rstrip(".")


def _connected(run: Run) -> str:
    stages: list[str] = []
    for event in run.events:
        stage = escaped(event.op.site.stage)
        if event.actor == GUEST and stage and stage not in stages:
            stages.append(stage)
    order = f": {', then '.join(stages)}" if stages else ""
    if run.end.unanswered:
        open_ones = spoken(escaped(request) for request in run.end.unanswered)
        return f"every stage ended well, though the last one took no answer to {open_ones}{order}"
    answered = "each request of the last one got the reply that belongs to it"
    return f"every stage ended well, and {answered}{order}"


def _held(tear: Tear, names: Mapping[str, str]) -> str:
    """`xenstored held req_cons = 22 from before the guest's reset and compared it with …`."""
    held, other = tear.held, tear.other
    reset = f"{owner_of(tear.reset.actor, names)} reset"
    age, other_age = ("after", "before") if held.after else ("before", "after")
    text = f"{_the(tear.actor, names)} held {held.place} = {held.value} from {age} {reset}"
    if tear.put_back:
        moved = "" if other.value == held.value else f", moved on to {other.value}"
        return f"{text} and put it back{moved}, over the value from the reset"
    return f"{text} and compared it with {other.place} = {other.value} from {other_age} it"


def _cause(tear: Tear | None, names: Mapping[str, str]) -> str:
    """The tear as a clause behind the end, where there is one. It came before; that it is the
    cause is for the reader to judge."""
    if tear is None:
        return ""
    right = "" if tear.put_back else f" ({use_words(tear.held, tear.other)})"
    return f"; before that, {_held(tear, names)}{right}"


def _refused(run: Run, tear: Tear | None, names: Mapping[str, str]) -> str:
    who = _the(run.actor, names)
    samples = [(place, value) for _, place, value in samples_of(run)]
    if not samples:
        samples = [(sample.place, sample.value) for sample in run.end.samples]
    compared = tear is not None and tear.actor == run.actor and not tear.put_back
    if tear is not None and compared:
        pair = {(held.place, held.value) for held in (tear.held, tear.other)}
        if not samples or pair == set(samples):
            return f"{_held(tear, names)}, so it gave the ring up"
    if len(samples) == 2:
        (first, held), (second, value) = samples
        values = {first: held, second: value}
        ring = first[:3]
        text = f"{who} held {first} = {held} and compared it with {second} = {value}"
        if {f"{ring}_prod", f"{ring}_cons"} == set(values):
            used = (values[f"{ring}_prod"] - values[f"{ring}_cons"]) % (1 << 32)
            text += f" ({signed(used)} bytes, of {RING_SIZE} that fit)"
        return f"{text}, so it gave the ring up{_cause(tear, names)}"
    return f"{who} gave the ring up: {_message(run)}{_cause(tear, names)}"


def _corrupted(run: Run, now: RingHistory, tear: Tear | None, names: Mapping[str, str]) -> str:
    wrong = [escaped(hint).rstrip(".") for hint in run.hints if "wrong reply" in hint]
    if not wrong and not _message(run).endswith(WRONG_REPLY):  # seen from outside: it says all
        return f"in {_the(GUEST, names)}, {_message(run)}{_cause(tear, names)}"
    text = f"{_the(GUEST, names)} {WRONG_REPLY}"
    said = wrong[0].split("wrong reply", 1)[1].lstrip(": ") if wrong else ""
    if said:
        text += f": {said}"
    elif at := where(run.end.site):
        text += f", as it says at {escaped(at)}"
    if 'got error "EACCES"' in said:
        text += f" ({MAY_WRITE})"
    return f"{text}{_what_it_was(now, names, said)}{_cause(tear, names)}"


def _what_it_was(now: RingHistory, names: Mapping[str, str], said: str) -> str:
    """The last reply on the ring, and which request it belongs to by req_id: if not to the
    last one, or if that reply is not in what the guest `said`."""
    replies = [m for m in now.messages if m.ring == "rsp" and m.header.type != WATCH_EVENT]
    asked = [message for message in now.messages if message.ring == "req"]
    if not replies or not asked:
        return ""
    reply = replies[-1]
    before = [m for m in asked if m.step < reply.step]
    meant = [m for m in before if _answers(reply, m)]
    what = f"; what it got was {reply.words} (req_id {reply.header.req_id})"
    if before and before[-1] in meant:
        return "" if reply.words in said else f"{what}, the reply to {before[-1].title}"
    if not before:
        return ""
    if meant:
        return f"{what}, the reply to the earlier {meant[-1].title}"
    return f"{what}, which answers nothing that {_the(GUEST, names)} had asked"


def _answers(reply: Message, request: Message) -> bool:
    same = (reply.header.req_id, reply.header.tx_id) == (
        request.header.req_id,
        request.header.tx_id,
    )
    return same and reply.header.type in (request.header.type, "ERROR")


def _hung(run: Run, now: RingHistory, tear: Tear | None, names: Mapping[str, str]) -> str:
    text = f"nobody gets anywhere: {_message(run)}"
    last = now.after[-1] if now.after else now.initial
    facts = [_ring_words(last, ring) for ring in ("req", "rsp")]
    if shared.load(now.final, _CONNECTION, 4):
        facts.append(f"`connection` is still 1, which only {server_of(names)} may clear")
    if last.quiet:
        facts = ["both rings are empty", *facts[2:]]
    return f"{text}; {spoken(fact for fact in facts if fact)}{_cause(tear, names)}"


def _ring_words(now: Indices, ring: str) -> str:
    used = now.used(ring)
    what = "requests" if ring == "req" else "replies"
    if used > RING_SIZE:
        return f"{ring}_prod - {ring}_cons = {signed(used)}, which cannot be"
    return f"{used} bytes of {what} lie unread" if used else ""


def _crashed(run: Run, tear: Tear | None, names: Mapping[str, str]) -> str:
    site = run.end.site
    at = where(site)
    place = f" in {escaped(site.stage)}" if site.stage else ""
    place += f" at {escaped(at)}" if at else ""
    return f"{_the(run.actor, names)} crashed{place}: {_message(run)}{_cause(tear, names)}"
