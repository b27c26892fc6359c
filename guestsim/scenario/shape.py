"""Does a decoded TOML file have the shape of the types? If not: which key, and what is wrong.

msgspec could refuse the file too, but not with the nearest spelling, nor with the words of TOML.
The types are read through `msgspec.inspect`, so that what is checked here, what is decoded and
what the schema says are one thing.
"""

from __future__ import annotations

import enum
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect as mi

from guestsim.errors import InternalError
from guestsim.scenario.models import ScenarioFile
from guestsim.scenario.problem import Key, Problem, key_path, show
from guestsim.trace.spelling import hint
from guestsim.trace.text import printable, quoted

__all__ = ["check_shape"]


_BOTH = '; for both: [matrix] "search.memory_model" = ["sc", "tso"]'
"""What older files say in one word."""


def check_shape(document: dict[str, Any], root: type = ScenarioFile) -> None:
    """Raise a Problem for the first key, in the file's order, that does not fit the types. `root`:
    what the whole file is."""
    _check(document, mi.type_info(root), (), root)


def _check(value: object, expected: mi.Type, key: Key, root: type) -> None:
    members = _members(expected)
    for member in members:
        if isinstance(value, _python_type(member)) and not (
            isinstance(value, bool) and not isinstance(member, mi.BoolType)
        ):
            others = [_name(other) for other in members if other is not member]
            _check_member(value, member, key, root, "".join(f" or {other}" for other in others))
            return
    wanted = " or ".join(_name(member) for member in members)
    raise Problem(key, f"expected {wanted}, got {show(value)}{_advice(value, members[0], key)}")


def _members(expected: mi.Type) -> tuple[mi.Type, ...]:
    """The types that a TOML value can have: no wrapper, and no None, which TOML does not know."""
    if isinstance(expected, mi.Metadata):
        return _members(expected.type)
    if isinstance(expected, mi.UnionType):
        return tuple(
            member
            for part in expected.types
            if not isinstance(part, mi.NoneType)
            for member in _members(part)
        )
    return (expected,)


def _python_type(member: mi.Type) -> type:
    match member:
        case mi.StrType() | mi.EnumType():
            return str
        case mi.IntType():
            return int
        case mi.BoolType():
            return bool
        case mi.StructType() | mi.DictType():
            return dict
        case mi.VarTupleType():
            return list
    raise InternalError(f"no check for {type(member).__name__} in a scenario")


def _name(member: mi.Type) -> str:
    match member:
        case mi.EnumType(cls=cls):
            return "one of " + ", ".join(_values(cls))
        case mi.BoolType():
            return "true or false"
        case mi.VarTupleType(item_type=item):
            return "a list of tables" if _is_struct(item) else "a list"
    return {str: "a string", int: "an integer", dict: "a table"}[_python_type(member)]


def _is_struct(expected: mi.Type) -> bool:
    return isinstance(_members(expected)[0], mi.StructType)


def _values(cls: type[enum.Enum]) -> tuple[str, ...]:
    return tuple(str(member.value) for member in cls)


def _advice(value: object, member: mi.Type, key: Key) -> str:
    if (
        isinstance(value, dict)
        and isinstance(member, mi.VarTupleType)
        and _is_struct(member.item_type)
    ):
        return f"; write [[{_table(key)}]]"
    return ""


def _check_member(value: Any, member: mi.Type, key: Key, root: type, others: str) -> None:
    match member:
        case mi.StructType():
            _check_struct(value, member, key, root)
        case mi.DictType():
            _check_dict(value, member, key, root)
        case mi.VarTupleType(item_type=item_type, min_length=least):
            if len(value) < (least or 0):
                raise Problem(key, "may not be empty")
            for index, item in enumerate(value):
                _check(item, item_type, (*key, index), root)
        case mi.EnumType(cls=cls):
            choices = _values(cls)
            if value not in choices:
                near = _BOTH if value == "sc+tso" else hint(value, choices)
                known = ", ".join(choices) + others
                raise Problem(key, f"{quoted(value)} is not one of {known}{near}")
        case mi.StrType(min_length=least):
            if len(value) < (least or 0):
                raise Problem(key, "may not be empty")
        case mi.IntType(ge=least, le=most):
            _check_range(value, least, most, key)


def _check_range(value: int, least: int | None, most: int | None, key: Key) -> None:
    got = show(value).removeprefix("the integer ")
    if least is not None and value < least:
        raise Problem(key, f"{got} is too small; at least {least}")
    if most is not None and value > most:
        limit = f"{most:#x}" if most > 0xFFFF else str(most)
        raise Problem(key, f"{got} is too large; at most {limit}")


def _check_struct(value: dict[str, Any], struct: mi.StructType, key: Key, root: type) -> None:
    fields = {field.encode_name: field for field in struct.fields}
    for name, item in value.items():
        if name not in fields:
            instead = _where_instead(name, tuple(fields), key, root)
            raise Problem((*key, name), f"unknown key{instead}")
        _check(item, fields[name].type, (*key, name), root)
    for name, field in fields.items():
        if field.required and name not in value:
            wanted = " or ".join(_name(member) for member in _members(field.type))
            raise Problem((*key, name), f"missing; expected {wanted}")


def _check_dict(value: dict[str, Any], expected: mi.DictType, key: Key, root: type) -> None:
    if isinstance(expected.value_type, mi.AnyType):
        return  # a matrix, which says itself what it is
    for name, item in value.items():
        if isinstance(item, dict):
            # An unquoted dotted key, or a table of its own, where one flat path was meant.
            path, inner = [name], item
            while len(path) < 16 and len(inner) == 1:
                ((part, deeper),) = inner.items()
                path.append(part)
                if not isinstance(deeper, dict):
                    break
                inner = deeper
            flat = quoted("/".join(path))
            raise Problem(
                (*key, name),
                f"expected a string, got a table; quote the key: {flat} = …",
            )
        _check(item, expected.value_type, (*key, name), root)


def _where_instead(name: str, known: tuple[str, ...], key: Key, root: type) -> str:
    if near := hint(name, known):
        return near
    if homes := _homes(root).get(name):
        # Inside a variant, the tables are the variant's.
        prefix = "variant." if key[:1] == ("variant",) else ""
        return "; it belongs in " + " or ".join(home.format(prefix=prefix) for home in homes)
    return "; known here: " + ", ".join(known)


@cache
def _homes(root: type) -> dict[str, tuple[str, ...]]:
    """For each key of a table that is not the top: in which tables it is known, with a place for
    what stands before their names. A list in a table has entries that are tables."""
    homes: dict[str, tuple[str, ...]] = {}

    def visit(cls: type, table: Key, home: str) -> None:
        for field in msgspec.structs.fields(cls):
            name = field.encode_name
            if table:
                homes[name] = (*homes.get(name, ()), home.format(key_path(table)))
            inner = _members(mi.type_info(field.type))[0]
            if isinstance(inner, mi.StructType):
                visit(inner.cls, (*table, name), "[{{prefix}}{}]")
            elif table and isinstance(inner, mi.VarTupleType):
                for item in _members(inner.item_type):
                    if isinstance(item, mi.StructType):
                        visit(item.cls, (*table, name), "an entry of {{prefix}}{}")

    visit(root, (), "")
    return homes


def _table(key: Key) -> str:
    return printable(".".join(part for part in key if isinstance(part, str)))
