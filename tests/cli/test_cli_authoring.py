"""`lint`, `new` and `image`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from command_line import ROOT, guestsim

BAD = 'title = "x"\n[boot]\nchain = ["frontend"]\n[expect]\nhung = "nevr"\n'


def test_lint_tells_mistakes_and_its_status(tmp_path: Path) -> None:
    (tmp_path / "a,b%.toml").write_text(BAD)
    done = guestsim("lint", ".", cwd=tmp_path)
    line = 'expect.hung: "nevr" is not one of always, sometimes, never; did you mean "never"?'
    assert (done.returncode, done.stdout, done.stderr) == (2, f"a,b%.toml:5:1: {line}\n", "")
    done = guestsim("lint", ".", "--format", "github", cwd=tmp_path)
    assert done.stdout == f"::error file=a%2Cb%25.toml,line=5,col=1::{line}\n"
    (tmp_path / "a,b%.toml").write_text(BAD.replace("nevr", "never"))
    assert guestsim("lint", ".", cwd=tmp_path).returncode == 0


def test_new_writes_what_can_be_checked(tmp_path: Path) -> None:
    done = guestsim("new", "mine", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert guestsim("lint", "mine.toml", cwd=tmp_path).returncode == 0
    done = guestsim("check", "mine.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    again = guestsim("new", "mine", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (2, "guestsim: mine.toml: is there already\n")
    nowhere = guestsim("new", "no/where", cwd=tmp_path)
    assert nowhere.returncode == 2
    assert "there is no such folder" in nowhere.stderr


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("chain", "chian", '3:1: boot.chian: unknown key; did you mean "chain"?'),
        ("hung", "hnug", '5:1: expect.hnug: unknown key; did you mean "hung"?'),
        (
            "frontend",
            "fronted",
            '3:15: boot.chain[0]: no built-in image is called "fronted"; did you mean "frontend"?',
        ),
        (
            "[expect]",
            '[expect.rules]\nsignl = "kept"\n[expect]',
            '5:1: expect.rules.signl: unknown key; did you mean "signal"?',
        ),
        (
            '["quick"]',
            '["quikc"]',
            '2:9: warning: tags[0]: no other file has the tag "quikc"; did you mean "quick"?',
        ),
    ],
)
def test_what_is_misspelt_is_told_with_its_place_and_the_right_word(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = 'title = "x"\ntags = ["quick"]\nboot.chain = ["frontend"]\n[expect]\nhung = "never"\n'
    for name in ("a", "c"):
        (tmp_path / f"{name}.toml").write_text(text)
    (tmp_path / "b.toml").write_text(text.replace(old, new))
    done = guestsim("lint", ".", cwd=tmp_path)
    assert done.stdout == f"b.toml:{said}\n"
    assert done.returncode == (1 if "warning" in said else 2)


def test_new_image_writes_a_client_and_its_scenario(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    done = guestsim("new", "--image", "sub/my own", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    told, build, check = done.stdout.splitlines()
    assert told.startswith("sub/my own.c, sub/my own.toml: ")
    assert build.endswith(" -o 'sub/my own.elf' 'sub/my own.c'")
    assert check == "guestsim check sub/my own.toml"
    assert guestsim("lint", "sub", cwd=tmp_path).returncode == 0
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    subprocess.run(["bash", "-c", build], cwd=tmp_path, check=True)
    done = guestsim("check", "sub", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


@pytest.mark.parametrize("there", ["mine.c", "mine.toml"])
@pytest.mark.parametrize("dangling", [False, True])
def test_new_image_leaves_alone_what_is_there(tmp_path: Path, there: str, dangling: bool) -> None:
    if dangling:
        (tmp_path / there).symlink_to("nowhere")
    else:
        (tmp_path / there).write_text("mine")
    done = guestsim("new", "mine", "--image", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, f"guestsim: {there}: is there already\n")
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert dangling or (tmp_path / there).read_text() == "mine"


def test_image_tells_what_an_image_is() -> None:
    done = guestsim("image", ROOT / "guestsim" / "images" / "frontend.elf")
    assert (done.returncode, done.stderr) == (0, "")
    rows = dict(line.split("  ", 1) for line in done.stdout.splitlines())
    assert rows["note"].strip() == "Xen 18 (PHYS32_ENTRY) = 0x100000"
    assert rows["boots"].strip().startswith("by the PVH convention")


def test_image_tells_all_that_is_wrong_and_status_2(tmp_path: Path) -> None:
    content = bytearray((ROOT / "guestsim" / "images" / "frontend.elf").read_bytes())
    content[16], content[18] = 3, 40  # ET_DYN, ARM
    (tmp_path / "x.elf").write_bytes(content)
    done = guestsim("image", "x.elf", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.splitlines()[-2:] == [
        "✗ for another machine (ARM), not x86",
        "✗ not an executable but ET_DYN: link it at a fixed address",
    ]


@pytest.mark.parametrize(
    ("content", "why"), [(None, "no such file"), (b"MZ", "not an ELF file"), (b"", "the file is")]
)
def test_what_is_no_elf_file_is_one_line(tmp_path: Path, content: bytes | None, why: str) -> None:
    if content is not None:
        (tmp_path / "x.elf").write_bytes(content)
    done = guestsim("image", "x.elf", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"guestsim: x.elf: {why}")
    assert done.stderr.count("\n") == 1
