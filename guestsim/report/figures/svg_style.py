"""How the picture looks: one style sheet, for light and for dark."""

from __future__ import annotations

from guestsim.report.figures.svg_layout import SMALL, TEXT

__all__ = ["LANE_COLOURS", "STYLE"]

_LIGHT = {
    "page": "#ffffff",
    "ink": "#1f2328",
    "dim": "#59636e",
    "rule": "#c4cad1",
    "bad": "#b3121d",
    "bad-fill": "#fdecec",
    "warn": "#8a5300",
    "warn-fill": "#fff5dc",
    "good": "#116329",
    "good-fill": "#e3f6e8",
    "fold-fill": "#f3f4f6",
}
_DARK = {
    "page": "#0d1117",
    "ink": "#e6edf3",
    "dim": "#9198a1",
    "rule": "#3d444d",
    "bad": "#ff8f88",
    "bad-fill": "#3a1416",
    "warn": "#eac54f",
    "warn-fill": "#33280a",
    "good": "#6fdd8b",
    "good-fill": "#0f2c19",
    "fold-fill": "#1b2129",
}
_LANES = (
    # letters and edge, fill; of each in light, then in dark
    (("#0a558c", "#e6f2fb"), ("#79c0ff", "#10253a")),
    (("#7d2e8d", "#f8eafa"), ("#e2a4f0", "#2d1836")),
    (("#1a6b50", "#e3f5ee"), ("#7ce0bd", "#0e2b22")),
    (("#6b5900", "#faf5da"), ("#e3d26f", "#2b260b")),
)

LANE_COLOURS = len(_LANES)
"""How many lanes have a colour of their own."""

_PLAIN = f"""
svg {{ max-width: 100%; height: auto; }}
text {{ font: {TEXT}px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono",
  "Liberation Mono", monospace; }}
.title {{ font-size: 15px; font-weight: bold; }}
.name, .new, .bold, .impossible, .stage {{ font-weight: bold; }}
.verdict {{ font-size: 13px; font-weight: bold; }}
.where, .why, .store {{ font-size: {SMALL}px; }}
.folded {{ font-style: italic; }}
.end {{ text-anchor: end; }}
.mid {{ text-anchor: middle; }}
.lane {{ stroke-width: 2; stroke-opacity: 0.35; }}
.boundary {{ stroke-width: 1; }}
.arrow {{ stroke-width: 1.5; }}
.fold {{ stroke-width: 1; stroke-dasharray: 4 3; }}
.box {{ stroke-width: 0; }}
.b-broken, .b-tear {{ stroke-width: 2; }}
"""


def _colours(theme: dict[str, str], lanes: list[tuple[str, str]]) -> str:
    of = {name: theme[name] for name in theme}
    rules = [
        f".page {{ fill: {of['page']}; }}",
        f"text, .title, .stage, .new {{ fill: {of['ink']}; }}",
        f".dim, .where, .folded, .why, .store {{ fill: {of['dim']}; }}",
        f".boundary, .arrow, .fold {{ stroke: {of['rule']}; }}",
        f".arrow {{ stroke: {of['dim']}; }}",
        f".head {{ fill: {of['dim']}; }}",
        f".fold, .held {{ fill: {of['fold-fill']}; }}",
        f".impossible, .t-tear, .t-warning, .bad {{ fill: {of['bad']}; }}",
        f".t-broken, .open {{ fill: {of['warn']}; }}",
        f".good {{ fill: {of['good']}; }}",
        f".r-tear, .r-warning, .end-bad {{ fill: {of['bad-fill']}; }}",
        f".r-broken, .end-open {{ fill: {of['warn-fill']}; }}",
        f".end-good {{ fill: {of['good-fill']}; }}",
    ]
    for number, (letters, fill) in enumerate(lanes):
        rules += [
            f".a{number}, .t-a{number}, .e-a{number} {{ fill: {letters}; }}",
            f".l{number} {{ stroke: {letters}; }}",
            f".box.f-a{number} {{ fill: {fill}; }}",
        ]
    rules += [
        f".box.b-broken {{ stroke: {of['warn']}; }}",
        f".box.b-tear {{ stroke: {of['bad']}; }}",
    ]
    return "\n".join(rules)


STYLE = "\n".join(
    [
        _PLAIN.strip(),
        _colours(_LIGHT, [light for light, _ in _LANES]),
        "@media (prefers-color-scheme: dark) {",
        _colours(_DARK, [dark for _, dark in _LANES]),
        "}",
    ]
)
"""No sign in it needs an escape in XML."""
