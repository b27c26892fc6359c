"""firmware/build.py: the same bytes everywhere, and nothing built twice or not at all."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

FIRMWARE = Path(__file__).parents[2] / "firmware"


def load(path: Path) -> ModuleType:
    """The module at `path`, under a name of its own: a copy must not be taken for another."""
    name = "firmware_build_" + hashlib.sha256(str(path).encode()).hexdigest()[:8]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def copy_of_the_sources(to: Path) -> ModuleType:
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(FIRMWARE, to / "firmware", ignore=ignore)
    return load(to / "firmware" / "build.py")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all images, built once."""
    out = tmp_path_factory.mktemp("images")
    load(FIRMWARE / "build.py").build(out)
    return out


@pytest.fixture
def copy(tmp_path: Path) -> ModuleType:
    return copy_of_the_sources(tmp_path)


def forbid_compiling(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def compiled(*arguments: object) -> bytes:
        raise AssertionError(f"compiled again: {arguments}")

    monkeypatch.setattr(module, "_compile", compiled)


def test_the_bytes_do_not_depend_on_the_folder(built: Path, tmp_path: Path) -> None:
    # Recorded schedules hold the hash of each image, so another checkout must give the same.
    elsewhere = tmp_path / "a much longer name" / "of a folder"
    out = tmp_path / "out"
    copy_of_the_sources(elsewhere).build(out)
    names = sorted(path.name for path in built.iterdir())
    assert sorted(path.name for path in out.iterdir()) == names
    for name in names:
        assert (out / name).read_bytes() == (built / name).read_bytes(), name


def test_nothing_of_this_machine_is_in_an_image(built: Path) -> None:
    places = [str(FIRMWARE.parent), str(Path.home()), sys.prefix, "/tmp/"]
    for path in built.glob("*.elf"):
        content = path.read_bytes()
        for place in places:
            # The root folder alone would be in every path.
            if len(place) > 1:
                assert place.encode() not in content, f"{path.name} holds {place}"


def test_the_environment_does_not_change_the_bytes(
    built: Path, copy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A compiler looks into CPATH before its own folders: what is there must not be found.
    (tmp_path / "poison").mkdir()
    (tmp_path / "poison" / "stdint.h").write_text("#error taken from CPATH\n")
    monkeypatch.setenv("CPATH", str(tmp_path / "poison"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    (image,) = copy.build(tmp_path / "out", ["frontend"])
    assert image.read_bytes() == (built / "frontend.elf").read_bytes()


def test_index_says_what_is_there(built: Path) -> None:
    index = json.loads((built / "index.json").read_text())
    assert index["version"] == 1
    names = [path.parent.name for path in sorted(FIRMWARE.glob("images/*/main.c"))]
    assert [image["name"] for image in index["images"]] == names
    for image in index["images"]:
        assert sorted(image) == ["file", "name", "purpose", "sha256"]
        content = (built / image["file"]).read_bytes()
        assert image["sha256"] == hashlib.sha256(content).hexdigest()
        source = (FIRMWARE / "images" / image["name"] / "main.c").read_text()
        opening = " ".join(source.replace("\n *", "\n").split())
        assert opening.startswith("/* " + image["purpose"] + " "), image["purpose"]


def test_images_load_at_1_mib_with_lines_and_symbols(built: Path) -> None:
    for path in built.glob("*.elf"):
        with path.open("rb") as file:
            elf = ELFFile(file)
            loads = [part for part in elf.iter_segments() if part["p_type"] == "PT_LOAD"]
            assert min(part["p_paddr"] for part in loads) == 0x100000, path.name
            symbols = elf.get_section_by_name(".symtab")
            assert isinstance(symbols, SymbolTableSection), path.name
            assert symbols.get_symbol_by_name("image_main"), path.name
            units = {
                unit.get_top_DIE().attributes["DW_AT_name"].value.decode()
                for unit in elf.get_dwarf_info().iter_CUs()
            }
            assert f"firmware/images/{path.stem}/main.c" in units, units
            assert "firmware/lib/xenbus.c" in units, units


def test_unchanged_sources_are_not_compiled_again(
    built: Path, copy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(built, out)
    forbid_compiling(copy, monkeypatch)
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert copy.build(out) == [out / f"{name}.elf" for name in copy.image_names()]
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before


@pytest.mark.parametrize(
    "changed",
    [
        "include/xenbus.h",
        "include/xen/xen.h",
        "lib/entry.S",
        "lib/string.c",
        "link.ld",
        "build.py",
        "images/frontend/main.c",
    ],
)
def test_any_changed_source_compiles_again(
    changed: str,
    built: Path,
    copy: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    shutil.copytree(built, out)
    with (tmp_path / "firmware" / changed).open("a") as file:
        file.write("\n")
    forbid_compiling(copy, monkeypatch)
    with pytest.raises(AssertionError, match="compiled again"):
        copy.build(out, ["frontend"])


def test_another_image_does_not_matter(
    built: Path, copy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(built, out)
    with (tmp_path / "firmware/images/reset-zero/main.c").open("a") as file:
        file.write("\n")
    forbid_compiling(copy, monkeypatch)
    copy.build(out, ["frontend"])


@pytest.mark.parametrize("damage", ["changed", "missing", "no stamp", "broken stamp"])
def test_a_damaged_output_is_built_again(
    damage: str, built: Path, copy: ModuleType, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(built, out)
    image = out / "frontend.elf"
    match damage:
        case "changed":
            image.write_bytes(image.read_bytes() + b"x")
        case "missing":
            image.unlink()
        case "no stamp":
            (out / ".stamp.json").unlink()
            image.write_bytes(b"")
        case "broken stamp":
            (out / ".stamp.json").write_text('["frontend"')
            image.write_bytes(b"")
    copy.build(out, ["frontend"])
    assert image.read_bytes() == (built / "frontend.elf").read_bytes()
    assert [path.name for path in out.iterdir() if path.name.startswith(".frontend")] == []


def test_a_removed_image_goes(built: Path, copy: ModuleType, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(built, out)
    (out / "mine.elf").write_bytes(b"not ours")
    shutil.rmtree(tmp_path / "firmware/images/reset-zero")
    copy.build(out)
    assert not (out / "reset-zero.elf").exists()
    assert (out / "mine.elf").exists()
    index = json.loads((out / "index.json").read_text())
    assert "reset-zero" not in [image["name"] for image in index["images"]]


def test_only_the_named_images_are_built(copy: ModuleType, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert copy.build(out, ["frontend"]) == [out / "frontend.elf"]
    index = json.loads((out / "index.json").read_text())
    assert [image["name"] for image in index["images"]] == ["frontend"]


def test_an_unknown_image_is_named(copy: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(copy.BuildError, match=r"no image 'frontent'; there are: .*frontend"):
        copy.build(tmp_path / "out", ["frontent"])


def test_another_compiler_is_refused(
    copy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy, "ZIG_VERSION", "0.1.0")
    with pytest.raises(copy.BuildError, match=r"^ziglang 0\.1\.0 is needed.* this is 0\.17\.1$"):
        copy.build(tmp_path / "out", ["frontend"])


def test_a_missing_compiler_is_named(
    copy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_found(name: str) -> Any:
        return None

    monkeypatch.setattr(copy.importlib.util, "find_spec", not_found)
    with pytest.raises(copy.BuildError, match=r"pip install ziglang==0\.17\.1"):
        copy.build(tmp_path / "out", ["frontend"])


def test_an_image_without_a_purpose_is_refused(copy: ModuleType, tmp_path: Path) -> None:
    source = tmp_path / "firmware/images/frontend/main.c"
    source.write_text("/* Nothing here ends in a full stop */\n" + source.read_text())
    with pytest.raises(copy.BuildError, match=r"frontend/main\.c: its opening comment"):
        copy.purpose("frontend")
    source.write_text("#include <stage.h>\n")
    with pytest.raises(copy.BuildError, match=r"frontend/main\.c: does not open with a comment"):
        copy.purpose("frontend")


def test_a_compile_error_is_shown_with_its_line(copy: ModuleType, tmp_path: Path) -> None:
    # As a user meets it: the script, its exit status, its standard error.
    source = tmp_path / "firmware/images/frontend/main.c"
    source.write_text(source.read_text().replace("power_off();", "power_of();"))
    out = tmp_path / "out"
    result = subprocess.run(
        [sys.executable, str(tmp_path / "firmware/build.py"), "--out", str(out), "frontend"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "firmware/images/frontend/main.c:" in result.stderr
    assert "power_of" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (out / "frontend.elf").exists()


def test_the_build_hook_puts_images_and_explorer_into_wheels(tmp_path: Path) -> None:
    interface = pytest.importorskip("hatchling.builders.hooks.plugin.interface")
    copy_of_the_sources(tmp_path)
    search = tmp_path / "guestsim" / "search"
    search.mkdir(parents=True)
    for name in ("build.py", "explorer.c"):
        shutil.copy(FIRMWARE.parent / "guestsim" / "search" / name, search)
    hook_module = load(tmp_path / "firmware" / "hatch_build.py")
    assert issubclass(hook_module.FirmwareBuildHook, interface.BuildHookInterface)

    build_data: dict[str, Any] = {}

    def run(target: str) -> list[str]:
        hook = hook_module.FirmwareBuildHook(
            str(tmp_path), {}, None, None, str(tmp_path), target, None
        )
        build_data.clear()
        build_data["artifacts"] = []
        hook.initialize("standard", build_data)
        return list(build_data["artifacts"])

    assert run("sdist") == []
    assert not (tmp_path / "guestsim/images").exists()
    packed = run("wheel")
    assert "/guestsim/images/index.json" in packed
    assert "/guestsim/images/frontend.elf" in packed
    assert "/guestsim/search/explorer.so" in packed
    assert build_data["tag"] == f"py3-none-manylinux_2_17_{platform.machine()}"
    assert not build_data["pure_python"]
    for name in packed:
        assert (tmp_path / name.lstrip("/")).is_file(), name
