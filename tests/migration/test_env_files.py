"""Targets that ``.env`` files name."""

from __future__ import annotations

from pathlib import Path

from migrator_tui.migration.env_files import targets


def named(folder: Path) -> list[tuple[str, str, str]]:
    return [(found.file.name, found.key, found.target.display) for found in targets(folder)]


def test_each_target_is_named_once_and_the_direct_connection_first(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "export DATABASE_URL=postgresql://u:p@pool.example.com:6543/a # transaction pooler\n"
        "DIRECT_URL=postgres://u:p@db.example.com:5432/a\n"
    )
    (tmp_path / ".env.local").write_text("POSTGRES_URL=postgresql://u:p@db.example.com:5432/a\n")
    assert named(tmp_path) == [
        (".env", "DIRECT_URL", "postgresql://u@db.example.com:5432/a"),
        (".env", "DATABASE_URL", "postgresql://u@pool.example.com:6543/a"),
    ]


def test_what_is_no_postgres_url_or_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"DATABASE_URL=caf\xe9\n")
    (tmp_path / ".env.local").mkdir()
    (tmp_path / ".env.production").write_text(
        "DATABASE_URL=sqlite:///app.db\nPOSTGRES_URL=postgresql://u:a/b@h/d\nDIRECT_URL=\n"
    )
    assert named(tmp_path) == []
    assert named(tmp_path / "gone") == []


def test_passwords_stay_out_of_what_is_printed(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql+psycopg://u:sw0rd@h:5432/d\n")
    (found,) = targets(tmp_path)
    assert "sw0rd" not in repr(found)
    assert found.target.password is not None
    assert found.target.password.reveal() == "sw0rd"
