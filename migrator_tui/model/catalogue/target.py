"""What is on the target already: tables, columns, rows, rules."""

from __future__ import annotations

from migrator_tui.model.catalogue.kind import Choice, Kind, Severity, quarantine

KINDS = (
    Kind(
        "TARGET-HAS-ROWS",
        Severity.ERROR,
        "The target table exists and holds rows",
        "Nothing of a live table is changed without a decision.",
        "public.users holds 4 rows",
        (
            Choice(
                "merge",
                "Rows that the target lacks are added; rows of the same key and equal values stay as they "
                "are; rows of the same key and other values are conflicts to be resolved.",
                lossy=False,
            ),
            Choice("skip", "The table is left out; the target keeps its rows.", lossy=True),
        ),
    ),
    Kind(
        "TARGET-EXISTS",
        Severity.WARNING,
        "The target table exists and is empty",
        "Its own columns, constraints and policies stay; the rows are added to it.",
        "public.users was created by a migration file",
        (
            Choice("merge", "The rows are added to the table that is there.", lossy=False),
            Choice("skip", "The table is left out.", lossy=True),
        ),
    ),
    Kind(
        "TARGET-MISFIT",
        Severity.ERROR,
        "The table that exists cannot take the rows",
        "A column has no counterpart, a required column of the target gets no value, or there is no key to pair "
        "rows by.",
        "public.users has a NOT NULL column tenant without default",
        (
            Choice("skip", "The table is left out; its rows stay behind.", lossy=True),
            Choice("leave", "The columns that have no place are left behind; the rows are moved.", lossy=True),
        ),
    ),
    Kind(
        "TARGET-MATCH",
        Severity.WARNING,
        "A table of the target under another name looks like this one",
        "Names that differ in case, separators or plural, or the same columns, may mean the same table. Nothing is "
        "taken on a guess.",
        "UserAccounts in SQLite, and public.user_account on the target",
        (
            Choice("create", "A new table is made; the other one is left alone.", lossy=False),
            Choice("merge", "The rows are added to the table that is there; conflicts are resolved.", lossy=False),
        ),
    ),
    Kind(
        "COLUMN-MATCH",
        Severity.WARNING,
        "A column of the target under another name looks like this one",
        "The names differ only in case and separators. Each value is proved to survive in the target's type.",
        "users.userName in SQLite, and user_name in the table that is there",
        (
            Choice("map", "The values go into the target's column.", lossy=False),
            Choice("leave", "The column is left behind.", lossy=True),
        ),
    ),
    Kind(
        "COLUMN-LEFT-BEFORE",
        Severity.INFO,
        "Columns that an earlier run left behind stay behind again",
        "The table was published by this program without them. Name the column in the configuration to have it moved.",
        "password_hash, left behind when users became users of Supabase Auth",
    ),
    Kind(
        "TARGET-TRIGGERS",
        Severity.WARNING,
        "Row triggers, rules or cascades on a live table",
        "Rows that are added or changed there will fire them; what they do is not undone by a rollback.",
        "trigger audit_users on public.users",
    ),
    Kind(
        "TARGET-RULE",
        Severity.ERROR,
        "A row that a check, foreign key or unique index of the target refuses",
        "The live table has a CHECK that the row does not satisfy, or refers to a table that lacks the row it names.",
        "members 3 refers to tenants 9, which the target does not have",
        (quarantine("The row"),),
    ),
    Kind(
        "TARGET-UNIQUE",
        Severity.ERROR,
        "A row that the target's own unique key refuses",
        "Rows to be added carry a value that a row of another key has on the target.",
        "users 12 has the e-mail of the target's users 7",
        (quarantine("The row"),),
    ),
    Kind(
        "SOURCE-DUPLICATE",
        Severity.ERROR,
        "A row that is one with an earlier row of the source",
        "A natural key that a person named holds the same value in both, compared as was said.",
        "users 12 has the e-mail of users 7 in other letters",
        (quarantine("The row"),),
    ),
)
