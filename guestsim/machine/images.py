"""The built-in images: what `firmware/build.py` put into the package."""

from __future__ import annotations

import difflib
from importlib.resources import files
from pathlib import Path

import msgspec

from guestsim.errors import InputError

__all__ = ["BuiltinImage", "builtin_images", "find_image"]

IMAGES = Path(str(files("guestsim"))) / "images"


class BuiltinImage(msgspec.Struct, frozen=True):
    """One entry of the index that the firmware build writes."""

    name: str
    file: str
    purpose: str
    """The first sentence of the comment that opens its `main.c`."""
    sha256: str

    @property
    def path(self) -> Path:
        """The ELF file."""
        return IMAGES / self.file


class _Index(msgspec.Struct, frozen=True):
    version: int
    images: list[BuiltinImage]


def builtin_images() -> dict[str, BuiltinImage]:
    """The built-in images by name, in the order of the index (by name)."""
    index = IMAGES / "index.json"
    try:
        content = index.read_bytes()
    except FileNotFoundError:
        raise InputError(
            f"{index}: the firmware images have not been built; "
            "run `pip install -e .` or `python firmware/build.py`"
        ) from None
    return {image.name: image for image in msgspec.json.decode(content, type=_Index).images}


def find_image(name: str) -> Path:
    """The file of the built-in image `name`; an unknown name gets the nearest right one."""
    images = builtin_images()
    if name in images:
        return images[name].path
    near = difflib.get_close_matches(name, images, n=1)
    hint = f'; did you mean "{near[0]}"?' if near else f"; there are: {', '.join(images)}"
    raise InputError(f'no built-in image is called "{name}"{hint}')
