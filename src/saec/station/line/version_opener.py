"""Opens the versions of one line, and keeps what they remember of the frames before."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from saec.frame.judges import Cloud
from saec.profile import LineProfile
from saec.station.line.opened_version import (
    AnsweringVersion,
    LastingState,
    OpenedVersion,
    VersionKey,
    open_answering,
    open_version,
    version_bytes,
)
from saec.station.line.version_store import VersionStore
from saec.station.line.warm_versions import WarmVersions
from saec.station.setup.station_settings import LineSettings

CloudFor = Callable[[str | None], Sequence[Cloud]]
"""The clouds for a version's model, in order of preference; None names the station's own model."""

_ANSWERING = 8
"""Versions without their detector that are kept for the cloud's answers."""


class VersionOpener:
    """Opens versions with their detector for one thread, and without it for any.

    Args:
        line: the line's settings.
        versions: the versions of its profile.
        cloud_for: opens the cloud.
        warm: holds what is open, of all lines.
    """

    def __init__(
        self, line: LineSettings, versions: VersionStore, cloud_for: CloudFor, warm: WarmVersions
    ) -> None:
        self._line, self._versions, self._cloud_for, self._warm = line, versions, cloud_for, warm
        self._lasting: dict[VersionKey, LastingState] = {}
        self._answering: dict[VersionKey, AnsweringVersion] = {}
        self._lock = threading.Lock()

    def take(self, key: VersionKey, *, anew: bool = False) -> OpenedVersion:
        """A version that is held: as it is open, or opened, whatever room there is.

        Args:
            key: the version.
            anew: open it again beside the one that is open, and let it take its place.

        Raises:
            SaecError: it cannot be opened.
        """
        name = self._line.name
        if not anew and (found := self._warm.find(name, key)) is not None:
            return found
        self._warm.reserve(name, key, self._bytes(key))
        return self._open(key)

    def open_for_frames(self, key: VersionKey) -> bool:
        """Open a version that frames wait for; False where there is no room for it yet.

        Raises:
            SaecError: it cannot be opened.
        """
        name = self._line.name
        if not self._warm.is_open(name, key):
            if not self._warm.reserve(name, key, self._bytes(key)):
                return False
            self._open(key)
        return True

    def open_spare(self, key: VersionKey) -> bool:
        """Open a version in room that nobody has; False where there is none.

        Raises:
            SaecError: it cannot be opened.
        """
        if not self._warm.reserve_spare(self._line.name, key, self._bytes(key)):
            return False
        self._open(key)
        return True

    def answering(self, key: VersionKey, current: OpenedVersion | None) -> AnsweringVersion:
        """What fuses the cloud's answers about frames of a version.

        Args:
            key: the version.
            current: the one that judges now, whose part may be taken; None where there is none.

        Raises:
            SaecError: it cannot be opened.
        """
        with self._lock:
            if (found := self._answering.pop(key, None)) is not None:
                self._answering[key] = found
                return found
        if current is not None and current.key == key:
            found = current.answering()
        else:
            found = self._open_answering(key)
        with self._lock:
            self._answering[key] = found
            while len(self._answering) > _ANSWERING:
                del self._answering[next(iter(self._answering))]
        return found

    def forget(self) -> None:
        """The cloud is another: versions that are opened from now on know nothing of the frames before."""
        self._lasting.clear()
        self.forget_answering()

    def forget_answering(self) -> None:
        """What fuses the cloud's answers is opened again."""
        with self._lock:
            self._answering.clear()

    def _bytes(self, key: VersionKey) -> int:
        return version_bytes(LineProfile.open(self._versions.path(key.number), verify=False))

    def _open(self, key: VersionKey) -> OpenedVersion:
        """Open a version for which room was made."""
        name = self._line.name
        try:
            profile = self._versions.profile(key.number)
            version = open_version(profile, key, self._line, self._clouds(key.number), self._lasting.get(key))
        except BaseException:
            self._warm.failed(name, key)
            raise
        self._lasting[key] = version.lasting
        self._warm.put(name, version, version_bytes(profile))
        return version

    def _open_answering(self, key: VersionKey) -> AnsweringVersion:
        profile = self._versions.profile(key.number)
        return open_answering(profile, key, self._line, self._clouds(key.number))

    def _clouds(self, number: int) -> Sequence[Cloud]:
        return self._cloud_for(self._versions.model(number)) if self._line.cloud else ()
