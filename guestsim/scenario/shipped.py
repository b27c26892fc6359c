"""The scenarios that guestsim comes with: inside the package, or beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

__all__ = ["shipped_scenarios"]

_PACKAGE = Path(__file__).parents[1]


def shipped_scenarios() -> Path:
    """Their folder."""
    installed = _PACKAGE / "scenarios"
    return installed if installed.is_dir() else _PACKAGE.parent / "scenarios"
