"""Good files: what they mean, with their variants; and which files a folder holds."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from scenario_files import LEAST, write

from guestsim.errors import InputError
from guestsim.rules import ALL
from guestsim.scenario import (
    DEFAULT_STRATEGY,
    Daemon,
    Feature,
    Frequency,
    Ring,
    Search,
    Stage,
    Step,
    Strategy,
    find,
    load,
    load_one,
)
from guestsim.trace import Kind
from guestsim.trace.events import Matcher


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder of this test's own."""
    monkeypatch.chdir(tmp_path)


FULL = """\
title = "hvmloader wipes the ring while xenstored looks at it"

[boot]
chain = ["reset-poison", "frontend"]

[store]
"hvmloader/bios" = "seabios"

[ring]
req_index = 0xfffffff0
rsp_index = 0
fill = 0xa5

[daemon]
model = "xenstored"
features = ["error"]
wakes = "any"

[search]
strategy = "exhaustive"
memory_model = "sc"

[expect]
connected = "sometimes"
refused = "sometimes"
hung = "never"

[expect.rules]
index-owner = "broken"
"""


def test_the_file_of_the_design() -> None:
    """Every key of the documented example arrives, and nothing else is changed."""
    scenario = load_one(write(FULL))
    assert scenario.name == "x.toml"
    assert scenario.title == "hvmloader wipes the ring while xenstored looks at it"
    assert scenario.boot.stages == (Stage(image="reset-poison"), Stage(image="frontend"))
    assert scenario.store == {"hvmloader/bios": "seabios"}
    assert scenario.ring == Ring(req_index=0xFFFFFFF0, fill=0xA5)
    assert scenario.daemon == Daemon(features=(Feature.ERROR,))
    assert scenario.search == Search(strategy=Strategy.EXHAUSTIVE)
    assert scenario.expect.outcomes == {
        "connected": "sometimes",
        "refused": "sometimes",
        "hung": "never",
    }
    assert scenario.expect.rules.judged == {"index-owner": "broken"}


def test_the_script_of_the_design() -> None:
    """Steps are typed, and their events parsed."""
    text = LEAST + (
        "[search]\n"
        'strategy = "script"\n'
        "script = [\n"
        '  { run = "guest",  until = "store req_prod", stage = "reset-poison", nth = 7 },\n'
        '  { run = "daemon", until = "load req_cons = 0x16" },\n'
        '  { run = "daemon" },\n'
        "]\n"
    )
    first, second, third = load_one(write(text)).search.script
    assert first == Step(run="guest", until="store req_prod", stage="reset-poison", nth=7)
    assert first.event == Matcher(Kind.STORE, "req_prod")
    assert second.event == Matcher(Kind.LOAD, "req_cons", 22)
    assert third.event is None
    assert third.nth == 1


def test_what_is_left_out_has_the_default() -> None:
    """The least file is a scenario: the strategy is the one constant, requests are not chosen."""
    scenario = load_one(write(LEAST))
    assert scenario.search.strategy is DEFAULT_STRATEGY
    assert [stage.requests for stage in scenario.boot.stages] == [None, None]
    assert scenario.pair is None
    assert scenario.variant is None


def test_a_byte_order_mark_is_no_content() -> None:
    """Some editors write one."""
    assert load_one(write("\ufeff" + LEAST)).title == "t"


@pytest.mark.parametrize(
    ("daemon", "expected"),
    [
        ('model = "xenstored"', 0),
        ('model = "oxenstored"', 1),
        ('model = "oxenstored"\nfeatures = []', 0),
        ('features = ["reconnection", "error", "watch-depth", "domid-any"]', 0b1111),
        ('features = ["error", 17]', 1 << 17 | 2),
        ("features = [31]", 1 << 31),
        ('model = "rfc-v2"', 1),
        ('model = "rfc-v2"\nversion = 7', 7),
    ],
)
def test_what_a_daemon_advertises(daemon: str, expected: int) -> None:
    """Names and bit numbers become a mask; without the key it depends on the model."""
    scenario = load_one(write(f"{LEAST}[daemon]\n{daemon}\n"))
    assert scenario.daemon.server_features == expected


@pytest.mark.parametrize(
    ("image", "name", "path"),
    [
        ("frontend", "frontend", None),
        ("mine.elf", "mine", Path("sub/mine.elf")),
        ("./hvmloader", "hvmloader", Path("sub/hvmloader")),
        ("../images/mine.elf", "mine", Path("sub/../images/mine.elf")),
        ("/usr/lib/xen/boot/hvmloader", "hvmloader", Path("/usr/lib/xen/boot/hvmloader")),
    ],
)
def test_images_are_names_or_paths(image: str, name: str, path: Path | None) -> None:
    """A slash or .elf makes a path, relative to the scenario file."""
    text = f'title = "t"\nboot.chain = ["{image}"]\nexpect.hung = "never"\n'
    scenario = load_one(write(text, "sub/x.toml"))
    (stage,) = scenario.boot.stages
    assert (stage.name, scenario.image_path(stage)) == (name, path)


def test_requests_come_through_as_written() -> None:
    """Entries of both kinds in one chain; an empty list is not the same as none."""
    text = (
        'title = "t"\nexpect.hung = "never"\n'
        'boot.chain = ["a", { image = "b", requests = ["read k=v w", "rm k!EACCES"] },'
        ' { image = "c", requests = [] }]\n'
    )
    stages = load_one(write(text)).boot.stages
    assert [stage.requests for stage in stages] == [None, ("read k=v w", "rm k!EACCES"), ()]


def test_all_rules_but_one() -> None:
    """`all` judges every rule; a rule that is named keeps its own expectation."""
    text = LEAST + '[expect.rules]\nall = "kept"\nsignal = "broken"\n'
    judged = load_one(write(text)).expect.rules.judged
    assert list(judged) == [*(rule.name for rule in ALL), "same-handover"]
    assert [name for name, judgement in judged.items() if judgement == "broken"] == ["signal"]


OTHERS = '[[others]]\nname = "x"\ndo = ["read data/colour"]\n'


def test_with_others_all_does_not_judge_what_stages_learn() -> None:
    """Unless the file says so; and the other rules are judged as ever."""
    every = LEAST + OTHERS + '[expect.rules]\nall = "kept"\n'
    scenario = load_one(write(every))
    assert list(scenario.judged) == [rule.name for rule in ALL]
    named = load_one(write(every + 'same-handover = "kept"\n'))
    assert list(named.judged) == [*scenario.judged, "same-handover"]
    alone = load_one(write(LEAST + '[expect.rules]\nall = "kept"\n'))
    assert list(alone.judged) == list(named.judged)


def test_a_pair_is_beside_its_file() -> None:
    """The path of the other side is relative to the file, not to the working folder."""
    write(LEAST, "sub/fixed.toml")
    scenario = load_one(write('pair = "fixed.toml"\n' + LEAST, "sub/broken.toml"))
    assert scenario.pair == Path("sub/fixed.toml")


SIDES = """\
title = "two sides"

[boot]
budget = 5

[store]
"a" = "1"
"b" = "2"

[daemon]
model = "oxenstored"
features = ["reconnection", "error"]

[search]
memory_model = "sc"
strategy = "pct"
depth = 4
seed = 9

[expect]
hung = "never"

[[variant]]
name = "legacy"
boot.chain = ["reset-poison", "frontend"]
store.b = "changed"
expect.refused = "sometimes"

[[variant]]
name = "closing"
title = "the fix"
boot.chain = ["reconnect", "frontend"]
search.strategy = "random"
daemon.model = "rfc-v2"
expect.connected = "always"
"""


def test_a_variant_is_laid_over_the_base() -> None:
    """Tables are merged key by key, the rest is replaced; each side is a scenario of its own."""
    legacy, closing = load(write(SIDES))
    assert (legacy.name, closing.name) == ("x.toml#legacy", "x.toml#closing")
    assert (legacy.title, closing.title) == ("two sides (legacy)", "the fix")
    assert (legacy.boot.budget, legacy.boot.stages[0].image) == (5, "reset-poison")
    assert (closing.boot.budget, closing.boot.stages[0].image) == (5, "reconnect")
    assert legacy.store == {"a": "1", "b": "changed"}
    assert closing.store == {"a": "1", "b": "2"}
    assert legacy.expect.outcomes == {"refused": Frequency.SOMETIMES, "hung": Frequency.NEVER}
    assert closing.expect.outcomes == {"connected": Frequency.ALWAYS, "hung": Frequency.NEVER}


def test_options_of_the_bases_choice_stay_behind() -> None:
    """Another strategy has no use for depth, another daemon none for features; what both have,
    and the memory model, stays."""
    legacy, closing = load(write(SIDES))
    assert (legacy.search.depth, legacy.search.seed) == (4, 9)
    assert (closing.search.depth, closing.search.seed) == (Search().depth, 9)
    assert closing.search.memory_model == "sc"
    assert (legacy.daemon.server_features, closing.daemon.features) == (0b11, None)


def test_one_variant_by_its_name() -> None:
    """A scenario's name is enough to load it again; a file with two sides is not one scenario."""
    path = write(SIDES)
    for scenario in load(path):
        assert load_one(Path(scenario.name)) == scenario
    with pytest.raises(InputError) as caught:
        load_one(path)
    assert (
        str(caught.value) == "x.toml: holds 2 scenarios; name one of x.toml#legacy, x.toml#closing"
    )


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("x.toml#closng", 'x.toml: no variant is called "closng"; did you mean "closing"?'),
        ("x.toml#zzz", 'x.toml: no variant is called "zzz"; there are: legacy, closing'),
        ("y.toml#zzz", 'y.toml: no variant is called "zzz"; the file has no variants'),
        ("z.toml#legacy", "z.toml: no such file"),
    ],
)
def test_a_variant_that_is_not_there(name: str, line: str) -> None:
    """A wrong name says which there are."""
    write(SIDES)
    write(LEAST, "y.toml")
    with pytest.raises(InputError) as caught:
        load(Path(name))
    assert str(caught.value) == line


def test_a_file_name_may_have_a_hash() -> None:
    """A file that exists is meant before any variant."""
    assert load_one(write(LEAST, "a#b.toml")).name == "a#b.toml"


def test_find_looks_into_folders() -> None:
    """Sorted, recursive, each file once, hidden ones passed over; a named file is always taken."""
    for name in ("s/b.toml", "s/a.toml", "s/sub/c.toml", "s/.git/d.toml", "s/.e.toml", "s/f.txt"):
        write(LEAST, name)
    inside = [Path("s/a.toml"), Path("s/b.toml"), Path("s/sub/c.toml")]
    assert find([Path("s")]) == inside
    assert find([Path("s/b.toml"), Path("s"), Path("s/../s")]) == [
        Path("s/b.toml"),
        Path("s/a.toml"),
        Path("s/sub/c.toml"),
    ]
    assert find([Path("s/.git/d.toml"), Path("s/f.txt")]) == [
        Path("s/.git/d.toml"),
        Path("s/f.txt"),
    ]
    assert find([Path("s/a.toml#v"), Path("s/a.toml#v")]) == [Path("s/a.toml#v")]


def test_find_accepts_a_folder_that_is_hidden_itself() -> None:
    """Only what is hidden inside the folder counts."""
    write(LEAST, ".hidden/a.toml")
    assert find([Path(".hidden")]) == [Path(".hidden/a.toml")]


def test_find_does_not_follow_a_folder_in_circles() -> None:
    """A symbolic link to a folder above is not entered."""
    write(LEAST, "s/a.toml")
    os.symlink("..", "s/up")
    assert find([Path("s")]) == [Path("s/a.toml")]


def test_find_complains() -> None:
    """No paths, a folder without scenarios, and a path that is not there are input errors."""
    write("", "empty/.hidden/a.toml")
    for paths, line in [
        ([], "no scenario given: name a file or a folder"),
        ([Path("empty")], "empty: no scenario (*.toml) in this folder"),
        ([Path("missing")], "missing: no such file or folder"),
        ([Path("no\nsuch")], "no\\nsuch: no such file or folder"),
    ]:
        with pytest.raises(InputError) as caught:
            find(paths)
        assert str(caught.value) == line


BOTH = """
title = "both memory models"
[boot]
chain = ["frontend"]
[matrix]
"search.memory_model" = ["sc", "tso"]
[expect]
connected = "always"
"""


def test_both_memory_models_are_two_scenarios() -> None:
    sc, tso = load(write(BOTH))
    assert (sc.name, tso.name) == ("x.toml#sc", "x.toml#tso")
    assert (sc.search.memory_model, tso.search.memory_model) == ("sc", "tso")
    assert tso.title == "both memory models, under tso"
    assert load_one(write(BOTH).with_name("x.toml#tso")) == tso


def test_and_so_for_each_variant() -> None:
    text = BOTH + '[[variant]]\nname = "a"\n[[variant]]\nname = "b"\nsearch.memory_model = "sc"\n'
    assert [scenario.variant for scenario in load(write(text))] == ["a-sc", "a-tso", "b"]


def test_a_variant_may_not_have_the_name_of_such_a_half() -> None:
    text = (
        BOTH + '[[variant]]\nname = "a"\n[[variant]]\nname = "a-tso"\nsearch.memory_model = "sc"\n'
    )
    with pytest.raises(InputError, match='"a-tso" is the name of two scenarios'):
        load(write(text))


MATRIX = """
title = "a matrix"
[boot]
chain = ["frontend"]
[daemon]
features = ["reconnection"]
[matrix]
"daemon.model" = ["xenstored", "oxenstored", "rfc-v2"]
ring.req_index = [0, 0xfffffff0]
exclude = [{ "daemon.model" = "rfc-v2", "ring.req_index" = 0xfffffff0 }]
[[matrix.expect]]
when = { "daemon.model" = "rfc-v2" }
hung = "never"
[expect]
connected = "always"
"""


def test_a_matrix_is_a_scenario_for_each_case() -> None:
    cases = load(write(MATRIX))
    assert [case.variant for case in cases] == [
        *("xenstored-req_index=0", "xenstored-req_index=0xfffffff0"),
        *("oxenstored-req_index=0", "oxenstored-req_index=0xfffffff0"),
        "rfc-v2-req_index=0",
    ]
    *_, ox, rfc = cases
    assert (ox.daemon.model, ox.ring.req_index, ox.expect.hung) == ("oxenstored", 0xFFFFFFF0, None)
    assert ox.title == "a matrix"
    # An option that the model of the case does not have is left out, as in a variant.
    assert (rfc.daemon.features, rfc.expect.hung) == (None, "never")
    assert rfc.varied == (("daemon.model", "rfc-v2"), ("ring.req_index", "req_index=0"))


def test_all_cases_of_a_variant_have_its_name() -> None:
    path = write(MATRIX + '[[variant]]\nname = "a"\n[[variant]]\nname = "b"\n')
    assert [case.side for case in load(path.with_name("x.toml#a"))] == ["a"] * 5
    assert len(load(path.with_name("x.toml#b-rfc-v2-req_index=0"))) == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            ("daemon.model", "daemon.modle"),
            'matrix."daemon.modle": unknown key; did you mean "model"?',
        ),
        (('"rfc-v2"]', '"rfc-v3"]'), '"rfc-v3" is not one of xenstored, oxenstored, rfc-v2'),
        (("[0, 0xfffffff0]", "[0, -1]"), 'matrix."ring.req_index": -1 is too small'),
    ],
)
def test_a_matrix_that_makes_no_sense_has_its_line(changed: tuple[str, str], said: str) -> None:
    text = MATRIX.partition("exclude")[0].replace(*changed)
    with pytest.raises(InputError, match=re.escape(said)) as found:
        load(write(text + '[expect]\nconnected = "always"\n'))
    assert str(found.value).startswith("x.toml: matrix.")


def test_a_matrix_may_not_be_too_large() -> None:
    with pytest.raises(InputError, match="6 cases; more than 5 need --max-cases 6"):
        load(write(MATRIX), 5)


def test_a_name_means_one_thing() -> None:
    text = BOTH + '[[variant]]\nname = "a"\n[[variant]]\nname = "a-tso"\n'
    with pytest.raises(InputError, match='"a-tso" would mean a case and a variant'):
        load(write(text))
