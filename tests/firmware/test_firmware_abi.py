"""The C headers in firmware/include/xen say the same as guestsim.abi."""

from __future__ import annotations

import re
import struct
from enum import IntEnum
from pathlib import Path
from types import ModuleType

import pytest

from guestsim import abi
from guestsim.abi import (
    cpuid,
    event_channel,
    hvm_op,
    memory,
    sched,
    start_info,
    xen,
    xs_wire,
)
from guestsim.machine import image, platform

INCLUDE = Path(__file__).parents[2] / "firmware" / "include"
UPSTREAM = sorted((INCLUDE / "xen").rglob("*.h"))

ABI_MODULES = (cpuid, event_channel, hvm_op, memory, sched, start_info, xen, xs_wire)

DEFINE = re.compile(r"^#define (\w+) (0x[0-9a-fA-F]+|\d+)$", re.M)
ENUMERATOR = re.compile(r"^ {4}(\w+) = (0x[0-9a-fA-F]+|\d+),$", re.M)
OFFSET = re.compile(
    r"^_Static_assert\(offsetof\(struct (\w+), (\w+)\) == (0x[0-9a-fA-F]+|\d+), \"\"\);$", re.M
)
SIZE = re.compile(r"^_Static_assert\(sizeof\(struct (\w+)\) == (\d+), \"\"\);$", re.M)
STRUCT = re.compile(r"^struct (\w+) \{\n(.*?)^\};$", re.M | re.S)
MEMBER = re.compile(r"(\w+)(?:\[\w+\])?;")

NOT_NUMBERS = {"MASK_XENSTORE_IDX"}
"""Function-like macros."""

SAID_ELSEWHERE = {
    "XEN_CPUID_SIGNATURE_EBX",
    "XEN_CPUID_SIGNATURE_ECX",
    "XEN_CPUID_SIGNATURE_EDX",
    "XEN_ELFNOTE_PHYS32_ENTRY",
    "XEN_LEGACY_MAX_VCPUS",
}
"""Constants that guestsim.abi has in another shape; each has a test of its own below."""


NOT_IN_FIRMWARE = {"console", "grant_table", "vcpu"}
"""What the images here never do, and only the machine needs: start another processor, share pages,
talk on the console's ring."""


def constants() -> dict[str, int]:
    found: dict[str, int] = {}
    for path in UPSTREAM:
        text = path.read_text()
        for name, value in DEFINE.findall(text) + ENUMERATOR.findall(text):
            assert name not in found, f"{path}: {name} is defined twice"
            found[name] = int(value, 0)
    return found


def offsets(name: str) -> dict[str, int]:
    """Member to offset, as a _Static_assert states it (so the compiler has agreed)."""
    found = {
        member: int(value, 0)
        for path in UPSTREAM
        for struct_name, member, value in OFFSET.findall(path.read_text())
        if struct_name == name
    }
    assert found, f"no offset of struct {name} is asserted"
    return found


def size(name: str) -> int:
    (found,) = (
        int(value)
        for path in UPSTREAM
        for struct_name, value in SIZE.findall(path.read_text())
        if struct_name == name
    )
    return found


def abi_names() -> dict[str, int]:
    found: dict[str, int] = {}
    for module in ABI_MODULES:
        for name, value in vars(module).items():
            if isinstance(value, int) and not isinstance(value, bool):
                found[name] = int(value)
            elif isinstance(value, type) and issubclass(value, int):
                prefix = "__HYPERVISOR_" if value is xen.Hypercall else ""
                for member in getattr(value, "__members__", {}).values():
                    found[prefix + member.name] = int(member)
    return found


def test_every_abi_module_is_compared() -> None:
    # A header added to guestsim.abi must not slip past the comparison.
    folder = Path(str(abi.__file__)).parent
    compared: set[ModuleType] = set(ABI_MODULES)
    missing = {path.stem for path in folder.glob("*.py")} - {
        module.__name__.rpartition(".")[2] for module in compared
    }
    assert missing == {"__init__", *NOT_IN_FIRMWARE}, (
        f"guestsim.abi modules not compared with C: {missing}"
    )


@pytest.mark.parametrize("name", sorted(set(constants()) - SAID_ELSEWHERE))
def test_constants_are_those_of_the_abi(name: str) -> None:
    known = abi_names()
    assert name in known, f"firmware/include/xen defines {name}, guestsim.abi does not"
    assert constants()[name] == known[name], f"{name}: C {constants()[name]}, abi {known[name]}"


@pytest.mark.parametrize(
    "enum",
    [
        xs_wire.XsdSockmsgType,
        xs_wire.ServerFeature,
        xs_wire.ConnectionState,
        xs_wire.RingError,
    ],
)
def test_enumerations_are_whole(enum: type[IntEnum]) -> None:
    # The other direction: what the simulator knows of the ring, the firmware's headers know too.
    for member in enum.__members__.values():
        found = constants().get(str(member.name))
        assert found == int(member), f"{member.name}: C {found}, abi {int(member)}"


def test_ring_layout() -> None:
    expected = {member.name.lower(): member.value for member in xs_wire.Interface}
    assert offsets("xenstore_domain_interface") == expected


def test_shared_info_layout() -> None:
    assert offsets("shared_info") == {member.name: member.value for member in xen.SharedInfo}
    vcpu = offsets("vcpu_info")
    for member in xen.VcpuInfo:
        assert vcpu[member.name] == member.value, member.name
    # The number of vcpus is what fills the space before the event words.
    vcpus = constants()["XEN_LEGACY_MAX_VCPUS"]
    assert vcpus * size("vcpu_info") == xen.SharedInfo.evtchn_pending


def test_start_info_layout() -> None:
    layout = start_info.HVM_START_INFO
    starts = [struct.calcsize(layout[: end + 1]) for end in range(len(layout) - 1)]
    assert list(offsets("hvm_start_info").values()) == starts
    assert size("hvm_start_info") == struct.calcsize(layout)


def test_message_header_layout() -> None:
    assert offsets("xsd_sockmsg") == {"type": 0, "req_id": 4, "tx_id": 8, "len": 12}
    assert size("xsd_sockmsg") == xs_wire.XSD_HEADER_SIZE


def test_draft_words_are_where_their_successors_landed() -> None:
    draft = offsets("xenstore_domain_interface_draft_2014")
    assert draft.pop("version") == xs_wire.Interface.SERVER_FEATURES
    assert draft.pop("close_request") == xs_wire.Interface.CONNECTION
    upstream = offsets("xenstore_domain_interface")
    assert draft == {name: upstream[name] for name in draft}


def test_cpuid_signature() -> None:
    found = constants()
    words = [found[f"XEN_CPUID_SIGNATURE_{register}"] for register in ("EBX", "ECX", "EDX")]
    assert struct.pack("<III", *words) == cpuid.XEN_CPUID_SIGNATURE


def test_what_the_machine_must_agree_on() -> None:
    assert constants()["XEN_ELFNOTE_PHYS32_ENTRY"] == image.XEN_ELFNOTE_PHYS32_ENTRY
    post = dict(DEFINE.findall((INCLUDE / "post.h").read_text()))
    assert int(post["POST_PORT"], 0) == platform.POST_PORT
    assert int(post["POST_WRONG_REPLY"], 0) == platform.POST_WRONG_REPLY


@pytest.mark.parametrize("path", UPSTREAM, ids=lambda path: path.name)
def test_nothing_escapes_the_comparison(path: Path) -> None:
    # What the patterns above do not match would never be compared.
    text = path.read_text()
    guard = "XEN_" + re.sub(r"\W", "_", str(path.relative_to(INCLUDE / "xen"))).upper()
    defined = set(re.findall(r"^\s*#\s*define\s+(\w+)", text, re.M))
    matched = {name for name, _ in DEFINE.findall(text)}
    assert defined - matched <= {guard, *NOT_NUMBERS}
    for body in re.findall(r"^enum \w+ \{\n(.*?)^\};", text, re.M | re.S):
        assert len(ENUMERATOR.findall(body)) == len(body.splitlines())
    for name, body in STRUCT.findall(text):
        members = MEMBER.findall(re.sub(r"/\*.*?\*/", "", body, flags=re.S))
        asserted = [member for owner, member, _ in OFFSET.findall(text) if owner == name]
        assert asserted == members, f"struct {name}: each member needs its offset asserted"
    assert text.count("struct ") - text.count("(struct ") >= len(STRUCT.findall(text))
    assert len(re.findall(r"^struct \w+ \{", text, re.M)) == len(STRUCT.findall(text))
