"""Findings: everything about this source and this target that a person should know or decide.

A :class:`Finding` is one occurrence; its ``id`` names a :class:`Kind` in :data:`CATALOGUE`, which says what it means
and what each choice does. Ids are stable: decisions files, JSON and the report refer to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from migrator_tui.model.schema import TableName


class Severity(StrEnum):
    """How much a finding matters.

    ``INFO`` is good to know. A ``WARNING`` says that something is changed or not carried. An ``ERROR`` stops the
    run unless one of its choices is taken.
    """

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to deal with a finding.

    Attributes:
        lossy: The identical value and storage class cannot be had back, or rows stay behind (quarantine).
    """

    name: str
    effect: str
    lossy: bool


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding. ``choices`` is empty where there is nothing to decide; else the first is recommended."""

    id: str
    severity: Severity
    title: str
    meaning: str
    example: str
    choices: tuple[Choice, ...] = ()

    def choice(self, name: str) -> Choice | None:
        """The choice of that name, or None."""
        return next((choice for choice in self.choices if choice.name == name), None)


@dataclass(frozen=True, slots=True)
class Finding:
    """One occurrence of a kind.

    Attributes:
        table: Source table, or the target table of a finding about the target; None for a whole database.
        object: Name of the index, view, constraint or trigger concerned, where it is not a column.
        rows: How many rows are concerned; 0 where it is not about rows.
        keys: Keys of the first offending rows, as text.
        samples: The first offending values, as text, shortened.
        choices: Names of the choices open here (a subset of the kind's); the first is recommended.
        decision: The chosen name, or None while undecided.
    """

    id: str
    message: str
    table: str | None = None
    column: str | None = None
    object: str | None = None
    rows: int = 0
    keys: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    decision: str | None = None

    @property
    def kind(self) -> Kind:
        """The catalogue's entry."""
        return CATALOGUE[self.id]

    @property
    def severity(self) -> Severity:
        """The kind's severity."""
        return self.kind.severity

    @property
    def needs_decision(self) -> bool:
        """There are choices and none is taken."""
        return bool(self.choices) and self.decision is None

    @property
    def recommended(self) -> Choice | None:
        """The recommended choice, or None where there is nothing to choose."""
        return self.kind.choice(self.choices[0]) if self.choices else None

    def decided(self, choice: str) -> Finding:
        """This finding with a choice taken.

        Raises:
            ValueError: The choice is not one of this finding's.
        """
        if choice not in self.choices:
            raise ValueError(f"{self.id} has no choice {choice!r}; it has {', '.join(self.choices)}")
        return replace(self, decision=choice)


def _quarantine(what: str) -> Choice:
    return Choice(
        "quarantine",
        f"{what} stays behind whole, with its reason, in migrator.quarantine and the "
        "run's folder; so do the rows that refer to it.",
        lossy=True,
    )


_POLICIES = (
    Choice("owner", "Users read and write their own rows; nobody else any.", lossy=False),
    Choice("owner-read", "Users read their own rows; nobody writes over the API.", lossy=False),
    Choice("read-all", "Everybody who is signed in reads every row; nobody writes.", lossy=False),
    Choice("read-public", "Everybody with the project's address reads every row, signed in or not.", lossy=False),
    Choice("admin", "Users whose app_metadata says role: admin do everything; nobody else anything.", lossy=False),
    Choice("none", "Nobody reaches the table over the API but a server with a secret key.", lossy=False),
)
"""Who may reach a table's rows over the Data API."""

_NO_USER = Choice(
    "leave",
    "The row is moved like the others, but nobody can sign in as its user; it is listed in the run's folder.",
    lossy=True,
)

_KINDS = (
    Kind(
        "VALUE-NUL",
        Severity.WARNING,
        "Text holds NUL characters",
        "PostgreSQL's text cannot hold the character U+0000; SQLite's can.",
        "messages.body of row 7 is 'see\\0you'",
        (
            Choice("replace", "Each NUL becomes U+FFFD (�); the row is moved.", lossy=True),
            Choice("bytea", "The column becomes bytea and keeps every byte; the application reads bytes.", lossy=False),
            _quarantine("The row"),
        ),
    ),
    Kind(
        "VALUE-UTF8",
        Severity.WARNING,
        "Text is not valid UTF-8",
        "SQLite stores whatever bytes it is given as text; PostgreSQL checks them.",
        "notes.title of row 3 is the bytes 63 61 66 E9",
        (
            Choice("latin1", "The bytes are read as Latin-1 (E9 is é) where they are not UTF-8.", lossy=True),
            Choice("replace", "What is not UTF-8 becomes U+FFFD (�).", lossy=True),
            Choice("bytea", "The column becomes bytea and keeps every byte.", lossy=False),
            _quarantine("The row"),
        ),
    ),
    Kind(
        "VALUE-EMPTY",
        Severity.INFO,
        "Texts that stand for no value",
        "A column of numbers, truth values or dates holds empty texts, or dates such as 0000-00-00, which are no "
        "values of PostgreSQL's types. Whether they mean that there is none is not written anywhere, so that every "
        "value stays as it is unless somebody who knows says so.",
        "bills.paid_on is '0000-00-00' in row 7, and bills.amount the empty text",
        (
            Choice("keep", "Every value stays as it is; what else is asked of the column decides.", lossy=False),
            Choice(
                "null",
                "They become NULL; the rows are moved, the column takes the type of its other values and loses a NOT "
                "NULL.",
                lossy=True,
            ),
        ),
    ),
    Kind(
        "VALUE-RANGE",
        Severity.ERROR,
        "Values do not fit the target's column",
        "The target table exists and its column is narrower than the stored values, or a person gave a new column a "
        "type that some values are not of.",
        "an integer 3000000000 for a column of type integer; 'guest' for an enum of admin and member",
        (_quarantine("The row"), Choice("null", "The value becomes NULL; the row is moved.", lossy=True)),
    ),
    Kind(
        "TYPE-MIXED",
        Severity.WARNING,
        "Values of several storage classes in one column",
        "SQLite lets a column hold integers, reals, texts and blobs at once; a PostgreSQL column has one type.",
        "sizes.value holds 12 integers and the text 'n/a'",
        (
            Choice(
                "exact",
                "The column becomes text in which each value and its class can be told: 12 and 2.5 are numbers, n/a is "
                "a text, x'00ff' a blob. A text that would be taken for another class is written as SQLite's literal: "
                "'12' in quotes.",
                lossy=False,
            ),
            Choice(
                "text", "The column becomes text; numbers are written as SQLite writes them, blobs as hex.", lossy=True
            ),
            Choice(
                "null",
                "Each value of another class than most becomes NULL; the rows are moved, the column takes the type of "
                "the others and loses a NOT NULL.",
                lossy=True,
            ),
            _quarantine("Each row whose value is not of the column's most frequent class"),
        ),
    ),
    Kind(
        "TYPE-KEPT",
        Severity.INFO,
        "A declared type that is stored as something plainer",
        "The values keep their bytes in a plainer type (JSON as text, an epoch number as bigint), because this "
        "version does not convert the declared type.",
        "a column declared JSON becomes text",
    ),
    Kind(
        "TYPE-EPOCH",
        Severity.INFO,
        "Numbers that may count time",
        "A column is declared a date, or named like one, and holds numbers. Nothing in them says in which unit and "
        "from when they count, so that they stay numbers unless somebody who knows says it. Only the readings under "
        "which every value is a moment are offered. Each gives every number back but for those of reals finer than a "
        "microsecond, which are called rounded.",
        "a DATETIME column that holds 1767225600",
        (
            Choice("bigint", "The column becomes bigint; every number stays as it is.", lossy=False),
            Choice("double", "The column becomes double precision; every number stays as it is.", lossy=False),
            Choice("epoch-s", "They are seconds since 1970-01-01 UTC; the column becomes timestamptz.", lossy=False),
            Choice("epoch-ms", "They are milliseconds since 1970; the column becomes timestamptz.", lossy=False),
            Choice("epoch-us", "They are microseconds since 1970; the column becomes timestamptz.", lossy=False),
            Choice("julian", "They are Julian days; the column becomes timestamp, in UTC.", lossy=False),
            Choice(
                "epoch-s-rounded",
                "They are seconds since 1970; the column becomes timestamptz, rounded to whole microseconds.",
                lossy=True,
            ),
            Choice(
                "cocoa-rounded",
                "They are seconds since 2001 (Apple); the column becomes timestamptz, rounded to whole microseconds.",
                lossy=True,
            ),
            Choice("cocoa", "They are seconds since 2001-01-01 (Apple); the column becomes timestamptz.", lossy=False),
            Choice(
                "webkit",
                "They are microseconds since 1601-01-01 (Chrome, WebKit); the column becomes timestamptz.",
                lossy=False,
            ),
        ),
    ),
    Kind(
        "TYPE-UUID",
        Severity.INFO,
        "A column that holds only UUIDs",
        "Every value is a UUID, written in one way; as uuid it takes 16 bytes and gives each value back as it was "
        "written. Columns that foreign keys join to it become the same. It becomes uuid by itself only where it is "
        "declared so. An application that writes UUIDs in another way sees them in PostgreSQL's.",
        "a TEXT column that holds 0b5a3f0e-6c1d-4a3e-9f00-1d2c3b4a5968",
        (
            Choice("uuid", "The column becomes uuid.", lossy=False),
            Choice("text", "The column becomes text; every value stays as it is.", lossy=False),
            Choice("bytea", "The column becomes bytea; every byte stays as it is.", lossy=False),
        ),
    ),
    Kind(
        "TYPE-JSON",
        Severity.INFO,
        "A column declared JSON that holds only JSON",
        "jsonb keeps every value (it is offered only where it does: no name twice in an object, no number changed, no "
        "U+0000), but not spaces and the order of members; json keeps the text to the letter. A column that is part of "
        "a key, an index or an expression stays text, because those compare its texts.",
        'a JSON column that holds {"theme": "dark"}',
        (
            Choice("jsonb", "The column becomes jsonb; every value is kept, its spelling is not.", lossy=False),
            Choice("json", "The column becomes json; every text stays as it is.", lossy=False),
            Choice("text", "The column becomes text; every value stays as it is.", lossy=False),
        ),
    ),
    Kind(
        "TYPE-UNTYPED",
        Severity.INFO,
        "No declared type; chosen from the stored values",
        "The column has no type that says what it holds, so its values decided.",
        "a column declared as 'foo' that holds only integers becomes bigint",
    ),
    Kind(
        "DATE-MIXED",
        Severity.WARNING,
        "Dates written in more than one way",
        "A timestamp keeps the moment, not the way it was written, so mixed spellings cannot be had back.",
        "'2026-01-05 10:00:00' beside '05.01.2026'",
        (
            Choice("text", "The column becomes text; every value stays as it is.", lossy=False),
            Choice(
                "timestamp",
                "Every spelling that is known becomes a timestamp (a date, where the target's column is one); rows "
                "that none fits are quarantined.",
                lossy=True,
            ),
            Choice(
                "null",
                "Each value in no spelling that is known becomes NULL; the rows are moved, the column takes the type "
                "of the others and loses a NOT NULL.",
                lossy=True,
            ),
            _quarantine("Each row whose date is not written in the most frequent way that the column takes"),
        ),
    ),
    Kind(
        "KEY-NULL",
        Severity.WARNING,
        "NULL in a primary key",
        "SQLite allows NULL in a primary key that is not a rowid alias; PostgreSQL does not.",
        "tags has a row whose key (post, tag) is (3, NULL)",
        (
            Choice("unique", "The key becomes a UNIQUE constraint; every row is moved.", lossy=False),
            _quarantine("Each row with a NULL in its key"),
        ),
    ),
    Kind(
        "KEY-CASE",
        Severity.INFO,
        "Values of a unique column that differ only in case",
        "They are distinct for both databases, yet often one person or thing: Supabase Auth lower-cases e-mails.",
        "ann@example.org beside Ann@Example.org",
        (
            Choice("keep", "All rows are moved as they are.", lossy=False),
            _quarantine("Each row but the first of its group"),
        ),
    ),
    Kind(
        "KEY-LONG",
        Severity.WARNING,
        "A key over values that are too long for one",
        "An entry of PostgreSQL's B-tree has at most 2,704 bytes, SQLite's any number. A unique index on digests of "
        "the values (md5 of a text, SHA-256 of bytes) takes the key's place: no value can come twice. It is no primary "
        "key, no foreign key can refer to it, and ON CONFLICT has to name the digest. Where there is no digest, "
        "nothing takes its place. It is found while keys are built, before anything is visible.",
        "pages.url is UNIQUE and holds a URL of 5,000 characters",
    ),
    Kind(
        "FK-ORPHAN",
        Severity.WARNING,
        "Rows that refer to a row that does not exist",
        "SQLite checks foreign keys only when told to; PostgreSQL always does.",
        "messages row 12 refers to users row 99, which does not exist",
        (
            Choice(
                "not-valid",
                "All rows are moved; the foreign key is added NOT VALID: it holds for new rows, "
                "and the old ones stay as they are.",
                lossy=False,
            ),
            Choice("null", "The reference is set to NULL.", lossy=True),
            _quarantine("The row"),
        ),
    ),
    Kind(
        "FK-PARENT",
        Severity.WARNING,
        "A foreign key that cannot be carried",
        "The table it refers to does not exist, is not part of the plan, or its columns are no key there, because of "
        "too long values among other things.",
        "REFERENCES customers(id) where no table customers exists",
    ),
    Kind(
        "DEFAULT-NOT-CARRIED",
        Severity.WARNING,
        "A default that has no equivalent",
        "The default's expression was tried on the target and refused.",
        "DEFAULT (randomblob(16))",
    ),
    Kind(
        "CHECK-NOT-CARRIED",
        Severity.WARNING,
        "A CHECK constraint that has no equivalent",
        "The expression was tried on the target and refused, or cannot be computed there for stored rows.",
        "CHECK (name GLOB '[a-z]*')",
    ),
    Kind(
        "CHECK-ENUM",
        Severity.INFO,
        "A CHECK that lists the column's values",
        "It can stay a CHECK, or become an enum type.",
        "CHECK (role IN ('admin', 'member'))",
        (
            Choice("check", "It stays a CHECK constraint on a text column.", lossy=False),
            Choice("enum", "The column gets an enum type named after table and column.", lossy=False),
        ),
    ),
    Kind(
        "INDEX-NOT-CARRIED",
        Severity.WARNING,
        "An index that has no equivalent",
        "Its expression, predicate or collation was tried on the target and refused, or the stored values cannot be in "
        "it: too long for an entry (2,704 bytes), or beyond what the target computes.",
        "CREATE INDEX i ON t (strftime('%Y', created))",
    ),
    Kind(
        "VIEW-NOT-CARRIED",
        Severity.WARNING,
        "A view that has no equivalent",
        "Its query was tried on the target and refused; the report has both texts.",
        "a view over a table that does not exist",
    ),
    Kind(
        "GENERATED-NOT-CARRIED",
        Severity.WARNING,
        "A generated column that becomes a plain one",
        "Its expression was refused by the target; the computed values are moved as plain values.",
        "GENERATED ALWAYS AS (strftime('%Y', created))",
    ),
    Kind(
        "COLLATION-NOT-CARRIED",
        Severity.WARNING,
        "A collation that is not carried",
        "The column compares without regard to the case of the letters A to Z (NOCASE) or to trailing spaces (RTRIM) "
        "in SQLite, and exactly in PostgreSQL. A collation of the application's own has no equivalent. A third way, "
        "for the whole of Unicode, is a nondeterministic ICU collation (CREATE COLLATION … (provider = icu, locale = "
        "'und-u-ks-level2', deterministic = false)), made on the target before the run and given to the column after.",
        "email TEXT COLLATE NOCASE",
        (
            Choice(
                "folded",
                'What is unique and what is indexed becomes so by lower(column COLLATE "C") or rtrim(column), which '
                "is SQLite's rule; comparisons of the application have to fold as well.",
                lossy=False,
            ),
            Choice(
                "citext",
                "The column becomes citext and compares without regard to case by itself, in all alphabets. Offered "
                "where the target has the extension and no two keys would clash.",
                lossy=False,
            ),
            Choice("exact", "The column compares exactly; what is unique holds letter by letter.", lossy=False),
        ),
    ),
    Kind(
        "NOT-NULL-BROKEN",
        Severity.WARNING,
        "NULL in a column that is declared NOT NULL",
        "SQLite checks NOT NULL when a row is written; where the declaration was edited afterwards, or the file is "
        "damaged, rows break it. PRAGMA integrity_check finds them.",
        "users.name of row 3 is NULL, declared TEXT NOT NULL",
        (
            Choice("nullable", "The column may be NULL on the target; every row is moved.", lossy=False),
            _quarantine("Each row with NULL there"),
        ),
    ),
    Kind(
        "IDENTITY-NOT-CARRIED",
        Severity.WARNING,
        "A rowid that has no next value",
        "The highest id, or the high-water mark of AUTOINCREMENT, is the largest that the type holds. SQLite looks for "
        "an unused id then; a sequence does not. New rows have to bring an id along.",
        "a table whose highest id is 9223372036854775807",
    ),
    Kind(
        "GENERATED-STORED",
        Severity.INFO,
        "A virtual generated column that becomes a stored one",
        "Its values are the same; they take room on disk, and any version of PostgreSQL from 12 on has them.",
        "total REAL AS (price * amount) VIRTUAL",
    ),
    Kind(
        "CONFLICT-NOT-CARRIED",
        Severity.WARNING,
        "A conflict clause that is not carried",
        "A constraint of SQLite can say what becomes of a row that breaks it. PostgreSQL refuses the row; a statement "
        "says otherwise for itself, with INSERT … ON CONFLICT.",
        "email TEXT UNIQUE ON CONFLICT REPLACE",
    ),
    Kind(
        "FK-MATCH",
        Severity.INFO,
        "A MATCH clause that SQLite does not heed",
        "SQLite reads MATCH FULL and MATCH PARTIAL and checks as with MATCH SIMPLE; so does the foreign key that is "
        "made; stored rows may not satisfy MATCH FULL.",
        "FOREIGN KEY (a, b) REFERENCES p (a, b) MATCH FULL",
    ),
    Kind(
        "FK-SPELLING",
        Severity.WARNING,
        "Rows that refer to a row in another spelling",
        "SQLite compares a reference by the collation of the column referred to, so 'ann' may refer to 'Ann'; "
        "PostgreSQL's foreign key on text does not. Where a column holds several storage classes, the text '12' may "
        "refer to the number 12, which are written apart.",
        "login.email is 'ann@example.org' and users.email, NOCASE, is 'Ann@example.org'",
        (
            Choice(
                "not-valid",
                "All rows are moved; the foreign key is added NOT VALID: it holds for new rows, and the old ones stay "
                "as they are.",
                lossy=False,
            ),
            _quarantine("The row"),
        ),
    ),
    Kind(
        "TRIGGER-NOT-CARRIED",
        Severity.WARNING,
        "A trigger that is not carried",
        "A trigger of SQLite is statements; one of PostgreSQL calls a function. The report shows the original and, "
        "where it can be read, a draft in PL/pgSQL beside it, to be reviewed and created by hand: it is never created "
        "by itself.",
        "CREATE TRIGGER touch AFTER UPDATE ON posts …",
    ),
    Kind(
        "TABLE-VIRTUAL",
        Severity.WARNING,
        "A virtual table that becomes a plain one",
        "PostgreSQL searches texts and places with types and indexes of ordinary tables, so the rows are moved "
        "into one. What asked the virtual table (MATCH, or a range of coordinates) asks that one in its own words.",
        "CREATE VIRTUAL TABLE docs USING fts5(title, body)",
        (
            Choice("plain", "Its columns become a plain table, with the rowid as its key.", lossy=False),
            Choice(
                "search",
                "The same, and a GIN index over to_tsvector of its texts, asked with @@ to_tsquery(…).",
                lossy=False,
            ),
            Choice(
                "gist",
                "The same, and a GiST index over the box of its coordinates, asked with && box(point(…), point(…)).",
                lossy=False,
            ),
            Choice("skip", "The table is left out; its rows stay behind.", lossy=True),
        ),
    ),
    Kind(
        "TABLE-SHADOW",
        Severity.INFO,
        "A shadow table that is left out",
        "A virtual table keeps its index in ordinary tables, in a form that only its module reads. PostgreSQL builds "
        "its own index of what is moved.",
        "docs_idx, which belongs to the full-text table docs",
    ),
    Kind(
        "TABLE-NOT-CARRIED",
        Severity.WARNING,
        "A virtual table that is not carried",
        "It holds no rows of its own (an index over another table's texts, a computed view of the file), or the module "
        "that reads it is not at hand.",
        "CREATE VIRTUAL TABLE docs USING fts5(body, content='posts')",
    ),
    Kind(
        "NAME-CHANGED",
        Severity.INFO,
        "A name that had to change",
        "PostgreSQL's names have at most 63 bytes, may not be empty, and are each given once in a schema; and "
        "snake_case can be asked for. The report has the map.",
        "an index name of 80 bytes is shortened with a hash; UserName becomes user_name",
    ),
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
        (_quarantine("The row"),),
    ),
    Kind(
        "TARGET-UNIQUE",
        Severity.ERROR,
        "A row that the target's own unique key refuses",
        "Rows to be added carry a value that a row of another key has on the target.",
        "users 12 has the e-mail of the target's users 7",
        (_quarantine("The row"),),
    ),
    Kind(
        "SOURCE-DUPLICATE",
        Severity.ERROR,
        "A row that is one with an earlier row of the source",
        "A natural key that a person named holds the same value in both, compared as was said.",
        "users 12 has the e-mail of users 7 in other letters",
        (_quarantine("The row"),),
    ),
    Kind(
        "FILES-COLUMN",
        Severity.INFO,
        "A column whose values name files",
        "Its values are paths of files below the uploads folder. They can go to a bucket of Supabase Storage in the "
        "same run. `files:` of the configuration fixes it, with another bucket and another form of the value.",
        "documents.path is 'uploads/2024/scan.pdf'",
        (
            Choice("key", "The files go to a private bucket; the column holds each object's path there.", lossy=False),
            Choice("keep", "The files go to a private bucket; the column keeps its values.", lossy=False),
            Choice("leave", "No file is moved.", lossy=True),
        ),
    ),
    Kind(
        "FILES-BLOB",
        Severity.INFO,
        "A column whose blobs could be objects",
        "Each blob can be uploaded to a bucket of Supabase Storage instead, in the same run; the column then holds the "
        "object's path as text, and a pull brings the blobs back into it. `files:` of the configuration fixes it, with "
        "another bucket and another form of the value.",
        "documents.content holds the scanned pages themselves",
        (
            Choice("bytea", "The blobs stay in the column.", lossy=False),
            Choice("key", "The blobs go to a private bucket; the column holds each object's path there.", lossy=False),
        ),
    ),
    Kind(
        "FILES-BLOB-KEPT",
        Severity.WARNING,
        "A column of blobs that cannot become objects",
        "The blobs stay in the column: something depends on their bytes, or no key tells the rows apart for good.",
        "an index over the column, or a table without rowid",
    ),
    Kind(
        "FILES-USER-ID",
        Severity.INFO,
        "Paths that begin with a user's id",
        "Users' ids become UUIDs, and so can the ids in their files' paths: policies of Storage compare the first "
        "folder of an object's name with auth.uid(). A pull gives the source's paths back.",
        "users.avatar is 'uploads/42/avatar.png'",
        (
            Choice("uuid", "The object's path begins with the user's UUID, and so does the column's.", lossy=False),
            Choice("keep", "The path keeps the id that it has.", lossy=False),
        ),
    ),
    Kind(
        "FILES-VALUE-KEPT",
        Severity.WARNING,
        "A column of paths that cannot be rewritten",
        "The files are moved, and the column keeps its values: a foreign key, a check, a generated column or its type "
        "depends on them. The object's path is the value without its prefix, in the spelling of the report.",
        "a CHECK says path LIKE 'uploads/%'",
    ),
    Kind(
        "FILES-MISSING",
        Severity.WARNING,
        "Values that name no file",
        "The rows are moved as they are; there is no file of that path below the uploads folder.",
        "documents 7 names uploads/gone.pdf",
    ),
    Kind(
        "FILES-REFUSED",
        Severity.WARNING,
        "Values that are not followed",
        "Paths with '..', absolute paths, symbolic links that lead out of the uploads folder, and what is no regular "
        "file. The rows are moved as they are; no such file is ever read.",
        "documents 8 names ../../etc/passwd",
    ),
    Kind(
        "FILES-UNREFERENCED",
        Severity.INFO,
        "Files that no row names",
        "They stay where they are.",
        "uploads/old/draft.docx, which no column names",
    ),
    Kind(
        "FILES-TOO-LARGE",
        Severity.ERROR,
        "Files above the bucket's limit",
        "The bucket takes no file of that size. Raise its limit on the target and plan again, or leave the files out.",
        "a film of 200 MB, and a bucket with a limit of 50 MB",
        (Choice("leave", "These files stay behind; the rows that name them are moved.", lossy=True),),
    ),
    Kind(
        "FILES-LARGE",
        Severity.WARNING,
        "Files above 50 MB",
        "The free plan of Supabase takes files of up to 50 MB; a paid one what its Storage settings say.",
        "a film of 200 MB",
    ),
    Kind(
        "FILES-TYPE",
        Severity.ERROR,
        "Files of a type that the bucket does not take",
        "The bucket has a list of MIME types. Add the type there and plan again, or leave the files out.",
        "a .docx, and a bucket for image/*",
        (Choice("leave", "These files stay behind; the rows that name them are moved.", lossy=True),),
    ),
    Kind(
        "FILES-KEY",
        Severity.ERROR,
        "Paths that are too long for a key",
        "A key has about 800 bytes at most, in which a letter beyond A to Z takes six to nine.",
        "a path of 300 Chinese characters",
        (Choice("leave", "These files stay behind; the rows that name them are moved.", lossy=True),),
    ),
    Kind(
        "FILES-CONFLICT",
        Severity.ERROR,
        "Objects of another content under the same key",
        "The bucket is there and holds something else at that place; nothing of it is ever replaced.",
        "documents/scan.pdf has 12 bytes, uploads/scan.pdf 4,096",
        (Choice("keep", "The object there stays, and the row names it; the file stays behind.", lossy=True),),
    ),
    Kind(
        "FILES-BUCKET",
        Severity.ERROR,
        "A bucket that is there and open otherwise than asked",
        "Anyone who knows the address can read the files of a public bucket.",
        "documents is public, and asked to be private",
        (Choice("use", "The files go there; the bucket stays as it is.", lossy=False),),
    ),
    Kind(
        "FILES-NOT-MOVED",
        Severity.WARNING,
        "Files that cannot be moved here",
        "Moving files takes the uploads folder, the address of the project's API and a target with Supabase Storage.",
        "a target that is a plain PostgreSQL",
    ),
    Kind(
        "EXPOSURE-OWNER",
        Severity.WARNING,
        "A table whose rows belong to users",
        "It refers to the table of users. Row-level security lets each user of Supabase Auth reach their own rows over "
        "the Data API, and nobody else's.",
        "notes.author_id refers to users",
        _POLICIES,
    ),
    Kind(
        "EXPOSURE-NONE",
        Severity.INFO,
        "A table that nobody may reach over the Data API",
        "Nothing says whose its rows are. Row-level security is on and has no policy; servers with a secret key, and "
        "database connections, reach it as ever.",
        "sections has no reference to users",
        _POLICIES[:1:-1],
    ),
    Kind(
        "EXPOSURE-EXISTING",
        Severity.WARNING,
        "Who may reach a table that is there already",
        "Its rights and policies are the application's. They are journalled, and rolling back gives them back.",
        "exposure: {orders: {owner: user_id}}, and public.orders is on the target",
        (
            Choice("set", "Row-level security is turned on; policies and rights are added.", lossy=False),
            Choice("leave", "Its rights and policies stay as they are.", lossy=False),
        ),
    ),
    Kind(
        "EXPOSURE-SENSITIVE",
        Severity.WARNING,
        "A column that nobody should read over the Data API",
        "Its name or its values are those of a password, a token, a second factor or a payment.",
        "users.password_hash",
        (
            Choice("hide", "The column is moved; API roles other than service_role get no right on it.", lossy=False),
            Choice("leave", "The column is left behind.", lossy=True),
            Choice("show", "Whoever may read the row may read it.", lossy=False),
        ),
    ),
    Kind(
        "EXPOSURE-NO-PROJECT",
        Severity.INFO,
        "The target is no Supabase project",
        "It has no roles anon, authenticated and service_role, and no Data API: there is nobody to expose tables to.",
        "a rehearsal on the embedded server",
    ),
    Kind(
        "USERS-TABLE",
        Severity.WARNING,
        "A table of the application's users",
        "Its name, its addresses and its passwords say so. Only users of Supabase Auth can sign in to a project, and "
        "only their ids are known to policies. `users:` of the configuration fixes it, with other columns.",
        "users has email and password_hash",
        (
            Choice(
                "auth",
                "They become users of Supabase Auth; the table stays, and their ids become UUIDs wherever they are.",
                lossy=False,
            ),
            Choice("table", "It stays a table like any other; nobody can sign in.", lossy=False),
        ),
    ),
    Kind(
        "USERS-NO-PROJECT",
        Severity.WARNING,
        "The target has no users",
        "It is no Supabase project: there is no Auth that could take the users over, and their ids stay as they are.",
        "a rehearsal on the embedded server",
    ),
    Kind(
        "USER-IDS",
        Severity.INFO,
        "Ids of users that become UUIDs",
        "Supabase Auth knows users by UUID. Each id of the source is given one that is the same at every migration, in "
        "the table of users and in every column that refers to it. migrator.key_map on the target keeps the pairs, by "
        "which a pull gives the source's ids back. What treats such a column as a number cannot be carried, and is "
        "told.",
        "users.id 7 becomes 0b3c8a52-…, and so does posts.author 7",
    ),
    Kind(
        "USER-SAME-ADDRESS",
        Severity.ERROR,
        "Users whose addresses Auth takes for one",
        "Supabase Auth keeps addresses in lower case and each once. The first row of an address becomes the user.",
        "user 7 is 'Ada@example.org', user 2 'ada@example.org'",
        (_NO_USER, _quarantine("The row")),
    ),
    Kind(
        "USER-REFUSED",
        Severity.ERROR,
        "Users whose address Auth refuses",
        "Supabase Auth takes e-mail addresses of ASCII characters with a host name, up to 255 bytes.",
        "the address of user 9 is 'jürgen@'",
        (_NO_USER, _quarantine("The row")),
    ),
    Kind(
        "USER-NO-ADDRESS",
        Severity.ERROR,
        "Users without an address",
        "Supabase Auth has no users without an e-mail address and a phone number.",
        "users.email of row 4 is NULL",
        (_NO_USER, _quarantine("The row")),
    ),
    Kind(
        "USER-RESET",
        Severity.WARNING,
        "Passwords that Auth does not take over",
        "Supabase Auth verifies bcrypt, argon2i and argon2id, and Firebase's scrypt. Users with another hash, or with "
        "none, are made without a password that anybody knows; they are listed in the run's folder, to be sent a link "
        "for a new one. The run sends nothing.",
        "the hash of user 3 is Django's PBKDF2",
    ),
    Kind(
        "USER-MATCHED",
        Severity.INFO,
        "Users who are there already",
        "A user of the same address is on the target. They keep their identifier and password, and the source's rows "
        "become theirs.",
        "ada@example.org signed up last week",
    ),
    Kind(
        "USER-PART",
        Severity.INFO,
        "Users who lose one of their addresses",
        "A phone number that is not in international form or is another user's, or an e-mail address that Auth refuses "
        "beside a number that it takes, is not given to the user. The column keeps it.",
        "the number of user 5 is '0151/12345'",
    ),
    Kind(
        "USER-TRIGGER",
        Severity.WARNING,
        "A trigger on auth.users",
        "It fires for each user that is made, and writes what its function says: mostly a row of a table of profiles. "
        "The rows it writes are counted and told in the report, and undoing the run deletes those that nobody changed.",
        "on_auth_user_created runs handle_new_user",
    ),
)

CATALOGUE: Mapping[str, Kind] = MappingProxyType({kind.id: kind for kind in _KINDS})
"""All kinds by id."""


def name_of(table: TableName | str | None) -> str | None:
    """A table's name as findings carry it."""
    return None if table is None else str(table)
