"""A xenstored on a Unix socket: the daemon's brain, and clients that are real programs.

`hub.Hub` holds what the server knows and carries messages between it and its clients,
`client.Client` is one connection, `listener.listen` makes the socket, `server.serve` runs it all
until somebody ends it.
"""

from guestsim.serve.hub import Hub
from guestsim.serve.listener import Listener, listen
from guestsim.serve.server import Server, new_hub, serve

__all__ = ["Hub", "Listener", "Server", "listen", "new_hub", "serve"]
