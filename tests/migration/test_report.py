from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator_tui.migration.report import next_steps, render, sentence, visible, write_all
from migrator_tui.model.findings import Finding
from migrator_tui.model.outcome import Beside, ErrorReport, NotCarried, RunOutcome, TableOutcome
from migrator_tui.model.plan import Action, ColumnPlan, Plan, TablePlan
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.schema import TableName

EVIL = "<script>alert('x')</script>|\n\0\u202e`&amp;"
TRIGGER = "CREATE TRIGGER touch AFTER UPDATE ON users\nBEGIN SELECT '```'; END"

OUTCOME = RunOutcome(
    run="20261122-221500-k3f9",
    command="migrate",
    status=RunStatus.SUCCEEDED,
    source="./dev.db",
    target="postgresql://app@db.example.org:5432/app",
    started="2026-11-22T22:15:00Z",
    tables=(
        TableOutcome("users", "public.people", 1204, 1202, 2, 1202, 0, 1190, 7, 4, 1, True, 0.12),
        TableOutcome("notes", "public.notes", 31, 31, 0, 31, inserted=31, verified=True, seconds=2.5),
    ),
    findings=(
        Finding(
            "VALUE-NUL",
            "2 texts of notes.body hold NUL.",
            "notes",
            "body",
            rows=2,
            keys=("7", "9"),
            samples=("see\0you",),
            choices=("replace", "bytea", "quarantine"),
            decision="replace",
        ),
        Finding("TRIGGER-NOT-CARRIED", "Trigger touch has no equivalent.", "users", object="touch", samples=(TRIGGER,)),
        Finding("TYPE-KEPT", "notes.meta is declared JSON and kept as text.", "notes", "meta"),
    ),
    not_carried=(NotCarried("trigger", "users.touch", "Trigger touch has no equivalent."),),
    stages=(("snapshot", 0.1), ("stage", 1.2)),
    conflicts_found=8,
    conflicts_resolved=8,
    notes=("Publishing waited for a lock once.",),
    seconds=3.14,
    audit_anchor=(42, "ab" * 32),
    extra={
        "resolved_conflicts": [{"table": "users", "key": {"id": 7}, "kind": "update_differs", "choice": "keep-target"}]
    },
)
PLAN = Plan(
    source_path="./dev.db",
    source_sha256="cd" * 32,
    target_identity="db.example.org:5432/app",
    tables=(
        TablePlan(
            "users",
            TableName("public", "people"),
            Action.MERGE,
            (
                ColumnPlan("id", "id", "bigint", "integer", not_null=True),
                ColumnPlan("pw", "password_hash", "text", "text"),
            ),
            left_behind=("legacy",),
            rows=1204,
        ),
        TablePlan("notes", TableName("public", "notes"), Action.CREATE, (ColumnPlan("body", "body", "text", "nul"),)),
        TablePlan("sessions", TableName("public", "sessions"), Action.SKIP, (), rows=12),
    ),
    load_order=("users", "notes"),
)


class Page(HTMLParser):
    """Collects a page's tags, attributes and text, and checks that every element is closed in its place."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("format", ["html", "md"])
def test_the_report_says_what_moved_what_was_decided_and_how_to_undo_it(format: Literal["html", "md"]) -> None:
    text = render(OUTCOME, PLAN, format)
    shown = words(Page(text).text if format == "html" else text.replace("`", "").replace("*", "").replace("\\", ""))
    for part in (
        "Done: 1,233 rows of 2 tables moved, and every one was compared with the source. 2 rows stayed behind",
        "postgresql://app@db.example.org:5432/app",
        "1,204",
        "1,202",
        "VALUE-NUL",
        "2 texts of notes.body hold NUL.",
        "Each NUL becomes U+FFFD",
        "lossy",
        "8 conflicts found, 8 resolved",
        "id = 7",
        "Trigger touch has no equivalent.",
        "CREATE TRIGGER touch AFTER UPDATE ON users",
        "table sessions",
        "notes.meta is declared JSON",
        "Publishing waited for a lock once.",
        "public.people.password_hash",
        "left behind",
        "bigint not null",
        "snapshot",
        "100 ms",
        "ab" * 32,
        "cd" * 32,
        "migrator-tui verify 20261122-221500-k3f9",
        "migrator-tui rollback 20261122-221500-k3f9",
        "migrator-tui clean 20261122-221500-k3f9 --keep-audit",
    ):
        assert part in shown, part
    assert shown.count("Trigger touch has no equivalent.") == 1


def test_the_json_is_the_interfaces_document_with_the_types() -> None:
    document = json.loads(render(OUTCOME, PLAN, "json"))
    assert {name: document[name] for name in OUTCOME.as_json()} == json.loads(json.dumps(OUTCOME.as_json()))
    assert document["plan"]["tables"]["users"] == {
        "target": "public.people",
        "action": "merge",
        "columns": {
            "id": {"target": "id", "type": "bigint", "codec": "integer"},
            "pw": {"target": "password_hash", "type": "text", "codec": "text"},
            "legacy": None,
        },
    }
    assert "plan" not in json.loads(render(OUTCOME, None, "json"))


def test_the_page_loads_nothing_and_can_be_read_by_everyone() -> None:
    html = render(OUTCOME, PLAN, "html")
    page = Page(html)
    tags = [tag for tag, _ in page.tags]
    assert not {"script", "link", "img", "iframe", "a", "form", "object"} & set(tags)
    assert not re.search(r"url\(|@import|\bsrc=|\bhref=", html)
    assert ("html", {"lang": "en"}) in page.tags
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html
    assert tags.count("h1") == 1
    assert tags.count("th") > 0
    assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert [a["aria-labelledby"] for tag, a in page.tags if tag == "section"] == ids


def evil_outcome(text: str) -> tuple[RunOutcome, Plan]:
    outcome = RunOutcome(
        run=text,
        command="migrate",
        status=RunStatus.FAILED,
        source=text,
        target=text,
        started=text,
        tables=(TableOutcome(text, text, 1),),
        findings=(
            Finding("VALUE-NUL", text, text, text, keys=(text,), samples=(text,), choices=("replace",)),
            Finding("VALUE-NUL", text, text, text, keys=(text,), choices=("replace",), decision="replace"),
            Finding("TYPE-KEPT", f"{text} kept", text, object=text),
        ),
        not_carried=(NotCarried(text, text, text),),
        kept_edits=(text,),
        notes=(text,),
        stages=((text, 0.0),),
        error=ErrorReport("X", text, text),
        audit_anchor=(1, text),
        extra={"resolved_conflicts": [{"table": text, "key": {text: text}, "kind": text, "choice": text}]},
    )
    column = ColumnPlan(text, text + "x", text, text)
    tables = (
        TablePlan(text, TableName(text, text + "x"), Action.CREATE, (column,), left_behind=(text,)),
        TablePlan(text, TableName(text, text), Action.SKIP, ()),
    )
    return outcome, Plan(text, text, text, tables, (text,), notes=(text,))


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters() | st.sampled_from("<>&\"'`|\\\0\n\u202e\ud800{}%"), min_size=1))
def test_whatever_a_name_or_value_holds_the_page_stays_whole(text: str) -> None:
    html = render(*evil_outcome(text), "html")
    plain = render(*evil_outcome("x"), "html")
    html.encode("utf-8")
    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\u202e\u2066]", html)
    tags = [tag for tag, attributes in Page(html).tags if attributes.get("class") != "unseen"]
    assert tags == [tag for tag, _ in Page(plain).tags]


def test_a_name_that_is_markup_is_shown_as_it_is_written() -> None:
    page = Page(render(*evil_outcome(EVIL), "html"))
    assert "<script>alert('x')</script>|\\n\\x00\\u202e`&amp;" in page.text
    assert "script" not in [tag for tag, _ in page.tags]


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters() | st.sampled_from("<>&\"'`|\\\0\n\u202e\ud800{}%*_#[]()")))
def test_whatever_a_name_or_value_holds_the_markdown_tables_keep_their_columns(text: str) -> None:
    outcome, plan = evil_outcome(text)
    outcome = replace(outcome, not_carried=())
    markdown = render(outcome, plan, "md")
    markdown.encode("utf-8")
    columns = 0
    for line in markdown.split("\n"):
        if not line.startswith("| "):
            columns = 0
            continue
        cells = len(re.findall(r"(?<!\\)(?:\\\\)*\|", line))
        columns = columns or cells
        assert cells == columns
    outside_code = re.sub(r"(?<!\\)(`+)(?!`).*?(?<!`)\1(?!`)", "", markdown)
    assert not re.search(r"(?<!\\)(?:\\\\)*<", outside_code)


@given(st.text())
def test_what_would_not_be_seen_is_written_out(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown
    assert "\0" not in shown
    assert "\n" not in shown
    assert visible("a\0b\tc\u202ed\ud800e") == "a\\x00b\\tc\\u202ed\\ud800e"
    assert visible("é 👩‍👧 中") == "é 👩‍👧 中"
    assert visible("a\n\0", keep="\n") == "a\n\\x00"


STATES: list[tuple[RunStatus, dict[str, Any], str, list[str]]] = [
    (
        RunStatus.NEEDS_DECISIONS,
        {"conflicts_found": 9, "tables": ()},
        "Waiting for you: 1 conflict to decide. Nothing that the application can see was changed.",
        ["resume r1 --decisions decisions.yaml", "clean r1"],
    ),
    (
        RunStatus.INTERRUPTED,
        {"tables": ()},
        "Interrupted; resume continues where it stopped. Nothing that the application can see was changed.",
        ["resume r1", "clean r1 --keep-audit"],
    ),
    (
        RunStatus.INTERRUPTED,
        {},
        "Interrupted; resume continues where it stopped. The rows were published before that.",
        ["resume r1", "verify r1", "rollback r1"],
    ),
    (
        RunStatus.VERIFICATION_FAILED,
        {"tables": ()},
        "The check failed: the target is not what the plan makes of the source. "
        "Nothing that the application can see was changed.",
        ["resume r1", "clean r1 --keep-audit"],
    ),
    (
        RunStatus.VERIFICATION_FAILED,
        {},
        "The check failed: the target is not what the plan makes of the source.",
        ["verify r1", "rollback r1"],
    ),
    (
        RunStatus.ROLLED_BACK,
        {},
        "Rolled back: the target is as it was before the run.",
        ["clean r1 --keep-audit", "migrate"],
    ),
    (
        RunStatus.ROLLED_BACK,
        {"kept_edits": ("users 7",)},
        "Rolled back: the target is as it was before the run, but for 1 later change, kept.",
        ["clean r1 --keep-audit", "migrate"],
    ),
    (
        RunStatus.FAILED,
        {"tables": ()},
        "The run failed. Nothing that the application can see was changed.",
        ["resume r1", "clean r1 --keep-audit"],
    ),
    (
        RunStatus.SUCCEEDED,
        {},
        "Done: 1,233 rows of 2 tables moved, and every one was compared with the source. "
        "2 rows stayed behind in quarantine.",
        ["verify r1", "rollback r1", "clean r1 --keep-audit"],
    ),
    (
        RunStatus.SUCCEEDED,
        {"command": "restore"},
        "Done: 1,233 rows of 2 tables moved, and every one was compared with the source. "
        "2 rows stayed behind in quarantine.",
        ["rollback r1", "clean r1 --keep-audit"],
    ),
]


@pytest.mark.parametrize(("status", "changes", "expected", "commands"), STATES)
def test_each_end_of_a_run_has_its_sentence_and_its_next_steps(
    status: RunStatus, changes: dict[str, Any], expected: str, commands: list[str]
) -> None:
    outcome = replace(OUTCOME, run="r1", status=status, **changes)
    assert sentence(outcome) == expected
    assert [step.command for step in next_steps(outcome)] == [f"migrator-tui {command}" for command in commands]
    assert expected in words(Page(render(outcome, None, "html")).text)


@pytest.mark.parametrize("status", list(RunStatus))
def test_every_status_has_a_report_in_every_format(status: RunStatus) -> None:
    bare = RunOutcome("r1", "migrate", status, "a.db", "embedded", "2026-11-22T22:15:00Z")
    assert status.value in Page(render(bare, None, "html")).text
    assert f"- Status: {status.value}" in render(bare, None, "md")
    assert json.loads(render(bare, None, "json"))["status"] == status.value


def test_an_unverified_table_is_not_called_verified() -> None:
    outcome = replace(OUTCOME, tables=(OUTCOME.tables[0], replace(OUTCOME.tables[1], verified=False)))
    assert "1 table not verified" in sentence(outcome)


def test_a_table_whose_rows_do_not_add_up_is_marked() -> None:
    outcome = replace(OUTCOME, tables=(replace(OUTCOME.tables[0], quarantined_rows=1),))
    assert "broken" in Page(render(outcome, None, "html")).text


def test_all_three_files_are_written_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    page = write_all(folder, OUTCOME, PLAN)
    assert page == folder / "report.html"
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json", "report.md"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    assert json.loads((folder / "report.json").read_text(encoding="utf-8"))["report"] == str(page)
    write_all(folder, evil_outcome("\ud800")[0], None)


def test_an_empty_name_breaks_nothing() -> None:
    assert "(empty)" in Page(render(*evil_outcome(""), "html")).text
    assert "(empty)" in render(*evil_outcome(""), "md")


@pytest.mark.parametrize("format", ["md", "html"])
def test_users_files_and_access_have_a_section_of_their_own(format: Literal["md", "html"]) -> None:
    beside = (
        Beside("users", "auth.users", 300, 297, 2, 1, verified=True, lines=("1 user needs a new password.",)),
        Beside("exposure", "public", verified=True, lines=("<b>2 tables</b> can be read by anybody.",)),
    )
    page = render(replace(OUTCOME, beside=beside), None, format)
    assert "Users, files and access" in page
    assert "1 user needs a new password." in page
    assert "<b>2 tables</b>" not in page
    assert "Users, files and access" not in render(OUTCOME, None, format)
