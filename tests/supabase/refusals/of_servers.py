"""What the database refuses: a project that is paused or full, and what Supabase keeps for itself."""

from __future__ import annotations

import socket
from dataclasses import replace

from migrator_tui.migration.pulling.pull import pull
from migrator_tui.model.pull import PullRequest
from migrator_tui.postgres.connect import connect
from tests.postgres.tls_server import DIRECT
from tests.supabase.refusals.words import Scene, Told, refusals_of

BY_SERVERS, server = refusals_of("Database")


@server("a paused project does not resolve", "TARGET-HOST", "whether the project is paused")
def _unknown(scene: Scene) -> Told | None:
    connect(replace(scene.project.target, host="db.no-such-project.supabase.co", parameters={})).close()
    return None


@server("a paused project refuses", "TARGET-UNREACHABLE", "whether the project is paused")
def _refusing(scene: Scene) -> Told | None:
    with socket.socket() as taken:  # bound and not listening
        taken.bind(("127.0.0.1", 0))
        way = {"hostaddr": "127.0.0.1", "sslmode": "require"}
        connect(replace(scene.project.target, host=DIRECT, port=taken.getsockname()[1], parameters=way)).close()
    return None


@server("small projects: 60 connections", "TARGET-CONNECTIONS", "end what need not be open")
def _connections(scene: Scene) -> Told | None:
    target = scene.somebody()
    scene.outside(f"ALTER ROLE {target.user} CONNECTION LIMIT 1")
    with connect(target):
        connect(target).close()
    return None


@server("25006: an overfull project is read-only", "TARGET-READ-ONLY", "and resume")
def _read_only(scene: Scene) -> Told | None:
    target = scene.somebody()
    scene.outside(f"ALTER ROLE {target.user} SET default_transaction_read_only = on")
    scene.does("CREATE TABLE public.t (id int)", target)
    return None


@server("53100: disk full", "TARGET-DISK-FULL", "and resume")
def _full(scene: Scene) -> Told | None:
    # The server's own words; a disk is not filled for it.
    scene.does(
        "DO $$ BEGIN RAISE EXCEPTION 'could not extend file \"base/5/16384\": No space left on device' "
        "USING ERRCODE = 'disk_full', HINT = 'Check free disk space.'; END $$"
    )
    return None


@server("no DDL in auth, storage, realtime", "TARGET-PRIVILEGE", "Supabase keeps")
def _own_schemas(scene: Scene) -> Told | None:
    scene.does("CREATE TABLE auth.mine (id int)")
    return None


@server("nothing of auth is altered", "TARGET-PRIVILEGE", "Supabase keeps")
def _altering(scene: Scene) -> Told | None:
    scene.does("ALTER TABLE auth.users ADD COLUMN mine int")
    return None


@server("DISABLE TRIGGER ALL fails", "TARGET-PRIVILEGE", "Supabase keeps")
def _triggers(scene: Scene) -> Told | None:
    scene.does(
        "CREATE TABLE public.with_parent (id int PRIMARY KEY, up int REFERENCES public.with_parent); "
        "ALTER TABLE public.with_parent DISABLE TRIGGER ALL"
    )
    return None


@server("SQL DELETE on storage.objects is refused", "TARGET-PRIVILEGE", "by its APIs")
def _deleting(scene: Scene) -> Told | None:
    scene.put(scene.bucket(), "a.txt")
    scene.does("DELETE FROM storage.objects")
    return None


@server("service_role cannot read auth.users", "TARGET-PRIVILEGE", "`migrator-tui check` names")
def _service(scene: Scene) -> Told | None:
    scene.does("SET ROLE service_role; SELECT count(*) FROM auth.users")
    return None


@server("a missing grant is 42501", "TARGET-PRIVILEGE", "with the GRANT that gives it")
def _grants(scene: Scene) -> Told | None:
    scene.outside("DROP TABLE IF EXISTS public.ungranted; CREATE TABLE public.ungranted (id int)")
    scene.does("SET ROLE authenticated; SELECT * FROM public.ungranted")
    return None


@server("pulling without BYPASSRLS gives 0 rows", "TARGET-PRIVILEGE", "BYPASSRLS")
def _hidden(scene: Scene) -> Told | None:
    reader = scene.somebody()
    scene.outside(
        "DROP TABLE IF EXISTS public.hidden; CREATE TABLE public.hidden (id int PRIMARY KEY); "
        "INSERT INTO public.hidden VALUES (1); ALTER TABLE public.hidden ENABLE ROW LEVEL SECURITY; "
        f"GRANT SELECT ON public.hidden TO {reader.user}"
    )
    pull(PullRequest(scene.folder / "pulled.db", tables=("hidden",), replace=True), reader)
    return None
