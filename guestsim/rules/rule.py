"""What a rule is, and the form in which it is shown an op."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar, cast

import msgspec

from guestsim.rules.view import View
from guestsim.trace.ops import End, Event, Op, Site

__all__ = ["Rule", "as_judged", "make"]


class Rule(msgspec.Struct, frozen=True):
    """One sentence of the specification as a check on every op.

    `check(history, view, event)` gets the rule's own history (a small hashable value, `initial` at
    the start), what it may see of shared memory as it is *before* the event, and the event, its op
    `as_judged`. It returns the new history and, where the rule is broken, a sentence. It is pure:
    equal arguments give equal answers.
    """

    name: str
    section: str
    text: str
    places: frozenset[str]
    """The fields of shared memory (`guestsim.trace.shared.field`) and op kinds (`"SEND"`,
    `"WAIT"`, `"FENCE"`, `"HALT"`…) whose events the rule needs to see; also both, and an actor in
    front (`"STORE req_prod"`, `"guest LOAD rsp"`). The load half of an RMW counts as a LOAD. No
    rule sees a CHOOSE."""
    initial: Hashable
    check: Callable[[Hashable, View, Event], tuple[Hashable, str | None]]
    looks: Mapping[str, str] = {}
    """For events of such a place (as in `places`), the fields whose memory `check` looks at, with
    spaces between; where several places fit, all of theirs. The field that the event itself
    accesses goes without saying, but for the two buffers. Nothing else is in the view. Name no
    more than is needed: to a search, two states that differ in a named field are two questions."""


def as_judged(op: Op) -> Op:
    """`op` without what no judgement may depend on: what is for people, and where in its stage it
    comes from. Ops that are equal in this form are the same to every rule."""
    end = op.end
    return Op(
        op.kind,
        op.address,
        op.size,
        op.value,
        Site(op.site.stage),
        op.flags,
        "",
        None if end is None else End(end.outcome, ""),
    )


_H = TypeVar("_H", bound=Hashable)


def make(
    name: str,
    section: str,
    text: str,
    places: frozenset[str],
    *,
    initial: _H,
    check: Callable[[_H, View, Event], tuple[_H, str | None]],
    looks: Mapping[str, str] | None = None,
) -> Rule:
    """A `Rule` whose check knows the type of its own history."""
    erased = cast("Callable[[Hashable, View, Event], tuple[Hashable, str | None]]", check)
    return Rule(name, section, text, places, initial, erased, looks or {})
