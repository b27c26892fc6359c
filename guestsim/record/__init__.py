"""An actor recorded: a finite table, so that the real one runs only for what is new."""

from guestsim.record.record import Record
from guestsim.record.recorded_execution import RecordedExecution

__all__ = ["Record", "RecordedExecution"]
