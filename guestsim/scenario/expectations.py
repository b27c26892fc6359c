"""`[expect]`: how executions may end, and which rules they keep."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

__all__ = ["OUTCOMES", "RULES", "Expect", "Frequency", "Judgement", "Rules"]


class Frequency(StrEnum):
    """How often an outcome is expected among the executions."""

    ALWAYS = "always"
    SOMETIMES = "sometimes"
    NEVER = "never"


class Judgement(StrEnum):
    """What is expected of a rule."""

    KEPT = "kept"
    BROKEN = "broken"


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="kebab"):
    """`[expect.rules]`: the rules of the ring, judged one by one."""

    all: Annotated[
        Judgement | None,
        Meta(description="Every rule that is not named itself; with others, not same-handover."),
    ] = None
    index_bound: Judgement | None = None
    index_owner: Judgement | None = None
    data_owner: Judgement | None = None
    publish_order: Judgement | None = None
    signal: Judgement | None = None
    start_state: Judgement | None = None
    features_owner: Judgement | None = None
    unknown_features: Judgement | None = None
    connection_owner: Judgement | None = None
    hands_off: Judgement | None = None
    reset_complete: Judgement | None = None
    error_final: Judgement | None = None
    wire_sane: Judgement | None = None
    clean_handover: Judgement | None = None
    same_handover: Judgement | None = None

    @property
    def judged(self) -> dict[str, Judgement]:
        """What is expected of each rule that is judged, by the rule's name, `all` applied."""
        expected: dict[str, Judgement] = {}
        for attribute, name in zip(_RULE_ATTRIBUTES, RULES, strict=True):
            own: Judgement | None = getattr(self, attribute)
            if judgement := own or self.all:
                expected[name] = judgement
        return expected


_RULE_ATTRIBUTES: Final = tuple(name for name in Rules.__struct_fields__ if name != "all")

RULES: Final = tuple(name for name in Rules.__struct_encode_fields__ if name != "all")
"""The names of the rules, as scenario files write them."""


class Expect(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[expect]`: how executions may, must and must not end."""

    connected: Annotated[
        Frequency | None,
        Meta(description="Every stage ended well, the last with each answer that it took right."),
    ] = None
    refused: Annotated[Frequency | None, Meta(description="The daemon gave the ring up.")] = None
    corrupted: Annotated[
        Frequency | None, Meta(description="A stage took a wrong reply for a right one.")
    ] = None
    hung: Annotated[
        Frequency | None, Meta(description="Nobody can move, or nobody gets any further.")
    ] = None
    crashed: Annotated[
        Frequency | None, Meta(description="The guest faulted, asserted, or asked for a crash.")
    ] = None
    rules: Annotated[Rules, Meta(description="What is expected of the rules.")] = Rules()

    @property
    def outcomes(self) -> dict[str, Frequency]:
        """What is expected of each outcome that the file names, by the outcome's name."""
        return {name: value for name in OUTCOMES if (value := getattr(self, name)) is not None}


OUTCOMES: Final = tuple(name for name in Expect.__struct_fields__ if name != "rules")
"""The names of the outcomes."""
