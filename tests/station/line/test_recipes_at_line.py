"""Each frame is judged by its own recipe: at once, after a wait, by the cloud, and after a restart."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from saec import edge
from saec.errors import ImageError
from saec.frame import judges as loading
from saec.frame.judges import Standing
from saec.profile import LineProfile
from saec.station.audit.audit_log import AuditLog
from saec.station.line import opened_version, version_opener
from saec.station.line.opened_version import version_bytes
from saec.station.line.runner import LineRunner
from saec.station.line.warm_versions import WarmVersions
from saec.station.recipes.recipe_settings import RecipeSettings
from saec.station.recipes.recipe_start import start_recipes
from saec.station.setup.station_settings import LineSettings
from saec.station.storage.recent_pictures import RecentPictures
from saec.station.storage.records import NewFrame
from saec.types import EdgeOpinion, Image
from tests.run_fakes import CALIBRATION, FUSED, FakeCloud, FakeDetector
from tests.station.station_fakes import DEFECT, GOOD, NO_GUARD, UNSURE, Bench, FakeLinkCloud, png

LEFT, RIGHT = (0, 0, 8, 8), (8, 0, 16, 8)


class Thresholded(FakeDetector):
    """The fake that heeds the threshold of its line."""

    def __init__(self, profile: LineProfile) -> None:
        super().__init__()
        self.threshold = profile.calibration.threshold

    def _look(self, image: Image) -> EdgeOpinion:
        seen = super()._look(image)
        return EdgeOpinion(
            seen.score, int(seen.score >= self.threshold), seen.p_defect, seen.map, seen.map_box
        )


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "open_detector", Thresholded)
    monkeypatch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))


def recipe(number: int, **more: object) -> RecipeSettings:
    return RecipeSettings(number=number, name=f"product {number}", line="cell", **more)  # type: ignore[arg-type]


class RecipeBench(Bench):
    """A line with recipes, and with room for so many opened versions."""

    def __init__(
        self,
        folder: Path,
        recipes: list[RecipeSettings],
        cloud: FakeCloud | None = None,
        *,
        deadline: float = 30.0,
        room: int = 50,
        profiles: int = 1,
    ) -> None:
        self.recipes, self.room, self.extra = recipes, room, profiles - 1
        super().__init__(folder, cloud, deadline)

    def make(self) -> LineRunner:
        data = self.folder / "data"
        for _ in range(self.extra):
            LineProfile.open(self.profile).recalibrated(CALIBRATION)
            self.versions.add(self.profile)
        self.choice = start_recipes(data, self.recipes, ["cell"], self.spool, AuditLog(data))
        size = version_bytes(LineProfile.open(self.profile))
        self.warm = WarmVersions(self.room * size / 2**20)
        return LineRunner(
            LineSettings(name="cell", profile=self.profile, deadline_s=self.deadline, guard=NO_GUARD),
            self.spool,
            self.versions,
            cloud_for=lambda _: self.clouds,
            batch=4,
            pictures=RecentPictures(data / "maps", kept=10),
            decode=self.decode,
            decode_again=self.decode,
            choice=self.choice,
            warm=self.warm,
        )

    def take(self, data: bytes, number: int | None = None, *, tell: bool = True) -> int:
        """A frame that is stamped as the station does it."""
        self.n += 1
        key = f"{self.n}-{time.time_ns()}"
        new = NewFrame(
            line="cell", source="test", key=key, suffix=".png", captured=time.time(), recipe=number
        )
        seq = self.spool.accept(self.choice.stamped(new), data).seq
        if tell:
            self.runner.accepted(seq, time.perf_counter())
        return seq

    def final(self, *seqs: int) -> list[int | None]:
        self.wait(lambda: all("final" in self.spool.verdicts(seq) for seq in seqs))
        return [self.spool.verdicts(seq)["final"].label for seq in seqs]


@contextmanager
def running(bench: RecipeBench) -> Iterator[RecipeBench]:
    bench.start()
    try:
        yield bench
        assert bench.failures == []
    finally:
        bench.stop()


def halves(left: int, right: int, green: tuple[int, int] = (0, 0)) -> bytes:
    """A picture of 16 x 8 whose halves differ."""
    image = np.zeros((8, 16, 3), np.uint8)
    image[:, :8], image[:, 8:] = (0, green[0], left), (0, green[1], right)
    return cv2.imencode(".png", image)[1].tobytes()


def test_nothing_is_judged_while_no_recipe_is_in_force(tmp_path: Path) -> None:
    with running(RecipeBench(tmp_path, [recipe(1)])) as bench:
        assert bench.runner.problem() == "cell: no recipe is in force"
        before = bench.take(png(DEFECT))
        assert bench.final(before) == [None]
        verdict = bench.spool.verdicts(before)["final"]
        assert (verdict.state, verdict.reason) == ("error", "recipe-error")
        assert verdict.error is not None
        assert "no recipe was in force" in verdict.error.message
        bench.choice.choose("cell", 1, "anna")
        assert bench.runner.problem() == ""
        after = bench.take(png(DEFECT))
        assert bench.final(after) == [1]
        assert bench.spool.verdicts(after)["final"].recipe == 1
        assert [alarm.kind for alarm in bench.spool.alarms()] == ["recipe"]


def test_a_frame_is_judged_by_the_recipe_of_its_acceptance_and_by_no_later_one(tmp_path: Path) -> None:
    recipes = [recipe(1, threshold=3.0), recipe(2, threshold=7.0, region=RIGHT), recipe(3, region=LEFT)]
    bench = RecipeBench(tmp_path, recipes)
    picture = halves(GOOD, UNSURE)  # scores 0.8 and 5.0; the detector looks at the first pixel
    seqs = []
    for number in (1, 2, 3, 2):
        bench.choice.choose("cell", number, "anna")
        seqs.append(bench.take(picture))
    right = halves(GOOD, DEFECT)
    bench.choice.choose("cell", 2, "anna")
    seqs += [bench.take(right), bench.take(right, 3)]
    with running(bench):
        assert bench.final(*seqs) == [0, 0, 0, 0, 1, 0]
        verdicts = [bench.spool.verdicts(seq)["final"] for seq in seqs]
        assert [verdict.recipe for verdict in verdicts] == [1, 2, 3, 2, 2, 3]
        assert [round(verdict.score or 0.0, 1) for verdict in verdicts] == [0.8, 5.0, 0.8, 5.0, 9.4, 0.8]
        low = bench.take(halves(UNSURE, GOOD), 1)
        assert bench.final(low) == [1]  # 5.0 at the threshold 3.0


def test_a_region_that_the_picture_does_not_have_is_an_error_of_the_frame(tmp_path: Path) -> None:
    with running(RecipeBench(tmp_path, [recipe(1, region=RIGHT)])) as bench:
        seq = bench.take(png(GOOD), 1)
        assert bench.final(seq) == [None]
        error = bench.spool.verdicts(seq)["final"].error
        assert error is not None
        assert error.kind == ImageError.__name__


def test_versions_that_are_not_open_are_opened_while_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, opened = threading.Event(), []
    open_one = opened_version.open_version

    def held(profile: LineProfile, key: object, *rest: object) -> object:
        opened.append(key)
        if getattr(key, "number", 0) == 2:
            assert gate.wait(30)
        return open_one(profile, key, *rest)  # type: ignore[arg-type]

    bench = RecipeBench(tmp_path, [recipe(1, version=1), recipe(2, version=2)], room=1, profiles=2)
    bench.choice.choose("cell", 1, "anna")
    with running(bench):
        monkeypatch.setattr(version_opener, "open_version", held)
        cold = bench.take(png(DEFECT), 2)
        bench.wait(lambda: bench.runner.status()["waiting_for_version"] == 1)
        assert bench.final(bench.take(png(DEFECT))) == [1]
        assert not bench.spool.verdicts(cold)
        gate.set()
        assert bench.final(cold) == [1]
        assert bench.spool.frame(cold).version == "2"


def test_the_line_is_ready_at_once_for_a_version_that_is_open_and_later_for_another(tmp_path: Path) -> None:
    bench = RecipeBench(tmp_path, [recipe(n, version=n) for n in (1, 2)], room=1, profiles=2)
    bench.choice.choose("cell", 1, "plc:press")
    assert bench.choice.ready("cell")
    bench.choice.choose("cell", 2, "plc:press")
    assert not bench.choice.ready("cell")
    bench.runner._versions.turn()
    assert bench.choice.ready("cell")
    assert bench.runner.status()["version"] == 2
    bench.spool.close()


def test_a_backlog_of_many_recipes_is_judged_right_within_the_memory(tmp_path: Path) -> None:
    recipes = [recipe(n, version=n, threshold=float(n)) for n in range(1, 10)]
    first = RecipeBench(tmp_path, recipes, profiles=9)
    numbers = [1 + i * 7 % 9 for i in range(90)]
    seqs = [first.take(png(i * 2), number, tell=False) for i, number in enumerate(numbers)]
    first.choice.choose("cell", 5, "anna")
    first.spool.close()
    changed = [recipe(n, version=n, threshold=100.0) for n in range(1, 10)]  # the settings, meanwhile
    with running(RecipeBench(tmp_path, changed, room=2)) as bench:
        labels = bench.final(*seqs)
        assert labels == [int(i * 2 / 25.5 >= n) for i, n in enumerate(numbers)]
        assert [bench.spool.frame(seq).version for seq in seqs] == [str(n) for n in numbers]
        assert bench.warm.most_seen <= bench.warm.most
        assert bench.choice.in_force("cell") == 5
        assert bench.final(bench.take(png(DEFECT))) == [0]


def test_the_cloud_is_shown_the_region_and_fused_by_the_frame_s_own_threshold(tmp_path: Path) -> None:
    cloud = FakeLinkCloud()
    recipes = [recipe(1, region=RIGHT, threshold=5.5), recipe(2, region=LEFT, threshold=3.5)]
    bench = RecipeBench(tmp_path, recipes, cloud)
    picture = halves(UNSURE, UNSURE, green=(5, 250))
    with running(bench):
        two, one = bench.take(picture, 2), bench.take(picture, 1)
        assert bench.final(one, two) == [1, 0]  # the cloud sees green on the right alone
        assert {bench.spool.verdicts(seq)["final"].decided_by for seq in (one, two)} == {"cloud"}
        low = bench.take(halves(UNSURE, UNSURE, green=(250, 5)), 2)  # the edge says defect, and so the cloud
        bench.wait(lambda: bench.spool.words(low) is not None)
        high = bench.take(halves(GOOD, UNSURE + 20, green=(5, 250)), 1)
        bench.wait(lambda: bench.spool.words(high) is not None)
        assert [bench.spool.words(seq).box for seq in (low, high)] == [LEFT, RIGHT]


def test_a_question_that_waits_over_a_restart_is_fused_by_its_own_recipe(tmp_path: Path) -> None:
    cloud = FakeLinkCloud()
    cloud.up = False
    recipes = [recipe(1, region=RIGHT), recipe(2, region=LEFT)]
    first = RecipeBench(tmp_path, recipes, cloud, deadline=0.3)
    picture = halves(UNSURE, UNSURE, green=(5, 250))
    with running(first):
        seqs = [first.take(picture, 1 + i % 2) for i in range(6)]
        first.wait(lambda: all("provisional" in first.spool.verdicts(seq) for seq in seqs))
    cloud.up = True
    with running(RecipeBench(tmp_path, [recipe(9)], cloud)) as bench:
        assert bench.final(*seqs) == [1, 0] * 3


def test_a_recipe_follows_a_promotion_unless_it_names_its_version(tmp_path: Path) -> None:
    bench = RecipeBench(tmp_path, [recipe(1), recipe(2, version=1, threshold=4.0)], profiles=2)
    bench.choice.choose("cell", 1, "anna")
    with running(bench):
        bench.versions.shadow(2)
        bench.wait(lambda: bench.runner.status()["shadow"] == 2)
        assert bench.final(bench.take(png(DEFECT), 2), bench.take(png(DEFECT))) == [1, 1]
        bench.wait(lambda: bench.spool.counters().get("shadow:cell:v2:same") == 1)  # of recipe 1 alone
        bench.choice.choose("cell", 2, "anna")
        bench.wait(lambda: bench.runner.status()["shadow"] is None)
        bench.versions.promote(2)
        bench.choice.choose("cell", 1, "anna")
        bench.wait(lambda: bench.runner.status()["version"] == 2)
        one, two = bench.take(png(GOOD), 1), bench.take(png(GOOD), 2)
        bench.final(one, two)
        assert [bench.spool.frame(seq).version for seq in (one, two)] == ["2", "1"]
        bench.versions.roll_back()
        bench.wait(lambda: bench.runner.status()["version"] == 1)
        again = bench.take(png(GOOD), 1)
        bench.final(again)
        assert bench.spool.frame(again).version == "1"


def test_a_recipe_whose_version_does_not_open_judges_nothing(tmp_path: Path) -> None:
    bench = RecipeBench(tmp_path, [recipe(1, version=1), recipe(2, version=2)], profiles=2, room=1)
    (bench.versions.path(2) / "line.json").write_text("{")
    bench.choice.choose("cell", 1, "anna")
    with running(bench):
        bench.choice.choose("cell", 2, "anna")
        seq = bench.take(png(DEFECT))
        assert bench.final(seq) == [None]
        assert bench.spool.verdicts(seq)["final"].reason == "recipe-error"
        assert not bench.choice.ready("cell")
        assert "version-failed" in [alarm.kind for alarm in bench.spool.alarms()]
        bench.choice.choose("cell", 1, "anna")
        assert bench.final(bench.take(png(DEFECT))) == [1]
