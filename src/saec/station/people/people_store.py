"""The accounts of people, and log-in by name and password.

What ends a right ends the person's sessions in the same transaction. A change is recorded before it is made:
where the record fails, nothing changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from sqlite3 import Connection, IntegrityError
from typing import Any

import structlog

from saec.errors import LogInError, PeopleError
from saec.station.people.lockout import LockOut
from saec.station.people.passwords import check_password, hash_password, is_password
from saec.station.people.people_database import open_people
from saec.station.people.people_settings import PeopleSettings
from saec.station.people.person import Note, Person, checked_name, name_key, unnoted
from saec.station.people.pseudonyms import Pseudonyms
from saec.station.people.roles import Role
from saec.station.people.setup_code import SetupCode, end_setup

COLUMNS = "people.id, name, role, enabled, language, subject"
"""What ``read_person`` reads."""

_DAY = 86_400.0

log = structlog.get_logger()


def read_person(row: Sequence[Any], pseudonyms: Pseudonyms) -> Person:
    """The person of a row of ``COLUMNS``."""
    number, name, role, enabled, language, subject = row
    return Person(
        name=name,
        shown=pseudonyms.shown(number, name),
        role=Role(role),
        language=language,
        enabled=bool(enabled),
        via="password" if subject is None else "oidc",
    )


class PeopleStore:
    """The people of a data folder, for several threads and processes at once.

    Every method that changes something takes ``note``, which records it.

    Args:
        folder: the station's data.
        settings: how people log in, and what is shown of them.
        clock: seconds since the epoch.

    Attributes:
        setup: the code that makes the first admin.
        pseudonyms: whose pseudonyms are.

    Raises:
        PeopleError: the database is damaged.
    """

    def __init__(
        self, folder: Path, settings: PeopleSettings, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._db, self._settings, self._clock = open_people(folder), settings, clock
        self._lock_out = LockOut(self._db, settings, clock)
        self.setup = SetupCode(self._db)
        self.pseudonyms = Pseudonyms(folder, settings, clock)

    def close(self) -> None:
        self._db.close()
        self.pseudonyms.close()

    def all(self) -> list[Person]:
        """Everybody, by name."""
        rows = self._db.rows(f"SELECT {COLUMNS} FROM people ORDER BY key")
        return [read_person(row, self.pseudonyms) for row in rows]

    def find(self, name: str) -> Person | None:
        """The person of a name, however it is spelt; None where there is none."""
        rows = self._db.rows(f"SELECT {COLUMNS} FROM people WHERE key = ?", (name_key(name),))
        return read_person(rows[0], self.pseudonyms) if rows else None

    def needs_setup(self) -> bool:
        """Whether there has never been an admin."""
        return self.setup.needed

    def set_up(self, code: str, name: str, password: str, *, note: Note = unnoted) -> Person:
        """Make the first admin.

        Args:
            code: ``setup``'s of now.

        Raises:
            LogInError: the code is not the one of now, or there is an admin already.
            PeopleError: name or password may not be one.
        """
        if not self.setup.matches(code):
            raise LogInError(
                "this code makes no admin", "run `saec station people setup-code` on the station's machine"
            )
        return self._add(name, Role.ADMIN, password, note, code=code)

    def add(self, name: str, role: Role, password: str | None, *, note: Note = unnoted) -> Person:
        """Add a person. Without a password nobody logs in by the name until it is given one.

        Raises:
            PeopleError: there is the name already, or name or password may not be one.
        """
        return self._add(name, role, password, note)

    def check_new(self, name: str) -> None:
        """Refuse a name that cannot be a new person's, before a password is asked for.

        Raises:
            PeopleError: there is the name already, or it may not be one.
        """
        if self.find(checked_name(name)) is not None:
            raise PeopleError(f"there is a person named {name} already", "choose another name")

    def set_password(self, name: str, password: str, *, note: Note = unnoted) -> None:
        """Give a person another password; ends the sessions and lifts the lock of the name.

        Raises:
            PeopleError: there is no such person, the password may not be one, or the provider has it.
        """
        person = self.known(name)
        if person.via == "oidc":
            raise PeopleError(
                f"{person.shown} logs in at the provider of OpenID Connect", "change the password there"
            )
        check_password(name, password)
        hashed = hash_password(password)
        with self._db.transaction() as db:
            note("person.password", person.shown, None, None)
            self._update(db, name, "password", hashed)
            _end_sessions(db, name)
        self._lock_out.lift(name)

    def set_role(self, name: str, role: Role, *, note: Note = unnoted) -> None:
        """Give a person another role; ends the sessions.

        Raises:
            PeopleError: there is no such person, or nobody else is admin.
        """
        person = self.known(name)
        with self._db.transaction() as db:
            if role is not Role.ADMIN:
                _keep_an_admin(db, person)
            note("person.role", person.shown, person.role, role)
            self._update(db, name, "role", role)
            _end_sessions(db, name)
            if role is Role.ADMIN:
                end_setup(db)

    def set_enabled(self, name: str, enabled: bool, *, note: Note = unnoted) -> None:
        """Let a person log in, or not; ends the sessions.

        Raises:
            PeopleError: there is no such person, or nobody else is admin.
        """
        person = self.known(name)
        with self._db.transaction() as db:
            if not enabled:
                _keep_an_admin(db, person)
            note("person.enable" if enabled else "person.disable", person.shown, person.enabled, enabled)
            self._update(db, name, "enabled", int(enabled))
            _end_sessions(db, name)

    def set_language(self, name: str, language: str | None) -> None:
        """Keep a person's language; None takes the browser's.

        Raises:
            PeopleError: there is no such person.
        """
        with self._db.transaction() as db:
            self._update(db, name, "language", language)

    def remove(self, name: str, *, note: Note = unnoted) -> None:
        """Delete a person's account.

        Raises:
            PeopleError: there is no such person, or nobody else is admin.
        """
        person = self.known(name)
        with self._db.transaction() as db:
            _keep_an_admin(db, person)
            row = db.execute("SELECT id FROM people WHERE key = ?", (name_key(name),)).fetchone()
            note("person.remove", person.shown, {"role": person.role}, None)
            db.execute("DELETE FROM people WHERE key = ?", (name_key(name),))
        if row is not None and self._settings.pseudonyms:
            self.pseudonyms.end(row[0])

    def log_in(self, name: str, password: str, address: str, *, note: Note = unnoted) -> Person:
        """The person whose name and password these are.

        A name that there is and one that there is not cost the same work and get the same answer.

        Args:
            address: where the person is.

        Raises:
            LogInError: they are nobody's, or the name or the address is locked.
            PeopleError: too many log in at this moment.
        """
        if wait := self._lock_out.begin(name, address):
            minutes = max(1, round(wait / 60))
            raise LogInError("too many wrong passwords", f"try again in {minutes} min, or ask an admin")
        rows = self._db.rows(f"SELECT password, {COLUMNS} FROM people WHERE key = ?", (name_key(name),))
        kept, *row = rows[0] if rows else (None,)
        try:
            right = is_password(kept, password)
        except PeopleError:
            self._lock_out.take_back(name, address, right=False)
            raise
        if not right or not row[3]:  # whoever is disabled learns it from an admin
            log.warning("log-in refused", address=address)  # what was typed for a name may be a password
            raise LogInError("name or password is wrong", "try again, or ask an admin for a new password")
        self._lock_out.take_back(name, address, right=True)
        return self._logged_in(read_person(row, self.pseudonyms), note)

    def admit(self, subject: str, name: str, role: Role, *, note: Note = unnoted) -> Person:
        """The person whom a provider of OpenID Connect vouches for; made or brought up to date.

        Args:
            subject: identifies the person for ever: issuer and subject.
            name, role: what the provider says now.

        Raises:
            LogInError: the person is disabled here, or the name is another account's.
            PeopleError: the name may not be one.
        """
        name = checked_name(name)
        with self._db.transaction() as db:
            row = db.execute(f"SELECT {COLUMNS} FROM people WHERE subject = ?", (subject,)).fetchone()
            taken = db.execute(
                "SELECT 1 FROM people WHERE key = ? AND subject IS NOT ?", (name_key(name), subject)
            ).fetchone()
            if taken or (row is not None and not row[3]):
                what = "another account has your name" if taken else "your account is disabled here"
                raise LogInError(what, "ask an admin of the station")
            if row is None:
                db.execute(
                    "INSERT INTO people (key, name, role, subject, seen) VALUES (?, ?, ?, ?, ?)",
                    (name_key(name), name, role, subject, self._clock()),
                )
                row = db.execute(f"SELECT {COLUMNS} FROM people WHERE subject = ?", (subject,)).fetchone()
                before = None
            else:
                before = Role(row[2])
                changed = "UPDATE people SET key = ?, name = ?, role = ? WHERE subject = ?"
                db.execute(changed, (name_key(name), name, role, subject))
            if before is not role:
                note("person.role", self.pseudonyms.shown(row[0], name), before, role)
                db.execute("DELETE FROM sessions WHERE person = ?", (row[0],))
            if role is Role.ADMIN:
                end_setup(db)
        return self._logged_in(self.known(name), note)

    def forget(self) -> int:
        """Delete what personal data need be kept no longer: how many accounts and pseudonyms."""
        limit = self._clock() - self._settings.name_days * _DAY
        with self._db.transaction() as db:  # who is disabled stays so
            old = db.execute(
                "DELETE FROM people WHERE subject IS NOT NULL AND enabled AND seen <= ? RETURNING id",
                (limit,),
            ).fetchall()
        for (number,) in old:
            self.pseudonyms.end(number)
        return len(old) + self.pseudonyms.forget()

    def _add(
        self, name: str, role: Role, password: str | None, note: Note, *, code: str | None = None
    ) -> Person:
        name = checked_name(name)
        hashed = None
        if password is not None:
            check_password(name, password)
            hashed = hash_password(password)
        try:
            with self._db.transaction() as db:
                if code is not None and not self.setup.matches(code):
                    raise LogInError("this code makes no admin any more", "log in")
                made = db.execute(
                    "INSERT INTO people (key, name, role, password, seen) VALUES (?, ?, ?, ?, ?) "
                    "RETURNING id",
                    (name_key(name), name, role, hashed, self._clock()),
                ).fetchall()
                note("person.add", self.pseudonyms.shown(made[0][0], name), None, {"role": role})
                if role is Role.ADMIN:
                    end_setup(db)
        except IntegrityError as e:
            raise PeopleError(f"there is a person named {name} already", "choose another name") from e
        return self.known(name)

    def _logged_in(self, person: Person, note: Note) -> Person:
        with self._db.transaction() as db:
            note("person.log_in", person.shown, None, {"role": person.role, "via": person.via})
            self._update(db, person.name, "seen", self._clock())
        return person

    def known(self, name: str) -> Person:
        """The person of a name, however it is spelt.

        Raises:
            PeopleError: there is none.
        """
        person = self.find(name)
        if person is None:
            raise PeopleError(
                f"there is no person named {name[:80]!r}", "`saec station people list` shows all"
            )
        return person

    def _update(self, db: Connection, name: str, column: str, value: Any) -> None:
        changed = db.execute(f"UPDATE people SET {column} = ? WHERE key = ?", (value, name_key(name)))
        if changed.rowcount == 0:  # removed meanwhile, or never there
            raise PeopleError(
                f"there is no person named {name[:80]!r}", "`saec station people list` shows all"
            )


def _end_sessions(db: Connection, name: str) -> None:
    ended = "DELETE FROM sessions WHERE person = (SELECT id FROM people WHERE key = ?)"
    db.execute(ended, (name_key(name),))


def _keep_an_admin(db: Connection, person: Person) -> None:
    """Refuse to take the last admin's right."""
    others = db.execute(
        "SELECT 1 FROM people WHERE role = ? AND enabled AND key <> ? "
        "AND (password IS NOT NULL OR subject IS NOT NULL)",
        (Role.ADMIN, name_key(person.name)),
    ).fetchone()
    if person.role is Role.ADMIN and person.enabled and others is None:
        raise PeopleError(f"{person.shown} is the only admin", "add another admin first")
