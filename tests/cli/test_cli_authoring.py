"""`lint` and `new`."""

from __future__ import annotations

from pathlib import Path

from command_line import guestsim

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
