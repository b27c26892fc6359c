"""The command line: commands, their options, the standard streams, and how a command ends."""

from guestsim.cli import authoring, pages, serving
from guestsim.cli.commands import main

__all__ = ["authoring", "main", "pages", "serving"]
