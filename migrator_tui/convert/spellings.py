"""How texts of dates and booleans were written: dates in the words of Postgres' ``to_char``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from migrator_tui.convert.identifiers import quote_literal

_FAMILIES = {
    "iso-date": "YYYY-MM-DD",
    "iso-datetime-space": "YYYY-MM-DD HH24:MI:SS",
    "iso-datetime-T": 'YYYY-MM-DD"T"HH24:MI:SS',
    "iso-datetime-minutes": "YYYY-MM-DD HH24:MI",
    "iso-datetime-T-minutes": 'YYYY-MM-DD"T"HH24:MI',
    "date-dmy-dots": "DD.MM.YYYY",
    "date-mdy-slash": "MM/DD/YYYY",
    "date-compact8": "YYYYMMDD",
    "datetime-compact14": "YYYYMMDDHH24MISS",
    "time": "HH24:MI:SS",
    "time-minutes": "HH24:MI",
}
BOOLEANS: dict[str, tuple[str, str]] = {
    "tf": ("t", "f"),
    "TF": ("T", "F"),
    "truefalse": ("true", "false"),
    "TrueFalse": ("True", "False"),
    "TRUEFALSE": ("TRUE", "FALSE"),
    "yesno": ("yes", "no"),
    "YesNo": ("Yes", "No"),
    "YESNO": ("YES", "NO"),
    "yn": ("y", "n"),
    "YN": ("Y", "N"),
    "onoff": ("on", "off"),
    "ONOFF": ("ON", "OFF"),
}
"""Ways to write a boolean as text → true and false in it, by what codecs (``boolean:yesno``) and shapes call them."""

_SHAPE = re.compile(r"(iso-datetime-(?:space|T-minutes|T|minutes)|[a-z0-9-]+?)(?:\.([1-6]))?(?:\+(Z)|([+-]\d\d:?\d*))?")
_TOKENS = {"YYYY": 4, "MM": 2, "DD": 2, "HH24": 2, "MI": 2, "SS": 2}


@dataclass(frozen=True, slots=True)
class Spelling:
    """One way to write a date or moment (a shape of :mod:`migrator_tui.convert.shapes`).

    Attributes:
        to_char: The format.
        digits: Digits of the fraction of a second.
        zone: As it is written, None without one.
        iso: SQLite's date functions read it.
        sortable: Texts sort as the moments do.
    """

    to_char: str
    digits: int
    zone: str | None
    iso: bool
    sortable: bool

    def text(self, sql: str) -> str:
        """The text that the source had, of a date or moment."""
        if self.zone is not None:
            zone = "'UTC'" if self.zone == "Z" else f"INTERVAL {quote_literal(self.zone)}"
            sql = f"({sql} AT TIME ZONE {zone})"
        written = self.to_char + (f".FF{self.digits}" if self.digits else "")
        if self.zone is not None:
            written += f'"{self.zone}"'
        return f"to_char({sql}, {quote_literal(written)})"

    def fits(self, written: str) -> bool:
        """Whether a text is written in just this way."""
        pattern = re.escape(self.to_char.replace('"', ""))
        for token, length in _TOKENS.items():
            pattern = pattern.replace(token, rf"\d{{{length}}}", 1)
        pattern += rf"\.\d{{{self.digits}}}" if self.digits else ""
        return re.fullmatch(pattern + re.escape(self.zone or ""), written) is not None


def spelling(codec: str) -> Spelling | None:
    """The spelling that a codec's name says (``timestamp:iso-datetime-T.3+Z``), None where it says none."""
    match = _SHAPE.fullmatch(codec.partition(":")[2])
    if match is None or match[1] not in _FAMILIES:
        return None
    name = match[1]
    iso = name.startswith("iso-")
    return Spelling(
        _FAMILIES[name],
        int(match[2] or 0),
        match[3] or match[4],
        iso,
        iso or "compact" in name or name.startswith("time"),
    )
