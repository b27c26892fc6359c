"""The store against a dictionary of paths, and what a search needs of it: cheap copies,
equality and hash by content."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from guestsim.xenstore.frozen import FrozenMap
from guestsim.xenstore.path import is_below, parent
from guestsim.xenstore.permission import Access, Permission
from guestsim.xenstore.store import EMPTY, TOOLS_ONLY, Node, Store

NAME = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAME, min_size=1, max_size=3).map(lambda steps: "/" + "/".join(steps))


def _store(*paths: str) -> Store:
    store = EMPTY
    for path in paths:
        store = store.put(path, Node(b"", TOOLS_ONLY))
    return store


class StoreAgainstDict(RuleBasedStateMachine):
    """Random writes and removals on the tree and on a flat dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.store = EMPTY
        self.model: dict[str, bytes] = {"/": b""}
        self.snapshots: list[tuple[Store, dict[str, bytes]]] = []

    @rule(path=PATHS, value=st.binary(max_size=3))
    def write(self, path: str, value: bytes) -> None:
        if parent(path) not in self.model:
            return
        node = self.store.get(path)
        new = node.with_value(value) if node else Node(value, TOOLS_ONLY)
        self.store = self.store.put(path, new)
        self.model[path] = value

    @rule(path=PATHS)
    def remove(self, path: str) -> None:
        if path not in self.model:
            return
        self.store = self.store.remove(path)
        self.model = {k: v for k, v in self.model.items() if not is_below(k, path)}

    @rule()
    def snapshot(self) -> None:
        self.snapshots.append((self.store, dict(self.model)))

    @invariant()
    def same(self) -> None:
        assert {path: node.value for path, node in self.store.walk()} == self.model
        for path in self.model:
            node = self.store.get(path)
            assert node is not None
            children = [k.rpartition("/")[2] for k in self.model if k != "/" and parent(k) == path]
            assert sorted(node.children) == sorted(children)

    @invariant()
    def old_copies_do_not_change(self) -> None:
        for store, model in self.snapshots:
            assert {path: node.value for path, node in store.walk()} == model

    @invariant()
    def equal_content_is_equal(self) -> None:
        rebuilt = EMPTY
        for path, node in sorted(self.store.walk(), key=lambda item: item[0].count("/")):
            if path != "/":
                rebuilt = rebuilt.put(path, Node(node.value, node.permissions))
        # `walk` gives children in their order, so the copy has the same order.
        assert rebuilt == self.store
        assert hash(rebuilt) == hash(self.store)


TestStoreAgainstDict = StoreAgainstDict.TestCase
TestStoreAgainstDict.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_what_a_client_can_see_makes_stores_differ() -> None:
    store = _store("/a", "/b")
    node = store.get("/a")
    assert node is not None
    assert store != store.put("/a", node.with_value(b"x"))
    assert store != store.put("/a", node.with_permissions((Permission(1, Access.READ),)))
    assert store != _store("/a")
    # DIRECTORY lists children in the order in which they were made.
    assert store != _store("/b", "/a")


def test_a_change_shares_all_that_did_not_change() -> None:
    store = _store("/a", "/a/x", "/b")
    changed = store.put("/b", Node(b"new", TOOLS_ONLY))
    assert changed.get("/a") is store.get("/a")


def test_depth_is_no_limit() -> None:
    # A path may have 1,500 steps; Python's stack does not.
    path = "/d" * 1500
    deep = EMPTY.create(path, b"", TOOLS_ONLY)
    same = EMPTY.create(path, b"", TOOLS_ONLY)
    assert same == deep
    assert hash(same) == hash(deep)
    assert sum(1 for _ in deep.walk()) == 1501
    assert deep.put(path, Node(b"x", TOOLS_ONLY)) != deep
    assert deep.remove("/d") == EMPTY


def test_create_makes_what_is_missing_and_nothing_else() -> None:
    store = _store("/a").create("/a/b/c", b"v", TOOLS_ONLY)
    assert [(path, node.value) for path, node in store.walk()] == [
        ("/a/b/c", b"v"),
        ("/a/b", b""),
        ("/a", b""),
        ("/", b""),
    ]
    node, missing = store.reach("/a/x/y")
    assert (node is store.get("/a"), missing) == (True, ["x", "y"])
    assert store.reach("@unknown") == (store.get("/"), ["@unknown"])
    assert store.reach("/a/b") == (store.get("/a/b"), [])


def test_digest_is_the_same_in_every_process() -> None:
    store = EMPTY.put("/a", Node(b"value", TOOLS_ONLY))
    assert store.top.digest.hex() == "a531c2fb1b34d9e6c83ac8acdc4c2ed3"


def test_frozen_map_keeps_order_and_compares_by_it() -> None:
    one = FrozenMap({"a": 1, "b": 2})
    assert list(one.set("a", 3).items()) == [("a", 3), ("b", 2)]
    assert list(one.without("a").items()) == [("b", 2)]
    assert one == FrozenMap({"a": 1}).set("b", 2)
    assert hash(one) == hash(FrozenMap({"a": 1}).set("b", 2))
    assert one != FrozenMap({"b": 2, "a": 1})
    assert one.get("x") is None


@given(
    st.integers(0, 80),
    st.lists(st.tuples(st.booleans(), st.integers(0, 100) | st.integers(0, 5)), max_size=60),
)
def test_frozen_map_is_a_dict_that_keeps_its_past(size: int, steps: list[tuple[bool, int]]) -> None:
    # Large maps are kept in layers, small ones are not: it must not show.
    first: FrozenMap[int, int] = FrozenMap(dict.fromkeys(range(size), 0))
    current, model = first, dict(first.items())
    past = [(current, dict(model))]
    for step, (setting, key) in enumerate(steps):
        if setting or key not in model:
            current = current.set(key, step)
            model[key] = step
        else:
            current = current.without(key)
            del model[key]
        assert len(current) == len(model)
        assert (current.get(key), key in current) == (model.get(key), key in model)
        past.append((current, dict(model)))
    for found, expected in reversed(past):
        assert list(found.items()) == list(expected.items())
        assert found == FrozenMap(expected)
        assert hash(found) == hash(FrozenMap(expected))
    with pytest.raises(KeyError):
        first.without(-1)
    with pytest.raises(KeyError):
        first[-1]


def test_a_change_of_a_large_map_copies_little() -> None:
    large = FrozenMap(dict.fromkeys(range(10000), 0))
    changed = large.set(5, 1).set(-1, 1).without(7)
    assert changed._base is large._base
    assert changed._changed.keys() == {5, 7}
    assert changed._added == {-1: 1}
