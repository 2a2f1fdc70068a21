"""A value for a column that only the target has, for the rows that are added."""

from __future__ import annotations

from collections.abc import Collection

from migrator_tui.convert.fills import as_sql
from migrator_tui.model.schema import Column, Table
from migrator_tui.tui.dialogs.ask import Ask


class GiveValue(Ask):
    """One line, ``column = SQL expression``; :func:`column_and_value` takes it apart."""

    def __init__(self, live: Table, own: list[Column], given: Collection[str]) -> None:
        """
        Args:
            own: The columns that no column of the source goes into; at least one.
            given: Those of them that have a value already.
        """
        required = [c for c in own if c.not_null and c.default is None and not c.identity and c.name not in given]
        names = {column.name for column in own}

        def objection(text: str) -> str | None:
            column, expression = column_and_value(text)
            if "=" not in text:
                return "Write it as column = expression, such as tenant = 'acme'."
            if column not in names:
                return f"{live.name} has no such column of its own; it has {', '.join(sorted(names))}."
            try:
                if expression is not None:
                    as_sql(expression)
            except ValueError as error:
                return f"{error}."
            return None

        super().__init__(
            f"A value in {live.name}",
            "column = SQL expression, for the rows that are added. Nothing after the = takes it back.",
            f"{(required or own)[0].name} = ",
            "Give",
            objection=objection,
        )


def column_and_value(text: str) -> tuple[str, str | None]:
    """What was typed: the column, and its expression, or None where there is none."""
    column, _, expression = (part.strip() for part in text.partition("="))
    return column, expression or None
