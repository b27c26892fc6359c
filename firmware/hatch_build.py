"""Build hook of the package: compile the firmware images and the explorer, and put them into the
wheel."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class FirmwareBuildHook(BuildHookInterface[Any]):
    """Called by hatchling before it makes a wheel, an editable one too, or an sdist."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build all images into `guestsim/images/`, and the compiled explorer beside its source. A
        source distribution carries none.

        The wheel is for the platform of the explorer: this machine, or GUESTSIM_MACHINE (x86_64,
        aarch64). Where there is no explorer for it the wheel is for any platform, without one.
        """
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        builder = _load(root / "firmware" / "build.py")
        out = root / "guestsim" / "images"
        try:
            built = builder.build(out)
        except builder.BuildError as error:
            self.app.abort(f"firmware: {error}")
        # Version control ignores them, so hatchling would leave them out.
        files = [builder.INDEX, *(path.name for path in built)]
        build_data["artifacts"].extend(f"/guestsim/images/{name}" for name in files)
        explorer = _load(root / "guestsim" / "search" / "build.py")
        try:
            platform = explorer.build(machine=os.environ.get("GUESTSIM_MACHINE"))
        except explorer.ExplorerBuildError as error:
            self.app.abort(f"explorer: {error}")
        if platform is None:
            self.app.display_warning("there is no compiled explorer for this platform")
            return
        build_data["artifacts"].append("/guestsim/search/explorer.so")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"guestsim_{path.parent.name}_build", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
