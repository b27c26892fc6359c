"""Every interleaving of recorded actors, and what can be found in them."""

from guestsim.search.found import Found, explore
from guestsim.search.options import Limits, Reductions, Sighting
from guestsim.search.prefix import Beginning, begin_after
from guestsim.search.search import Search
from guestsim.search.witness import Witness, schedule_of_witness, witness_of
from guestsim.search.world import Rules as SearchRules

__all__ = [
    "Beginning",
    "Found",
    "Limits",
    "Reductions",
    "Search",
    "SearchRules",
    "Sighting",
    "Witness",
    "begin_after",
    "explore",
    "schedule_of_witness",
    "witness_of",
]
