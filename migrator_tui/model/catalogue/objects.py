"""What a schema is made of: foreign keys, defaults, checks, indexes, views, triggers, tables, names."""

from __future__ import annotations

from migrator_tui.model.catalogue.kind import Choice, Kind, Severity, quarantine

KINDS = (
    Kind(
        "SOURCE-EMPTY",
        Severity.WARNING,
        "A source without tables",
        "SQLite makes a file that does not exist, so that a path with a slip leads to a new and empty database. Name "
        "the file that the application opens; the lines of `check` and Connect say how many tables a file has.",
        "prod.db of 0 bytes, beside the application's instance/prod.db",
    ),
    Kind(
        "TABLES-UNMATCHED",
        Severity.ERROR,
        "A chosen table that the source does not have",
        "`--tables`, and the tables that a profile or a plan includes, are compared with the names in the file, letter "
        "for letter; * and ? stand for others.",
        "--tables users,mesages where the table is called messages",
        (Choice("leave", "The run goes on without it.", lossy=True),),
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
            quarantine("The row"),
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
        "Its expression was refused by the target, or the target cannot compute it for a row that is there, such as a "
        "square beyond the largest double; the computed values are moved as plain values.",
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
            quarantine("Each row with NULL there"),
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
            quarantine("The row"),
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
        "TABLE-WIDE",
        Severity.ERROR,
        "A table of more columns than PostgreSQL has",
        "A table of PostgreSQL has at most 1,600 columns, one of SQLite 2,000 and more. Columns that are set to null "
        "in the plan are left behind; with few enough of them the table is moved.",
        "a survey of 1,800 questions, each a column",
        (Choice("skip", "The table stays behind, with all its rows.", lossy=True),),
    ),
    Kind(
        "NAME-CHANGED",
        Severity.INFO,
        "A name that had to change",
        "PostgreSQL's names have at most 63 bytes, may not be empty, and are each given once in a schema; and "
        "snake_case can be asked for. The report has the map.",
        "an index name of 80 bytes is shortened with a hash; UserName becomes user_name",
    ),
)
