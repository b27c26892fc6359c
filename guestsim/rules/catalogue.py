"""All rules, in the order of the specification as this project numbers them."""

from __future__ import annotations

from guestsim.rules.connection import CONNECTION_OWNER, HANDS_OFF, RESET_COMPLETE
from guestsim.rules.data import DATA_OWNER, PUBLISH_ORDER
from guestsim.rules.error import ERROR_FINAL
from guestsim.rules.features import FEATURES_OWNER, UNKNOWN_FEATURES
from guestsim.rules.handover import CLEAN_HANDOVER
from guestsim.rules.indices import INDEX_BOUND, INDEX_OWNER
from guestsim.rules.rule import Rule
from guestsim.rules.signalling import SIGNAL
from guestsim.rules.start import START_STATE
from guestsim.rules.wire import WIRE_SANE

__all__ = ["ALL"]

ALL: tuple[Rule, ...] = (
    INDEX_BOUND,
    INDEX_OWNER,
    DATA_OWNER,
    PUBLISH_ORDER,
    SIGNAL,
    START_STATE,
    FEATURES_OWNER,
    UNKNOWN_FEATURES,
    CONNECTION_OWNER,
    HANDS_OFF,
    RESET_COMPLETE,
    ERROR_FINAL,
    WIRE_SANE,
    CLEAN_HANDOVER,
)
