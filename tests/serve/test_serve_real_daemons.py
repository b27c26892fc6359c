"""What was recorded of the real daemons is what they say, where there are any to run
(`real_daemon`); and Xen's own xenstore-control says the same of them and of `guestsim serve`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import tool_session
import wire_session
from real_daemon import build_libraries, running
from serving import recorded, serving

from guestsim.serve import new_hub

CONTROL = "usr/lib/xen-4.17/bin/xenstore-control"
OF_TOOLS = ("control-tools", "oxenstored-control-tools")


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_libraries(tmp_path_factory.mktemp("libraries"))


@pytest.fixture
def tools() -> Path:
    path = Path(os.environ.get("GUESTSIM_XENSTORE_TOOLS") or "/")
    if not (path / CONTROL).exists():
        pytest.skip("no xenstore-control, and GUESTSIM_XENSTORE_TOOLS names no folder with one")
    return path


@pytest.mark.parametrize("name", ["control", "oxenstored", "oxenstored-random"])
def test_the_binary_says_what_was_recorded(tmp_path: Path, libraries: Path, name: str) -> None:
    model, session = recorded(name)
    with running(model, tmp_path, libraries):
        assert wire_session.play(tmp_path / "socket", session) == session


@pytest.mark.parametrize("name", OF_TOOLS)
def test_xenstore_control_with_the_real_daemon(
    tmp_path: Path, libraries: Path, tools: Path, name: str
) -> None:
    model, session = recorded(name)
    with running(model, tmp_path, libraries):
        assert tool_session.play(tmp_path / "socket", tools, session, libraries) == session


@pytest.mark.parametrize("name", OF_TOOLS)
def test_xenstore_control_with_ours(
    tmp_path: Path, libraries: Path, tools: Path, name: str
) -> None:
    model, session = recorded(name)
    with serving(new_hub(model=model), tmp_path / "s"):
        assert tool_session.play(tmp_path / "s", tools, session, libraries) == session
