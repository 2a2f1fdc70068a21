"""An application with files on its way to a project, as tests see it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from migrator_tui.demo.project.project import Project
from migrator_tui.model.plan import Scope
from migrator_tui.model.project import FilesScope, ProjectScope
from migrator_tui.postgres.connect import connect
from migrator_tui.supabase.api import Api
from tests.migration.conftest import MakeSource
from tests.migration.running import rows

NAMES = [
    "empty.txt",
    "with space.txt",
    "Ü/日本 #1 100%?.txt",
    "x" * 150 + "/" + "y" * 145 + ".txt",
    "a~[b]{c}.png",
    "plain.pdf",
]


class Scene:
    """An application with documents, its uploads folder, and a project to move to."""

    def __init__(self, make_source: MakeSource, project: Project, folder: Path, names: list[str]) -> None:
        self.project, self.folder = project, folder
        self.contents: dict[str, bytes] = {}
        for number, name in enumerate(names):
            self.put(name, b"" if number == 0 else os.urandom(100 + number))
        script = "CREATE TABLE documents (id INTEGER PRIMARY KEY, title TEXT, path TEXT);\n"
        self.values = [f"uploads/{name}" for name in names] + ["uploads/gone.txt", "../../etc/passwd"]
        script += "\n".join(f"INSERT INTO documents (title, path) VALUES ('t', '{text}');" for text in self.values)
        self.source = make_source(script)

    def put(self, name: str, content: bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.contents[name] = content

    @property
    def api(self) -> Api:
        return Api(self.project.api_url, self.project.secret_key)

    def scope(self, **how: Any) -> Scope:
        files = FilesScope("documents", "path", "docs", **how)
        return Scope(project=ProjectScope(self.project.api_url, self.folder, files=(files,)))

    def stored(self) -> dict[str, bytes]:
        """Name in the metadata → content of every object of the bucket, read by another way than the program's."""
        with connect(self.project.superuser) as connection:
            found = rows(
                connection, "SELECT user_metadata ->> 'name', version FROM storage.objects WHERE bucket_id = 'docs'"
            )
        assert len({name for name, _ in found}) == len(found), "an object is there twice"
        return {name: next(self.project.folder.rglob(str(version))).read_bytes() for name, version in found}
