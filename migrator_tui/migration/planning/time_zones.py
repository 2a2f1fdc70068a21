"""The time zone that naive times may be in: the one that a person gave, else this machine's."""

from __future__ import annotations

import os
from pathlib import Path
from zoneinfo import available_timezones

from migrator_tui.convert.zones import Zone
from migrator_tui.model.errors import UsageError

_LOCAL = Path("/etc/localtime")
_UTC = ("UTC", "Etc/UTC", "Etc/UCT", "UCT", "Zulu", "Universal", "GMT")


def offered(given: str | None) -> Zone | None:
    """The zone that is offered beside UTC; None where there is none but UTC.

    Raises:
        UsageError: ``TIME-ZONE``: there is no zone of the name that was given.
    """
    if given is not None:
        if given not in available_timezones():
            raise UsageError(
                "TIME-ZONE", f"There is no time zone {given!r}.", "Write it as the IANA database does: Europe/Berlin."
            )
        return Zone(given, given=True)
    name = os.environ.get("TZ", "").removeprefix(":") or str(_LOCAL.resolve()).partition("zoneinfo/")[2]
    return Zone(name) if name in available_timezones() and name not in _UTC else None
