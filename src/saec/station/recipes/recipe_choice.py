"""Which recipe is in force on each line, and how the next one takes over.

The choice is on the disk before it holds, with its row in the record of actions, so it survives a restart.
An unknown number is a fault and never a guess: no recipe is then in force until a known one is chosen.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import structlog

from saec.errors import MachineError, SaecError
from saec.profile import write_json
from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import Action
from saec.station.recipes.recipe_book import RecipeBook, recipe_folder
from saec.station.recipes.recipe_settings import RecipeSettings
from saec.station.storage.database.schema import alone_in, sync_folder
from saec.station.storage.records import NewFrame
from saec.texts import read_json

CHOOSE = "recipe.choose"
"""The action of a choice in the record of actions."""

PROGRAM = "program"
"""The role of a PLC, or of another program that chooses."""

_UNCHOSEN = "no recipe is in force"

log = structlog.get_logger()


class ChosenRecipe(msgspec.Struct, frozen=True, kw_only=True):
    """``chosen.json``: what was chosen last on a line.

    Attributes:
        number: the recipe in force; None where there is none.
        asked: the number that was asked for, known or not.
        who: who asked.
        time: when, in UTC.
    """

    number: int | None = None
    asked: int | None = None
    who: str = ""
    time: str = ""


def chosen_recipe(folder: Path) -> ChosenRecipe:
    """What was chosen last on a line, whose folder is that of ``recipe_folder``.

    Raises:
        MachineError: its file is damaged.
    """
    path = folder / "chosen.json"
    if not path.is_file():
        return ChosenRecipe()
    remedy = "restore it from a backup, or delete it and choose a recipe"
    return read_json(path, ChosenRecipe, error=MachineError, remedy=remedy)


def choose_recipe(
    data: Path, line: str, audit: AuditLog, actor: str, role: str, number: int, reason: str = ""
) -> ChosenRecipe:
    """Put a recipe in force; one that is in force already is not chosen, or recorded, again.

    Args:
        data: the data folder of the station.
        line: the line.
        audit: where the row goes, before the change is made.
        actor: who, as in ``Action``.
        role: the role in which it is done.
        number: the recipe.
        reason: why.

    Raises:
        MachineError: the line has no such recipe; none is in force now.
        SpoolError: another program changes the line, and does not end.
        AuditError: the row cannot be written; nothing was changed.
        OSError: the choice cannot be written.
    """
    folder = recipe_folder(data, line)
    folder.mkdir(parents=True, exist_ok=True)
    with alone_in(folder):
        before, known = chosen_recipe(folder), RecipeBook(folder).newest
        in_force = number if number in known else None
        after = ChosenRecipe(
            number=in_force,
            asked=number,
            who=actor,
            time=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        if (before.number, before.asked) != (in_force, number):
            action = Action(
                actor=actor,
                role=role,
                what=CHOOSE,
                about=line,
                before=before.number,
                after=_told(number, known.get(number)),
                reason=reason,
            )
            with audit.recorded(action):
                write_json(folder / "chosen.json", after)
                sync_folder(folder)
    if in_force is None:
        raise _unknown(line, number, known)
    return after


def _told(number: int, recipe: RecipeSettings | None) -> Any:
    """What judges from now on, as the row says it."""
    return {"asked": number, "in_force": None} if recipe is None else msgspec.to_builtins(recipe)


def _unknown(line: str, number: int, known: Iterable[int]) -> MachineError:
    names = ", ".join(map(str, sorted(known))) or "none"
    what = f"the line {line} has no recipe {number}; no recipe is in force now"
    return MachineError(what, f"choose one of {names}, or add a [[recipe]] to the settings and start anew")


class _LineRecipe:
    """What is in force on one line.

    Attributes:
        turn: rises with each change.
        open: what has still to be done before the line is ready.
        fault: why none is in force, beyond that none was chosen.
        begun: when the last change was made, seconds of perf_counter.
        took: seconds until the line was ready then; None while it is not.
        tasks: what is to be done at each change.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.book = folder, RecipeBook(folder)
        self.number: int | None = None
        self.turn, self.open, self.fault = 0, set[str](), ""
        self.begun = 0.0
        self.took: float | None = None
        self.tasks: dict[str, Callable[[], None]] = {}


class RecipeChoice:
    """The recipes in force at a station; safe to use from several threads.

    Args:
        data: the station's data folder.
        audit: the record of actions.
        lines: names of the lines. Their books have been revised already.
        alarm: told the kind, the text and the line of what a person should know.
    """

    def __init__(
        self,
        data: Path,
        audit: AuditLog,
        lines: Iterable[str],
        alarm: Callable[[str, str, str], None] = lambda kind, text, about: None,
    ) -> None:
        self._data, self._audit, self._alarm, self._lock = data, audit, alarm, threading.RLock()
        self._lines = {name: _LineRecipe(recipe_folder(data, name)) for name in lines}
        for name, line in self._lines.items():
            if line.book.newest:
                self._recover(name, line)

    def _recover(self, name: str, line: _LineRecipe) -> None:
        """What an earlier process left in force, if the line still has it."""
        try:
            chosen = chosen_recipe(line.folder)
        except MachineError as e:
            line.fault = str(e)
        else:
            if chosen.number is not None and chosen.number not in line.book.newest:
                line.fault = str(_unknown(name, chosen.number, line.book.newest))
            else:
                line.number = chosen.number
        if line.fault:
            self._alarm("recipe", f"{name}: {line.fault}", name)

    def has_recipes(self, line: str) -> bool:
        """Whether the line has any; where it has, it judges nothing until one is chosen."""
        return bool(self._lines[line].book.newest)

    def book(self, line: str) -> RecipeBook:
        return self._lines[line].book

    def in_force(self, line: str) -> int | None:
        """The recipe in force; None without recipes, and where none is in force."""
        return self._lines[line].number

    def wanted(self, line: str) -> tuple[int, RecipeSettings | None]:
        """A number that rises with each change, and the recipe in force."""
        with self._lock:
            found = self._lines[line]
            return found.turn, None if found.number is None else found.book.newest[found.number]

    def task(self, line: str, name: str, begin: Callable[[], None]) -> None:
        """Have something done at each change, before the line is ready.

        Args:
            line: the line.
            name: names it.
            begin: called at each change, by whoever makes it; it returns at once. When the thing is done,
                ``done`` is to be called.
        """
        with self._lock:
            found = self._lines[line]
            found.tasks[name] = begin
            if found.number is not None:
                found.begun = found.begun if found.open else time.perf_counter()
                found.open.add(name)

    def done(self, line: str, name: str, turn: int) -> None:
        """Something is done for a change, unless another change has come meanwhile."""
        with self._lock:
            found = self._lines[line]
            if found.turn == turn and name in found.open:
                found.open.discard(name)
                if not found.open:
                    found.took = time.perf_counter() - found.begun
                    log.info("recipe ready", line=line, recipe=found.number, took_s=round(found.took, 4))

    def ready(self, line: str) -> bool:
        """Whether a picture that is taken now would be judged at once by the recipe in force.

        A line without recipes is always ready.
        """
        with self._lock:
            found = self._lines[line]
            return not found.book.newest or (found.number is not None and not found.open)

    def choose(self, line: str, number: int, who: str, role: str = PROGRAM, reason: str = "") -> None:
        """Put a recipe in force; it is on the disk when this returns.

        Args:
            line: the line.
            number: the recipe.
            who: who asks, such as "plc:NAME" or a person's name.
            role: the role in which it is done.
            reason: why.

        Raises:
            MachineError: the line has no such recipe, or the choice cannot be kept. None is in force then
                until a known one is chosen.
        """
        found = self._lines[line]
        with self._lock:
            try:
                chosen = choose_recipe(self._data, line, self._audit, who, role, number, reason)
            except MachineError as e:
                self._fail(line, found, e)
                raise
            except (SaecError, OSError) as e:
                error = MachineError(f"the recipe {number} of {line} cannot be kept: {e}", "mend that first")
                self._fail(line, found, error)
                raise error from e
            self._take_over(line, found, chosen.number)

    def refresh(self, line: str) -> None:
        """Heed what another program, such as the page or the command line, has chosen."""
        found = self._lines[line]
        if not found.book.newest:
            return
        with self._lock:
            try:
                chosen = chosen_recipe(found.folder)
            except MachineError as e:
                if found.fault != str(e):
                    self._fail(line, found, e)
                return
            if chosen.number is not None and chosen.number in found.book.newest:
                self._take_over(line, found, chosen.number)
            elif chosen.asked is not None and not found.fault:
                self._fail(line, found, _unknown(line, chosen.asked, found.book.newest))

    def stamped(self, frame: NewFrame) -> NewFrame:
        """A frame with the recipe that judges it: its trigger's, else its part's, else the one in force.

        While a camera is being set for a recipe, its pictures belong to none: they get an error verdict.
        """
        found = self._lines[frame.line]
        if frame.recipe is not None or not found.book.newest:
            return frame
        if frame.capture is not None and frame.capture.trigger is not None:
            return frame  # what held at the trigger holds
        try:
            by_part = found.book.of_part(frame.part)
        except MachineError as e:
            log.warning("no recipe for this part", line=frame.line, part=frame.part, error=str(e))
            return frame
        with self._lock:
            number = found.number if by_part is None else by_part.number
            recipe = None if number is None else found.book.newest[number]
            unset = recipe is not None and CAMERAS in found.open and frame.source in recipe.camera
        return frame if unset else msgspec.structs.replace(frame, recipe=number)

    def status(self, line: str) -> dict[str, Any] | None:
        """What is in force, what the line waits for, and why none is in force; None without recipes."""
        with self._lock:
            found = self._lines[line]
            if not found.book.newest:
                return None
            recipe = None if found.number is None else found.book.newest[found.number]
            return {
                "number": found.number,
                "name": "" if recipe is None else recipe.name,
                "ready": recipe is not None and not found.open,
                "waits_for": sorted(found.open) if recipe is not None else [CHOICE],
                "fault": "" if recipe is not None else found.fault or _UNCHOSEN,
                "took_s": found.took,
                "known": [{"number": one.number, "name": one.name} for one in found.book.newest.values()],
            }

    def _take_over(self, name: str, line: _LineRecipe, number: int | None) -> None:
        if number == line.number:
            return
        line.number, line.fault = number, ""
        line.turn += 1
        line.begun, line.took = time.perf_counter(), None
        line.open = set(line.tasks)
        log.info("recipe in force", line=name, recipe=number)
        for begin in line.tasks.values():
            begin()
        if not line.open and line.took is None:
            line.took = time.perf_counter() - line.begun

    def _fail(self, name: str, line: _LineRecipe, error: MachineError) -> None:
        line.number, line.fault = None, str(error)
        line.turn += 1
        line.open = set()
        log.error("no recipe in force", line=name, error=str(error))
        self._alarm("recipe", f"{name}: {error}", name)


CHOICE = "a recipe to be chosen"
"""What a line waits for while no recipe is in force."""

CAMERAS = "cameras"
"""The task of setting cameras for a recipe."""
