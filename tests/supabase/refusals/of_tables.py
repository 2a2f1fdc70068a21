"""What Supabase's linter says of tables that everybody can reach, and policies that trust the wrong thing."""

from __future__ import annotations

from collections.abc import Callable

from migrator_tui.postgres.connect import connect
from migrator_tui.supabase.advisor import advise
from tests.supabase.refusals.words import Provoking, Scene, Told, refusals_of

OF_TABLES, table = refusals_of("Linter")


def _after(done: str, lint: str, undone: str = "DROP TABLE public.linted CASCADE") -> Provoking:
    """What the linter says once something is done."""

    def provoke(scene: Scene) -> Told | None:
        scene.does(done)
        try:
            with connect(scene.project.target) as connection:
                said = [one for one in advise(connection, schemas=["public"]) if one.lint == lint]
        finally:
            scene.does(undone)
        return Told(said[0].lint, said[0].message, said[0].fix) if said else None

    return provoke


def _linted(named: str, lint: str, fix: str, done: str) -> None:
    add: Callable[[Provoking], Provoking] = table(named, lint, fix)
    add(_after(f"CREATE TABLE public.linted (id int, email varchar(255), password_hash text); {done}", lint))


_SECURED = "ALTER TABLE public.linted ENABLE ROW LEVEL SECURITY; "

_linted("0013: row-level security is off in public", "0013", "Enable it", "SELECT 1")
_linted("0023: sensitive columns", "0023", "Leave the column behind", "GRANT SELECT ON public.linted TO authenticated")
_linted(
    "0015: user_metadata in a policy", "0015", "app_metadata",
    _SECURED + "CREATE POLICY p ON public.linted USING ((SELECT auth.jwt() -> 'user_metadata' ->> 'a') = 'b')",
)  # fmt: skip
_linted(
    "a policy asks auth.uid() once a row", "0003", "(select auth.uid())",
    _SECURED + "CREATE POLICY p ON public.linted USING (auth.uid()::text = email)",
)  # fmt: skip
_linted(
    "a policy's column has no index", "index", "Create one",
    _SECURED + "CREATE POLICY p ON public.linted USING ((SELECT auth.uid()::text) = email)",
)  # fmt: skip
_linted(
    "views run with their owner's rights", "0010", "security_invoker",
    _SECURED + "CREATE VIEW public.linted_view AS SELECT id FROM public.linted; "
    "GRANT SELECT ON public.linted_view TO anon",
)  # fmt: skip


@table("0021: foreign keys to columns of auth that are no primary key", "0021", "primary key")
def _foreign_key(scene: Scene) -> Told | None:
    scene.outside(
        "CREATE TABLE auth.coded (id int PRIMARY KEY, code text UNIQUE); GRANT ALL ON auth.coded TO PUBLIC; "
        "GRANT REFERENCES ON auth.coded TO PUBLIC"
    )
    try:
        return _after("CREATE TABLE public.linted (code text REFERENCES auth.coded (code))", "0021")(scene)
    finally:
        scene.outside("DROP TABLE auth.coded CASCADE")
