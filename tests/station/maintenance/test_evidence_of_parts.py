"""Evidence says by which recipe a frame was judged, and what was decided about its part."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from saec import edge
from saec.station.audit.audit_log import AuditLog
from saec.station.audit.signing_keys import SigningKeys
from saec.station.maintenance.evidence_export import EvidenceQuery, export_evidence
from saec.station.recipes.recipe_settings import RecipeSettings
from saec.station.recipes.recipe_start import start_recipes
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.storage.parts.part_rules import PartRules
from saec.station.storage.records import NewFrame, SpoolLimits
from saec.station.storage.spool import Spool
from saec.types import VerdictRecord
from tests.run_fakes import FakeDetector, make_line
from tests.station.station_fakes import DEFECT, GOOD, png


def test_recipe_and_part_stand_in_the_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    make_line(tmp_path / "profile")
    data, log = tmp_path / "data", AuditLog(tmp_path / "data")
    recipe = RecipeSettings(number=7, name="left door", line="cell", threshold=4.5)
    rules = PartRules(views=2, within_s=60.0)
    line = LineSettings(name="cell", profile=tmp_path / "profile", cloud=False, parts=rules)
    settings = StationSettings(station=StationSection(data=data), line=[line], recipe=[recipe])
    spool = Spool(data, limits=SpoolLimits(free_gb=0), parts={"cell": rules})
    SigningKeys(data, log).ensure("station", "station")
    choice = start_recipes(data, [recipe], ["cell"], spool, log)
    choice.choose("cell", 7, "anna")
    for key, red in (("a", GOOD), ("b", DEFECT)):
        new = NewFrame(line="cell", source="x", key=key, suffix=".png", captured=1.0, part="P1", recipe=7)
        taken = spool.accept(new, png(red))
        verdict = VerdictRecord(
            id=taken.id, path="", sha256="", line="cell", time=1.0, label=int(red == DEFECT), part="P1"
        )
        spool.decide(taken.seq, "final", verdict, edge=b"{}", version="1")
    spool.close()
    export_evidence(
        settings, EvidenceQuery(), tmp_path / "e.zip", "anna", "admin", replay=False, cloud_for=lambda _: []
    )
    with zipfile.ZipFile(tmp_path / "e.zip") as packed:
        frames = [json.loads(one) for one in packed.read("frames.jsonl").splitlines()]
    assert [frame["recipe"]["threshold"] for frame in frames] == [4.5, 4.5]
    assert {frame["part"]["part"] for frame in frames} == {"P1"}
    assert [frame["part"]["verdict"]["verdict"]["label"] for frame in frames] == [1, 1]
    assert frames[0]["part"]["frames"] == [frame["id"] for frame in frames]
