"""The framing: what GDB sends and gets, in any portions."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from guestsim.debug.packets import LARGEST, Framer, Mark, Packet, frame


def test_a_packet_has_its_checksum() -> None:
    assert frame(b"OK") == b"$OK#9a"  # GDB's manual
    assert frame(b"") == b"$#00"
    assert Framer().feed(b"$qC#b4") == [Packet(b"qC")]


def test_what_frames_is_escaped() -> None:
    assert frame(b"a}b") == b"$a}]b#" + b"%02x" % (sum(b"a}]b") & 0xFF)
    for byte in b"#$}*":
        assert bytes((byte,)) not in frame(b"<%c>" % byte)[1:-3].replace(b"}", b"", 1)


@given(st.lists(st.binary(max_size=40), max_size=5), st.data())
def test_packets_come_back_whole_in_any_portions(packets: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(b"+" + frame(packet) for packet in packets)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6))
    framer = Framer()
    found = [
        item
        for first, end in pairwise(sorted([0, *cuts, len(stream)]))
        for item in framer.feed(stream[first:end])
    ]
    assert found == [item for packet in packets for item in (Mark.ACK, Packet(packet))]


@given(st.binary(max_size=200))
def test_anything_may_come(noise: bytes) -> None:
    framer = Framer()
    framer.feed(noise)
    assert framer.feed(b"#00$qC#b4")[-1] == Packet(b"qC")


def test_a_wrong_checksum_is_told() -> None:
    assert Framer().feed(b"$qC#b5$qC#b4") == [Mark.DAMAGED, Packet(b"qC")]
    assert Framer().feed(b"$qC#zz") == [Mark.DAMAGED]
    assert Framer().feed(b"$qC# 4") == [Mark.DAMAGED]


def test_a_packet_that_begins_anew_counts_from_there() -> None:
    assert Framer().feed(b"$lost$qC#b4") == [Packet(b"qC")]


def test_one_that_is_too_large_is_damaged() -> None:
    body = b"m" * LARGEST
    assert Framer().feed(frame(body)) == [Packet(body)]
    assert Framer().feed(frame(body + b"\0")) == [Mark.DAMAGED], "its checksum is that of body"


def test_marks_between_packets() -> None:
    assert Framer().feed(b"+-\x03x") == [Mark.ACK, Mark.RESEND, Mark.INTERRUPT]
    assert Framer().feed(b"$\x03#03") == [Packet(b"\x03")], "inside a packet, a byte like others"
