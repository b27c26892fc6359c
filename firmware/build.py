"""Build the firmware images: `python firmware/build.py [--out DIR] [IMAGE…]`.

Every `images/NAME/main.c` becomes `NAME.elf`, linked with all of `lib/`, and `index.json` says
what there is. The C compiler is the one in the `ziglang` package, at one pinned version, and
nothing of this machine gets into an image, so the bytes are the same everywhere. Recorded
schedules depend on that. An image whose sources have not changed is not built again.

Runs where guestsim itself is not installed: the build hook of the package uses it.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

__all__ = ["INDEX", "ZIG_VERSION", "BuildError", "build", "image_names", "purpose"]

ZIG_VERSION = "0.17.1"
INDEX = "index.json"
STAMP = ".stamp.json"
"""Beside the images: what each was built from. Never needed to use them."""

FIRMWARE = Path(__file__).resolve().parent
DEFAULT_OUT = FIRMWARE.parent / "guestsim" / "images"

FLAGS = (
    "-target", "x86-freestanding-none",
    # General registers only: the simulator sees each access to shared memory as one load or store
    # of at most 4 bytes (8 for cmpxchg8b).
    "-mcpu=i686", "-mno-sse", "-mno-mmx", "-mno-x87",
    "-std=gnu11", "-ffreestanding", "-fno-builtin", "-fno-stack-protector", "-fno-pic",
    "-O2", "-g",
    # A stack can be walked, and the line of each call is kept.
    "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls",
    "-fno-asynchronous-unwind-tables",
    "-Wall", "-Wextra", "-Werror", "-Wmissing-prototypes", "-Wstrict-prototypes",
    "-nostdlib", "-static",
)  # fmt: skip

KEPT_ENVIRONMENT = frozenset(
    {
        *("PATH", "HOME", "TMPDIR", "TMP", "TEMP", "SYSTEMROOT", "LD_LIBRARY_PATH"),
        # pip's isolated builds find the compiler by these.
        *("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"),
    }
)
"""Compilers also read CPATH, SOURCE_DATE_EPOCH and others, which would change the bytes."""


class BuildError(Exception):
    """The images cannot be built. `str()` is for people: one line, or the compiler's own."""


def image_names() -> list[str]:
    """The names of all images, sorted."""
    return sorted(path.parent.name for path in (FIRMWARE / "images").glob("*/main.c"))


def purpose(name: str) -> str:
    """The first sentence of the comment that opens the image's main.c."""
    source = FIRMWARE / "images" / name / "main.c"
    comment, closed, _ = source.read_text(encoding="utf-8").partition("*/")
    if not (closed and comment.startswith("/*")):
        raise BuildError(f"{source}: does not open with a comment that says what it stands for")
    words = " ".join(line.strip().removeprefix("*") for line in comment[2:].splitlines()).split()
    for count, word in enumerate(words, start=1):
        if word.endswith("."):
            return " ".join(words[:count])
    raise BuildError(f"{source}: its opening comment has no sentence")


def build(out: Path, names: Sequence[str] | None = None) -> list[Path]:
    """Build the named images (all where None) into the folder `out`, and index what is there.

    Returns the paths of their ELF files, in the order of the names. Raises BuildError.
    """
    everything = image_names()
    wanted = everything if names is None else list(names)
    for name in wanted:
        if name not in everything:
            raise BuildError(f"there is no image {name!r}; there are: {', '.join(everything)}")

    out.mkdir(parents=True, exist_ok=True)
    stamp = _read_stamp(out)
    inputs = {name: _digest_inputs(name) for name in everything}
    stale = [name for name in wanted if not _up_to_date(out, name, inputs[name], stamp)]
    if stale:
        compiler = _compiler()
        with tempfile.TemporaryDirectory(prefix="guestsim-firmware-") as scratch:
            for name in stale:
                image = _compile(compiler, name, Path(scratch))
                _replace(out / f"{name}.elf", image)
                stamp[name] = {"inputs": inputs[name], "sha256": _sha256(image)}

    for gone in sorted(stamp.keys() - set(everything)):
        (out / f"{gone}.elf").unlink(missing_ok=True)
        del stamp[gone]
    _replace_json(out / STAMP, stamp)
    _replace_json(out / INDEX, {"version": 1, "images": list(_index(out, everything))})
    return [out / f"{name}.elf" for name in wanted]


def _index(out: Path, names: Sequence[str]) -> Iterator[dict[str, str]]:
    for name in names:
        path = out / f"{name}.elf"
        if path.is_file():
            yield {
                "name": name,
                "file": path.name,
                "purpose": purpose(name),
                "sha256": _sha256(path.read_bytes()),
            }


def _sources(name: str) -> list[Path]:
    library = [*(FIRMWARE / "lib").glob("*.S"), *(FIRMWARE / "lib").glob("*.c")]
    return sorted(library) + sorted((FIRMWARE / "images" / name).glob("*.c"))


def _digest_inputs(name: str) -> str:
    """All that decides an image's bytes: the sources, this file with its flags and version."""
    folders = (FIRMWARE / "include", FIRMWARE / "lib", FIRMWARE / "images" / name)
    files = [FIRMWARE / "link.ld", Path(__file__).resolve()]
    files += [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    digest = hashlib.sha256()
    for path in sorted(files):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(FIRMWARE).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _read_stamp(out: Path) -> dict[str, dict[str, str]]:
    """What is said to be in `out`; nothing where that cannot be told."""
    try:
        stamp: Any = json.loads((out / STAMP).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(stamp, dict):
        return {}
    return {name: entry for name, entry in stamp.items() if isinstance(entry, dict)}


def _up_to_date(out: Path, name: str, inputs: str, stamp: dict[str, dict[str, str]]) -> bool:
    path = out / f"{name}.elf"
    said = stamp.get(name, {})
    return (
        said.get("inputs") == inputs
        and path.is_file()
        and said.get("sha256") == _sha256(path.read_bytes())
    )


def _compiler() -> Path:
    """The folder of the `ziglang` package, which must be of the pinned version."""
    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.origin is None:
        raise BuildError(
            "the C compiler is missing: "
            f"{sys.executable} -m pip install ziglang=={ZIG_VERSION} installs it"
        )
    result = _run(["version"], {})
    version = result.stdout.strip()
    if result.returncode != 0 or version != ZIG_VERSION:
        raise BuildError(
            f"ziglang {ZIG_VERSION} is needed, because recorded schedules depend on the exact "
            f"bytes of the images, but this is {version or 'broken'}"
        )
    return Path(spec.origin).resolve().parent


def _run(arguments: Sequence[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if key.upper() in KEPT_ENVIRONMENT}
    return subprocess.run(  # noqa: S603 (no shell, and the arguments are ours)
        [sys.executable, "-m", "ziglang", *arguments],
        cwd=FIRMWARE.parent,
        env=kept | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def _compile(compiler: Path, name: str, scratch: Path) -> bytes:
    root = FIRMWARE.parent
    target = scratch / f"{name}.elf"
    result = _run(
        [
            "cc",
            *FLAGS,
            f"-I{(FIRMWARE / 'include').relative_to(root).as_posix()}",
            f"-ffile-prefix-map={root}=.",
            f"-ffile-prefix-map={compiler}=ziglang",
            f"-Wl,-T,{(FIRMWARE / 'link.ld').relative_to(root).as_posix()}",
            *(source.relative_to(root).as_posix() for source in _sources(name)),
            *("-o", str(target)),
        ],
        {
            "ZIG_LOCAL_CACHE_DIR": str(scratch / "cache"),
            "ZIG_GLOBAL_CACHE_DIR": str(scratch / "cache"),
        },
    )
    if result.returncode != 0 or not target.is_file():
        raise BuildError(f"{result.stderr.strip()}\nthe image {name!r} does not compile")
    return target.read_bytes()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _replace_json(path: Path, value: object) -> None:
    _replace(path, (json.dumps(value, indent=2) + "\n").encode())


def _replace(path: Path, content: bytes) -> None:
    """Write a whole file or none of it: somebody else may read it meanwhile."""
    if path.is_file() and path.read_bytes() == content:
        return
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as new:
        try:
            new.write(content)
            new.close()
            os.chmod(new.name, 0o644)
            os.replace(new.name, path)
        except BaseException:
            os.unlink(new.name)
            raise


def main() -> int:
    """The command line. Exit status 2 where the images cannot be built."""
    parser = argparse.ArgumentParser(description="Build the firmware images.")
    parser.add_argument("names", nargs="*", metavar="IMAGE", help="only these (default: all)")
    parser.add_argument(
        "--out", type=Path, default=DEFAULT_OUT, help="folder (default: %(default)s)"
    )
    options = parser.parse_args()
    try:
        built = build(options.out, options.names or None)
    except BuildError as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 2
    for path in built:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
