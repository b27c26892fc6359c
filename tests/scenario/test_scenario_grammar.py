"""The small languages in strings: request lines, script events, store paths and values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guestsim.abi.xs_wire import XSD_ERRORS
from guestsim.errors import InputError
from guestsim.rules.catalogue import ALL
from guestsim.scenario import (
    KINDS,
    OUTCOMES,
    PLACES,
    RULES,
    Request,
    Until,
    parse_request,
    parse_until,
)
from guestsim.scenario.grammar import VERBS, GrammarError, check_path, check_value
from guestsim.trace import Kind, Outcome, shared
from guestsim.trace.events import parse_event

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
    with pytest.raises(GrammarError) as caught:
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
    except GrammarError:
        return
    again = f"tx {request.tx} " if request.tx is not None else ""
    again += request.verb
    again += f" {request.key}" if request.key is not None else ""
    again += f"!{request.error}" if request.error is not None else ""
    again += f"={request.value}" if request.value is not None else ""
    assert again == line
    assert request.error is None or request.error in XSD_ERRORS


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("store req_prod", Until("store", "req_prod")),
        ("  load   req_cons=22 ", Until("load", "req_cons", 22)),
        ("load req = 0xA5", Until("load", "req", 0xA5)),
        ("store rsp = 0", Until("store", "rsp", 0)),
        ("rmw req_cons", Until("rmw", "req_cons")),
        ("send", Until("send")),
        ("send server_pending", Until("send", "server_pending")),
        ("wait server_pending = 0", Until("wait", "server_pending", 0)),
        ("unmask evtchn_pending", Until("unmask", "evtchn_pending")),
        ("fence", Until("fence")),
        ("halt", Until("halt")),
    ],
)
def test_an_event_is_parsed(text: str, until: Until) -> None:
    """Kind, place, value; and the script that runs it reads the same."""
    assert parse_until(text) == until
    matcher = parse_event(text)
    assert (matcher.kind.name.lower(), matcher.place, matcher.value) == (
        until.kind,
        until.place,
        until.value,
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "an event begins with its kind: load, store, "),
        ("= 5", "an event begins with its kind"),
        ("lod req", '"lod" is not one of load, store, rmw'),
        ("store", "store needs a place after it, for example store req_prod"),
        ("store = 5", "store needs a place after it"),
        ("store req_prd", 'did you mean "req_prod"?'),
        ("store req[5]", '"req[5]": a place is a whole field; write "req"'),
        ("store req_prod rsp_prod", "one place after store, not"),
        ("store req_prod =", '"" is not a value (decimal, or 0x…)'),
        ("store req_prod = 007", '"007" is not a value'),
        ("store req_prod = -1", '"-1" is not a value'),
        ("store req_prod = 0b101", '"0b101" is not a value'),
        ("store req_prod = 1_0", '"1_0" is not a value'),
        ("store req_prod = 1 = 1", '"1 = 1" is not a value'),
        ("store req_prod = " + "9" * 5000, "is not a value"),
        ("halt server_pending", "halt has no place, but here stands"),
        ("fence = 1", 'fence has no value, but here stands "= 1"'),
        ("unmask evtchn_pending = 1", "unmask has no value"),
        ("wait = 1", "a value needs a place, for example wait server_pending = 1"),
        ("send server_pending = 2", "the value of a send is 0 or 1, not 2"),
    ],
)
def test_a_wrong_event_is_refused(text: str, complaint: str) -> None:
    """Each with the sentence for its own mistake."""
    with pytest.raises(GrammarError) as caught:
        parse_until(text)
    assert complaint in str(caught.value)
    assert str(caught.value).isprintable()


_PIECES = st.sampled_from([
    "store", "send", "wait", "unmask", "halt", " ", "  ", "req_prod", "server_pending", "req[5]",
    "=", "= ", "0", "1", "2", "007", "0b1", "0x1F", "0X1", "1_0", "-1", "+1", "9" * 39, "\u0661",
])  # fmt: skip


@given(st.lists(_PIECES, max_size=6).map("".join))
def test_scripts_and_scenario_files_refuse_the_same_events(text: str) -> None:
    """There are two parsers, because neither layer may import the other."""
    try:
        until = parse_until(text)
    except GrammarError:
        with pytest.raises(InputError):
            parse_event(text)
    else:
        matcher = parse_event(text)
        found = matcher.kind.name.lower(), matcher.place, matcher.value
        assert found == (until.kind, until.place, until.value)


def test_the_words_are_those_of_other_layers() -> None:
    """This layer cannot import them: its lists of words are compared here."""
    # A choice does nothing that a script could wait for.
    assert set(KINDS) == {kind.name.lower() for kind in Kind} - {"choose"}
    assert set(PLACES) == {shared.field(address) for address in range(shared.SHARED_SIZE)}
    assert len(PLACES) == len(set(PLACES))
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
    with pytest.raises(GrammarError) as caught:
        check_path(path)
    assert complaint in str(caught.value)


def test_a_value_is_one_payload_at_most() -> None:
    """Bytes count, not characters."""
    check_value("é" * 2048)
    with pytest.raises(GrammarError):
        check_value("é" * 2048 + "x")
