"""The run folder that a caller names: whether a run may go there, and the end of one that never began."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from saec.api.given_settings import given_path
from saec.errors import ConfigError, DataError
from saec.runs.resumption import check_free
from saec.runs.run_record import RUN_FILE, VERDICTS_FILE

FRAMES_FOLDER = "frames"
"""Where a run folder keeps images that were given as arrays."""


def given_out(out: Any) -> Path | None:
    """The folder for a new run; None keeps none.

    Raises:
        ConfigError: it is no path, something else stands there, or it holds a run.
    """
    if out is None:
        return None
    folder = given_path("out", out).absolute()
    check_free(folder)
    if (folder / FRAMES_FOLDER).exists():
        raise ConfigError(f"{out} already holds images of a run", "choose another folder for out")
    return folder


def no_image() -> DataError:
    """The error for a series without an image."""
    return DataError("there is no image to judge", "give at least one")


@contextmanager
def unused_removed(out: Path) -> Iterator[None]:
    """A run folder that is made; where no frame was judged because of an error, it goes again."""
    above = next(folder for folder in (out, *out.parents) if folder.exists())
    made = next((folder for folder in (out, *out.parents) if folder.parent == above), None)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise ConfigError(f"{out} cannot be made: {e.strerror or e}", "choose another folder for out") from e
    try:
        yield
    except Exception:
        log = out / VERDICTS_FILE
        if not log.exists() or not log.stat().st_size:
            shutil.rmtree(out / FRAMES_FOLDER, ignore_errors=True)
            for name in (RUN_FILE, VERDICTS_FILE):
                (out / name).unlink(missing_ok=True)
            if made is not None and above != out:
                shutil.rmtree(made, ignore_errors=True)
        raise
