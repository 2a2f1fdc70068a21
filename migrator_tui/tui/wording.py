"""Numbers with their nouns, and text from a database made safe to show."""

from __future__ import annotations

from pathlib import Path


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def visible(text: str) -> str:
    """Control characters shown instead of obeyed; line breaks kept."""
    if text.replace("\n", "").isprintable():  # as nearly every text is: no look at each character
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def sized(number: float) -> str:
    """Bytes with the unit that keeps them short: ``912 B``, ``1.1 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:,.0f} B" if unit == "B" else f"{number:,.1f} {unit}"
        number /= 1000
    return f"{number:,.1f} TB"


def at_home(path: Path | str) -> str:
    """A path as people write it: ``~/shop/app.db``."""
    try:
        return f"~/{Path(path).relative_to(Path.home()).as_posix()}"
    except (ValueError, RuntimeError):
        return str(path)


def homely(text: str) -> str:
    """A text with the paths in it as people write them."""
    try:
        return text.replace(f"{Path.home()}/", "~/")
    except RuntimeError:
        return text
