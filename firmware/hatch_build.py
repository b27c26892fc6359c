"""Build hook of the package: compile the firmware images, and put them into the wheel."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class FirmwareBuildHook(BuildHookInterface[Any]):
    """Called by hatchling before it makes a wheel, an editable one too, or an sdist."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build all images into `guestsim/images/`. A source distribution carries none."""
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


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("guestsim_firmware_build", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
