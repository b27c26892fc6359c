"""Every interleaving of recorded actors, and what can be found in them."""

from guestsim.search.findings import Findings, explore
from guestsim.search.prefix import Prefix, begin_after
from guestsim.search.problem import Crowd, Limits, Problem, RuleSet, Sighting
from guestsim.search.search import ExplorerName, Search
from guestsim.search.witness import Witness, witness_of

__all__ = [
    "Crowd",
    "ExplorerName",
    "Findings",
    "Limits",
    "Prefix",
    "Problem",
    "RuleSet",
    "Search",
    "Sighting",
    "Witness",
    "begin_after",
    "explore",
    "witness_of",
]
