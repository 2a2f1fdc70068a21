"""Putting tables of a backup back: in one transaction, where their names are free, and compared before it commits."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from migrator_tui.convert.identifiers import quote, quote_literal
from migrator_tui.model.errors import BackupError, DecisionsNeeded, VerificationFailed
from migrator_tui.postgres import backup_schema
from migrator_tui.postgres.backup import DATA, END, TABLE, Contents, Progress, TableRows, stop_if
from migrator_tui.postgres.merge import sql
from migrator_tui.postgres.restore_access import Connection, Document, Place, Purpose
from migrator_tui.postgres.row_hash import hash_rows, shape

LOCK_TIMEOUT = "30s"

_DEPENDENTS = """
    SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0) FROM pg_depend d
    LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
    LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
    LEFT JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
    LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
    LEFT JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
    WHERE d.deptype = 'n' AND (
        (d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY(%(oids)s::oid[]))
        OR (d.refclassid = 'pg_type'::regclass AND d.refobjid IN (
            SELECT c.reltype FROM pg_class c WHERE c.oid = ANY(%(oids)s::oid[]))))
    AND NOT coalesce(k.conrelid, r.ev_class, p.polrelid, t.tgrelid, f.adrelid,
                     CASE WHEN d.classid = 'pg_class'::regclass THEN d.objid END, 0) = ANY(%(oids)s::oid[])
    ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did.

    Attributes:
        tables: Those that are there again; each was compared.
        not_restored: Object, name and why, of what the target did not take.
        replaced: The schema that holds the tables which were live before.
    """

    tables: tuple[TableRows, ...]
    not_restored: tuple[dict[str, str], ...]
    replaced: str | None = None


def restore(
    connection: Connection,
    contents: Contents,
    records: Iterable[tuple[bytes, bytes]],
    *,
    schema: str,
    tables: Sequence[str] = (),
    purpose: Purpose = "put back",
    replaced_schema: str | None = None,
    stop: threading.Event,
    progress: Progress,
) -> Restored:
    """Make tables and their rows again within the open transaction of a connection, and compare them.

    Args:
        records: Of the backup that ``contents`` was read from, from the beginning.
        schema: Where to; made where it is not there.
        tables: Names; empty for all in the backup.
        replaced_schema: Tables that are in the way move to this one; None refuses them.

    Raises:
        DecisionsNeeded: ``RESTORE-OCCUPIED``, ``RESTORE-DEPENDENTS``.
        BackupError: ``BACKUP-NO-TABLE``, ``RESTORE-TYPE``.
        VerificationFailed: ``RESTORE-DIFFERS``.
        psycopg.Error: The target refused; the transaction is to be rolled back.
    """
    return _Restorer(connection, contents, schema, tables, purpose, stop, progress).run(records, replaced_schema)


class _Restorer(Place):
    def __init__(
        self,
        connection: Connection,
        contents: Contents,
        schema: str,
        tables: Sequence[str],
        purpose: Purpose,
        stop: threading.Event,
        progress: Progress,
    ) -> None:
        super().__init__(connection, schema, purpose)
        self._document = contents.document
        self._stop = stop
        self._progress = progress
        known = {table.table: table for table in contents.tables}
        if missing := [name for name in tables if name not in known]:
            raise BackupError(
                "BACKUP-NO-TABLE",
                f"The backup has no table {missing[0]}.",
                f"It has: {', '.join(known)}.",
            )
        self._rows = {name: found for name, found in known.items() if not tables or name in tables}
        self._tables = [table for table in self._document["tables"] if table["name"] in self._rows]
        names = set(self._rows)
        self._views = []
        for view in self._document["views"]:
            if set(view["needs"]) <= names:
                self._views.append(view)
                names.add(view["name"])
        self._sequences = [item for item in self._document["sequences"] if item["table"] in self._rows]

    # ── the way ─────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self, records: Iterable[tuple[bytes, bytes]], replaced_schema: str | None) -> Restored:
        self._do("SET LOCAL lock_timeout = " + quote_literal(LOCK_TIMEOUT))
        self._do("SET LOCAL client_encoding = 'UTF8'")
        self._make_schema()
        replaced = self._make_way(replaced_schema)
        # Functions, and types of other kinds, may be found where the backup was taken.
        backup_schema.use_names_of(self._connection, self._schema, self._document["schema"])
        self._make_types()
        taken = self._make_sequences()
        for table in self._tables:
            self._make_table(table)
        self._copy(records)
        for table in self._tables:
            self._make_keys(table)
        for table in self._tables:
            self._make_foreign_keys(table)
        self._set_sequences(taken)
        compared = tuple(self._compare(table["name"]) for table in self._tables)
        for view in self._views:
            self._make_view(view)
        for table in self._tables:
            self._make_access(table)
        if self._purpose == "put back":
            self._do("NOTIFY pgrst, 'reload schema'")
        return Restored(compared, tuple(self._missed), replaced)

    def _make_schema(self) -> None:
        # Asked first: IF NOT EXISTS would want the right to make one all the same.
        if not self._ask("SELECT 1 FROM pg_namespace WHERE nspname = %s", (self._schema,)):
            self._do(f"CREATE SCHEMA {quote(self._schema)}")

    def _make_way(self, replaced_schema: str | None) -> str | None:
        names = [*(table["name"] for table in self._tables), *(view["name"] for view in self._views)]
        there = self._ask(
            "SELECT c.oid::bigint, c.relname, c.relkind::text FROM pg_class c JOIN pg_namespace n "
            "ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = ANY(%s) ORDER BY c.relname",
            (self._schema, names),
        )
        if not there:
            return None
        if replaced_schema is None:
            told = []
            for _, name, kind in there:
                if kind not in "rp":
                    told.append(name)
                    continue
                rows = self._ask(f"SELECT count(*) FROM {self._place(name)}", None)[0][0]
                told.append(f"{name} ({rows:,} rows)" if rows else f"{name} (empty)")
            raise DecisionsNeeded(
                "RESTORE-OCCUPIED",
                f"In the way in {self._schema}: {', '.join(told)}. Nothing was changed.",
                "Let their rows join what is there with --merge; restore beside them with --into-schema NAME; or in "
                "their place with --replace, which keeps them in a schema of their own. --tables names others.",
            )
        if odd := [name for _, name, kind in there if kind not in "rpv"]:
            raise DecisionsNeeded(
                "RESTORE-OCCUPIED",
                f"In the way in {self._schema}, and no table: {', '.join(odd)}. Nothing was changed.",
                "Rename it, or restore beside it with --into-schema NAME.",
            )
        for _, name, kind in there:
            if kind in "rp":
                self._do(f"LOCK TABLE {self._place(name)} IN ACCESS EXCLUSIVE MODE")
        dependents = self._ask(_DEPENDENTS, {"oids": [oid for oid, *_ in there]})
        if dependents:
            listed = "; ".join(text for (text,) in dependents[:10])
            more = f"; and {len(dependents) - 10} more" if len(dependents) > 10 else ""
            raise DecisionsNeeded(
                "RESTORE-DEPENDENTS",
                f"What refers to a table that would be replaced would go on to refer to the old one: {listed}{more}. "
                "Nothing was changed.",
                "Replace those tables too, or restore beside them with --into-schema NAME.",
            )
        self._do(f"CREATE SCHEMA {quote(replaced_schema)}")
        for _, name, kind in there:
            what = "VIEW" if kind == "v" else "TABLE"
            self._do(f"ALTER {what} {self._place(name)} SET SCHEMA {quote(replaced_schema)}")
        return replaced_schema

    def _make_types(self) -> None:
        wanted = {name for table in self._tables for name in table["types"]}
        types = [item for item in self._document["types"] if item["name"] in wanted]
        there = backup_schema.describe_types(self._connection, self._schema, [item["name"] for item in types])
        for item in types:
            place = self._place(item["name"])
            kind, _, definition = item["sql"].partition(" ")
            if item["name"] in there:
                if there[item["name"]] != item["sql"]:
                    raise BackupError(
                        "RESTORE-TYPE",
                        f"The type {self._schema}.{item['name']} is there with another definition than in the backup.",
                        "Restore beside it with --into-schema NAME.",
                    )
                continue
            self._do(f"CREATE {kind} {place} {definition}")
            self._comment(kind, place, item["comment"])
            self._hand_over(kind, place, item)

    def _make_sequences(self) -> set[str]:
        """Make those that stand for themselves when the tables are made.

        Returns:
            Those that were there before: what they have given stays given.
        """
        names = [item["name"] for item in self._sequences]
        there = {
            name
            for (name,) in self._ask(
                "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                "WHERE n.nspname = %s AND c.relkind = 'S' AND c.relname = ANY(%s)",
                (self._schema, names),
            )
        }
        for item in self._sequences:
            if item["bond"] != "i" and item["name"] not in there:
                self._do(f"CREATE SEQUENCE {self._place(item['name'])} AS {item['type']} {item['options']}")
        return there

    def _make_table(self, table: Document) -> None:
        identities = {item["column"]: item for item in self._of(table) if item["bond"] == "i"}
        columns = [self._column(column, identities.get(column["name"])) for column in table["columns"]]
        options = f" WITH ({', '.join(map(_option, table['options']))})" if table["options"] else ""
        place = self._place(table["name"])
        self._do(
            f"CREATE {'UNLOGGED ' if table['unlogged'] else ''}TABLE {place} (\n  "
            + ",\n  ".join(columns)
            + f"\n){options}"
        )
        # What a default privilege of the target grants is not what the backup says.
        self._close(table["name"])
        for column in table["columns"]:
            if storage := {"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}.get(column["storage"] or ""):
                self._do(f"ALTER TABLE {place} ALTER {quote(column['name'])} SET STORAGE {storage}")

    def _column(self, column: Document, identity: Document | None) -> str:
        text = f"{quote(column['name'])} {column['type']}"
        if column["collation"]:
            text += f" COLLATE {column['collation']}"
        if column["generated"]:
            text += (
                f" GENERATED ALWAYS AS ({column['default']}) {'VIRTUAL' if column['generated'] == 'v' else 'STORED'}"
            )
        elif column["identity"]:
            always = "ALWAYS" if column["identity"] == "a" else "BY DEFAULT"
            text += f" GENERATED {always} AS IDENTITY"
            if identity:
                text += f" (SEQUENCE NAME {self._place(identity['name'])} {identity['options']})"
        elif column["default"] is not None:
            text += f" DEFAULT {column['default']}"
        if column["not_null"]:
            named = f" CONSTRAINT {quote(column['not_null_name'])}" if column["not_null_name"] else ""
            text += f"{named} NOT NULL"
        return text

    def _copy(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        cursor = self._connection.cursor()
        copy: Any = None
        try:
            for kind, payload in records:
                stop_if(self._stop)
                if kind == TABLE:
                    start = json.loads(payload)
                    if start["table"] not in self._rows:
                        continue
                    self._progress(f"writing {start['table']}")
                    columns = f"({', '.join(quote(name) for name in start['columns'])})" if start["columns"] else ""
                    format = "binary" if start["binary"] else "text"
                    statement = f"COPY {self._place(start['table'])} {columns} FROM STDIN (FORMAT {format})"
                    copy = cursor.copy(sql(statement))
                    copy_to = copy.__enter__()
                elif kind == DATA and copy is not None:
                    copy_to.write(payload)
                elif kind == END and copy is not None:
                    open_copy, copy = copy, None
                    open_copy.__exit__(None, None, None)
        except BaseException as error:
            if copy is not None:
                copy.__exit__(type(error), error, error.__traceback__)
            raise

    def _make_keys(self, table: Document) -> None:
        place = self._place(table["name"])
        self._progress(f"keys and indexes of {table['name']}")
        stop_if(self._stop)
        for kinds in ("pux", "c"):
            for constraint in table["constraints"]:
                if constraint["kind"] in kinds:
                    self._constrain(place, constraint)
            if kinds == "pux":
                for index in table["indexes"]:
                    unique = "UNIQUE " if index["unique"] else ""
                    self._do(f"CREATE {unique}INDEX {quote(index['name'])} ON {place} {index['sql']}")
                    self._comment("INDEX", self._place(index["name"]), index["comment"])
        if table["replica_identity"] in ("n", "f"):
            self._do(
                f"ALTER TABLE {place} REPLICA IDENTITY {'FULL' if table['replica_identity'] == 'f' else 'NOTHING'}"
            )
        elif table["replica_identity"] == "i" and table.get("replica_index"):
            self._do(f"ALTER TABLE {place} REPLICA IDENTITY USING INDEX {quote(table['replica_index'])}")

    def _make_foreign_keys(self, table: Document) -> None:
        place = self._place(table["name"])
        for constraint in table["constraints"]:
            if constraint["kind"] != "f":
                continue
            schema, other = constraint["refers"]
            if schema == self._document["schema"] and other in self._rows:
                self._constrain(place, constraint)
            elif self._purpose == "put back":
                self._try(
                    "foreign key",
                    constraint["name"],
                    lambda c=constraint: self._constrain(place, c),  # type: ignore[misc]
                )
            else:
                self._miss(
                    "foreign key", constraint["name"], f"refers to {schema}.{other}, which is not restored with it"
                )

    def _constrain(self, place: str, constraint: Document) -> None:
        self._do(f"ALTER TABLE {place} ADD CONSTRAINT {quote(constraint['name'])} {constraint['sql']}")
        self._comment("CONSTRAINT", f"{quote(constraint['name'])} ON {place}", constraint["comment"])

    def _set_sequences(self, taken: set[str]) -> None:
        for item in self._sequences:
            place = self._place(item["name"])
            value, called = item["last_value"], item["is_called"]
            if item["name"] in taken and item["bond"] != "i":
                # What others count with is never set back, which would give numbers twice.
                beyond = "<" if item["increment"] > 0 else ">"
                self._do(
                    f"SELECT setval({quote_literal(place)}, {value}) FROM {place} WHERE last_value {beyond} {value}"
                )
                self._miss("sequence", item["name"], "was there already, and was only moved on")
                continue
            self._do(f"SELECT setval({quote_literal(place)}, {value}, {'true' if called else 'false'})")
            if item["bond"] == "a":
                self._do(f"ALTER SEQUENCE {place} OWNED BY {self._place(item['table'])}.{quote(item['column'])}")
            self._comment("SEQUENCE", place, item["comment"])

    def _compare(self, table: str) -> TableRows:
        self._progress(f"comparing {table}")
        stop_if(self._stop)
        place = self._place(table)
        rows, digest = hash_rows(self._connection, place, shape(self._connection, place))
        wanted = self._rows[table]
        if (rows, digest) != (wanted.rows, wanted.hash):
            raise VerificationFailed(
                "RESTORE-DIFFERS",
                f"The table {table} does not compare equal: {rows:,} rows restored of {wanted.rows:,}. "
                "Nothing was kept.",
                "Take an older backup, and report this with the table's definition.",
            )
        return TableRows(table, rows, digest)

    # ── what stands around the rows ─────────────────────────────────────────────────────────────────────────────

    def _make_view(self, view: Document) -> None:
        place = self._place(view["name"])
        options = f" WITH ({', '.join(map(_option, view['options']))})" if view["options"] else ""

        def make() -> None:
            self._do(f"CREATE VIEW {place}{options} AS {view['sql']}")
            self._close(view["name"])
            self._comment("VIEW", place, view["comment"])

        if self._try("view", view["name"], make):
            self._grant("TABLE", place, view["acl"])
            self._hand_over("VIEW", place, view)

    def _make_access(self, table: Document) -> None:
        place = self._place(table["name"])
        self._comment("TABLE", place, table["comment"])
        for column in table["columns"]:
            self._comment("COLUMN", f"{place}.{quote(column['name'])}", column["comment"])
        # Row security first: a policy that cannot be made again leaves rows hidden, not open.
        if table["rls"]:
            self._do(f"ALTER TABLE {place} ENABLE ROW LEVEL SECURITY")
        if table["rls_forced"]:
            self._do(f"ALTER TABLE {place} FORCE ROW LEVEL SECURITY")
        for policy in table["policies"]:
            self._try("policy", f"{table['name']}.{policy['name']}", lambda p=policy: self._make_policy(place, p))  # type: ignore[misc]
        for trigger in table["triggers"]:
            name = f"{table['name']}.{trigger['name']}"
            if self._purpose == "put back":
                self._try("trigger", name, lambda t=trigger: self._make_trigger(place, t))  # type: ignore[misc]
            else:
                self._miss("trigger", name, "is made only where the tables become the live ones")
        self._grant("TABLE", place, table["acl"])
        for column in table["columns"]:
            self._grant("TABLE", place, column["acl"], column["name"])
        for item in self._of(table):
            self._close(item["name"])
            self._grant("SEQUENCE", self._place(item["name"]), item["acl"])
            if item["bond"] == "n":
                self._hand_over("SEQUENCE", self._place(item["name"]), item)
        self._hand_over("TABLE", place, table)

    def _of(self, table: Document) -> list[Document]:
        return [item for item in self._sequences if item["table"] == table["name"]]


def _option(text: str) -> str:
    name, _, value = text.partition("=")
    return f"{name} = {quote_literal(value)}"
