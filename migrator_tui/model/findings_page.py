"""The catalogue of findings as a page: ``python -m migrator_tui.model.findings_page > docs/findings.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from migrator_tui.model.catalogue.kind import Kind, Severity
from migrator_tui.model.findings import CATALOGUE

_SEVERITIES = {
    Severity.ERROR: "stops the run unless one of its choices is taken",
    Severity.WARNING: "something is changed or not carried",
    Severity.INFO: "good to know",
}


def page(kinds: Iterable[Kind] = CATALOGUE.values()) -> str:
    """The whole page, in Markdown; kinds in order of id."""
    ordered = sorted(kinds, key=lambda kind: kind.id)
    lines = [
        "# Findings",
        "",
        "What a run says about this source and this target. Ids are stable: screens, JSON output, report and decisions",
        "files use the same. This page is written by `python -m migrator_tui.model.findings_page`.",
        "",
        *(f"- **{severity.value}**: {said}." for severity, said in _SEVERITIES.items()),
        "",
        "The first choice of a finding is the recommended one: `--yes` takes it where it is lossless, `--yes",
        "--accept-lossy` in any case. A particular finding may offer fewer choices than its kind.",
        "",
        "| Id | Severity | What it is |",
        "| :-- | :-- | :-- |",
        *(f"| [{kind.id}](#{kind.id.lower()}) | {kind.severity.value} | {kind.title} |" for kind in ordered),
    ]
    for kind in ordered:
        lines += ["", f"## {kind.id}", "", f"**{kind.title}** ({kind.severity.value})", "", _prose(kind.meaning), ""]
        lines.append(f"For example: {_code(kind.example)}")
        if kind.choices:
            lines += ["", "| Choice | What it does | Lossless |", "| :-- | :-- | :-- |"]
            lines += [
                f"| `{choice.name}`{' (recommended)' if number == 0 else ''} | {_prose(choice.effect)} "
                f"| {'no' if choice.lossy else 'yes'} |"
                for number, choice in enumerate(kind.choices)
            ]
    return "\n".join(lines) + "\n"


def _prose(text: str) -> str:
    return text.replace("\\", "\\\\").replace("*", "\\*").replace("|", "\\|").replace("<", "&lt;")


def _code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"


if __name__ == "__main__":
    sys.stdout.write(page())
