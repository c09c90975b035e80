"""Lines with versions, for tests of the page: profiles of invented scores, with manifests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from saec.data.manifest import Manifest, ManifestEntry
from saec.profile import CloudTrust, LineProfile, sha256_file
from saec.station.audit.audit_log import AuditLog
from saec.station.line.version_store import VersionStore
from saec.station.maintenance.audited_versions import add_version
from tests.run_fakes import CALIBRATION, make_line
from tests.station.page.page_fakes import PageBench

GOODS = [0.1 * i for i in range(1, 31)]
DEFECTS = [2.5 + 0.3 * i for i in range(12)]


def sha(n: int) -> str:
    """The hash of an invented image."""
    return f"{n:064x}"


def make_version(
    folder: Path,
    *,
    goods: int = 30,
    defects: int = 12,
    parent: Path | None = None,
    clouds: Sequence[CloudTrust] = (),
) -> Path:
    """A profile with so many of the invented scores, and a manifest of its images.

    Args:
        parent: the profile that it was taught from.
        clouds: how far clouds are trusted with it.
    """
    good_scores = {sha(i): score for i, score in enumerate(GOODS[:goods])}
    defect_scores = {sha(1000 + i): score for i, score in enumerate(DEFECTS[:defects])}
    calibration = msgspec.structs.replace(
        CALIBRATION,
        threshold=2.9,
        goods=sorted(good_scores.values()),
        defects=sorted(defect_scores.values()),
        good_scores=good_scores,
        defect_scores=defect_scores,
        clouds={trust.model: trust for trust in clouds},
    )
    line = make_line(folder).line
    if parent is not None:
        old = LineProfile.open(parent, verify=False).line
        line = msgspec.structs.replace(
            line, version=old.version + 1, parent=sha256_file(parent / "line.json"), created=f"{goods}"
        )
    LineProfile.create(folder, line, calibration)
    roles = {key: ManifestEntry("train", f"{key}.png", 0) for key in good_scores}
    roles |= {key: ManifestEntry("train", f"{key}.png", 1) for key in defect_scores}
    roles[sha(5000)] = ManifestEntry("holdout", "h.png", 0)
    Manifest(roles=roles).write(folder)
    return folder


def add_versions(
    bench: PageBench,
    line: str = "bottle",
    *,
    first_clouds: Sequence[CloudTrust] = (),
    clouds: Sequence[CloudTrust] = (),
) -> VersionStore:
    """Two versions of a line, the second taught from the first; the first one is current.

    Args:
        first_clouds, clouds: how far clouds are trusted with the first, and with the second.
    """
    store = VersionStore(bench.data / "lines" / line)
    first = make_version(bench.data.parent / f"{line}-1", goods=20, defects=10, clouds=first_clouds)
    second = make_version(bench.data.parent / f"{line}-2", parent=first, clouds=clouds)
    for folder in (first, second):
        add_version(store, AuditLog(bench.data), "shell:eng", "shell", folder)
    return store
