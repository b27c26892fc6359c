"""The modules of the page's scripts fit together: imports as they stand are all that is needed, and
in one script no name is taken twice. Read as tokens, without Node."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources

import pytest

from guestsim.page.html import SCRIPTS

ASSETS = resources.files("guestsim.page").joinpath("assets")
MODULES = {
    path.name.removesuffix(".js"): path.read_text()
    for path in sorted(ASSETS.iterdir(), key=lambda path: path.name)
    if path.name.endswith(".js")
}

_TOKEN = re.compile(
    r"(?P<space>\s+|//[^\n]*|/\*.*?\*/)"
    r"""|(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
    r"|(?P<name>[A-Za-z_$][\w$]*)|(?P<number>\d\w*)|(?P<sign>\.\.\.|=>|\?\.|.)",
    re.DOTALL,
)
_REGEX = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/[a-z]*")
_TEXT = re.compile(r"(?:\\.|(?!\$\{)[^`\\])*", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_$][\w$]*\Z")
_IMPORT = re.compile(r'^import \{([^}\n]*)\} from "\./(\w+)\.js";$', re.MULTILINE)
_TYPE_IMPORT = re.compile(r'@import \{([^}\n]*)\} from "\./(\w+)\.js"')
_TYPEDEF = re.compile(r"@typedef \{.*?\} (\w+)(?=  |\n)", re.DOTALL)
_COMMENT = re.compile(r"/\*\*.*?\*/", re.DOTALL)

_PAIRS = {"(": ")", "[": "]", "{": "}"}
_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        as async await break case catch class const continue default delete do else export extends
        false finally for from function get if import in instanceof let new null of return set
        static super switch this throw true try typeof undefined var void while yield
        """,
    )
)
_HEADS = frozenset(("if", "for", "while", "switch"))
"""What stands before `(…) {` that is no list of parameters."""


def tokens(text: str) -> list[str]:
    """The tokens of a script; strings are `""`, what stands in templates is in parentheses."""
    return list(_tokens(text, 0, [0]))


def _tokens(text: str, at: int, end: list[int]) -> Iterator[str]:
    """Up to the `}` that nobody has opened, or the end; `end[0]` says where that was."""
    depth = 0
    before = ""
    while at < len(text):
        end[0] = at
        if text[at] == "/" and text[at + 1] not in "/*" and not _is_operand(before):
            found = _REGEX.match(text, at)
            assert found, text[at : at + 40]
            at, before = found.end(), '""'
            yield before
            continue
        if text[at] == "`":
            yield "("
            at = _TEXT.match(text, at + 1).end()  # type: ignore[union-attr]
            while text[at] != "`":
                inner = [at]
                yield from _tokens(text, at + 2, inner)
                yield ","
                at = _TEXT.match(text, inner[0] + 1).end()  # type: ignore[union-attr]
            at, before = at + 1, ")"
            yield before
            continue
        found = _TOKEN.match(text, at)
        assert found
        at = found.end()
        if found.lastgroup == "space":
            continue
        before = '""' if found.lastgroup == "string" else found.group()
        depth += (before == "{") - (before == "}")
        if depth < 0:
            return
        yield before
    end[0] = at


def _is_operand(token: str) -> bool:
    """Whether a `/` behind it divides."""
    return token in {")", "]", "}", '""'} or (
        re.match(r"[\w$]", token) is not None and token not in _WORDS - {"this", "super"}
    )


@dataclass
class Module:
    """What one module defines, takes and uses."""

    tops: list[str] = field(default_factory=list)
    exports: set[str] = field(default_factory=set)
    imports: dict[str, str] = field(default_factory=dict)
    """Name -> module."""
    bound: set[str] = field(default_factory=set)
    """Names of variables and parameters anywhere in it."""
    used: set[str] = field(default_factory=set)
    """Names that stand for a value."""
    typedefs: set[str] = field(default_factory=set)
    types: dict[str, str] = field(default_factory=dict)
    """Types that its comments import -> module."""
    strange: list[str] = field(default_factory=list)
    """What `guestsim.page.html` would not take out, or take out too much of."""


def read(text: str) -> Module:
    """Read a module."""
    module = Module(typedefs=set(_TYPEDEF.findall(text)))
    for names, source in _IMPORT.findall(text):
        module.imports |= dict.fromkeys(names.split(", "), source)
    comments = "\n".join(_COMMENT.findall(text))
    for names, source in _TYPE_IMPORT.findall(comments):
        module.types |= dict.fromkeys(names.split(", "), source)
    for name in module.types:
        if len(re.findall(rf"\b{name}\b", comments)) == 1:
            module.strange.append(f"imports the type {name} and does not use it")
    script = tokens(_IMPORT.sub("", text))
    if "import" in script:
        module.strange.append("has an import on several lines")
    if script.count("export") != len(
        re.findall(r"^export (?=async |function|class|const)", text, re.M)
    ):
        module.strange.append("has an export that does not begin a line")
    ends = _matching(script)
    depth = 0
    for at, each in enumerate(script):
        before = script[at - 1] if at else ""
        after = script[at + 1] if at + 1 < len(script) else ""
        depth += (each in _PAIRS) - (each in _PAIRS.values())
        if each in {"function", "class", "const", "let", "var"} and before != ".":
            exported = "export" in script[max(0, at - 2) : at]
            names = _declared(script, at + 1, ends)
            module.bound.update(names)
            if not depth:
                module.tops += names
                module.exports.update(names if exported else ())
        elif each == "(" and ends[at] + 1 < len(script):
            then = script[ends[at] + 1]
            if then == "=>" or (then == "{" and before not in _HEADS):
                module.bound.update(filter(_is_name, script[at : ends[at]]))
        elif _is_name(each):
            if after == "=>":
                module.bound.add(each)
            is_key = after == ":" and before in {"{", ","}
            is_method = (
                after == "("
                and script[min(ends[at + 1] + 1, len(script) - 1)] == "{"
                and (before in {"}", "{", ",", ";", "*", "get", "static", "async"})
            )
            if before not in {".", "?.", "function", "class"} and not is_key and not is_method:
                module.used.add(each)
    return module


def _is_name(token: str) -> bool:
    return _NAME.match(token) is not None and token not in _WORDS


def _declared(script: Sequence[str], at: int, ends: Mapping[int, int]) -> list[str]:
    """The names that a declaration defines."""
    if script[at] == "*":
        at += 1
    if script[at] in _PAIRS:
        return [token for token in script[at : ends[at]] if _is_name(token)]
    return [script[at]]


def _matching(script: Sequence[str]) -> dict[int, int]:
    """Where what opens at an index is closed."""
    opened: list[int] = []
    ends: dict[int, int] = {}
    for at, token in enumerate(script):
        if token in _PAIRS:
            opened.append(at)
        elif token in _PAIRS.values():
            begin = opened.pop()
            assert _PAIRS[script[begin]] == token, script[begin : at + 1]
            ends[begin] = at
    assert not opened
    return ends


def complaints(texts: Mapping[str, str], scripts: Mapping[str, Sequence[str]]) -> list[str]:
    """What is wrong with modules, each in a line."""
    said: list[str] = []
    modules = {name: read(text) for name, text in texts.items()}
    for page, names in scripts.items():
        said += [f"{page}: there is no {name}.js" for name in names if name not in modules]
        taken: dict[str, str] = {}
        for at, name in enumerate(names):
            module = modules.get(name, Module())
            for source in dict.fromkeys(module.imports.values()):
                if source not in names[:at]:
                    said.append(f"{page}: {name} imports from {source}, which is not before it")
            for top in module.tops:
                if top in taken:
                    said.append(f"{page}: {top} is in {taken[top]} and in {name}")
                taken[top] = name
            later = [modules[other] for other in names[at + 1 :] if other in modules]
            if later and not any(name in other.imports.values() for other in later):
                said.append(f"{page}: nobody imports from {name}")
    imported = {
        (source, name) for each in modules.values() for name, source in each.imports.items()
    }
    for name, module in modules.items():
        said += [f"{name}: {strange}" for strange in module.strange]
        if not any(name in names for names in scripts.values()):
            said.append(f"{name}: is on no page")
        for each, source in module.imports.items():
            if source not in modules or each not in modules[source].exports:
                said.append(f"{name}: imports {each}, which {source} does not export")
            if each not in module.used:
                said.append(f"{name}: imports {each} and does not use it")
        for each, source in module.types.items():
            known = modules.get(source, Module())
            if each not in known.typedefs | known.exports:
                said.append(f"{name}: there is no type {each} in {source}")
        for each in sorted(module.used - module.bound - set(module.imports)):
            owners = [other for other, one in modules.items() if other != name and each in one.tops]
            if owners:
                said.append(f"{name}: uses {each} of {owners[0]} unasked")
        for each in sorted(module.exports):
            if (name, each) not in imported:
                said.append(f"{name}: exports {each}, which nobody imports")
    return said


def test_the_modules_of_the_pages_fit_together() -> None:
    assert complaints(MODULES, SCRIPTS) == []


SECOND = 'import {Second} from "./two.js";\n'
GOOD = {
    "one": """/** @typedef {{a: number}} Thing  has an a */
const HIDDEN = /[/"'`{]+/;
export function first(a) { return a / HIDDEN.exec(`b ${[1].map((x) => `{${x}`)} c`) / 2; }
""",
    "two": """/** @import {Thing} from "./one.js" */
import {first} from "./one.js";
/** @type {Thing} */
const first2 = {first: first(1), hidden: "HIDDEN"};
export class Second { HIDDEN() { return first2.HIDDEN; } }
""",
    "main": f"{SECOND}for (const HIDDEN of [1]) new Second(HIDDEN);\n",
}


@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        ("one", "", "", None),
        ("two", "class Second", "class Third", "main: imports Second, which two does not export"),
        ("two", "export class", "class", "main: imports Second, which two does not export"),
        ("two", "first(1)", "1", "two: imports first and does not use it"),
        ("two", "first2.HIDDEN", "HIDDEN", "two: uses HIDDEN of one unasked"),
        ("two", '"HIDDEN"', "`${HIDDEN}`", "two: uses HIDDEN of one unasked"),
        ("two", "const first2", "const HIDDEN = 1, first2", "page: HIDDEN is in one and in two"),
        ("two", "/** @type {Thing} */", "", "two: imports the type Thing and does not use it"),
        ("one", "Thing  has", "Thin  has", "two: there is no type Thing in one"),
        ("one", "const HIDDEN", "export const HIDDEN", "one: exports HIDDEN, which nobody imports"),
        ("one", "export f", "  export f", "one: has an export that does not begin a line"),
        ("two", "import {first}", "import {\nfirst}", "two: has an import on several lines"),
        ("main", SECOND, "", "page: nobody imports from two"),
        ("main", SECOND, "", "main: uses Second of two unasked"),
        ("one", "", SECOND, "page: one imports from two, which is not before it"),
    ],
)
def test_what_is_wrong_is_found(name: str, old: str, new: str, complaint: str | None) -> None:
    assert old in GOOD[name]
    texts = {**GOOD, name: GOOD[name].replace(old, new, 1)}
    said = complaints(texts, {"page": ("one", "two", "main")})
    assert said == [] if complaint is None else complaint in said, said


def test_lists_without_modules_and_modules_without_lists() -> None:
    assert (
        complaints(GOOD, {"page": ("one", "two", "main", "three")})[0]
        == "page: there is no three.js"
    )
    said = complaints({**GOOD, "three": ""}, {"page": ("one", "two", "main")})
    assert said == ["three: is on no page"]
