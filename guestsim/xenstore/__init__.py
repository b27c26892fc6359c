"""The daemon's brain, without I/O: messages, the store, request dispatch.

`message` cuts a byte stream into messages, `server.handle` answers one, `toolstack.build_store`
makes the store that a domain finds at its start. Everything is an immutable value.
"""

from guestsim.xenstore.dialect import Dialect, Quotas
from guestsim.xenstore.message import Message, Need, Overlong, Parser, parse, type_name
from guestsim.xenstore.oxenstored import OXENSTORED, with_special_nodes
from guestsim.xenstore.server import Outgoing, handle
from guestsim.xenstore.state import Connection, ServerState, connect, disconnect, reset
from guestsim.xenstore.store import Store
from guestsim.xenstore.toolstack import build_store, serve_domain

__all__ = [
    "OXENSTORED",
    "Connection",
    "Dialect",
    "Message",
    "Need",
    "Outgoing",
    "Overlong",
    "Parser",
    "Quotas",
    "ServerState",
    "Store",
    "build_store",
    "connect",
    "disconnect",
    "handle",
    "parse",
    "reset",
    "serve_domain",
    "type_name",
    "with_special_nodes",
]
