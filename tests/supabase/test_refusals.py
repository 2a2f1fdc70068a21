"""Everything that a project's servers refuse is provoked, and told with its id and the next step."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from psycopg import sql

from migrator_tui.postgres.connect import connect
from migrator_tui.postgres.server import EmbeddedServer, fresh_database
from tests.supabase.refusals.known import KNOWN, REFUSALS
from tests.supabase.refusals.words import NotHere, Refusal, Scene


@pytest.fixture(scope="module")
def scene(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A project that all of them are provoked at."""
    name = f"p_{secrets.token_hex(4)}"
    with Scene(fresh_database(server.target(), name), tmp_path_factory.mktemp("refusals")) as scene:
        yield scene
    with connect(server.target()) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_every_refusal_that_is_known_is_provoked() -> None:
    provoked = [(one.area, one.named) for one in REFUSALS]
    assert len(provoked) == len(set(provoked))
    assert set(provoked) == {(area, name) for area, names in KNOWN.items() for name in names}


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: f"{one.area}: {one.named}")
def test_a_refusal_is_told_with_its_id_and_the_next_step(scene: Scene, refusal: Refusal) -> None:
    try:
        told = refusal.shown(scene)
    except NotHere as why:
        pytest.skip(str(why))
    assert told.id == refusal.id
    assert refusal.next_step in told.hint
    assert len(told.message) > 20
    assert scene.project.keys.secret not in told.message + told.hint
    assert "Traceback" not in told.message
