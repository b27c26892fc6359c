"""The small languages in strings: request lines, events, store paths and values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guestsim.abi.xs_wire import XSD_ERRORS
from guestsim.errors import InputError
from guestsim.execute import ScriptStep, script
from guestsim.rules.catalogue import ALL
from guestsim.runner.visit import stop_event
from guestsim.scenario import (
    OUTCOMES,
    RULES,
    Boot,
    Expect,
    Frequency,
    Request,
    Runner,
    Scenario,
    Search,
    Step,
    Strategy,
    parse_request,
)
from guestsim.scenario.grammar import VERBS, check_path, check_value
from guestsim.scenario.problem import Problem, key_path
from guestsim.scenario.sense import check_sense
from guestsim.trace import Outcome
from guestsim.trace.events import KINDS, parse_event, places

REQUESTS_H = Path(__file__).parents[2] / "firmware/include/requests.h"


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("read a/b", Request("read", "a/b")),
        ("read a=", Request("read", "a", value="")),
        ("read a=x = y!z ", Request("read", "a", value="x = y!z ")),
        ("read a!ENOENT", Request("read", "a", error="ENOENT")),
        ("write /a=x", Request("write", "/a", value="x")),
        ("write a!EACCES=x!", Request("write", "a", value="x!", error="EACCES")),
        ("mkdir a", Request("mkdir", "a")),
        ("rm a!EINVAL", Request("rm", "a", error="EINVAL")),
        ("watch a", Request("watch", "a")),
        ("watch @releaseDomain", Request("watch", "@releaseDomain")),
        ("unwatch a!ENOENT", Request("unwatch", "a", error="ENOENT")),
        ("event a", Request("event", "a")),
        ("reset-watches", Request("reset-watches")),
        ("transaction", Request("transaction")),
        ("commit!EAGAIN", Request("commit", error="EAGAIN")),
        ("abort", Request("abort")),
        ("send a", Request("send", "a")),
        ("partial a", Request("partial", "a")),
        ("tx 7 read a!ENOENT", Request("read", "a", error="ENOENT", tx=7)),
        ("tx 4294967295 commit", Request("commit", tx=0xFFFFFFFF)),
    ],
)
def test_a_request_is_parsed(line: str, request_: Request) -> None:
    """Verb, key, error and value, and the transaction id in front."""
    assert parse_request(line) == request_


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("", "a request may not be empty"),
        (" read a", '"" is not one of'),
        ("read", '"read" needs KEY after it'),
        ("read ", '"read" needs KEY after it'),
        ("read =x", '"read" needs KEY after it'),
        ("write a", '"write" needs KEY=VALUE after it'),
        ("write", '"write" needs KEY=VALUE after it'),
        ("read a b", '" " may not stand in a path'),
        ("read a ", '" " may not stand in a path'),
        ("read  a", '" " may not stand in a path'),
        ("read a/", 'a path may not end in "/"'),
        ("read @releaseDomain", "is a special watch"),
        ("read a!", '"" is not one of EINVAL'),
        ("read a!ENOENT=x", "the answer to one read is an error or a value, not both"),
        ("write a=x\ty", '"\\t" may not stand in it'),
        ("rm a=x", '"rm" has no value, but here stands "=x"'),
        ("transaction a", '"transaction" has no key, but here stands "a"'),
        ("commit ", 'a space after "commit"'),
        ("commit=x", '"commit" has no value'),
        ("send a!ENOENT", '"send" waits for no answer, so it expects no error'),
        ("event a!ENOENT", '"event" waits for no answer'),
        ("tx 1 event a", '"event" sends nothing, so it has no "tx ID"'),
        ("tx", 'after "tx" stands a transaction id'),
        ("tx 0x1 read a", 'after "tx" stands a transaction id'),
        ("tx 4294967296 read a", 'after "tx" stands a transaction id'),
        ("tx 1", 'after "tx ID" stands a request'),
        ("tx 1 tx 2 read a", '"tx" is not one of'),
        ("write a=" + "x" * 4095, "a payload has at most 4096 bytes, this one has 4097"),
        ("read a=" + "é" * 2049, "a payload has at most 4096 bytes, this one has 4098"),
    ],
)
def test_a_wrong_request_is_refused(line: str, complaint: str) -> None:
    """Each with the sentence for its own mistake."""
    with pytest.raises(InputError) as caught:
        parse_request(line)
    assert complaint in str(caught.value)


def test_the_longest_payloads_fit() -> None:
    """4096 bytes: a path, a NUL and a value to write; a value to read."""
    assert len(parse_request("write a=" + "x" * 4094).value or "") == 4094
    assert len(parse_request("read a=" + "x" * 4096).value or "") == 4096


def test_the_verbs_are_those_of_the_firmware() -> None:
    """The images read the same lines, and their header documents the same verbs."""
    comment = REQUESTS_H.read_text(encoding="utf-8").partition("*/")[0]
    documented = re.findall(r"^ \*   ([a-z-]+)", comment, re.MULTILINE)
    assert tuple(dict.fromkeys(documented)) == VERBS


@given(
    verb=st.sampled_from([*VERBS, "tx 3 read", "tx", "nothing"]),
    rest=st.text(alphabet="ab/ !=@\n", max_size=8) | st.sampled_from([" a!ENOENT", " a=b", ""]),
)
def test_a_request_that_is_accepted_says_it_all(verb: str, rest: str) -> None:
    """What the parser keeps makes the line again: nothing in it is ignored."""
    line = verb + rest
    try:
        request = parse_request(line)
    except InputError:
        return
    again = f"tx {request.tx} " if request.tx is not None else ""
    again += request.verb
    again += f" {request.key}" if request.key is not None else ""
    again += f"!{request.error}" if request.error is not None else ""
    again += f"={request.value}" if request.value is not None else ""
    assert again == line
    assert request.error is None or request.error in XSD_ERRORS


_PIECES = st.sampled_from([
    "store", "send", "wait", "unmask", "halt", " ", "  ", "req_prod", "server_pending", "req[5]",
    "=", "= ", "0", "1", "2", "7", "007", "0b101", "0x1F", "0X1", "1_0", "-1", "+1", "9" * 39,
    "\u0661\u0666", "\t", "\u00a0", '"',
])  # fmt: skip

_EVENTS = st.one_of(
    st.lists(_PIECES, max_size=6).map("".join),
    st.tuples(
        st.sampled_from([*KINDS, "lod"]),
        st.sampled_from(["", *(f" {place}" for place in places()), " req[5]"]),
        st.sampled_from(["", "=", " = "]),
        st.sampled_from(["", "0", "1", "7", "0b101", "1_0", "-1", "0xA5", "\u0661\u0666"]),
    ).map("".join),
)
"""Events, and what looks like one."""


@given(_EVENTS)
def test_the_front_doors_speak_one_language(text: str) -> None:
    """What a scenario file accepts, a script and `--stop-at` accept with the same meaning; what one
    refuses, the others refuse in the same words, behind their own name for the place."""
    scenario = Scenario(
        path=Path("x.toml"),
        title="t",
        boot=Boot(chain=("a",)),
        search=Search(strategy=Strategy.SCRIPT, script=(Step(run=Runner.GUEST, until=text),)),
        expect=Expect(connected=Frequency.ALWAYS),
    )
    step = ScriptStep("guest", until=text)
    try:
        matcher = parse_event(text)
    except InputError as error:
        said = str(error)
        with pytest.raises(Problem) as problem:
            check_sense(scenario, {})
        assert key_path(problem.value.key) == "search.script[0].until"
        assert problem.value.message == said
        with pytest.raises(InputError) as refused:
            script([step])
        assert str(refused.value) == f"script step 1 ({step}): until: {said}"
        with pytest.raises(InputError) as stopped:
            stop_event(text)
        assert str(stopped.value) == f"--stop-at: {said}"
    else:
        check_sense(scenario, {})
        assert scenario.search.script[0].event == matcher
        script([step])
        assert stop_event(text) == matcher
        assert parse_event(str(matcher)) == matcher


def test_the_words_are_those_of_other_layers() -> None:
    """This layer cannot import them: its lists of words are compared here."""
    assert list(OUTCOMES) == [outcome.value for outcome in Outcome]
    assert list(RULES) == [rule.name for rule in ALL]


@pytest.mark.parametrize(
    "path", ["a", "/", "/a", "a/b-c_d/E9", "a@b", "x" * 2048, "/" + "x" * 3071]
)
def test_a_path_is_accepted(path: str) -> None:
    """Up to the longest that the protocol allows."""
    check_path(path)


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("", "a path may not be empty"),
        ("a.b", '"." may not stand in a path'),
        ("ä", '"ä" may not stand in a path'),
        ("a\0", '"\\u0000" may not stand in a path'),
        ("@introduceDomain", "is a special watch"),
        ("a//b", 'a path may not have "//"'),
        ("//", 'a path may not have "//"'),
        ("a/", 'a path may not end in "/"'),
        ("x" * 2049, "a relative path has at most 2048 characters, this one has 2049"),
        ("/" + "x" * 3072, "an absolute path has at most 3072 characters, this one has 3073"),
    ],
)
def test_a_wrong_path_is_refused(path: str, complaint: str) -> None:
    """Each with the sentence for its own mistake."""
    with pytest.raises(InputError) as caught:
        check_path(path)
    assert complaint in str(caught.value)


def test_a_value_is_one_payload_at_most() -> None:
    """Bytes count, not characters."""
    check_value("é" * 2048)
    with pytest.raises(InputError):
        check_value("é" * 2048 + "x")
