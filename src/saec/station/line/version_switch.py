"""Which version of a line judges, which judges beside it, and how the next one takes over meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from saec.errors import is_transient
from saec.frame.judges import Cloud
from saec.station.line.opened_version import OpenedVersion, open_version
from saec.station.line.version_store import Versions, VersionStore
from saec.station.setup.station_settings import LineSettings
from saec.station.storage.records import SpooledFrame
from saec.station.storage.spool import Spool
from saec.station.threads import Stopping
from saec.types import EdgeOpinion, Image

CloudFor = Callable[[str | None], Sequence[Cloud]]
"""The clouds for a version's model, in order of preference; None names the station's own model."""

_INTERVAL = 0.2
_UNTRUSTED = (
    "the cloud no longer changes labels: the line was not calibrated with the model that answers now. "
    "Run `saec calibrate LINE DATASET --cloud URL`, then `saec station add`, then `saec station promote`"
)

log = structlog.get_logger()


class VersionSwitch:
    """The opened versions of one line.

    Args:
        line: its settings.
        versions: the versions of its profile.
        cloud_for: opens the cloud.
        spool: is told what goes wrong and what a shadow says.

    Attributes:
        current: the version that judges now.
        shadow: one that judges beside it, without effect, or None.

    Raises:
        SaecError: the current version or the shadow cannot be opened.
    """

    def __init__(self, line: LineSettings, versions: VersionStore, cloud_for: CloudFor, spool: Spool) -> None:
        self._line, self._versions, self._cloud_for, self._spool = line, versions, cloud_for, spool
        self._log = log.bind(line=line.name)
        self._opened: dict[int, OpenedVersion] = {}
        self._stale = False
        self._state = versions.state()
        self.current = self._open(self._state.current)
        self.shadow = None if self._state.shadow is None else self._open(self._state.shadow)

    def at(self, number: int) -> OpenedVersion:
        """A version, opened again where need be: frames in flight finish on their own."""
        return self._opened.get(number) or self._open(number)

    def of(self, frame: SpooledFrame) -> OpenedVersion:
        """The version that has looked at a frame; the current one where none has."""
        return self.at(int(frame.version)) if frame.version else self.current

    def reopen(self) -> None:
        """Open the versions anew, as when the cloud turns out to be another."""
        self._stale = True

    def run(self, stopping: Stopping) -> None:
        """A thread's body: heed a promotion, a roll-back, a shadow, or a cloud that is another.

        What is new is opened beside the old, which judges until it is ready.
        """
        while not stopping.is_set():
            try:
                state = self._versions.state()
            except OSError as e:
                if not is_transient(e):
                    raise
                self._log.warning("versions of the line not read, the current one goes on", error=str(e))
            else:
                if state != self._state or self._stale:
                    self._switch(state)
            stopping.wait(_INTERVAL)

    def judge_as_shadow(self, frame: SpooledFrame, image: Image, current: EdgeOpinion) -> None:
        """Let the shadow judge the same pixels; what comes of it is counted and logged, nothing else.

        Args:
            frame: the frame's row.
            image: its pixels.
            current: what the current version's edge said of them.
        """
        if (shadow := self.shadow) is None:
            return
        name = f"shadow:{self._line.name}:v{shadow.number}"
        try:
            (opinion,) = shadow.judges.detector.inspect([image])
        except Exception as e:
            self._spool.count(f"{name}:error")
            self._log.warning("shadow version failed", frame=frame.id, version=shadow.number, error=str(e))
            return
        same = opinion.label == current.label
        self._spool.count(f"{name}:{'same' if same else 'other'}")
        if not same:
            self._log.info(
                "shadow version gives another label",
                frame=frame.id,
                version=shadow.number,
                label=opinion.label,
                score=opinion.score,
                current_label=current.label,
                current_score=current.score,
            )

    def _open(self, number: int) -> OpenedVersion:
        clouds = self._cloud_for(self._versions.model(number)) if self._line.cloud else ()
        version = open_version(self._versions.profile(number), number, self._line, clouds)
        self._opened[number] = version
        return version

    def _switch(self, state: Versions) -> None:
        if self._stale:
            self._opened, self._stale = {}, False
        try:
            version = self.at(state.current)
            beside = None if state.shadow is None else self.at(state.shadow)
        except Exception as e:
            name = self._line.name
            self._spool.alarm("version-failed", f"{name}: version {state.current}: {e}", about=name)
            self._log.error("version not loaded", version=state.current, error=str(e))
        else:
            if version is not self.current:
                role = version.judges.rules.role
                self._log.info(
                    "version switched", version=version.number, before=self.current.number, cloud=role
                )
                if self.current.judges.rules.role == "fused" and role != "fused":
                    name = self._line.name
                    self._spool.alarm("cloud-untrusted", f"{name}: {_UNTRUSTED}", about=name)
            self.current, self.shadow = version, beside
        self._state = state
