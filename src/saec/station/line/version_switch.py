"""Which version of a line judges which frame, and how the next one takes over meanwhile.

A line without recipes judges every frame by its current version. A line with recipes judges each frame by
the recipe that the frame was stamped with, never by the one that is in force by now. A version that is not
open is opened by the thread of this module; its frames wait for it, and others go on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from saec.errors import MachineError, is_transient
from saec.station.line.frame_failures import NoVersionError
from saec.station.line.opened_version import (
    AnsweringVersion,
    OpenedVersion,
    VersionKey,
    judge_beside,
    version_key,
)
from saec.station.line.version_opener import CloudFor, VersionOpener
from saec.station.line.version_store import Versions, VersionStore
from saec.station.line.warm_versions import WarmVersions
from saec.station.recipes.recipe_choice import RecipeChoice
from saec.station.recipes.recipe_settings import RecipeSettings
from saec.station.setup.station_settings import LineSettings
from saec.station.storage.records import SpooledFrame
from saec.station.storage.spool import Spool
from saec.station.threads import Stopping
from saec.types import EdgeOpinion, Image

_INTERVAL = 0.2
_RETRY = 10.0
"""Seconds after which the version of a recipe in force, which could not be opened, is tried again."""

_TASK = "version"
"""What a change of the recipe waits for."""

_UNTRUSTED = (
    "the cloud no longer changes labels: the line was not calibrated with the model that answers now. "
    "Run `saec calibrate LINE DATASET --cloud URL`, then `saec station add`, then `saec station promote`"
)

log = structlog.get_logger()


class ColdVersionError(Exception):
    """The version that judges a frame is not open; the frame waits.

    Attributes:
        key: the version.
    """

    def __init__(self, key: VersionKey) -> None:
        super().__init__(f"version {key.number} is being opened")
        self.key = key


class VersionSwitch:
    """The versions of one line that judge.

    Args:
        line: its settings.
        versions: the versions of its profile.
        cloud_for: opens the cloud.
        spool: is told what goes wrong and what a shadow says.
        choice: the recipes in force; None for a line that has none.
        warm: holds what is open, of all lines.
        unpark: told a version that has been opened, or cannot be: the frames that wait for it are taken
            again; returns how many.

    Attributes:
        opened: the version that judges by the recipe in force. Where none is in force it is the line's
            current version, which judges nothing then. None while the line has no version: the first one
            is taken over when it is added.
        shadow: one that judges beside it, without effect, or None.

    Raises:
        SaecError: the current version or the shadow cannot be opened.
    """

    def __init__(
        self,
        line: LineSettings,
        versions: VersionStore,
        cloud_for: CloudFor,
        spool: Spool,
        *,
        choice: RecipeChoice | None,
        warm: WarmVersions,
        unpark: Callable[[VersionKey], int],
    ) -> None:
        self._name, self._versions, self._spool = line.name, versions, spool
        self._choice, self._warm, self._unpark = choice, warm, unpark
        self._log = log.bind(line=line.name)
        self._opener = VersionOpener(line, versions, cloud_for, warm)
        self._broken: dict[VersionKey, str] = {}
        self._wanted: dict[VersionKey, None] = {}
        self._lock, self._wake = threading.Lock(), threading.Event()
        self._stale, self._spare, self._done, self._retry_at = False, True, -1, 0.0
        self._state: Versions | None = None
        self._following = 0
        self.opened: OpenedVersion | None = None
        self.shadow: OpenedVersion | None = None
        if choice is not None:
            choice.task(line.name, _TASK, self._begin)
        if versions.begun:
            self._open_first(versions.state())
        else:
            spool.alarm("no-version", str(NoVersionError(line.name)), about=line.name)

    def _open_first(self, state: Versions) -> None:
        """Open what judges, and its shadow, where nothing has judged before."""
        turn, recipe = self._in_force()
        key, beside = version_key(recipe, state.current), self._shadow_key(recipe, state)
        self._warm.hold(self._name, {one for one in (key, beside) if one is not None})
        version = self._opener.take(key)
        shadow = None if beside is None else self._opener.take(beside)
        self._state, self._following = state, state.current
        self._settle(version, shadow)
        if self._choice is not None:
            self._tell_done(turn)

    @property
    def following(self) -> int:
        """The line's current version, once it judges; a recipe may name another one."""
        return self._following

    @property
    def current(self) -> OpenedVersion:
        """The version that judges.

        Raises:
            NoVersionError: the line has none yet.
        """
        if self.opened is None:
            raise NoVersionError(self._name)
        return self.opened

    # who judges a frame

    def for_edge(self, frame: SpooledFrame) -> OpenedVersion:
        """The version that judges a frame by the frame's own recipe.

        Raises:
            ColdVersionError: it is not open; ``want`` has it opened.
            NoVersionError: the line has no version yet.
            MachineError: no recipe was in force when the frame was taken, or its version cannot be opened.
        """
        recipe = self._recipe_of(frame)
        if self.opened is None:
            raise NoVersionError(self._name)
        key = version_key(recipe, self._following)
        if (version := self._warm.find(self._name, key)) is not None:
            return version
        if (why := self._broken.get(key)) is not None:
            raise MachineError(
                f"version {key.number} of {self._name} cannot be opened: {why}",
                "add the version again, or let the recipe name another",
            )
        raise ColdVersionError(key)

    def want(self, key: VersionKey) -> None:
        """Frames wait for a version: open it, or hand them back where it has been opened meanwhile."""
        with self._lock:
            self._wanted[key] = None
        self._wake.set()

    def answering(self, frame: SpooledFrame) -> AnsweringVersion:
        """What fuses the cloud's answer about a frame that the edge has looked at.

        Raises:
            MachineError: the recipe of the frame is not known any more.
            SaecError: its version cannot be opened.
        """
        key = version_key(self._recipe_of(frame), self._following)
        return self.answering_at(key._replace(number=int(frame.version)) if frame.version else key)

    def answering_at(self, key: VersionKey) -> AnsweringVersion:
        """The same by its version, opened again where need be: frames in flight finish on their own.

        Raises:
            SaecError: it cannot be opened.
        """
        return self._opener.answering(key, self.opened)

    def judge_as_shadow(
        self, frame: SpooledFrame, image: Image, opinion: EdgeOpinion, key: VersionKey
    ) -> None:
        """Let the shadow judge the pixels that the version in force has judged; see ``judge_beside``."""
        with self._lock:
            shadow, current = self.shadow, self.opened
        if shadow is not None and current is not None and key == current.key:
            judge_beside(shadow, frame, image, opinion, self._spool)

    def _recipe_of(self, frame: SpooledFrame) -> RecipeSettings | None:
        return None if self._choice is None else self._choice.book(self._name).recipe_of(frame)

    def _in_force(self) -> tuple[int, RecipeSettings | None]:
        return (0, None) if self._choice is None else self._choice.wanted(self._name)

    def _recipes(self) -> list[RecipeSettings]:
        return [] if self._choice is None else [*self._choice.book(self._name).newest.values()]

    def _shadow_key(self, recipe: RecipeSettings | None, state: Versions) -> VersionKey | None:
        """The shadow of a recipe that follows the current version; one that names its version has none."""
        if state.shadow is None or (recipe is not None and recipe.version is not None):
            return None
        return version_key(recipe, state.shadow)

    # changes

    def reopen(self) -> None:
        """Open the versions anew, as when the cloud turns out to be another."""
        self._stale = True
        self._wake.set()

    def run(self, stopping: Stopping) -> None:
        """A thread's body: heed a change of the recipe, a promotion, a roll-back, a shadow, or a cloud that
        is another; and open what frames wait for.

        What is new is opened beside the old, which judges until it is ready.
        """
        while not stopping.is_set():
            self._wake.wait(_INTERVAL)
            self._wake.clear()
            self.turn(stopping.turn)

    def turn(self, pulse: Callable[[], None] = lambda: None) -> None:
        """One turn of the thread; ``pulse`` is called between two versions that are opened."""
        if self._choice is not None:
            self._choice.refresh(self._name)
        if self._state is None:
            self._await_first()
            return
        try:
            state = self._versions.state()
        except OSError as e:
            if not is_transient(e):
                raise
            self._log.warning("versions of the line not read, the current one goes on", error=str(e))
        else:
            if state != self._state or self._stale:
                self._switch(state)
        pulse()
        self._change_over()
        for key in [*self._wanted]:
            pulse()
            self._open_wanted(key)
        if self._spare and not self._wanted:
            pulse()
            self._spare = self._open_spare()

    def _await_first(self) -> None:
        """Take the line's first version over as soon as there is one; where that fails, try again later."""
        self._wanted.clear()
        if not self._versions.begun or time.monotonic() < self._retry_at:
            return
        try:
            state = self._versions.state()
            self._open_first(state)
        except Exception as e:
            self._retry_at = time.monotonic() + _RETRY
            self._fail(VersionKey(1), e)
        else:
            self._stale = False
            self._broken.clear()
            self._log.info("first version of the line judges", version=state.current)

    def _begin(self) -> None:
        """The recipe was changed: where its version is open, the line is ready at once."""
        turn, recipe = self._in_force()
        if recipe is not None:
            version = self._warm.find(self._name, version_key(recipe, self._following))
            if version is not None:
                self._settle(version, None)
                self._tell_done(turn)
        self._done = -1  # its shadow is still to be seen to
        self._wake.set()

    def _tell_done(self, turn: int) -> None:
        self._done = turn
        if self._choice is not None:
            self._choice.done(self._name, _TASK, turn)

    def _settle(self, version: OpenedVersion, shadow: OpenedVersion | None) -> None:
        with self._lock:
            self.opened, self.shadow = version, shadow
        self._warm.hold(self._name, {one.key for one in (version, shadow) if one is not None})

    def _change_over(self) -> None:
        """Open the version of the recipe in force, and its shadow."""
        turn, recipe = self._in_force()
        if recipe is None or turn == self._done or self._state is None:
            return
        key = version_key(recipe, self._following)
        if key in self._broken and time.monotonic() < self._retry_at:
            return
        try:
            version, shadow = self._take(key, self._shadow_key(recipe, self._state))
        except Exception as e:
            self._retry_at = time.monotonic() + _RETRY
            self._fail(key, e)
            return
        self._broken.pop(key, None)
        self._settle(version, shadow)
        self._tell_done(turn)

    def _take(
        self, key: VersionKey, beside: VersionKey | None, *, anew: bool = False
    ) -> tuple[OpenedVersion, OpenedVersion | None]:
        """Have what judges and its shadow open, beside what judges until then."""
        now = {one.key for one in (self.opened, self.shadow) if one is not None}
        self._warm.hold(self._name, now | {one for one in (key, beside) if one is not None})
        version = self._opener.take(key, anew=anew)
        return version, None if beside is None else self._opener.take(beside, anew=anew)

    def _switch(self, state: Versions) -> None:
        """Heed a promotion, a shadow, or another cloud."""
        stale, self._stale = self._stale, False
        if stale:
            self._opener.forget()
        turn, recipe = self._in_force()
        try:
            version, shadow = self._take(
                version_key(recipe, state.current), self._shadow_key(recipe, state), anew=stale
            )
        except Exception as e:
            self._fail(VersionKey(state.current), e)
        else:
            before, self._following = self.current, state.current
            self._settle(version, shadow)
            self._opener.forget_answering()
            self._broken.clear()
            self._tell_switch(before, version)
            kept = () if stale else [version_key(one, self._following) for one in self._recipes()]
            self._warm.keep_only(self._name, kept)
            self._spare = True
            self._tell_done(turn)
        self._state = state

    def _tell_switch(self, before: OpenedVersion, version: OpenedVersion) -> None:
        if version is before:
            return
        role = version.judges.rules.role
        self._log.info("version switched", version=version.number, before=before.number, cloud=role)
        if before.judges.rules.role == "fused" and role != "fused":
            self._spool.alarm("cloud-untrusted", f"{self._name}: {_UNTRUSTED}", about=self._name)

    def _fail(self, key: VersionKey, error: Exception) -> None:
        if self._broken.get(key) != str(error):
            text = f"{self._name}: version {key.number}: {error}"
            self._spool.alarm("version-failed", text, about=self._name)
        self._log.error("version not loaded", version=key.number, error=str(error))
        self._broken[key] = str(error)

    def _open_wanted(self, key: VersionKey) -> None:
        """Open a version that frames wait for, and let them be taken again; where there is no room, later."""
        try:
            if not self._opener.open_for_frames(key):
                return
        except Exception as e:
            if is_transient(e):  # of this machine, not of the version
                self._log.warning("version not opened yet", version=key.number, error=str(e))
                return
            self._fail(key, e)
        with self._lock:
            self._wanted.pop(key, None)
        self._warm.owe(self._name, key, self._unpark(key))

    def _open_spare(self) -> bool:
        """Open one more recipe's version before it is needed; whether there was room for it."""
        for key in dict.fromkeys(version_key(recipe, self._following) for recipe in self._recipes()):
            if self._warm.is_open(self._name, key) or key in self._broken:
                continue
            try:
                room = self._opener.open_spare(key)
            except Exception as e:
                self._fail(key, e)
                return True
            if room:
                self._wake.set()
            return room
        return False
