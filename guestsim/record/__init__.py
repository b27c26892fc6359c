"""An actor recorded: a finite table, so that the real one runs only for what is new."""

from guestsim.record.cut import cut
from guestsim.record.file import Recording, load_recording, save_recording
from guestsim.record.record import END, Record
from guestsim.record.recorded_execution import RecordedExecution, Standing
from guestsim.record.recorder import Recorder

__all__ = [
    "END",
    "Record",
    "RecordedExecution",
    "Recorder",
    "Recording",
    "Standing",
    "cut",
    "load_recording",
    "save_recording",
]
