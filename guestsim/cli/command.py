"""A command of the command line, where typer's own is not what we want.

`--help` is in words that people write: `PATH...`, and no names of Python types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typer.core import TyperArgument, TyperCommand

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter

__all__ = ["Command", "Crash"]


class Crash(Exception):  # noqa: N818 (it is told from its cause, which is the error)
    """Carries an error past typer, which makes a broken pipe exit status 1 (an expectation failed),
    and an end of file an empty line."""


class Command(TyperCommand):
    """Shows its arguments, which are hidden from typer, by their names."""

    def invoke(self, ctx: Context) -> Any:
        """Run it; a `Crash` for an error that typer would take for something else."""
        try:
            return super().invoke(ctx)
        except (OSError, EOFError) as error:
            raise Crash from error

    def collect_usage_pieces(self, ctx: Context) -> list[str]:
        """`PATH...` where typer has `{PATH}...`."""
        return [
            piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)
        ]

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """The arguments, then typer's options."""
        rows = [
            (each.display_name_raw + ("..." if each.nargs != 1 else ""), each.help or "")
            for each in self.params
            if isinstance(each, TyperArgument)
        ]
        if rows:
            with formatter.section("Arguments"):
                formatter.write_dl(rows)
        super().format_options(ctx, formatter)
