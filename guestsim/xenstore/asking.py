"""A request and its client: what was asked, and what the client may do."""

from __future__ import annotations

from guestsim.xenstore.dialect import Dialect
from guestsim.xenstore.message import Message
from guestsim.xenstore.path import absolute, canonical
from guestsim.xenstore.permission import Permissions, access_of
from guestsim.xenstore.state import Connection

__all__ = ["Asking", "Death", "Refusal"]


class Refusal(Exception):  # noqa: N818 (a guest's mistake, not an error of ours)
    """The request fails: it gets an ERROR with this name. Never leaves `server.handle`.

    Raised before the request has changed the store; only `Call.make_above` leaves what it has made.
    A transaction may remember what the request has looked at, and that it cannot be committed; a
    failed TRANSACTION_END has ended it.
    """

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class Death(Exception):  # noqa: N818 (the server's, not an error of ours)
    """The request kills the server: what that did, for people. Never leaves `server.handle`."""


class Asking:
    """A request, its client, and the server's ways."""

    def __init__(
        self, key: int, connection: Connection, message: Message, dialect: Dialect
    ) -> None:
        self.key = key
        self.connection = connection
        self.message = message
        self.dialect = dialect
        self.quotas = dialect.quotas
        """Those that a tool has set included; the call that this is part of knows them."""
        self.errno = ""
        """See `ServerState`; the call that this is part of knows it."""
        self.target: int | None = None
        """The domain whose rights the client has, too."""

    def strings(self) -> list[bytes]:
        """The payload's nul-terminated strings; bytes behind the last nul are left out."""
        return self.message.payload.split(b"\0")[:-1]

    def one_string(self) -> bytes:
        """The payload, if it is one nul-terminated string."""
        payload = self.message.payload
        if not payload or payload.find(b"\0") != len(payload) - 1:
            raise Refusal("EINVAL")
        return payload[:-1]

    def met(self, error: str) -> None:
        """Remember `error` as the last one; "" where the server sets errno to 0."""
        if self.dialect.keeps_errno:
            self.errno = error

    def failed(self, error: str) -> Refusal:
        """The refusal with that error, which is the last one from now on."""
        self.met(error)
        return Refusal(error)

    def unset(self, error: str, *, creates: bool = False) -> Refusal:
        """The refusal with `error`, where C xenstored forgets to set errno: it answers with what
        is left there. 0 means that all is well, so that it answers nothing, and dies of that.

        `creates`: of an ENOENT it thinks that there was a path, and takes it for a lack of memory
        that it has none.
        """
        if not self.dialect.keeps_errno:
            return Refusal(error)
        if not self.errno:
            raise Death("refused a request, and found no error in errno to answer with")
        return Refusal("ENOMEM" if creates and self.errno == "ENOENT" else self.errno)

    def one_path(self, *, creates: bool = False) -> str:
        """The payload, if it is one valid path; `creates` as in `unset`."""
        raw = self.message.payload
        if not raw or raw.find(b"\0") != len(raw) - 1:
            raise self.unset("EINVAL", creates=creates)
        return self.path(raw[:-1])

    def path(self, raw: bytes) -> str:
        """The canonical path that the client means."""
        if self.dialect.special_nodes and raw.startswith(b"@"):
            return f"/{self.special(raw)}"
        path = canonical(raw, self.connection.base, self.quotas.path)
        if path is None:
            raise self.failed("EINVAL")
        return path

    def special(self, raw: bytes) -> str:
        """The special name `raw`, which may hold any character."""
        if len(raw) > self.quotas.path:
            raise self.failed("EINVAL")
        return self.absolute(raw)

    def absolute(self, raw: bytes) -> str:
        """The path that the client means, valid or not."""
        return absolute(raw, self.connection.base)

    @property
    def bound(self) -> bool:
        """Whether permissions and quotas bind the client."""
        return not self.connection.privileged

    def access(self, permissions: Permissions) -> int:
        """What the client may do with a node that has these."""
        client = self.connection
        return access_of(client.domid, client.privileged, permissions, self.target)
