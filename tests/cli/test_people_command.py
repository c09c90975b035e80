"""saec station people: accounts on the box's shell, while the station runs and while it does not."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner, Result

from saec.cli import root
from saec.errors import ConfigError, LogInError, PeopleError
from saec.station.audit.audit_log import AuditLog
from saec.station.people import passwords
from saec.station.people.people_settings import PeopleSettings
from saec.station.people.people_store import PeopleStore
from saec.station.people.sessions import Sessions
from tests.run_fakes import make_line

SECRET, OTHER = "correct horse battery", "staple crosses the river"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    make_line(tmp_path / "cell")
    path = tmp_path / "station.toml"
    path.write_text('[station]\ndata = "data"\n[[line]]\nname = "cell"\nprofile = "cell"\n')
    return path


@pytest.fixture
def store(config: Path) -> PeopleStore:
    return PeopleStore(config.parent / "data", PeopleSettings())


def call(config: Path, *words: str, given: str = "") -> Result:
    return CliRunner().invoke(
        root, ["station", "people", words[0], "--config", str(config), *words[1:]], given
    )


def fine(config: Path, *words: str, given: str = "") -> str:
    result = call(config, *words, given=given)
    assert (result.exit_code, result.exception) == (0, None), result.output
    assert SECRET not in result.output
    return result.output


def test_a_person_is_added_with_a_password_that_is_typed_twice(config: Path, store: PeopleStore) -> None:
    said = fine(config, "add", "anna", "--role", "operator", given=f"{SECRET}\n{SECRET}\n")
    assert "anna may log in as operator" in said
    assert store.log_in("anna", SECRET, "").role == "operator"
    assert call(config, "add", "bob", given=f"{SECRET}\nanother one\n").exit_code == 1
    assert [person.name for person in store.all()] == ["anna"]


def test_a_password_comes_from_a_file_or_standard_input(
    config: Path, store: PeopleStore, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    fine(config, "add", "anna", "--password-file", str(tmp_path / "secret"))
    fine(config, "add", "bob", "--password-file", "-", given=f"{OTHER}\n")
    assert store.log_in("anna", SECRET, "").role == "viewer"
    assert store.log_in("bob", OTHER, "").role == "viewer"
    for file, given in (("-", ""), (str(tmp_path / "gone"), "")):
        assert isinstance(
            call(config, "add", "eve", "--password-file", file, given=given).exception, ConfigError
        )


def test_no_command_takes_a_password_as_an_argument(config: Path) -> None:
    for words in (
        ("add", "anna", SECRET),
        ("password", "anna", SECRET),
        ("add", "anna", "--password", SECRET),
    ):
        assert call(config, *words).exit_code == 2


def test_what_is_refused_is_refused_before_a_password_is_asked_for(config: Path, store: PeopleStore) -> None:
    fine(config, "add", "anna", "--password-file", "-", given=SECRET)
    for words in (("add", "Anna"), ("add", "shell:root"), ("password", "nobody")):
        result = call(config, *words)
        assert isinstance(result.exception, PeopleError)
        assert "Password" not in result.output


def test_a_reset_ends_sessions_and_lifts_the_lock(config: Path, store: PeopleStore) -> None:
    fine(config, "add", "anna", "--password-file", "-", given=SECRET)
    sessions = Sessions(config.parent / "data", PeopleSettings())
    token = sessions.start(store.known("anna"))
    for _ in range(6):
        with pytest.raises(LogInError):
            store.log_in("anna", "wrong", "10.0.0.5")
    fine(config, "password", "anna", given=f"{OTHER}\n{OTHER}\n")
    assert sessions.person_of(token) is None
    assert store.log_in("anna", OTHER, "10.0.0.5").name == "anna"


def test_roles_states_and_removal(config: Path, store: PeopleStore) -> None:
    fine(config, "add", "boss", "--role", "admin", "--password-file", "-", given=SECRET)
    fine(config, "add", "anna", "--password-file", "-", given=SECRET)
    fine(config, "role", "anna", "engineer")
    fine(config, "disable", "anna")
    assert "engineer" in fine(config, "list")
    assert "disabled" in fine(config, "list")
    fine(config, "enable", "anna")
    assert "disabled" not in fine(config, "list")
    fine(config, "remove", "anna")
    assert [person.name for person in store.all()] == ["boss"]
    for words in (("remove", "boss"), ("disable", "boss"), ("role", "boss", "viewer"), ("enable", "nobody")):
        assert isinstance(call(config, *words).exception, PeopleError)
    assert call(config, "role", "boss", "king").exit_code == 2


def test_each_change_is_in_the_audit_with_who_and_why(config: Path) -> None:
    fine(config, "add", "anna", "--password-file", "-", "--reason", "early shift", given=SECRET)
    fine(config, "role", "anna", "operator")
    fine(config, "list")
    rows = AuditLog(config.parent / "data").rows()
    assert [(row.what, row.about, row.after) for row in rows] == [
        ("person.role", "anna", "operator"),
        ("person.add", "anna", {"role": "viewer"}),
    ]
    assert all(row.actor.startswith("shell:") and row.role == "shell" for row in rows)
    assert rows[1].reason == "early shift"


def test_the_first_admin_is_made_at_the_address_that_is_printed(config: Path, store: PeopleStore) -> None:
    said = fine(config, "setup-code").strip()
    assert said == f"http://127.0.0.1:8090/page/setup?code={store.setup.current()}"
    assert fine(config, "setup-code").strip() == said
    store.set_up(said.partition("code=")[2], "boss", SECRET)
    result = call(config, "setup-code")
    assert result.exit_code == 1
    assert "admin already" in result.output


def test_a_pseudonym_is_shown_to_who_has_the_shell_and_that_is_recorded(config: Path) -> None:
    assert "no pseudonym" in fine(config, "pseudonyms")
    config.write_text(f"{config.read_text()}[people]\npseudonyms = true\n")
    fine(config, "add", "anna", "--password-file", "-", given=SECRET)
    said = fine(config, "pseudonyms", "--reason", "a complaint")
    assert "anna" in said
    rows = AuditLog(config.parent / "data").rows(what="person.pseudonyms")
    assert [row.reason for row in rows] == ["a complaint", ""]
    assert "anna" not in repr(AuditLog(config.parent / "data").rows())
    assert said.split()[0] not in fine(config, "list")


def test_files_are_for_their_owner_alone(config: Path) -> None:
    fine(config, "add", "anna", "--password-file", "-", given=SECRET)
    for path in (config.parent / "data").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert "there is nobody" in fine(fresh(config), "list")


def fresh(config: Path) -> Path:
    config.write_text(config.read_text().replace('"data"', '"other"'))
    return config
