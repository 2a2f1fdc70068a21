from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from migrator_tui import config, config_file, yaml_lines
from migrator_tui.config import Flags, choose_profile, resolve
from migrator_tui.config_file import find, load, url_problem
from migrator_tui.model.decisions import OnConflict
from migrator_tui.model.errors import ExitCode, UsageError
from migrator_tui.model.plan import FillText, TableOverride
from migrator_tui.model.project import FilesScope
from migrator_tui.model.schema import TableName

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"
CANARY = "canary-7f3a"

SMALLEST = """\
profiles:
  p:
    source: {sqlite: ./dev.db}
    target: {database: embedded}
"""


@pytest.fixture
def written(tmp_path: Path) -> Any:
    def write(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def refused(path: Path) -> UsageError:
    with pytest.raises(UsageError) as caught:
        load(path)
    assert caught.value.exit_code is ExitCode.USAGE
    return caught.value


def models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in getattr(annotation, "__args__", ()) for model in models_in(argument)]


def keys_missing_from(model: type[BaseModel], found: list[Any], place: str) -> list[str]:
    missing = []
    for name, info in model.model_fields.items():
        key = info.alias or name
        values = [value[key] for value in found if isinstance(value, dict) and key in value]
        if not values:
            missing.append(f"{place}.{key}")
        for inner in models_in(info.annotation):
            instances: list[Any] = []
            for value in values:
                origin = getattr(info.annotation, "__origin__", None)
                parts = list(value.values()) if origin is dict else value if origin is list else [value]
                instances += [part for each in parts for part in (each if isinstance(each, list) else [each])]
            missing += keys_missing_from(inner, instances, f"{place}.{key}")
    return missing


def test_the_example_is_valid_and_documents_every_key() -> None:
    load(EXAMPLE)
    assert keys_missing_from(config_file.ConfigKeys, [yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))], "") == []


def test_the_file_of_the_interfaces_is_read_in_full(written: Any) -> None:
    path = written("""\
profiles:
  production:
    source: {sqlite: ./dev.db, uploads: ./uploads}
    target:
      database: postgresql://postgres.abcd@aws-0-eu-central-1.pooler.supabase.com:5432/postgres
      api: https://abcd.supabase.co
    tables: {include: ["*"], exclude: [sessions], rename: {old_name: new_name}}
    columns: {users: {pw: password_hash, legacy: null}}
    users: {table: users, id: id, email: email, password_hash: password_hash, role: role, via: api}
    files:
      - {column: documents.path, bucket: documents, public: false}
    exposure: {messages: {owner: sender_id}, sections: {read: all}}
""")
    settings = resolve(Flags(), {}, load(path).profile("production"))
    assert settings.source == path.parent / "dev.db"
    assert settings.scope.project.uploads == path.parent / "uploads"
    assert settings.target == "postgresql://postgres.abcd@aws-0-eu-central-1.pooler.supabase.com:5432/postgres"
    assert settings.scope.project.api == "https://abcd.supabase.co"
    assert (settings.scope.include, settings.scope.exclude) == (("*",), ("sessions",))
    assert settings.scope.tables == {
        "old_name": TableOverride(target=TableName("public", "new_name")),
        "users": TableOverride(columns={"pw": ("password_hash", None, None), "legacy": None}),
    }
    project = settings.scope.project
    assert project.users is not None
    assert (project.users.password_hash, project.users.via) == ("password_hash", "api")
    assert project.files == (FilesScope("documents", "path", "documents", public=False),)
    assert project.exposure["messages"].owner == "sender_id"
    assert project.exposure["sections"].read == "all"
    assert settings.on_conflict is OnConflict.ASK


def test_absolute_paths_stay_and_relative_ones_start_at_the_file(written: Any, tmp_path: Path) -> None:
    absolute = tmp_path / "elsewhere" / "a.db"
    path = written(SMALLEST.replace("./dev.db", str(absolute)))
    assert load(path).profile().source.sqlite == absolute
    assert load(written(SMALLEST)).profile().source.sqlite == tmp_path / "dev.db"


@pytest.mark.parametrize(
    ("change", "line", "parts"),
    [
        (("    target:", "    traget:"), 4, ["profiles.p.traget", "no key", "Did you mean target?"]),
        (("    target: {database: embedded}\n", ""), 2, ["profiles.p.target", "missing"]),
        (("{sqlite: ./dev.db}", "{uploads: ./u}"), 3, ["profiles.p.source.sqlite", "missing"]),
        (("./dev.db", "[a]"), 3, ["profiles.p.source.sqlite", "a path"]),
        (("{sqlite: ./dev.db}", "./dev.db"), 3, ["profiles.p.source", "a mapping with the keys sqlite, uploads"]),
        (("embedded", "mysql://x/y"), 4, ["profiles.p.target.database", "postgresql://user@host"]),
        (("embedded", "5432"), 4, ["profiles.p.target.database", "expected a text; found a whole number", "quotes"]),
        (("embedded}", "embedded}\n    workers: many"), 5, ["profiles.p.workers", "a whole number; found a text"]),
        (("embedded}", "embedded}\n    workers: true"), 5, ["profiles.p.workers", "found true or false"]),
        (("embedded}", "embedded}\n    workers: 0"), 5, ["profiles.p.workers", "at least 1"]),
        (("embedded}", "embedded}\n    tables: {include: users}"), 5, ["tables.include", "a list", "found a text"]),
        (("embedded}", "embedded}\n    tables: {exclude: [a, 7]}"), 5, ["tables.exclude[1]", "expected a text"]),
        (("embedded}", "embedded}\n    tables: {renam: {}}"), 5, ["tables.renam", "Did you mean rename?"]),
        (
            ("embedded}", "embedded}\n    tables: {rename: {7: a}}"),
            5,
            ["tables.rename[7]", "expected a text", "in quotes"],
        ),
        (("embedded}", "embedded}\n    columns:\n      users:\n        pw: [x]"), 7, ["columns.users.pw", "a text"]),
        (
            ("embedded}", "embedded}\n    users: {table: u, via: apii}"),
            5,
            ["users.via", "api or sql", "Did you mean api?"],
        ),
        (
            ("embedded}", "embedded}\n    files:\n      - {column: path, bucket: b}"),
            6,
            ["files[0].column", "table.column"],
        ),
        (("embedded}", 'embedded}\n    files:\n      - {column: a.b, bucket: b, public: "no"}'), 6, ["true or false"]),
        (("embedded}", "embedded}\n    exposure: {notes: {read: al}}"), 5, ["exposure.notes.read", "expected all"]),
        (("embedded}", "embedded}\n    policies: {on_conflict: keep_target}"), 5, ["Did you mean keep-target?"]),
        (("embedded}", "embedded, api: ftp://x}"), 4, ["target.api", "a web address"]),
        (("profiles:", "profile:"), 1, ["profiles", "missing"]),
    ],
)
def test_a_mistake_is_named_with_file_line_key_and_what_was_expected(
    written: Any, change: tuple[str, str], line: int, parts: list[str]
) -> None:
    path = written(SMALLEST.replace(*change))
    error = refused(path)
    assert error.id == "CONFIG-INVALID"
    assert f"{path}, line {line}: " in error.message
    for part in parts:
        assert part in error.message


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines(written: Any) -> None:
    error = refused(written("profiles:\n  p:\n    source: {sqlit: a}\n    names: shout\n"))
    lines = error.message.split("\n")
    assert [int(line.split("line ")[1].split(":")[0]) for line in lines] == sorted(
        int(line.split("line ")[1].split(":")[0]) for line in lines
    )
    assert len(lines) == 4


def test_a_key_given_twice_is_refused_with_both_lines(written: Any) -> None:
    error = refused(written(SMALLEST + "    source: {sqlite: other.db}\n"))
    assert error.id == "CONFIG-DUPLICATE-KEY"
    assert "line 5: profiles.p.source is there twice, first on line 3" in error.message


@pytest.mark.parametrize(
    "text", ["profiles: [", "profiles:\n  p: {a: b\n", "a: b: c", "\tx: 1", "a: &x [*x]", "? [a]: 1"]
)
def test_what_is_no_yaml_is_refused_with_its_line(written: Any, text: str) -> None:
    error = refused(written(text))
    assert error.id in ("CONFIG-YAML", "CONFIG-TOO-LARGE")
    assert "config.yaml, line " in error.message


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "profiles\n", "profiles:\n", "profiles: {}\n"])
def test_a_file_without_profiles_is_refused(written: Any, text: str) -> None:
    error = refused(written(text))
    assert error.id == "CONFIG-INVALID"
    assert "profiles" in error.message


def test_a_file_that_is_not_there_or_not_text_is_refused_by_name(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.yaml").id == "CONFIG-MISSING"
    binary = tmp_path / "b.yaml"
    binary.write_bytes(b"a: \xff\xfe")
    assert refused(binary).id == "CONFIG-UNREADABLE"
    binary.write_bytes(b"a: 1\nb: \x00")
    error = refused(binary)
    assert error.id == "CONFIG-YAML"
    assert "line 2" in error.message
    assert refused(tmp_path).id == "CONFIG-UNREADABLE"


def test_a_file_that_aliases_blow_up_is_refused(written: Any) -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    assert refused(written("\n".join(levels))).id == "CONFIG-TOO-LARGE"


def test_a_merge_key_shares_what_profiles_have_in_common(written: Any) -> None:
    path = written("""\
profiles:
  a: &base
    source: {sqlite: a.db}
    target: {database: embedded}
    workers: 2
  b:
    <<: *base
    workers: 3
""")
    loaded = load(path)
    assert (loaded.profile("a").workers, loaded.profile("b").workers) == (2, 3)
    assert loaded.profile("b").source == loaded.profile("a").source


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{CANARY}@h/db",
        f"postgres://u:{CANARY}@h:5432/db?sslmode=require",
        f"postgresql://u:{CANARY}@[::1]:5432/db",
        f"postgresql://u:a#{CANARY}@h/db",
        f"postgresql://u:a/{CANARY}@h/db",
        f"postgresql://u:a?{CANARY}@h/db",
        f"postgresql://u:12#{CANARY}@h/db",
        f"postgresql://u:a@{CANARY}@h/db",
        f"postgresql://u@h/db?password={CANARY}",
        f"postgresql://u@h/db?sslmode=require&sslpassword={CANARY}",
        f"host=h user=u password={CANARY}",
    ],
)
def test_a_password_in_the_file_is_refused_and_never_repeated(written: Any, url: str) -> None:
    path = written(SMALLEST.replace("embedded", f"'{url}'"))
    error = refused(path)
    assert error.id == "CONFIG-PASSWORD"
    assert f"{path}, line 4: profiles.p.target.database" in error.message
    for place in ("MIGRATOR_TUI_TARGET_PASSWORD", ".pgpass", "keyring"):
        assert place in error.hint
    assert CANARY not in str(error) + repr(error)


@pytest.mark.parametrize(
    "target",
    [
        f"{{database: embedded, password: {CANARY}}}",
        f"{{postgresql://u:{CANARY}@h/db}}",
        f"postgresql://u:{CANARY}@h/db",
        f"{{database: [postgresql://u:{CANARY}@h/db]}}",
        f"{{database: 'mysql://u:{CANARY}@h/db'}}",
        f"{{database: embedded, api: 'https://u:{CANARY}@h'}}",
        f"{{database: 'postgresql://u:{CANARY}@h/db",
        f"{{database: postgresql://u:{CANARY}@h/db: x}}",
    ],
)
def test_no_other_mistake_repeats_a_secret_either(written: Any, target: str) -> None:
    error = refused(written(SMALLEST.replace("{database: embedded}", target)))
    assert CANARY not in str(error) + repr(error)
    assert error.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        "embedded",
        "postgresql://",
        "postgresql:///db",
        "postgresql://h/db",
        "postgresql://u@h:5432/db?sslmode=require&application_name=a@b",
        "postgresql://h:5432/db?application_name=a@b",
        "postgresql://u@/db?host=/run/postgresql",
        "postgresql://u:@h/db",
        "postgres://u@[::1]:5432/db",
        "postgresql://a,b:5433/db",
    ],
)
def test_a_url_without_password_is_accepted(url: str) -> None:
    assert url_problem(url) is None


def test_a_profile_is_chosen_by_name_or_because_it_is_the_only_one_or_called_default(written: Any) -> None:
    one = "    source: {{sqlite: {0}.db}}\n    target: {{database: embedded}}\n"
    several = load(written("profiles:\n" + "".join(f"  {name}:\n" + one.format(name) for name in ("dev", "prod"))))
    assert several.profile("prod").source.sqlite.name == "prod.db"
    with pytest.raises(UsageError, match="2 profiles") as caught:
        several.profile()
    assert caught.value.id == "CONFIG-PROFILE"
    assert "dev, prod" in caught.value.hint
    with pytest.raises(UsageError, match=r"no profile prd. Did you mean prod\?"):
        several.profile("prd")
    named = load(written("profiles:\n" + "".join(f"  {name}:\n" + one.format(name) for name in ("dev", "default"))))
    assert named.profile().source.sqlite.name == "default.db"
    assert load(written(SMALLEST)).profile() == load(written(SMALLEST)).profile("p")


def test_a_flag_wins_over_the_environment_and_that_over_the_file(written: Any, tmp_path: Path) -> None:
    profile = load(written(SMALLEST)).profile()
    environ = {"MIGRATOR_TUI_SOURCE": "env.db", "MIGRATOR_TUI_TARGET": "postgresql://env/db"}
    flags = Flags(source=Path("flag.db"), target="postgresql://flag/db", on_conflict=OnConflict.FAIL, workers=7)
    assert (resolve(Flags(), {}, profile).source, resolve(Flags(), {}, profile).target) == (
        tmp_path / "dev.db",
        "embedded",
    )
    assert resolve(Flags(), environ, profile).source == Path("env.db")
    assert resolve(Flags(), environ, profile).target == "postgresql://env/db"
    settled = resolve(flags, environ, profile)
    assert (settled.source, settled.target) == (Path("flag.db"), "postgresql://flag/db")
    assert (settled.on_conflict, settled.workers) == (OnConflict.FAIL, 7)
    assert resolve(Flags(), {}, None).source is None
    assert resolve(flags, environ, None).target == "postgresql://flag/db"
    assert resolve(Flags(), {"MIGRATOR_TUI_SOURCE": ""}, None).source is None


def test_an_end_given_over_the_profile_leaves_what_belongs_to_the_profiles_end_behind(written: Any) -> None:
    text = SMALLEST.replace("./dev.db", "./dev.db, uploads: ./up").replace("embedded", "embedded, api: https://a.co")
    profile = load(written(text)).profile()
    assert resolve(Flags(target="postgresql://other/db"), {}, profile).scope.project.api is None
    assert (
        resolve(Flags(target="postgresql://other/db", api="https://b.co"), {}, profile).scope.project.api
        == "https://b.co"
    )
    assert resolve(Flags(source=Path("other.db")), {}, profile).scope.project.uploads is None
    assert resolve(Flags(), {}, profile).scope.project.api == "https://a.co"


def test_tables_on_the_command_line_replace_include_and_exclude_and_keep_the_names(written: Any) -> None:
    text = SMALLEST + "    tables: {include: [u*], exclude: [users], rename: {users: s.people}}\n    schema: app\n"
    profile = load(written(text)).profile()
    scope = resolve(Flags(tables=("users",)), {}, profile).scope
    assert (scope.include, scope.exclude, scope.schema) == (("users",), (), "app")
    assert scope.tables["users"].target == TableName("s", "people")


def test_two_ends_on_the_command_line_need_no_file_and_read_none_that_happens_to_be_there(
    written: Any, tmp_path: Path
) -> None:
    both = Flags(source=Path("a.db"), target="embedded")
    path = written("this: is no configuration\n")
    assert choose_profile(both, {}, tmp_path) is None
    with pytest.raises(UsageError):
        choose_profile(Flags(), {}, tmp_path)
    path.unlink()
    assert choose_profile(Flags(), {}, tmp_path) is None
    with pytest.raises(UsageError) as caught:
        choose_profile(Flags(), {"MIGRATOR_TUI_PROFILE": "prod"}, tmp_path)
    assert caught.value.id == "CONFIG-MISSING"
    with pytest.raises(UsageError) as caught:
        choose_profile(both, {"MIGRATOR_TUI_CONFIG": str(tmp_path / "x.yaml")}, tmp_path)
    assert caught.value.id == "CONFIG-MISSING"


def test_the_file_of_the_folder_is_found(written: Any, tmp_path: Path) -> None:
    assert find(tmp_path) is None
    path = written(SMALLEST)
    assert find(tmp_path) == path
    profile = choose_profile(Flags(), {}, tmp_path)
    assert profile is not None
    assert profile.target.database == "embedded"


def test_a_target_that_is_no_url_is_refused_without_repeating_it() -> None:
    with pytest.raises(UsageError) as caught:
        resolve(Flags(target=f"user:{CANARY}@host/db"), {}, None)
    assert caught.value.id == "TARGET-URL"
    assert CANARY not in str(caught.value)
    settings = resolve(Flags(target=f"postgresql://u:{CANARY}@h/db"), {}, None)
    assert CANARY not in repr(settings)


def test_words_that_yaml_1_1_takes_for_other_things_stay_texts() -> None:
    document = yaml_lines.parse("[no, on, Yes, 12:30, 2026-01-05, 007, 0o7, 1_000, 1e3, 0x1F, true, ~]", "x", "X")
    assert document.value == [
        *("no", "on", "Yes", "12:30", "2026-01-05", "007", "0o7", "1_000"),
        *(1000.0, 31, True, None),
    ]


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()


@given(st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12))
def test_what_is_written_is_read_back_the_same(value: Any) -> None:
    assert yaml_lines.parse(yaml_lines.dump(value), "x", "X").value == value


@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@`,?~<= \n\t0\\") | st.text())
def test_no_text_whatever_is_a_configuration_or_ends_in_a_traceback(text: str) -> None:
    with pytest.raises(UsageError, match=r"^x, line "):
        yaml_lines.check(yaml_lines.parse(text, "x", "X"), config_file.ConfigKeys)


def test_values_for_columns_of_the_target_are_expressions_numbers_or_texts(written: Any) -> None:
    fill = """{tenant: "'acme'", rank: 3, ok: true, note: {value: "it's"}}"""
    path = written(
        "profiles:\n  p:\n    source: {sqlite: a.db}\n    target: {database: embedded}\n    names: snake_case\n"
        f"    fill:\n      users: {fill}\n"
    )
    scope = config.scope_of(config_file.load(path).profile())
    assert scope.names == "snake_case"
    assert scope.tables["users"].fill == {"tenant": "'acme'", "rank": "3", "ok": "true", "note": FillText("it's")}


def test_a_value_for_a_column_of_the_target_that_is_a_list_is_refused_by_line(written: Any) -> None:
    error = refused(
        written(
            "profiles:\n  p:\n    source: {sqlite: a.db}\n    target: {database: embedded}\n"
            "    fill:\n      users:\n        tenant: [1]\n"
        )
    )
    assert "line 7" in str(error)
    assert "SQL expression" in str(error)


@pytest.mark.parametrize(
    ("target", "database", "region"),
    [
        ("{project: abcd}", "postgresql://postgres@db.abcd.supabase.co:5432/postgres", None),
        (
            "{project: abcd, region: eu-central-1}",
            "postgresql://postgres.abcd@aws-0-eu-central-1.pooler.supabase.com:5432/postgres",
            "eu-central-1",
        ),
        (
            "{project: abcd, region: aws-1-us-east-2}",
            "postgresql://postgres.abcd@aws-1-us-east-2.pooler.supabase.com:5432/postgres",
            "aws-1-us-east-2",
        ),
    ],
)
def test_a_project_and_its_region_are_a_target(written: Any, target: str, database: str, region: str | None) -> None:
    path = written(SMALLEST.replace("{database: embedded}", target))
    settings = resolve(Flags(), {}, load(path).profile())
    assert (settings.target, settings.scope.project.api, settings.region) == (
        database,
        "https://abcd.supabase.co",
        region,
    )


@pytest.mark.parametrize(
    ("target", "said"),
    [("{project: A-b}", "project's ref"), ("{project: abcd, region: Frankfurt}", "a region such as")],
)
def test_what_is_no_project_is_refused(written: Any, target: str, said: str) -> None:
    assert said in refused(written(SMALLEST.replace("{database: embedded}", target))).message


def test_a_file_agrees_to_session_mode_for_its_own_target_alone(written: Any) -> None:
    path = written(SMALLEST.replace("{database: embedded}", "{project: abcd, pooler: session}"))
    profile = load(path).profile()
    assert resolve(Flags(), {}, profile).session_pooler
    assert not resolve(Flags(target="postgresql://u@h:6543/d"), {}, profile).session_pooler
