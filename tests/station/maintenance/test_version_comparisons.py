"""What was not proven, or does worse, is promoted only for a reason, whoever promotes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from saec.errors import LineError
from saec.schedule.statistics.paired_rates import PairedImage, PairedRates, paired_rates
from saec.station.audit.audit_log import AuditLog
from saec.station.line.version_store import VersionStore
from saec.station.maintenance.audited_versions import add_version, change_version
from saec.station.maintenance.version_comparisons import (
    ComparedChallenge,
    ComparedErrors,
    Comparisons,
    VersionComparison,
)
from tests.run_fakes import make_line

WHO = ("anna", "engineer")


@pytest.fixture
def store(tmp_path: Path) -> VersionStore:
    made = VersionStore(tmp_path / "data" / "lines" / "cell")
    for i in range(2):
        add_version(made, AuditLog(tmp_path / "data"), *WHO, make_line(tmp_path / f"made-{i}").folder)
    return made


def rates(mended: int, spoiled: int, images: int = 40) -> PairedRates | None:
    pairs = [(True, False)] * mended + [(False, True)] * spoiled
    pairs += [(False, False)] * (images - len(pairs))
    return paired_rates([PairedImage(before, after) for before, after in pairs])


def compared(store: VersionStore, **changed: Any) -> VersionComparison:
    contents = [version.content for version in store.state().known]
    errors = ComparedErrors(escape=rates(3, 0), overkill=rates(1, 1))
    made = VersionComparison(
        line="cell",
        before=1,
        after=2,
        before_content=contents[0],
        after_content=contents[1],
        time=1.0,
        errors=errors,
        edge=errors,
    )
    return msgspec.structs.replace(made, **changed)


def test_a_version_that_does_no_worse_needs_no_reason(store: VersionStore, tmp_path: Path) -> None:
    made = compared(store)
    Comparisons(store).keep(made)
    assert Comparisons(store).find(2, 1) == made
    assert Comparisons(store).concerns(2) == ()
    assert Comparisons(store).concerns(1) == ()
    log = AuditLog(tmp_path / "data")
    assert change_version(store, log, *WHO, "line.promote", 2).current == 2
    assert "concerns" not in log.rows()[0].after
    assert change_version(store, log, *WHO, "line.rollback").current == 1


@pytest.mark.parametrize(
    ("changed", "concerns"),
    [
        ({"errors": ComparedErrors(escape=rates(0, 1), overkill=rates(9, 0))}, ["more-escapes"]),
        ({"errors": ComparedErrors(escape=rates(9, 0), overkill=rates(2, 3))}, ["more-overkill"]),
        ({"errors": ComparedErrors(escape=rates(1, 0, 9), overkill=rates(0, 0))}, ["few-frames"]),
        ({"errors": ComparedErrors()}, ["few-frames"]),
        ({"challenge": ComparedChallenge(parts=4, passed=False)}, ["challenge-failed"]),
        ({"challenge": ComparedChallenge(parts=4, passed=True), "labels_changed": 1}, ["labels-changed"]),
        ({"after_content": "other"}, ["not-compared"]),
        ({"before_content": "other"}, ["not-compared"]),
    ],
)
def test_what_is_worse_or_not_proven_needs_one(
    store: VersionStore, tmp_path: Path, changed: dict[str, Any], concerns: Sequence[str]
) -> None:
    Comparisons(store).keep(compared(store, **changed))
    log = AuditLog(tmp_path / "data")
    assert list(Comparisons(store).concerns(2)) == concerns
    for reason in ("", "  "):
        with pytest.raises(LineError, match="only for a reason"):
            change_version(store, log, *WHO, "line.promote", 2, reason)
    assert store.state().current == 1
    assert log.rows()[0].what == "line.add"
    change_version(store, log, *WHO, "line.promote", 2, "we know")
    assert (log.rows()[0].reason, log.rows()[0].after["concerns"]) == ("we know", concerns)


def test_a_damaged_comparison_is_none(store: VersionStore) -> None:
    comparisons = Comparisons(store)
    assert comparisons.concerns(2) == ("not-compared",)
    comparisons.keep(compared(store))
    (comparisons.folder / "2-1.json").write_text("{")
    assert comparisons.concerns(2) == ("not-compared",)
