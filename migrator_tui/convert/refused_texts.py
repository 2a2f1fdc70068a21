"""Texts that Postgres refuses: NUL characters, and bytes that are not UTF-8."""

from __future__ import annotations

from collections.abc import Mapping

from migrator_tui.convert.typed import Decide, Typed
from migrator_tui.model.findings import Finding
from migrator_tui.model.profile import ColumnProfile
from migrator_tui.model.schema import Column


def text_trouble(table: str, column: Column, profile: ColumnProfile, decide: Decide, *, bytea: bool) -> Typed:
    """What becomes of a column of texts that Postgres refuses.

    Args:
        bytea: The column may become bytea instead.
    """
    findings: list[Finding] = []
    quarantine: list[tuple[str, str, str]] = []
    how: list[str] = []
    troubles: Mapping[str, tuple[int, str, tuple[str, ...], str]] = {
        "VALUE-NUL": (profile.nul_texts, "NUL characters", ("replace", "bytea", "quarantine"), "nul"),
        "VALUE-UTF8": (
            profile.invalid_utf8,
            "bytes that are not UTF-8",
            ("latin1", "replace", "bytea", "quarantine"),
            "invalid-utf8",
        ),
    }
    for id, (rows, what, choices, predicate) in troubles.items():
        if not rows:
            continue
        finding = Finding(
            id,
            f"{table}.{column.name}: {what} in {rows:,} of {profile.texts:,} texts.",
            table=table,
            column=column.name,
            rows=rows,
            choices=choices if bytea else tuple(c for c in choices if c != "bytea"),
        )
        findings.append(finding)
        choice = decide(finding)
        if choice == "quarantine":
            quarantine.append((id, predicate, ""))
        else:
            how.append(
                {
                    "VALUE-NUL": {"replace": "nul-replaced"},
                    "VALUE-UTF8": {"replace": "utf8-replaced", "latin1": "latin1"},
                }[id].get(choice, choice)
            )
    if "bytea" in how:
        return Typed("bytea", "blob-of-text", tuple(findings), tuple(quarantine))
    return Typed("text", f"text:{'+'.join(sorted(how))}" if how else "text", tuple(findings), tuple(quarantine))
