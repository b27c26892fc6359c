"""C xenstored's quotas as its tools see them: `xenstore-control quota`.

Source: tools/xenstored/control.c (`quota_show_current`, `quota_set`); the names, defaults and
labels are those that the binary of 4.17 tells.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from guestsim.xenstore.dialect import Quotas
from guestsim.xenstore.frozen import FrozenMap

__all__ = ["HARD", "SOFT", "Setting", "limits", "shown"]


class Setting(NamedTuple):
    """A quota that can be shown and set."""

    name: str
    default: int
    label: str
    field: str | None = None
    """Of `Quotas`; None where it binds nobody here."""
    offset: int = 0
    """What a limit is enforced at, less the setting."""
    soft: bool = False
    """Nothing but a line in a log comes of going over it."""

    @property
    def key(self) -> str:
        """Its name in `ServerState.settings`."""
        return f"soft {self.name}" if self.soft else self.name


HARD = (
    Setting("nodes", 1000, "Nodes per domain", "nodes"),
    Setting("watches", 128, "Watches per domain", "watches", 1),
    Setting("transactions", 10, "Transactions per domain", "transactions", 1),
    Setting("outstanding", 20, "Outstanding requests per domain"),
    Setting("transaction-nodes", 1024, "Max. number of accessed nodes per transaction", "touched"),
    Setting("memory", 2621440, "Total Xenstore memory per domain (error level)"),
    Setting("node-size", 2048, "Max. size of a node", "record", -1),
    Setting("path-max", 2048, "Max. length of a node path", "path"),
    Setting("permissions", 5, "Max. number of permissions per node", "permissions"),
)
SOFT = (Setting("memory", 2097152, "Total Xenstore memory per domain (warning level)", soft=True),)


def limits(quotas: Quotas, settings: FrozenMap[str, int]) -> Quotas:
    """The quotas where these were set; see `ServerState`."""
    for each in HARD:
        if each.field is not None and each.key in settings:
            value = settings[each.key] + each.offset
            quotas = msgspec.structs.replace(quotas, **{each.field: value})
    return quotas


def shown(listed: tuple[Setting, ...], settings: FrozenMap[str, int]) -> str:
    """What `quota` and `quota-soft` tell: one a line."""
    lines = (
        f"{each.name:<17}: {settings.get(each.key, each.default):8} {each.label}\n"
        for each in listed
    )
    return "Quota settings:\n" + "".join(lines)
