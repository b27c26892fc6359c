"""The notation of docs/ring.md: numbered sentences, each with the claims that prove it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from guestsim.errors import InputError
from guestsim.rules import ALL
from guestsim.scenario import OUTCOMES, Scenario, Strategy, load

__all__ = ["ACTORS", "Claim", "Folder", "Sentence", "problems", "sentences"]

RULES = tuple(rule.name for rule in ALL)

ACTORS = {"the guest": "guest", "the server": "daemon"}
"""The page's words for the two sides, and the names under which guestsim runs them."""

_REF = r"`[^`]+`"
_REFS = rf"{_REF}(?:(?:, | and ){_REF})*"
_CLAIM = rf"(kept|broken|always|sometimes|never)(?: by ([a-z ]+?))? in ({_REFS})"
_CLAUSE = re.compile(rf"`([^`]+)` ({_CLAIM}(?:, {_CLAIM})*)")
_PARAGRAPH = re.compile(r"\*\*(\d+)\.(\d+)\*\* ((?:The|Each) [^*]+?) \*([^*]+)\*")
_SUBJECT = re.compile(r"(The guest|The server|Each side) (?:MUST|MUST NOT|MAY) ")
_HEADING = re.compile(r"## (\d+)\. ")


class Claim(NamedTuple):
    """How one rule or outcome stands in one scenario."""

    subject: str
    word: str
    by: str
    """The side that breaks the rule, in the words of the page; "" for all but `broken`."""
    scenario: str
    """FILE or FILE#NAME below scenarios/."""


class Sentence(NamedTuple):
    line: int
    number: tuple[int, int]
    text: str
    proof: str
    """The words behind it, as they stand there."""

    def __str__(self) -> str:
        return f"docs/ring.md:{self.line}: {self.number[0]}.{self.number[1]}"

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What the proof says; nothing where it cannot be read (`problems` tells)."""
        clauses = [_CLAUSE.fullmatch(clause) for clause in self.proof.split("; ")]
        if not all(clauses):
            return ()
        return tuple(
            Claim(clause[1], claim[1], claim[2] or "", ref)
            for clause in clauses
            if clause
            for claim in re.finditer(_CLAIM, clause[2])
            for ref in re.findall(r"`([^`]+)`", claim[3])
        )


class Folder:
    """Scenario files, each loaded once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._loaded: dict[str, tuple[Scenario, ...]] = {}

    def cases(self, name: str) -> tuple[Scenario, ...]:
        """What FILE or FILE#NAME means: all cases of a variant, or one; LookupError says why it is
        none."""
        file, _, variant = name.partition("#")
        if not (self.root / file).is_file():
            raise LookupError(f"there is no scenario {file}")
        if file not in self._loaded:
            self._loaded[file] = load(self.root / file)
        cases = self._loaded[file]
        found = tuple(case for case in cases if variant in (case.side or "", case.variant))
        if found:
            return found
        sides = ", ".join(dict.fromkeys(case.side or "" for case in cases))
        raise LookupError(f"{file} has no variant {variant!r}: it has {sides}")


def _paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """Each with the line at which it begins, and without line breaks."""
    held: list[str] = []
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line:
            held.append(line)
        elif held:
            yield number - len(held), " ".join(held)
            held = []


def sentences(text: str) -> tuple[Sentence, ...]:
    """All sentences of the page that are well formed, in its order."""
    return tuple(
        Sentence(line, (int(found[1]), int(found[2])), found[3], found[4])
        for line, paragraph in _paragraphs(text)
        if (found := _PARAGRAPH.fullmatch(paragraph))
    )


def problems(text: str, folder: Folder) -> list[str]:
    """What is wrong with the page, one line each: what, and where."""
    found = [*_malformed(text), *_misnumbered(text)]
    for sentence in sentences(text):
        if not _SUBJECT.match(sentence.text):
            found.append(f'{sentence}: does not begin with who "MUST", "MUST NOT" or "MAY"')
        if not sentence.claims:
            found.append(f"{sentence}: cannot read the proof: {sentence.proof}")
        found += [
            f"{sentence}: {what}"
            for claim in sentence.claims
            for what in _unfounded(sentence, claim, folder)
        ]
    named = {claim.subject for sentence in sentences(text) for claim in sentence.claims}
    return found + [
        f"docs/ring.md: no sentence names {rule}" for rule in RULES if rule not in named
    ]


def _malformed(text: str) -> Iterator[str]:
    for line, paragraph in _paragraphs(text):
        if _PARAGRAPH.fullmatch(paragraph):
            continue
        if re.match(r"\*\*\d|\d+\.\d", paragraph):
            yield f"docs/ring.md:{line}: not a number, a sentence and its proof: {paragraph}"
        elif re.search(r"\b(MUST|MAY|SHOULD|SHALL)\b", paragraph):
            yield f"docs/ring.md:{line}: a sentence without a number: {paragraph}"


def _misnumbered(text: str) -> Iterator[str]:
    section, last = 0, (0, 0)
    by_line = {sentence.line: sentence for sentence in sentences(text)}
    for line, paragraph in _paragraphs(text):
        if heading := _HEADING.match(paragraph):
            if int(heading[1]) <= section:
                yield f"docs/ring.md:{line}: section {heading[1]} comes after section {section}"
            section = int(heading[1])
        elif sentence := by_line.get(line):
            if sentence.number[0] != section:
                yield f"{sentence}: stands in section {section}"
            if sentence.number <= last:
                yield f"{sentence}: comes after {last[0]}.{last[1]}"
            last = max(last, sentence.number)


def _unfounded(sentence: Sentence, claim: Claim, folder: Folder) -> Iterator[str]:
    """What is wrong with one claim."""
    words = ("kept", "broken") if claim.subject in RULES else ("always", "sometimes", "never")
    if claim.subject not in RULES + OUTCOMES:
        yield f"there is no rule and no outcome {claim.subject}"
        return
    if claim.word not in words or (claim.subject == "connected" and claim.word != "always"):
        yield f'{claim.subject} cannot be "{claim.word}" here'
        return
    yield from _misattributed(sentence, claim)
    try:
        cases = folder.cases(claim.scenario)
    except (InputError, LookupError) as error:
        yield str(error)
        return
    for case in cases:
        yield from _not_expected(claim, case, folder)


def _misattributed(sentence: Sentence, claim: Claim) -> Iterator[str]:
    """A rule is broken by whom the sentence binds; nobody else has a side to be named."""
    bound = _SUBJECT.match(sentence.text)
    if claim.word != "broken":
        if claim.by:
            yield f'"{claim.word}" is by nobody, but the page says by {claim.by}'
    elif claim.by not in ACTORS:
        yield f"{claim.subject} broken in {claim.scenario}: by whom?"
    elif bound and bound[1] != "Each side" and bound[1].lower() != claim.by:
        yield f"binds {bound[1].lower()}, and {claim.subject} is broken by {claim.by}"


def _not_expected(claim: Claim, case: Scenario, folder: Folder) -> Iterator[str]:
    name = case.name.removeprefix(f"{folder.root}/")
    is_rule = claim.subject in RULES
    expected = (case.expect.rules.judged if is_rule else case.expect.outcomes).get(claim.subject)
    if expected is None:
        yield f"{name} says nothing of {claim.subject}: expected {claim.word}"
    elif expected != claim.word:
        yield f"{name} expects {claim.subject} {expected}, not {claim.word}"
    complete = case.search.strategy is Strategy.EXHAUSTIVE and not case.search.script
    if claim.word in ("kept", "always", "never") and not complete:
        yield f'{name} does not try all interleavings: it cannot prove "{claim.word}"'
