"""What is stored: values, types, dates and keys."""

from __future__ import annotations

from migrator_tui.model.catalogue.kind import Choice, Kind, Severity, quarantine

KINDS = (
    Kind(
        "VALUE-NUL",
        Severity.WARNING,
        "Text holds NUL characters",
        "PostgreSQL's text cannot hold the character U+0000; SQLite's can.",
        "messages.body of row 7 is 'see\\0you'",
        (
            Choice("replace", "Each NUL becomes U+FFFD (�); the row is moved.", lossy=True),
            Choice("bytea", "The column becomes bytea and keeps every byte; the application reads bytes.", lossy=False),
            quarantine("The row"),
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
            quarantine("The row"),
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
        "The target table exists and its column is narrower than the stored values, or has an index that takes no "
        "values of that length, or a person gave a new column a type that some values are not of.",
        "an integer 3000000000 for a column of type integer; 'guest' for an enum of admin and member",
        (quarantine("The row"), Choice("null", "The value becomes NULL; the row is moved.", lossy=True)),
    ),
    Kind(
        "VALUE-RESPELLED",
        Severity.WARNING,
        "Values that the target's type writes otherwise",
        "The column has a type that only the server reads (an address, an interval, an array, a range …), as it is on "
        "the target or as a person gave it. The server took every one of these values and wrote it back in "
        "another way, in its own spelling and to its own precision, so that the text is not had back.",
        "'08-00-2b-01-02-03' in a column of type macaddr reads 08:00:2b:01:02:03",
        (
            Choice("respelled", "The rows are moved; the values read as the type writes them.", lossy=True),
            quarantine("Each row with such a value"),
            Choice("null", "The value becomes NULL; the row is moved.", lossy=True),
        ),
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
            quarantine("Each row whose value is not of the column's most frequent class"),
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
            Choice("epoch-ns", "They are nanoseconds since 1970; the column becomes timestamptz.", lossy=False),
            Choice(
                "epoch-ns-rounded",
                "They are nanoseconds since 1970; the column becomes timestamptz, cut to whole microseconds.",
                lossy=True,
            ),
            Choice(
                "cocoa-ns",
                "They are nanoseconds since 2001 (Apple's Messages); the column becomes timestamptz.",
                lossy=False,
            ),
            Choice(
                "cocoa-ns-rounded",
                "They are nanoseconds since 2001 (Apple); the column becomes timestamptz, cut to whole microseconds.",
                lossy=True,
            ),
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
            quarantine("Each row whose date is not written in the most frequent way that the column takes"),
        ),
    ),
    Kind(
        "DATE-ZONE",
        Severity.WARNING,
        "Times without a zone that become moments",
        "A timestamptz is one moment wherever it is read; a time that is written without a zone is one only for who "
        "knows the zone. SQLite's own CURRENT_TIMESTAMP and datetime('now') write UTC, an application may write its "
        "local time. Every text comes back as it was. `time_zone` of the profile names the zone; the codec of a column "
        "in the plan, such as timestamptz:iso-datetime-space@Europe/Berlin, names it for that column.",
        "created '2026-01-05 10:00:00' for a column of type timestamptz",
        (
            Choice("utc", "They are in UTC.", lossy=False),
            Choice(
                "zone",
                "They are in the zone that the finding names. Of an hour that comes twice in autumn the first is "
                "taken; a time that is left out in spring does not fit.",
                lossy=False,
            ),
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
            quarantine("Each row with a NULL in its key"),
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
            quarantine("Each row but the first of its group"),
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
)
