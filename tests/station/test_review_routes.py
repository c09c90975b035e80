"""The review over HTTP, of a station that judges; and a day of frames with several people and restarts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from scipy import stats

from saec import edge
from saec.frame import judges as loading
from saec.frame.judges import Standing
from saec.station.review.review_settings import ReviewSettings
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.storage.records import SpoolLimits
from saec.web.admission.tokens import Tokens
from tests.run_fakes import FUSED, FakeDetector, make_line
from tests.station.station_fakes import DEFECT, GOOD, NO_GUARD, FakeLinkCloud, Running, png


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    monkeypatch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))


@contextmanager
def station(folder: Path, **review: float) -> Iterator[Running]:
    if not (folder / "profile").exists():
        make_line(folder / "profile")
    settings = StationSettings(
        station=StationSection(data=folder / "data", listen="127.0.0.1:0"),
        line=[LineSettings(name="cell", profile=folder / "profile", deadline_s=20.0, guard=NO_GUARD)],
        spool=SpoolLimits(free_gb=0),
        review=msgspec.convert(review, ReviewSettings),
    )
    with Running(settings, FakeLinkCloud(), Tokens(None)) as running:
        yield running


def judge(running: Running, red: int, n: int) -> str:
    answer = running.post(png(red, 0, n % 256), Idempotency_Key=f"key-{n}").json()
    assert answer["verdict"]["label"] == int(red == DEFECT)
    return str(answer["id"])


def collect(running: Running) -> None:
    """What the thread does, without waiting for its turn: the thread itself has ended its turn or waits."""
    while running.station.review.turn():
        pass


def test_a_terminal_takes_answers_undoes_and_releases(tmp_path: Path) -> None:
    with station(tmp_path, passed=1.0, rejected=1.0, second=0.0) as running:
        collect(running)
        good, bad = judge(running, GOOD, 1), judge(running, DEFECT, 2)
        collect(running)
        post = running.client.post
        tasks = post("/v1/review/take", json={"person": "anna", "most": 5}).json()
        assert {task["id"] for task in tasks} == {good, bad}
        assert post("/v1/review/take", json={"person": "ben"}).json() == []
        verdicts = {task["id"]: task["verdict"] for task in tasks}
        assert verdicts[bad] == {"label": "defect", "decided_by": "edge", "version": "1"}
        picture = running.client.get(tasks[0]["image"])
        assert picture.content.startswith(b"\x89PNG")
        refused = post(f"/v1/frames/{good}/label", json={"label": "good", "person": "ben"})
        assert (refused.status_code, refused.json()["error"]["kind"]) == (409, "ReviewError")
        told = {"label": "defect", "kind": "dent", "boxes": [[1, 1, 99, 4]], "person": "anna"}
        label = post(f"/v1/frames/{good}/label", json=told)
        assert label.status_code == 201
        assert label.json()["place"]["boxes"] == [[1, 1, 8, 4]]
        assert post(f"/v1/frames/{good}/label", json=told).json() == label.json()
        second = post("/v1/review/take", json={"person": "ben"}).json()
        assert [(t["id"], t["second"], t["verdict"], t["why"]) for t in second] == [(good, True, None, None)]
        post("/v1/review/release", json={"person": "ben"})
        assert post("/v1/review/undo", json={"person": "anna"}).json()["task"]["id"] == good
        assert post("/v1/review/undo", json={"person": "anna"}).json() == {"task": None}
        labels = running.client.get("/v1/review/labels").json()
        assert [one["withdrawn"] is None for one in labels] == [False]
        state = running.client.get("/v1/review").json()["cell"]
        assert (state["frames"], state["drawn"], state["lost"], state["labels"]) == (2, 2, 0, 0)
        running.station.review.states = running.station.review.store.states()
        assert 'saec_review_drawn_total{line="cell"} 2.0' in running.client.get("/metrics").text
        assert running.client.get("/v1/status").json()["review"]["cell"]["drawn"] == 2


def test_another_program_labels_any_frame_and_wrong_requests_are_told(tmp_path: Path) -> None:
    with station(tmp_path, passed=0.0, rejected=0.0, ordered=0) as running:
        collect(running)
        frame = judge(running, GOOD, 1)
        post = running.client.post
        label = post(f"/v1/frames/{frame}/label", json={"label": "good"}).json()
        assert (label["person"], label["origin"], label["shown_label"]) == ("anyone", "http", None)
        for path, body, status in (
            (f"/v1/frames/{frame}/label", {"label": "maybe"}, 400),
            (f"/v1/frames/{frame}/label", {"label": "unsure", "persons": 1}, 400),
            (f"/v1/frames/{frame}/label", {"label": "defect", "boxes": [[9, 9, 20, 20]], "person": "b"}, 400),
            ("/v1/frames/cell-0000000099/label", {"label": "good"}, 404),
            ("/v1/review/take", {"most": 1000}, 400),
        ):
            assert post(path, json=body).status_code == status, (path, body)
        for path in ("x", "cell-0000000077", "cell-", "cell-99999999999999999999999"):
            assert running.client.get(f"/v1/review/{path}/image").status_code == 404


def test_a_day_at_the_line(tmp_path: Path) -> None:
    """Two shifts with a restart between them; three people answer; every count holds."""
    truth: dict[str, int] = {}
    answered: dict[tuple[str, str], str] = {}
    rates = {"passed": 0.3, "rejected": 0.5, "second": 0.5, "ordered": 8}
    n = 0
    for _shift in range(2):
        with station(tmp_path, **rates) as running:
            collect(running)
            for _ in range(30):
                n += 1
                red = DEFECT if n % 5 == 0 else GOOD
                truth[judge(running, red, n)] = int(red == DEFECT)
            collect(running)
            turn, empty = 0, 0
            while empty < 3:
                turn += 1
                person = ("anna", "ben", "cleo")[turn % 3]
                tasks = running.client.post("/v1/review/take", json={"person": person}).json()
                empty = 0 if tasks else empty + 1
                for task in tasks:
                    assert (task["id"], person) not in answered
                    word = "unsure" if turn % 11 == 0 else ("good", "defect")[truth[task["id"]]]
                    told = running.client.post(
                        f"/v1/frames/{task['id']}/label", json={"label": word, "person": person}
                    )
                    assert told.status_code == 201
                    answered[task["id"], person] = word
            store = running.station.review.store
            assert store.counts() == {}
            offered = store.offered("cell")
            labels = {(one.frame, one.person) for one in store.labels(most=10_000)}
            assert labels == set(answered)
            reviewed = list(store.reviewed("cell"))
    sums = {"passed": (0, 0), "rejected": (0, 0)}
    for count in offered:
        frames, drew = sums[count.stratum]
        sums[count.stratum] = (frames + count.frames, drew + count.drawn)
    goods = sum(label == 0 for label in truth.values())
    assert (sums["passed"][0], sums["rejected"][0]) == (goods, len(truth) - goods)
    for stratum in ("passed", "rejected"):
        assert stats.binomtest(sums[stratum][1], sums[stratum][0], rates[stratum]).pvalue > 1e-6
    drawn = [one for one in reviewed if one.frame.probability is not None]
    assert len(drawn) == sums["passed"][1] + sums["rejected"][1]
    assert all(one.frame.use == "prove" for one in drawn)
    assert all(one.frame.use == "teach" for one in reviewed if one.frame.probability is None)
    assert all(len(one.labels) >= 2 for one in drawn if one.labels[0].answer.label != one.frame.label)
    assert all(one.settled in (truth[one.frame.frame], None) for one in reviewed)
