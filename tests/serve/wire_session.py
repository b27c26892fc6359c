"""Talks to any xenstored over its socket, message by message, and writes down what it says.

A session is a text: lines `N > TYPE [in TX] "payload"` are requests of client number N, the lines
`N < …` that follow are all that any client got because of them. So a transcript is a session too:
`play` takes the requests of a text and gives the text with the answers that came this time.

    python tests/serve/wire_session.py SOCKET SESSION >TRANSCRIPT

records one. TX is a transaction's id; `$1` stands for the id that client's last
TRANSACTION_START gave, because implementations number as they like. Ids in answers are `$1` too,
and a DIRECTORY_PART's generation count is `$G`.
"""

from __future__ import annotations

import re
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from guestsim.abi.xs_wire import XsdSockmsgType
from guestsim.xenstore import type_name

__all__ = ["Wire", "play"]

_HEADER = struct.Struct("<4I")
_TYPES = {type_name(member): int(member) for member in XsdSockmsgType}
_LINE = re.compile(r'(\d+) > (?:(\w+)|type (\w+))(?: in (\$1|\d+))? "(.*)"')
_ESCAPE = re.compile(rb"\\(?:(0)|x([0-9a-f]{2})|(.))")
_SYNC = 0x5359


class Wire:
    """One client on a socket."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(20)
        self._socket.connect(str(path))
        self._buffer = b""
        self.transaction = 0

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def request(self, kind: int, payload: bytes, tx_id: int = 0, req_id: int = 0) -> None:
        self.send(_HEADER.pack(kind, req_id, tx_id, len(payload)) + payload)

    def read(self) -> tuple[int, int, int, bytes] | None:
        """type, req_id, tx_id, payload of the next message; None at the end of the stream."""
        while len(self._buffer) < 16:
            if not self._more():
                return None
        kind, req_id, tx_id, length = _HEADER.unpack_from(self._buffer)
        while len(self._buffer) < 16 + length:
            if not self._more():
                return None
        payload, self._buffer = self._buffer[16 : 16 + length], self._buffer[16 + length :]
        return kind, req_id, tx_id, payload

    def ask(self, kind: int, payload: bytes, tx_id: int = 0) -> tuple[int, bytes]:
        """Type and payload of the answer; events before it are dropped."""
        self.request(kind, payload, tx_id)
        while (got := self.read()) is not None:
            if got[0] != XsdSockmsgType.XS_WATCH_EVENT:
                return got[0], got[3]
        raise ConnectionError("the server has ended the connection")

    def sync(self) -> Iterator[tuple[int, int, int, bytes] | None]:
        """All that has come: what stands before the answer to one more question."""
        try:
            self.request(XsdSockmsgType.XS_GET_DOMAIN_PATH, b"0\0", req_id=_SYNC)
        except BrokenPipeError:
            yield None
            return
        while (got := self.read()) is None or got[1] != _SYNC:
            yield got
            if got is None:
                return

    def _more(self) -> bool:
        try:
            data = self._socket.recv(1 << 16)
        except ConnectionResetError:
            return False
        self._buffer += data
        return bool(data)


def play(path: Path, session: str) -> str:
    """The session's text, with the answers of the server at `path`."""
    clients: dict[int, Wire] = {}
    lines: list[str] = []
    for line in session.splitlines():
        if re.match(r"\d+ <", line):
            continue
        lines.append(line)
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        assert match is not None, f"not a line of a session: {line}"
        number, name, other, tx_id, text = match.groups()
        kind = _TYPES[name] if name else int(other, 0)
        client = clients.get(int(number))
        if client is None:
            client = clients[int(number)] = Wire(path)
        transaction = client.transaction if tx_id == "$1" else int(tx_id or 0)
        client.request(kind, _bytes(text), transaction)
        # Whoever asked comes first: before that answer the server need not have done anything.
        for key in sorted(clients, key=lambda key: (key != int(number), key)):
            for got in clients[key].sync():
                lines.append(f"{key} < {_answer(clients[key], got)}")
                if got is None:
                    del clients[key]
                    break
    for client in clients.values():
        client.close()
    return "\n".join(lines) + "\n"


def _answer(client: Wire, got: tuple[int, int, int, bytes] | None) -> str:
    if got is None:
        return "END"
    kind, _, tx_id, payload = got
    text = _text(payload)
    if kind == XsdSockmsgType.XS_DIRECTORY_PART:
        # The generation count, of which only equality means anything.
        text = re.sub(r"^[0-9]+", "$G", text)
    if kind == XsdSockmsgType.XS_TRANSACTION_START:
        client.transaction = int(payload[:-1])
        text = r"$1\0"
    number = "$1" if tx_id and tx_id == client.transaction else str(tx_id)
    return f'{type_name(kind)}{f" in {number}" if tx_id else ""} "{text}"'


def _text(payload: bytes) -> str:
    return "".join(
        r"\0" if byte == 0
        else f"\\{byte:c}" if byte in b'"\\'
        else chr(byte) if 0x20 <= byte < 0x7F
        else f"\\x{byte:02x}"
        for byte in payload
    )  # fmt: skip


def _bytes(text: str) -> bytes:
    # `×N` behind a character repeats it, for payloads that are long.
    text = re.sub(r"(.)×(\d+)×", lambda match: match[1] * int(match[2]), text)

    def byte(match: re.Match[bytes]) -> bytes:
        if match[1]:
            return b"\0"
        return bytes([int(match[2], 16)]) if match[2] else match[3]

    return _ESCAPE.sub(byte, text.encode("latin-1"))


if __name__ == "__main__":
    sys.stdout.write(play(Path(sys.argv[1]), Path(sys.argv[2]).read_text()))
