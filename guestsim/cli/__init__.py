"""The command line: commands, their options, the standard streams, and how a command ends."""

from guestsim.cli import authoring, debugging, pages, serving
from guestsim.cli.commands import main

__all__ = ["authoring", "debugging", "main", "pages", "serving"]
