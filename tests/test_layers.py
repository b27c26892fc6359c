"""Layers import downwards only: the design's table, enforced."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import guestsim

ROOT = Path(guestsim.__file__).parent

MAY_IMPORT = {
    "errors": set[str](),
    "abi": {"errors"},
    "trace": {"abi"},
    "files": {"errors", "trace"},
    "xenstore": {"abi", "errors"},
    "daemon": {"xenstore", "trace", "abi"},
    "machine": {"files", "trace", "abi", "errors"},
    "rules": {"xenstore", "trace", "abi"},
    "execute": {"files", "trace", "errors"},
    "record": {"files", "trace", "errors"},
    "search": {"execute", "record", "trace", "errors"},
    "scenario": {"files", "trace", "abi", "errors"},
    "report": {"trace", "scenario"},
    "page": {"report", "record", "trace", "scenario", "files", "abi", "errors"},
    "serve": {"scenario", "xenstore", "trace", "abi", "errors"},
    "debug": {"execute", "machine", "xenstore", "trace", "abi", "errors"},
    "runner": {
        "errors", "files", "abi", "trace", "xenstore", "daemon", "machine", "rules", "execute",
        "record", "search", "scenario", "report", "page", "serve", "debug",
    },
    "cli": {"runner", "serve", "report", "scenario", "files", "errors", "trace"},
    "pytest_plugin": {"runner", "report", "scenario", "errors", "trace"},
    "__main__": {"cli"},
}  # fmt: skip

ONLY_IN = {
    "capstone": "machine",
    "unicorn": "machine",
    "elftools": "machine",
    "jinja2": "page",
    "markdown_it": "page",
    "typer": "cli",
    "rich": ("report", "cli"),
    "vcd": "report",
    "tree_sitter": "scenario",
    "tree_sitter_toml": "scenario",
}


def modules() -> list[Path]:
    return sorted(
        path for path in ROOT.rglob("*.py") if path.name != "__init__.py" or path.parent != ROOT
    )


def layer_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
            if node.module == "guestsim":
                names |= {f"guestsim.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    layer = layer_of(path)
    for name in imports_of(path):
        package, _, rest = name.partition(".")
        if package == "guestsim":
            other = rest.split(".")[0]
            allowed = MAY_IMPORT[layer] | {layer, "errors", "", "__version__"}
            assert other in allowed, f"{layer} may not import {other} ({name})"
        elif package in ONLY_IN:
            assert layer in ONLY_IN[package], f"{layer} may not import {package}"


def test_every_layer_is_named() -> None:
    assert {layer_of(path) for path in modules()} <= set(MAY_IMPORT), "a new layer needs a row"
