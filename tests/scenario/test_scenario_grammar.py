"""The small languages in strings: request lines, events, store paths and values."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guestsim.abi.xs_wire import XSD_ERRORS
from guestsim.errors import InputError
from guestsim.execute import ScriptStep, script
from guestsim.rules.catalogue import ALL
from guestsim.runner.handovers import SAME_HANDOVER
from guestsim.runner.visit import stop_event
from guestsim.scenario import (
    OUTCOMES,
    RULES,
    Boot,
    Expect,
    Frequency,
    Other,
    Request,
    Scenario,
    Search,
    Step,
    Strategy,
    parse_request,
)
from guestsim.scenario.escapes import spelled_bytes, spelled_list
from guestsim.scenario.grammar import ERRORS, VERBS, check_path, check_value
from guestsim.scenario.problem import Problem, key_path
from guestsim.scenario.sense import check_sense
from guestsim.trace import Kind, Outcome
from guestsim.trace.events import KINDS, parse_event, places

REQUESTS_H = Path(__file__).parents[2] / "firmware/include/requests.h"
PACKAGE = Path(__file__).parents[2] / "guestsim"


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
        ("directory a", Request("directory", "a")),
        ("directory a=", Request("directory", "a", value="")),
        ("directory a=b,c-d,@e", Request("directory", "a", value="b,c-d,@e")),
        ("directory-part a", Request("directory-part", "a")),
        ("directory-part a 70=b,", Request("directory-part", "a", value="b,", offset=70)),
        ("directory-part a!ENOSYS", Request("directory-part", "a", error="ENOSYS")),
        ("get-perms a=n1,r0", Request("get-perms", "a", value="n1,r0")),
        ("get-perms @releaseDomain", Request("get-perms", "@releaseDomain")),
        ("set-perms a=b1,n-1", Request("set-perms", "a", value="b1,n-1")),
        ("set-perms a!EINVAL=x", Request("set-perms", "a", value="x", error="EINVAL")),
        ("set-perms a!EINVAL=", Request("set-perms", "a", value="", error="EINVAL")),
        ("watch a b", Request("watch", "a", token="b")),
        (r"watch a \x20\\ 0", Request("watch", "a", token=r"\x20\\", depth=0)),
        ("watch @releaseDomain/7 t 1", Request("watch", "@releaseDomain/7", token="t", depth=1)),
        ("unwatch a b!ENOENT", Request("unwatch", "a", token="b", error="ENOENT")),
        ("event a b", Request("event", "a", token="b")),
        ("transaction first-1", Request("transaction", "first-1")),
        ("tx first-1 commit!EAGAIN", Request("commit", error="EAGAIN", tx_name="first-1")),
        ("get-domain-path 1=/local/domain/1", Request("get-domain-path", "1", "/local/domain/1")),
        ("message 4294967295!ENOSYS=", Request("message", "4294967295", "", error="ENOSYS")),
        (r"message 2=a\x00", Request("message", "2", r"a\x00")),
        (r"raw=\xff\\=!", Request("raw", value=r"\xff\\=!")),
        (r"write a=\x00\xff", Request("write", "a", value=r"\x00\xff")),
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
        ("commit a", '"commit" has no key, but here stands "a"'),
        ("commit ", 'a space after "commit"'),
        ("commit=x", '"commit" has no value'),
        ("send a!ENOENT", '"send" waits for no answer, so it expects no error'),
        ("event a!ENOENT", '"event" waits for no answer'),
        ("tx 1 event a", '"event" sends nothing, so it has no "tx ID"'),
        ("tx", 'after "tx" stands a transaction id'),
        ("tx 0x1 read a", 'after "tx" stands a transaction id'),
        ("tx 4294967296 read a", 'after "tx" stands a transaction id'),
        ("tx 1", 'after "tx ID" stands a request'),
        ("tx first", 'after "tx ID" stands a request'),
        ("tx read a", 'after "tx" stands a transaction id, 0 to 4294967295, or the name of'),
        ("tx First read a", 'after "tx" stands a transaction id'),
        ("tx 1 raw=a", '"raw" has its own header, so it has no "tx ID"'),
        ("transaction 7", '"7" cannot be the name of a transaction'),
        ("transaction commit", '"commit" cannot be the name of a transaction'),
        ("transaction ", 'a space after "transaction"'),
        ("directory a=b,,c", '"" is not the name of a node'),
        ("directory a=b,", '"" is not the name of a node'),
        ("directory a=b/c", '"b/c" is not the name of a node'),
        ("directory a!ENOENT=b", "the answer to one directory is an error or a value, not both"),
        ("directory-part a=,", '"" is not the name of a node'),
        ("directory-part a x", '"x" is not an offset'),
        ("get-perms a=", '"" is not a permission'),
        ("set-perms a", '"set-perms" needs KEY=PERMISSIONS after it'),
        ("set-perms a=x1", '"x1" is not a permission'),
        ("set-perms a=", '"" is not a permission'),
        ("watch a b c", '"c" is no depth'),
        ("watch a b 1 2", '"a b 1 2" has more words than PATH TOKEN DEPTH'),
        ("unwatch a b 1", '"a b 1" has more words than PATH TOKEN'),
        ("watch a  b", "an empty word"),
        ("watch a ", "an empty word"),
        ("watch a " + "t" * 4094, "a payload has at most 4096 bytes; with this token it has 4097"),
        (r"watch a x\x00", "a token has no NUL in it"),
        (r"watch a x\x0", r'"\\x0" is no escape'),
        (r"write a=\n", r'"\\n" is no escape'),
        (r"write a=\xFF", r'"\\xFF" is no escape'),
        (r"write a=\\\x0", r'"\\x0" is no escape'),
        ("write a=\\", r'"\\" is no escape'),
        ("get-domain-path x", '"x" is not a domain'),
        ("get-domain-path 1=", '"" is no path'),
        ("message a=", '"a" is not the type of a message'),
        ("message 4294967296=", '"4294967296" is not the type of a message'),
        ("message 2", '"message" needs TYPE=BYTES after it'),
        ("raw", '"raw" needs =BYTES after it'),
        ("raw a=b", '"raw" has no key, but here stands "a"'),
        ("raw!EINVAL=b", '"raw" waits for no answer'),
        ("raw=" + r"\x00" * 4097, "a payload has at most 4096 bytes, this one has 4097"),
        (
            "set-perms a=" + "n1," * 1364 + "n1",
            "a payload has at most 4096 bytes, this one has 4097",
        ),
        ("read a!EQOTA", 'did you mean "EQUOTA"?'),
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
    assert len(parse_request("watch a " + "t" * 4093).token or "") == 4093
    assert parse_request("raw=" + r"\x00" * 4096)
    assert parse_request("set-perms aa=" + "n1," * 1363 + "n1,"[:2])


def test_the_verbs_are_those_of_the_firmware() -> None:
    """The images read the same lines, and their header documents the same verbs."""
    comment = REQUESTS_H.read_text(encoding="utf-8").partition("*/")[0]
    documented = re.findall(r"^ \*   ([a-z-]+)", comment, re.MULTILINE)
    assert tuple(dict.fromkeys(documented)) == VERBS


def named_errors(folder: str) -> set[str]:
    """Every string of the sources there that looks like the name of an error."""
    return {
        node.value
        for path in (PACKAGE / folder).glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"E[A-Z0-9]{2,}", node.value)
    } - {"EMPTY"}


def test_every_error_of_a_daemon_can_be_expected() -> None:
    """Those that the models give, and the rest of the protocol's."""
    given = named_errors("xenstore") | named_errors("daemon")
    assert {"EQUOTA", "E2BIG", "ENOSYS", "EIO", "EBUSY", "EPERM"} <= given
    assert given | set(XSD_ERRORS) == set(ERRORS)
    for name in ERRORS:
        assert parse_request(f"write a!{name}=b").error == name


@given(st.binary(max_size=12))
def test_every_byte_can_be_spelled(value: bytes) -> None:
    """Each as an escape; what prints, as it is."""
    assert spelled_bytes("".join(f"\\x{byte:02x}" for byte in value)) == value
    plain = value.decode("latin-1").replace("\\", "\\\\")
    assert spelled_bytes(plain) == value.decode("latin-1").encode()


def test_a_list_is_taken_apart_at_its_commas() -> None:
    """Not at one that is spelled as an escape."""
    assert spelled_list("") == ()
    assert spelled_list(r"a,,b\x2c") == (b"a", b"", b"b,")


@given(
    verb=st.sampled_from([*VERBS, "tx 3 read", "tx a watch", "tx", "nothing"]),
    rest=st.text(alphabet="ab1/ !=@,\\\n", max_size=8)
    | st.sampled_from([" a!ENOENT", " a=b", "", " a b 1", " 1=n1,r0", r"=\x00"]),
)
def test_a_request_that_is_accepted_says_it_all(verb: str, rest: str) -> None:
    """What the parser keeps makes the line again: nothing in it is ignored."""
    line = verb + rest
    try:
        request = parse_request(line)
    except InputError:
        return
    again = f"tx {request.tx} " if request.tx is not None else ""
    again += f"tx {request.tx_name} " if request.tx_name is not None else ""
    again += request.verb
    for word in (request.key, request.token, request.depth, request.offset):
        again += f" {word}" if word is not None else ""
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
        search=Search(strategy=Strategy.SCRIPT, script=(Step(run="daemon", until=text),)),
        others=(Other(name="backend", do=("rm data/x",)),),
        expect=Expect(connected=Frequency.ALWAYS),
    )
    step = ScriptStep("daemon", until=text)
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
        if matcher.kind is Kind.ACT and matcher.place not in (None, "backend"):
            return  # who there is, only the scenario knows
        check_sense(scenario, {})
        assert scenario.search.script[0].event == matcher
        script([step])
        assert stop_event(text) == matcher
        assert parse_event(str(matcher)) == matcher


def test_the_words_are_those_of_other_layers() -> None:
    """This layer cannot import them: its lists of words are compared here."""
    assert list(OUTCOMES) == [outcome.value for outcome in Outcome]
    assert list(RULES) == [*(rule.name for rule in ALL), SAME_HANDOVER]


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
