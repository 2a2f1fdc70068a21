"""What becomes of each table that is pulled: its original statement where it still holds, a translated one else."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from migrator_tui.convert import to_sqlite_views
from migrator_tui.convert.identifiers import quote, quote_sqlite
from migrator_tui.convert.to_sqlite_operands import Known
from migrator_tui.convert.to_sqlite_schema import FileColumn, FileNames, TableStatement
from migrator_tui.convert.to_sqlite_types import LiveType, Way, exactness, is_exact, way, way_by_codec
from migrator_tui.migration.pulling.pull_blobs import Blobs
from migrator_tui.migration.pulling.pull_user_ids import UserIds
from migrator_tui.model.origin import ColumnOrigin, Origin, TableOrigin
from migrator_tui.model.pull import NotCarried, Represented
from migrator_tui.model.schema import Database, Table, TableName, View
from migrator_tui.postgres.extract import Catalogue, Extract, from_clause
from migrator_tui.postgres.origins import shapes
from migrator_tui.sqlite.write import prove
from migrator_tui.supabase.api import Api


@dataclass(frozen=True, slots=True)
class PullTable:
    """One table on its way.

    Attributes:
        live: On the target.
        name: In SQLite.
        statement: CREATE TABLE.
        origin: Set where the statement is the original one.
        columns: In the target's order; those that SQLite computes are told by the file itself.
        indexes: (name, statement, note).
        high: Highest value that the sequence of its key gave; None where there is none.
    """

    live: Table
    name: str
    statement: str
    columns: tuple[FileColumn, ...]
    indexes: tuple[tuple[str, str, str], ...] = ()
    triggers: tuple[str, ...] = ()
    origin: TableOrigin | None = None
    high: int | None = None


@dataclass(slots=True)
class PullPlan:
    """All tables, and what is known beforehand to be lost or to look otherwise.

    Attributes:
        views: (name, statement, as the target has it); one may read others.
        views_not_on_target: (name, statement) of views of the original file that were not carried.
    """

    tables: list[PullTable] = field(default_factory=list)
    not_carried: list[NotCarried] = field(default_factory=list)
    represented: list[Represented] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    views: list[tuple[str, str, str]] = field(default_factory=list)
    views_not_on_target: list[tuple[str, str]] = field(default_factory=list)
    pragmas: dict[str, int] = field(default_factory=dict)


class Planner:
    """Plans a pull.

    Args:
        tables: Those that are pulled, partitions left out.
        origins: What runs published, newest first.
        api: The project's APIs, from which blobs come back that are objects there.
        stop: Ends their coming.
    """

    def __init__(
        self,
        extract: Extract,
        database: Database,
        tables: Sequence[Table],
        catalogue: Catalogue,
        origins: Sequence[Origin],
        api: Api | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._extract = extract
        self._database = database
        self._tables = tables
        self._catalogue = catalogue
        self._origins = origins
        self._names = FileNames()
        self._plan = PullPlan()
        self._api, self._stop = api, stop

    def plan(self) -> PullPlan:
        """Work it out; asks the target whether decimals are exact, and changes nothing."""
        relations = [table.name for table in self._tables] + [view.name for view in self._database.views]
        self._shapes = shapes(self._extract.connection, relations)
        origins = {table.name: self._origin_of(table.name) for table in self._tables}
        # Tables that were published under their own names get them back before others take them.
        ordered = sorted(self._tables, key=lambda table: origins[table.name] is None)
        self._user_ids = UserIds(self._extract.connection, self._origins, origins)
        self._plan.notes += self._user_ids.notes
        connection, stop = self._extract.connection, self._stop or threading.Event()
        self.blobs = Blobs(connection, origins.values(), self._api, stop)
        self._plan.notes += self.blobs.notes
        names = {
            table.name: self._names.give(origin.source if (origin := origins[table.name]) else table.name.name)
            for table in ordered
        }
        columns = {table.name: self._columns(table, origins[table.name]) for table in self._tables}
        parents = {
            table.name: (names[table.name], {c.live.name: c.name for c in columns[table.name]})
            for table in self._tables
        }
        for table in self._tables:
            if not table.columns:
                self._plan.not_carried.append(
                    NotCarried("table", str(table.name), "a table without columns, which SQLite does not have")
                )
                continue
            self._plan.tables.append(
                self._table(table, names[table.name], columns[table.name], parents, origins[table.name])
            )
            if heirs := self._catalogue.heirs.get(table.name.name):
                self._plan.not_carried.append(
                    NotCarried(
                        "inheritance",
                        str(table.name),
                        f"only its own rows are in its table in the file, without those of {', '.join(heirs)}; a view "
                        "that reads it is not carried",
                    )
                )
        for wanted, given in self._names.changed:
            self._plan.notes.append(f"{wanted} is called {given} in the file: SQLite has the name already.")
        self._views()
        return self._plan

    def _origin_of(self, name: TableName) -> TableOrigin | None:
        found = [table for origin in self._origins for table in origin.tables if table.target == name]
        made = [table for table in found if table.created]
        return next(iter(made or found), None)

    def _columns(self, table: Table, origin: TableOrigin | None) -> tuple[FileColumn, ...]:
        known = {column.target: column for column in origin.columns} if origin else {}
        names = FileNames()
        given = {
            column.name: names.give(known[column.name].source)
            for column in sorted(table.columns, key=lambda c: c.name not in known)
            if column.name in known
        }
        given |= {column.name: names.give(column.name) for column in table.columns if column.name not in given}
        types = {column.name: self._catalogue.types[table.name.name, column.name] for column in table.columns}
        exact = self._exact(table, types)
        return tuple(
            FileColumn(
                column,
                types[column.name],
                given[column.name],
                (origin and (column.name in known) and self.blobs.way(table.name, origin, known[column.name]))
                or self._way(types[column.name], column.name, known.get(column.name), exact.get(column.name, False)),
            )
            for column in table.columns
        )

    def _way(self, live: LiveType, name: str, origin: ColumnOrigin | None, exact: bool) -> Way:
        if origin is not None:
            collation = way(live, name).collation
            if (of_user := self._user_ids.way(origin, collation)) is not None:
                return of_user
            found = way_by_codec(live, name, origin.codec, origin.declared, collation)
            if found is not None:
                return found
        return way(live, name, exact_real=exact)

    def _exact(self, table: Table, types: Mapping[str, LiveType]) -> dict[str, bool]:
        """Which decimals of unlimited or great precision are exact as doubles, all of them."""
        asked = [name for name, live in types.items() if live.base == "numeric" and not is_exact(live)]
        asked += [name for name, live in types.items() if live.base == "money"]
        money = {name for name, live in types.items() if live.base == "money"}
        if not asked:
            return {}
        tests = ", ".join(
            f"coalesce(bool_and({exactness(name, cast='::numeric' if name in money else '')}), true)" for name in asked
        )
        (row,) = self._extract.rows(f"SELECT {tests} FROM {from_clause(table, self._catalogue)}")
        return dict(zip(asked, row, strict=True))

    def _table(
        self,
        table: Table,
        name: str,
        columns: tuple[FileColumn, ...],
        parents: Mapping[TableName, tuple[str, Mapping[str, str]]],
        origin: TableOrigin | None,
    ) -> PullTable:
        counters = {c.column: c for c in self._catalogue.counters if c.table == table.name.name}
        high = None
        key = table.primary_key
        if key is not None and len(key.columns) == 1 and key.columns[0] in counters:
            high = counters[key.columns[0]].last
        if origin is not None and self._still_original(table, origin) and name == origin.source:
            error, _ = prove(origin.sql, ())
            if error is None:
                return PullTable(
                    table,
                    name,
                    origin.sql,
                    columns,
                    tuple((_index_name(sql), sql, "") for sql in origin.indexes),
                    origin.triggers,
                    origin,
                    high,
                )
        return self._translated(table, name, columns, parents, frozenset(counters), high)

    def _still_original(self, table: Table, origin: TableOrigin) -> bool:
        if not origin.created or origin.left_behind or not origin.sql:
            return False
        changed = self._shapes.get(table.name) != origin.shape
        if changed:
            self._plan.notes.append(
                f"{table.name.name} was changed on the target since it was published; its definition is translated."
            )
        return not changed

    def _translated(
        self,
        table: Table,
        name: str,
        columns: tuple[FileColumn, ...],
        parents: Mapping[TableName, tuple[str, Mapping[str, str]]],
        counted: frozenset[str],
        high: int | None,
    ) -> PullTable:
        made = TableStatement(table, name, columns, parents, counted)
        _, refused = prove(made.bare(), made.trials())
        said = dict(refused)
        statement = made.sql(frozenset(said))
        error, _ = prove(statement, ())
        if error is not None:
            # One of the pieces is refused only where it stands; which one, the statement without the others tells.
            for piece in made.pieces:
                others = frozenset(p.name for p in made.pieces if p.name != piece.name)
                alone, _ = prove(made.sql(others), ())
                if alone is not None:
                    said[piece.name] = alone
            statement = made.sql(frozenset(said))
        for piece in made.pieces:
            if piece.carried.sql is None or piece.name in said:
                self._plan.not_carried.append(piece.not_carried(said.get(piece.name, "")))
        for key in table.foreign_keys:
            if key.parent not in parents:
                self._plan.not_carried.append(
                    NotCarried("foreign key", f"{table.name.name}.{key.name}", f"{key.parent} is not pulled")
                )
        for column in columns:
            if column.live.identity and column.live.default is None and column.live.name != made.alias:
                self._plan.not_carried.append(
                    NotCarried(
                        "identity",
                        f"{table.name.name}.{column.live.name}",
                        "only an integer that is the whole primary key counts by itself in SQLite",
                    )
                )
            if column.way.how:
                self._plan.represented.append(Represented(name, column.name, column.way.how))
        indexes = []
        for index in table.indexes:
            found = made.index(index, self._names.give)
            if isinstance(found, NotCarried):
                self._plan.not_carried.append(found)
            else:
                indexes.append((index.name, *found))
        return PullTable(table, name, statement, columns, tuple(indexes), high=high)

    def _views(self) -> None:
        made = {view.target: view for origin in reversed(self._origins) for view in origin.views if view.target}
        relations: dict[str, tuple[str, Mapping[str, Known]]] = {
            table.live.name.name: (table.name, {column.live.name: column.known for column in table.columns})
            for table in self._plan.tables
            if table.live.name.name not in self._catalogue.heirs
        }
        waiting: list[tuple[View, str]] = []
        for live in self._database.views:
            known = made.get(live.name)
            if known is not None and known.shape == self._shapes.get(live.name):
                self._plan.views.append((self._names.give(known.source), known.sql, live.sql))
            else:
                waiting.append((live, self._names.give(live.name.name)))
            if live.name.name in self._catalogue.materialized:
                self._plan.notes.append(f"{live.name.name} is a materialized view, and a plain one in the file.")
        while waiting:
            left = []
            for live, name in waiting:
                carried, columns = to_sqlite_views.view(live.sql, live.columns, relations, live.name.schema)
                if carried.sql is None:
                    left.append((live, name, carried))
                    continue
                relations[live.name.name] = (name, columns)
                listed = ", ".join(quote_sqlite(column) for column in live.columns)
                statement = f"CREATE VIEW {quote_sqlite(name)} ({listed}) AS {carried.sql}"
                self._plan.views.append((name, statement, live.sql))
            if len(left) == len(waiting):
                self._plan.not_carried += [NotCarried("view", name, c.why, c.original) for _, name, c in left]
                break
            waiting = [(live, name) for live, name, _ in left]
        for origin in self._origins[:1]:
            self._plan.views_not_on_target += [(v.source, v.sql) for v in origin.views if v.target is None]
            self._plan.pragmas |= origin.pragmas


def select_of(table: PullTable, columns: Sequence[FileColumn], catalogue: Catalogue, where: str = "") -> str:
    """The query that reads a table's rows: for each column what its way selects, one after the other."""
    listed = [
        f"{expression} AS {quote(f'c{number}_{part}')}"
        for number, column in enumerate(columns)
        for part, expression in enumerate(column.way.select)
    ]
    return f"SELECT {', '.join(listed)} FROM {from_clause(table.live, catalogue)}{where}"


def _index_name(sql: str) -> str:
    words = sql.split('"')
    return words[1] if len(words) > 1 else sql[:60]


def drop(kind: str, name: str) -> str:
    """DROP of a table or view in SQLite."""
    return f"DROP {kind} {quote_sqlite(name)}"
