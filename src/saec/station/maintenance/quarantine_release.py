"""Frames that are released from quarantine: each is judged again as a new frame, behind all others.

Its old verdict stands, as every verdict does. Who releases one leaves a file with its id in
DATA/release; the station takes it from there, at once or when it starts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import structlog

from saec.errors import SpoolError, SpoolFullError
from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import Action
from saec.station.storage.records import NewFrame, SpooledFrame
from saec.station.storage.spool import Spool
from saec.station.storage.spool_reader import SpoolReader
from saec.station.threads import Stopping

FOLDER = "release"
_LOOK = 1.0

logger = structlog.get_logger()


def ask_release(data: Path, log: AuditLog, actor: str, role: str, frame_id: str, reason: str = "") -> None:
    """Have a frame judged again by the station of this data folder.

    Args:
        data: the data folder.
        log: where the row goes, before the frame is released.
        actor: who, as in ``Action``.
        role: the role in which it is done.
        frame_id: the frame's id.
        reason: why.

    Raises:
        SpoolError: it is not in quarantine.
        AuditError: the row cannot be written; nothing was changed.
    """
    reader = SpoolReader.beside(data)
    try:
        known = {frame.id: why for frame, why in reader.quarantine()}
    finally:
        reader.close()
    if frame_id not in known:
        raise SpoolError(f"{frame_id} is not in quarantine", f"choose one of {', '.join(known) or 'none'}")
    action = Action(
        actor=actor,
        role=role,
        what="quarantine.release",
        about=frame_id,
        before={"why": known[frame_id]},
        reason=reason,
    )
    with log.recorded(action):
        folder = data / FOLDER
        folder.mkdir(exist_ok=True)
        (folder / frame_id).touch()


class QuarantineReleases:
    """Takes released frames back into the spool.

    Args:
        spool: holds them.
        taken: told line and number of each new frame.
    """

    def __init__(self, spool: Spool, taken: Callable[[str, int], None]) -> None:
        self._spool, self._taken = spool, taken
        self._folder = spool.folder / FOLDER

    def run(self, stopping: Stopping) -> None:
        """A thread's body."""
        while not stopping.is_set():
            self.look()
            stopping.wait(_LOOK)

    def look(self) -> None:
        """Take what has been asked for since the last look."""
        if not self._folder.is_dir():
            return
        asked = {path.name: path for path in sorted(self._folder.iterdir())}
        if not asked:
            return
        held = {frame.id: frame for frame, _ in self._spool.quarantine()}
        for name, path in asked.items():
            if name in held and not self._release(held[name]):
                return
            path.unlink(missing_ok=True)

    def _release(self, frame: SpooledFrame) -> bool:
        """Whether the frame was taken; one whose image has gone cannot be, and is forgotten."""
        try:
            data = self._spool.path(frame).read_bytes()
            new = NewFrame(
                line=frame.line,
                source="quarantine",
                key=f"quarantine/{frame.id}",
                suffix=Path(frame.image).suffix,
                captured=frame.captured,
            )
            accepted = self._spool.accept(new, data)
        except SpoolFullError as e:
            logger.warning("no room for a released frame", frame=frame.id, error=str(e))
            return False
        except (SpoolError, FileNotFoundError) as e:
            logger.error("released frame not accepted", frame=frame.id, error=str(e))
            return True
        self._spool.attempts.clear(frame.seq)
        if not accepted.duplicate:
            self._taken(frame.line, accepted.seq)
        logger.info("released from quarantine", frame=frame.id, now=accepted.id)
        return True
