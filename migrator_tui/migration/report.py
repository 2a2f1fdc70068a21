"""The report of a run: one page for a person (HTML, Markdown) and the same as JSON.

The HTML is a single file that loads nothing, so it can be mailed and archived. Names and sample values come from
somebody's data: everything is escaped, and characters that would not be seen (NUL, control and direction marks, lone
surrogates) are written out.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from migrator_tui import locations
from migrator_tui.migration.comparing.object_texts import index_text, listed, reference_text
from migrator_tui.model.catalogue.kind import Choice
from migrator_tui.model.findings import CATALOGUE, Finding
from migrator_tui.model.outcome import NotCarried, RunOutcome, TableOutcome
from migrator_tui.model.plan import Action, ColumnPlan, Plan, TablePlan
from migrator_tui.model.progress import RunStatus

if TYPE_CHECKING:
    from jinja2 import Environment

Format = Literal["html", "md", "json"]


@dataclass(frozen=True, slots=True)
class DecidedFinding:
    """A finding with what was chosen; ``choice`` is None where its kind or choice is no longer in the catalogue."""

    finding: Finding
    title: str
    choice: Choice | None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An object that is not carried, with its text in the source where a finding kept it."""

    object: NotCarried
    originals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChangedName:
    """A name that is another one on the target."""

    kind: str
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class NextStep:
    """Something that can be done now. ``command`` is empty where it is done outside this program."""

    what: str
    command: str = ""


def render(outcome: RunOutcome, plan: Plan | None, format: Format) -> str:
    """The report as a text.

    Of ``outcome.extra`` one entry is known: ``resolved_conflicts`` (a list of mappings with ``table``, ``key``,
    ``kind`` and ``choice``).
    """
    if format == "json":
        document = outcome.as_json()
        if plan is not None:
            document["plan"] = {"tables": _types(plan)}
        return json.dumps(document, indent=2, default=str) + "\n"
    told = {item.why for item in outcome.not_carried}
    template = _environment(format).get_template(f"report.{format}.j2")
    return template.render(
        outcome=outcome,
        plan=plan,
        sentence=sentence(outcome),
        good=outcome.status in (RunStatus.SUCCEEDED, RunStatus.ROLLED_BACK),
        decided=[_with_choice(f) for f in outcome.findings if f.decision is not None],
        waiting=[_with_choice(f) for f in outcome.findings if f.needs_decision],
        noticed=[_with_choice(f) for f in outcome.findings if not f.choices and f.message not in told],
        left_out=left_out(outcome),
        skipped=[table for table in plan.tables if table.action is Action.SKIP] if plan else [],
        names=changed_names(plan) if plan else (),
        conflicts=_resolved_conflicts(outcome),
        steps=next_steps(outcome),
        totals=totals(outcome),
    )


def write_all(folder: Path, outcome: RunOutcome, plan: Plan | None) -> Path:
    """Write ``report.html``, ``report.md`` and ``report.json``, readable by their owner alone.

    Returns:
        The path of the HTML.
    """
    locations.make_private_folder(folder)
    page = folder / "report.html"
    outcome = replace(outcome, report=str(page))
    formats: tuple[Format, ...] = ("json", "md", "html")
    for format in formats:
        locations.write_private(folder / f"report.{format}", render(outcome, plan, format))
    return page


def sentence(outcome: RunOutcome) -> str:
    """What became of the run, in one plain sentence or two."""
    total = totals(outcome)
    published = outcome.published
    untouched = "Nothing that the application can see was changed."
    if made := _made_before(outcome):
        untouched = f"No row was changed, but the project has {made} by this run already."
    if outcome.status is RunStatus.SUCCEEDED:
        unverified = sum(not table.verified for table in outcome.tables)
        checked = (
            "and every one was compared with the source"
            if outcome.tables and not unverified
            else f"{_count(unverified, 'table')} not verified"
        )
        text = f"Done: {_count(total.published_rows, 'row')} of {_count(len(outcome.tables), 'table')} moved"
        text += f", {checked}." if outcome.tables else "."
        if total.quarantined_rows:
            text += f" {_count(total.quarantined_rows, 'row')} stayed behind in quarantine."
        return text
    waiting = sum(finding.needs_decision for finding in outcome.findings)
    open_conflicts = outcome.conflicts_found - outcome.conflicts_resolved
    asked = " and ".join(
        part
        for part in (waiting and _count(waiting, "finding"), open_conflicts > 0 and _count(open_conflicts, "conflict"))
        if part
    )
    if outcome.status is RunStatus.NEEDS_DECISIONS and published:
        return "Half done: the target has its part, the file was not written."
    return {
        RunStatus.NEEDS_DECISIONS: f"Waiting for you: {asked or 'something'} to decide. {untouched}",
        RunStatus.INTERRUPTED: "Interrupted; resume continues where it stopped."
        + (" The rows were published before that." if published else f" {untouched}"),
        RunStatus.VERIFICATION_FAILED: "The check failed: the target is not what the plan makes of the source."
        + ("" if published else f" {untouched}"),
        RunStatus.ROLLED_BACK: "Rolled back: the target is as it was before the run"
        + (f", but for {_count(len(outcome.kept_edits), 'later change')}, kept." if outcome.kept_edits else "."),
        RunStatus.FAILED: "The run failed" + (" after publishing." if published else f". {untouched}"),
        RunStatus.PAUSED: f"The run is paused. {untouched}",
        RunStatus.RUNNING: "The run is under way.",
    }[outcome.status]


def next_steps(outcome: RunOutcome) -> tuple[NextStep, ...]:
    """What can be done now, the most useful first, undoing included."""
    steps = _next_steps(outcome)
    return steps if outcome.comparable else tuple(step for step in steps if " verify " not in step.command)


def _next_steps(outcome: RunOutcome) -> tuple[NextStep, ...]:
    run = shlex.quote(outcome.run)
    published = outcome.published
    verify = NextStep("Compare the target with the source again, at any time", f"migrator-tui verify {run}")
    undo = NextStep("Undo the run; what was changed since is kept and listed", f"migrator-tui rollback {run}")
    resume = NextStep("Continue where it stopped", f"migrator-tui resume {run}")
    clean = NextStep(
        "When the rows are no longer wanted: remove what the run left on disk and in the schema migrator (undo is "
        "no longer possible then)",
        f"migrator-tui clean {run} --keep-audit",
    )
    again = NextStep("Start anew", "migrator-tui migrate")
    if outcome.status is RunStatus.SUCCEEDED:
        return (verify, undo, clean) if published else (verify, clean)
    if outcome.status is RunStatus.NEEDS_DECISIONS and published:
        return (NextStep("Compare what is missing in the file anew", "migrator-tui sync"), undo)
    if outcome.status is RunStatus.NEEDS_DECISIONS:
        return (
            NextStep("Continue with your decisions", f"migrator-tui resume {run} --decisions decisions.yaml"),
            NextStep("Or drop what was staged", f"migrator-tui clean {run}"),
        )
    if outcome.status is RunStatus.ROLLED_BACK:
        return (clean, again)
    if outcome.status is RunStatus.VERIFICATION_FAILED:
        return (verify, undo) if published else (resume, clean)
    if published:
        return (resume, verify, undo)
    if _made_before(outcome):
        return (resume, undo)
    return (resume, clean)


def _made_before(outcome: RunOutcome) -> str:
    """What a sync made beside rows that are not published; empty for any other run."""
    return str(outcome.extra.get("sync", {}).get("made_before", ""))


def totals(outcome: RunOutcome) -> TableOutcome:
    """The sums over all tables, as a table's outcome without a name."""
    tables = outcome.tables
    return TableOutcome(
        source="",
        target="",
        source_rows=sum(t.source_rows for t in tables),
        staged_rows=sum(t.staged_rows for t in tables),
        quarantined_rows=sum(t.quarantined_rows for t in tables),
        published_rows=sum(t.published_rows for t in tables),
        added_rows=sum(t.added_rows for t in tables),
        inserted=sum(t.inserted for t in tables),
        updated=sum(t.updated for t in tables),
        unchanged=sum(t.unchanged for t in tables),
        kept_target=sum(t.kept_target for t in tables),
        verified=bool(tables) and all(t.verified for t in tables),
        seconds=sum(t.seconds for t in tables),
    )


def left_out(outcome: RunOutcome) -> tuple[LeftOut, ...]:
    """What is not carried; its text in the source is a sample of the finding that has the same message."""
    samples = {finding.message: finding.samples for finding in outcome.findings}
    return tuple(LeftOut(item, samples.get(item.why, ())) for item in outcome.not_carried)


def declared(column: ColumnPlan) -> str:
    """A column's type on the target, and what fills it there."""
    text = f"{column.type}{' not null' if column.not_null else ''}"
    if column.generated:
        text += f", computed as {column.generated.expression}"
    if column.identity_next is not None:
        text += f", identity, next {column.identity_next}"
    return text if column.default is None else f"{text}, default {column.default}"


def belongings(table: TablePlan) -> Iterator[str]:
    """The keys, checks and indexes of a table that is made anew, a line each."""
    if table.action is not Action.CREATE:
        return
    if table.primary_key:
        yield f"primary key {listed(table.primary_key.columns)}"
    yield from (f"unique {listed(key.columns)}" for key in table.uniques)
    yield from (f"foreign key {listed(key.columns)} {reference_text(key)}" for key in table.foreign_keys)
    yield from (f"check {check.name}: {check.expression}" for check in table.checks)
    yield from (f"index {index.name}: {index_text(index)}" for index in table.indexes)


def changed_names(plan: Plan) -> tuple[ChangedName, ...]:
    """Tables and columns that are called otherwise on the target."""
    names: list[ChangedName] = []
    for table in plan.moved:
        if table.source != table.target.name:
            names.append(ChangedName("table", table.source, str(table.target)))
        names.extend(
            ChangedName("column", f"{table.source}.{column.source}", f"{table.target}.{column.target}")
            for column in table.columns
            if column.source != column.target
        )
    return tuple(names)


def _resolved_conflicts(outcome: RunOutcome) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    for entry in outcome.extra.get("resolved_conflicts") or ():
        key = entry.get("key") or {}
        written = ", ".join(f"{name} = {value}" for name, value in key.items()) if isinstance(key, dict) else str(key)
        rows.append({name: str(entry.get(name) or "") for name in ("table", "kind", "choice")} | {"key": written})
    return rows


def _types(plan: Plan) -> dict[str, Any]:
    """Tables and columns as plan.yaml has them."""
    return {
        table.source: {
            "target": table.target.written(),
            "action": table.action.value,
            "columns": {c.source: {"target": c.target, "type": c.type, "codec": c.codec} for c in table.columns}
            | dict.fromkeys(table.left_behind),
        }
        for table in plan.tables
    }


def _with_choice(finding: Finding) -> DecidedFinding:
    kind = CATALOGUE.get(finding.id)
    choice = kind.choice(finding.decision) if kind and finding.decision else None
    return DecidedFinding(finding, kind.title if kind else finding.id, choice)


# ── Writing values of unknown origin ────────────────────────────────────────────────────────────────────────────

# Control characters, line and paragraph separators, direction marks, zero-width blanks, lone surrogates.
_UNSEEN = re.compile(
    "[\0-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
_MARKDOWN = re.compile(r"[\\`*\[\]<>|~#!&]|(?<!\w)_|_(?!\w)|(?<=^)[-+](?=\s)|(?<=^\d)\.(?=\s)")


def visible(text: str, *, keep: str = "") -> str:
    """The text with what would not be seen written out (``\\x00``, ``\\u202e``, ``\\n`` …), but for ``keep``."""
    return _UNSEEN.sub(lambda match: match[0] if match[0] in keep else _written(match[0]), text)


def _written(character: str) -> str:
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    code = ord(character)
    return short.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


@cache
def _environment(format: Literal["html", "md"]) -> Environment:
    # Imported late: the command line starts faster without it.
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup, escape

    def html(text: str, keep: str = "") -> Markup:
        def marked(match: re.Match[str]) -> str:
            return match[0] if match[0] in keep else f'<span class="unseen">{_written(match[0])}</span>'

        return Markup(_UNSEEN.sub(marked, str(escape(text))))

    def markdown(text: str) -> Markup:
        return Markup(_MARKDOWN.sub(lambda match: "&amp;" if match[0] == "&" else "\\" + match[0], visible(text)))

    write: Callable[[str], Markup] = html if format == "html" else markdown

    def finalize(value: Any) -> Any:
        # Every expression of a template comes through here; only what is marked as safe already stays as it is.
        return value if isinstance(value, Markup) else write(str(value))

    def fenced(text: str) -> Markup:
        shown = visible(text, keep="\n\t")
        return Markup(f"{_fence(shown, 3)}\n{shown}\n{_fence(shown, 3)}")

    def code(text: str) -> Markup:
        shown = visible(text) or "(empty)"
        fence = _fence(shown, 1)
        pad = " " if shown[:1] in ("`", " ") or shown[-1:] in ("`", " ") else ""
        return Markup(f"{fence}{pad}{shown}{pad}{fence}")

    environment = Environment(
        loader=PackageLoader("migrator_tui.migration", "templates"),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        number=lambda value: f"{value:,}",
        seconds=lambda value: f"{value:,.1f} s" if value >= 1 else f"{value * 1000:,.0f} ms",
        block=(lambda text: html(text, keep="\n\t")) if format == "html" else fenced,
        code=code,
        declared=declared,
        belongings=belongings,
        bare=visible,
        count=_count,
    )
    return environment


def _fence(text: str, least: int) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    return "`" * max(least, longest + 1)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
