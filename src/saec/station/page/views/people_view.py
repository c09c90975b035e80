"""People: who may log in, and what each may do; for admins."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from starlette.responses import Response

from saec.errors import PeopleError, SaecError
from saec.station.page.page_tools import PageTools, ViewWords, go_to
from saec.station.page.page_view import PageRoute, PageView
from saec.station.page.page_visit import Visit
from saec.station.page.words.languages import msgid
from saec.station.people.person import Person
from saec.station.people.roles import Role

LONGEST_PASSWORD = 1024
"""Letters of a password that are read; one may have less."""

_LOG_INS = 2000
"""The last log-ins that are looked through for each person's last one."""

_LONGEST_REASON = 1000


def show_people(tools: PageTools, visit: Visit) -> Response:
    """Everybody, and the form for another person."""
    return _people(tools, visit)


def post_person(tools: PageTools, visit: Visit) -> Response:
    """Add a person."""
    name, password = visit.form.get("name", ""), typed(visit, "password")
    try:
        if tools.people.find(name) is not None:
            raise PeopleError(msgid("There is a person of this name already"), msgid("Choose another name"))
        check_twice(visit)
        tools.people.add(name, _role(visit), password, note=tools.note(visit, _reason(visit)))
    except PeopleError as e:
        return _people(tools, visit, e)
    return go_to("/page/people")


def show_person(tools: PageTools, visit: Visit) -> Response:
    """One person, and what may be changed."""
    return _person(tools, visit, _named(tools, visit))


def post_role(tools: PageTools, visit: Visit) -> Response:
    """Give a person another role."""

    def change(person: Person) -> None:
        role = _role(visit)
        if role is not person.role:
            tools.people.set_role(person.name, role, note=tools.note(visit, _reason(visit)))

    return _changed(tools, visit, change)


def post_state(tools: PageTools, visit: Visit) -> Response:
    """Let a person log in, or not."""

    def change(person: Person) -> None:
        enabled = visit.form.get("enabled") == "yes"
        if enabled is not person.enabled:
            tools.people.set_enabled(person.name, enabled, note=tools.note(visit, _reason(visit)))

    return _changed(tools, visit, change)


def post_password(tools: PageTools, visit: Visit) -> Response:
    """Set a person's password anew."""

    def change(person: Person) -> None:
        check_twice(visit)
        note = tools.note(visit, _reason(visit))
        tools.people.set_password(person.name, typed(visit, "password"), note=note)

    return _changed(tools, visit, change)


def ask_removal(tools: PageTools, visit: Visit) -> Response:
    """Ask once more before a person is removed."""
    return tools.page("people", visit, template="person_removal", person=_named(tools, visit), problem=None)


def post_removal(tools: PageTools, visit: Visit) -> Response:
    """Remove a person's account."""
    person = _named(tools, visit)
    try:
        tools.people.remove(person.name, note=tools.note(visit, _reason(visit)))
    except PeopleError as e:
        return _person(tools, visit, person, e)
    return go_to("/page/people")


def check_twice(visit: Visit) -> None:
    """Refuse a new password that was not typed twice alike.

    Raises:
        PeopleError: the two differ.
    """
    if typed(visit, "password") != typed(visit, "again"):
        raise PeopleError(msgid("The two passwords differ"), msgid("Type the same password twice"))


def typed(visit: Visit, field: str) -> str:
    """A password as it was typed, bounded."""
    return visit.form.get(field, "")[:LONGEST_PASSWORD]


def _changed(tools: PageTools, visit: Visit, change: Callable[[Person], None]) -> Response:
    """Make a change, and show what there is now; or what was wrong."""
    person = _named(tools, visit)
    try:
        change(person)
    except PeopleError as e:
        return _person(tools, visit, person, e)
    return go_to(f"/page/people/{quote(person.name, safe='')}")


def _people(tools: PageTools, visit: Visit, problem: PeopleError | None = None) -> Response:
    people = tools.people.all()
    last, all_known = _last_log_ins(tools, people)
    status = 200 if problem is None else 400
    return tools.page(
        "people",
        visit,
        status=status,
        people=people,
        last=last,
        all_known=all_known,
        roles=list(Role),
        problem=problem,
        typed={name: visit.form.get(name, "") for name in ("name", "role", "reason")},
        pseudonyms=tools.settings.people.pseudonyms,
    )


def _last_log_ins(tools: PageTools, people: list[Person]) -> tuple[dict[str, float | None], bool]:
    """Each person's last log-in by name, and whether who has none has never logged in.

    The first admin is logged in when made. A pseudonym that was replaced is nobody's here, so with pseudonyms
    nobody can say "never".
    """
    log_ins = tools.audit.rows(most=_LOG_INS, what="person.log_in")
    made = [row for row in tools.audit.rows(most=_LOG_INS, what="person.add") if row.actor == row.about]
    rows = sorted([*log_ins, *made], key=lambda row: row.n)
    by_shown = {row.about: row.time for row in rows}
    last = {person.name: by_shown.get(person.shown, by_shown.get(person.name)) for person in people}
    return last, len(log_ins) < _LOG_INS and not tools.settings.people.pseudonyms


def _person(tools: PageTools, visit: Visit, person: Person, problem: PeopleError | None = None) -> Response:
    status = 200 if problem is None else 400
    return tools.page(
        "people",
        visit,
        status=status,
        template="person",
        person=person,
        roles=list(Role),
        problem=problem,
        own=person.name == visit.person,
    )


def _named(tools: PageTools, visit: Visit) -> Person:
    person = tools.people.find(visit.taken["name"])
    if person is None:
        raise SaecError(msgid("There is no such person"), msgid("Choose one under People"))
    return person


def _role(visit: Visit) -> Role:
    named = visit.form.get("role", "")
    role = next((role for role in Role if role == named), None)
    if role is None:
        raise PeopleError(msgid("A person needs a role"), msgid("Choose a role"))
    return role


def _reason(visit: Visit) -> str:
    return visit.form.get("reason", "").strip()[:_LONGEST_REASON]


PEOPLE = PageView(
    "people",
    ViewWords(
        msgid("People"),
        msgid("See who may log in, and decide what each may do."),
        msgid(
            "Viewers look. Operators also acknowledge alarms. Engineers also change versions and see "
            "settings and audit. Administrators also manage people and export evidence. Another role, "
            "another password or a locked account ends the person's sessions. The last administrator "
            "stays one. Who has forgotten a password asks an administrator for a new one."
        ),
    ),
    (
        PageRoute("GET", "/page/people", show_people),
        PageRoute("POST", "/page/people", post_person),
        PageRoute("GET", "/page/people/{name}", show_person),
        PageRoute("POST", "/page/people/{name}/role", post_role),
        PageRoute("POST", "/page/people/{name}/state", post_state),
        PageRoute("POST", "/page/people/{name}/password", post_password),
        PageRoute("GET", "/page/people/{name}/remove", ask_removal),
        PageRoute("POST", "/page/people/{name}/remove", post_removal),
    ),
)
