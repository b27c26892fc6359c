"""Messages as people read them, one line each: `serve --trace`."""

from __future__ import annotations

from guestsim.abi.xs_wire import XsdSockmsgType
from guestsim.serve.hub import client_name
from guestsim.xenstore import Message, type_name

__all__ = ["trace_line"]

_LONGEST = 160
_NOT_WORDS = 0x20, 0x7F


def trace_line(key: int, message: Message, incoming: bool) -> str:
    r"""One message: `client 1 > READ "/tool/xenstored\0" (request 0, transaction 2)`.

    `>` is a request, `<` a reply or an event.
    """
    numbers = [f"request {message.req_id}"] if message.type != XsdSockmsgType.XS_WATCH_EVENT else []
    if message.tx_id:
        numbers.append(f"transaction {message.tx_id}")
    line = f"{client_name(key)} {'>' if incoming else '<'} {type_name(message.type)}"
    line += f' "{_text(message.payload)}"'
    return f"{line} ({', '.join(numbers)})" if numbers else line


def _text(payload: bytes) -> str:
    text = "".join(_character(byte) for byte in payload[:_LONGEST])
    return text if len(payload) <= _LONGEST else f"{text}… {len(payload)} bytes"


def _character(byte: int) -> str:
    if byte == 0:
        return r"\0"
    if byte in b'"\\':
        return f"\\{byte:c}"
    low, high = _NOT_WORDS
    return chr(byte) if low <= byte < high else f"\\x{byte:02x}"
