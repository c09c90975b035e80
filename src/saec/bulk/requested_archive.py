"""A bulk run as it is asked for: what may be given, and Ray behind it."""

from __future__ import annotations

import os
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any

from saec.bulk.bulk_run import BulkCalls, judge_archive
from saec.bulk.ray_engine import check_installed, ray_started
from saec.errors import ConfigError
from saec.frame.judges import Cloud
from saec.profile import LineProfile
from saec.runs.run_folder import Options
from saec.runs.run_record import RunInfo
from saec.settings import BulkConfig, DataConfig, SampleConfig
from saec.types import VerdictRecord


def given_archive(
    given: Any,
    *,
    split: str = SampleConfig().split,
    layout: str = DataConfig().layout,
    limit: int | None = None,
) -> str:
    """The archive's path or address.

    Args:
        given: a path or an address.
        split, layout, limit: what a data set is read with; an archive is no data set, and is judged whole.

    Raises:
        ConfigError: it is something else, or is to be read as a data set.
    """
    if not isinstance(given, str | os.PathLike) or not os.fspath(given):
        raise ConfigError(
            f"an archive is one path or address, not {given!r:.80}", "give a folder, a file or an address"
        )
    plain = {"split": SampleConfig().split, "layout": DataConfig().layout, "limit": SampleConfig().limit}
    for name, value in (("split", split), ("layout", layout), ("limit", limit)):
        if value != plain[name]:
            raise ConfigError(
                f"{name} cannot be used with the engine ray, which judges all of an archive",
                "leave it out, or use the engine local",
            )
    return str(os.fspath(given))


def judged_on_ray(
    profile: LineProfile,
    archive: str,
    out: Path,
    *,
    cloud: Cloud | None,
    options: Options,
    bulk: BulkConfig,
    calls: BulkCalls | None = None,
) -> Generator[VerdictRecord, None, RunInfo]:
    """``judge_archive`` on Ray.

    Raises:
        ExtraError: Ray or pyarrow is not installed.
        See ``judge_archive`` for the others.
    """
    check_installed()
    return judge_archive(
        profile,
        archive,
        out,
        start=partial(ray_started, config=bulk),
        cloud=cloud,
        options=options,
        bulk=bulk,
        calls=calls,
    )
