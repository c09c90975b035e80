"""A whole station over HTTP: frames in, verdicts out, records, page, metrics, tokens, hostile requests."""

from __future__ import annotations

import base64
import json
import sqlite3
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from saec import edge
from saec.errors import SaecError
from saec.frame import judges as loading
from saec.frame.judges import Standing
from saec.station.http import api
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.sinks import FileSink
from saec.station.sources import CameraSource, FolderSource
from saec.station.sources.frame_source import HANGS
from saec.station.station import Station
from saec.station.storage import spool_probe as probe
from saec.station.storage.records import Retention, SpoolLimits
from saec.station.storage.spool import Spool
from saec.station.storage.spool_probe import SpoolProbe
from saec.station.threads import Stopping
from saec.web.admission.tokens import Tokens, token_hash
from saec.web.http_settings import HttpSettings
from saec.web.program.liveness import StuckThread
from tests.pairs import make_pair
from tests.processes import eventually
from tests.run_fakes import FUSED, FakeDetector, make_line
from tests.station.station_fakes import DEFECT, GOOD, NO_GUARD, UNSURE, FakeLinkCloud, Running, png


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    monkeypatch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))


@pytest.fixture
def cloud() -> FakeLinkCloud:
    return FakeLinkCloud()


@pytest.fixture
def settings(tmp_path: Path) -> StationSettings:
    make_line(tmp_path / "profile")
    return StationSettings(
        station=StationSection(data=tmp_path / "data", listen="127.0.0.1:0"),
        line=[LineSettings(name="cell", profile=tmp_path / "profile", deadline_s=20.0, guard=NO_GUARD)],
        source=[
            FolderSource(
                name="in", line="cell", path=tmp_path / "in", settle_s=0.01, poll_s=0.01, after="delete"
            )
        ],
        sink=[FileSink(name="log", path=tmp_path / "out")],
        spool=SpoolLimits(free_gb=0),
        retention=Retention(images="all"),
    )


@pytest.fixture
def running(settings: StationSettings, cloud: FakeLinkCloud) -> Iterator[Running]:
    with Running(settings, cloud, Tokens(None)) as running:
        yield running


def test_a_posted_frame_is_judged_and_its_record_kept(running: Running, tmp_path: Path) -> None:
    answers = [running.post(png(red, green=250)) for red in (GOOD, DEFECT, UNSURE)]
    assert [a.status_code for a in answers] == [201] * 3
    assert [a.json()["verdict"]["label"] for a in answers] == [0, 1, 1]
    assert [a.json()["verdict"]["decided_by"] for a in answers] == ["edge", "edge", "cloud"]
    id = answers[1].json()["id"]
    record = running.client.get(f"/v1/frames/{id}").json()
    assert (record["state"], record["source"], record["version"]) == ("done", "http:anyone", "1")
    assert record["verdicts"]["final"]["id"] == id
    assert running.client.get(f"/v1/frames/{id}/image").content == png(DEFECT, green=250)
    assert running.client.get(f"/v1/frames/{id}/map").headers["content-type"] == "image/jpeg"
    assert [f["id"] for f in running.client.get("/v1/frames?limit=2").json()] == [
        answers[2].json()["id"],
        id,
    ]
    metrics = running.client.get("/metrics").text
    assert 'saec_verdicts_total{by="edge",label="defect",line="cell",state="final"} 1.0' in metrics
    assert 'saec_link{line="cell",state="up"} 1.0' in metrics
    line = running.client.get("/v1/status").json()["lines"]["cell"]
    for name in (
        "answer",
        "judging",
        "waiting",
    ):  # what was work, and what was waiting, of what the line waited
        p50 = line[f"{name}_ms"]["p50"]
        assert f'saec_{name}_milliseconds{{line="cell",quantile="p50"}} {p50}' in metrics
    assert 0 < line["judging_ms"]["p99"] <= line["answer_ms"]["p99"]


HOSTILE_KIND = '<script>"\\:dent,=1+1'


def test_the_edges_kind_reaches_the_record_the_sink_and_the_metrics(
    settings: StationSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector(kinds=(HOSTILE_KIND,)))
    with Running(settings, FakeLinkCloud(), Tokens(None)) as running:
        dent, other, good = (
            running.post(png(red, blue=blue)).json() for red, blue in ((DEFECT, 0), (DEFECT, 7), (GOOD, 0))
        )
        assert [a["verdict"]["kind"] for a in (dent, other, good)] == [HOSTILE_KIND, "unknown", None]
        assert [a["verdict"]["kind_confidence"] for a in (dent, other, good)] == [0.75, 0.75, None]
        record = running.client.get(f"/v1/frames/{dent['id']}").json()
        assert record["verdicts"]["final"]["edge"]["kind"] == {"name": HOSTILE_KIND, "confidence": 0.75}
        exposed = {
            sample.labels["kind"]: sample.value
            for family in text_string_to_metric_families(running.client.get("/metrics").text)
            if family.name == "saec_defect_kinds"
            for sample in family.samples
        }
        assert exposed == {HOSTILE_KIND: 1.0, "unknown": 1.0}
        counters = running.client.get("/v1/status").json()["counters"]
        assert counters["kind:cell:unknown"] == 1
        out = tmp_path / "out"
        eventually(lambda: out.is_dir() and len(_lines(out)) == 3)
    assert [json.loads(line)["verdict"]["kind"] for line in _lines(out)] == [HOSTILE_KIND, "unknown", None]


def _lines(folder: Path) -> list[str]:
    return [line for path in sorted(folder.iterdir()) for line in path.read_text("utf-8").splitlines()]


def test_the_same_key_is_judged_once(running: Running) -> None:
    first = running.post(png(GOOD), Idempotency_Key="part-7").json()
    again = running.post(png(GOOD), Idempotency_Key="part-7").json()
    assert (again["id"], again["duplicate"], first["duplicate"]) == (first["id"], True, False)
    assert again["verdict"]["label"] == 0
    other = running.post(png(DEFECT), Idempotency_Key="part-7")
    assert other.status_code == 409
    assert "another image" in other.json()["error"]["message"]


def test_a_file_in_the_folder_reaches_the_sink(running: Running, tmp_path: Path) -> None:
    (tmp_path / "in" / "a.png").write_bytes(png(DEFECT))
    log, tick = tmp_path / "out", threading.Event()
    for _ in range(2000):
        lines = [line for path in log.glob("*.jsonl") for line in path.read_text().splitlines()]
        if lines:
            break
        tick.wait(0.01)
    (line,) = lines
    message = json.loads(line)
    assert (message["state"], message["act"], message["verdict"]["label"]) == ("final", True, 1)


@pytest.mark.parametrize(
    ("change", "status", "what"),
    [
        ({"line": "nowhere"}, 404, "no line"),
        ({"line": "..%2F..%2Fetc"}, 404, ""),
        ({"Content_Type": "text/html"}, 415, "text/html"),
        ({"Content_Encoding": "gzip"}, 415, "Content-Encoding"),
        ({"data": b""}, 400, "empty"),
        ({"Idempotency_Key": "a b"}, 400, "Idempotency-Key"),
        ({"Idempotency_Key": "x" * 201}, 400, "Idempotency-Key"),
        ({"wait": -1}, 422, ""),
        ({"wait": "nan"}, 422, ""),
    ],
)
def test_bad_requests_are_named(running: Running, change: dict[str, Any], status: int, what: str) -> None:
    change = {"data": png(GOOD), **change}
    answer = running.post(change.pop("data"), **change)
    assert answer.status_code == status
    assert what in answer.text
    assert running.station.spool.depth()["accepted"] == 0


def test_a_body_that_is_too_large_is_refused(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "LARGEST", 1000)
    assert running.post(b"x" * 1001).status_code == 413

    def chunks() -> Iterator[bytes]:
        yield from (b"x" * 400 for _ in range(4))

    headers: dict[str, Any] = {"Content-Type": "image/png"}
    assert running.client.post("/v1/lines/cell/frames", content=chunks(), headers=headers).status_code == 413


def test_a_body_that_is_too_slow_is_refused(settings: StationSettings, cloud: FakeLinkCloud) -> None:
    short = msgspec.structs.replace(settings, http=HttpSettings(body_s=0.1))
    with Running(short, cloud, Tokens(None)) as running:

        def slow() -> Iterator[bytes]:
            yield b"x"
            tick = threading.Event()
            while not running.admission.slots.counts["slow body"]:
                tick.wait(0.01)
            yield b"y"

        headers: dict[str, Any] = {"Content-Type": "image/png"}
        answer = running.client.post("/v1/lines/cell/frames", content=slow(), headers=headers)
        assert answer.status_code == 408


@pytest.mark.parametrize(
    "id", ["cell-0000000099", "cell-1", "other-0000000001", "..%2f..%2fetc%2fpasswd", "x"]
)
def test_an_id_that_is_not_there_is_not_found(running: Running, id: str) -> None:
    running.post(png(GOOD))
    for rest in ("", "/image", "/map"):
        assert running.client.get(f"/v1/frames/{id}{rest}").status_code == 404


@pytest.mark.parametrize("query", ["after=99999999999999999999999", "after=-1", "after=x", "limit=0"])
def test_a_number_out_of_range_is_named(running: Running, query: str) -> None:
    assert running.client.get(f"/v1/alarms?{query}").status_code == 422


def test_a_path_is_never_answered_by_another_address(running: Running) -> None:
    assert running.client.get("/v1/frames/").status_code == 404


def test_a_full_spool_is_said_to_be_full(settings: StationSettings, cloud: FakeLinkCloud) -> None:
    full = msgspec.structs.replace(settings, spool=SpoolLimits(free_gb=1e6))
    with Running(full, cloud, Tokens(None)) as running:
        answer = running.post(png(GOOD))
        assert answer.status_code == 507
        assert answer.headers["retry-after"]
        running.post(png(DEFECT))
        assert running.station.spool.counters()["refused:http:anyone"] == 2
        assert [a["kind"] for a in running.client.get("/v1/alarms").json()] == ["refused"]


def test_a_refusal_that_a_full_disk_cannot_count_is_counted_later(
    settings: StationSettings, cloud: FakeLinkCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    tight = msgspec.structs.replace(settings, spool=SpoolLimits(free_gb=1e6))
    with Running(tight, cloud, Tokens(None)) as running:

        def full(*_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(running.station.spool, "count", full)
            assert [running.post(png(GOOD)).status_code for _ in range(2)] == [507, 507]
        assert running.client.get("/v1/alarms").json() == []
        assert running.post(png(GOOD)).status_code == 507
        assert running.station.spool.counters()["refused:http:anyone"] == 3
        assert [a["kind"] for a in running.client.get("/v1/alarms").json()] == ["refused"]


def test_tokens_are_needed_where_they_are_set_and_heeded_when_changed(
    settings: StationSettings, cloud: FakeLinkCloud, tmp_path: Path
) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"# who may\nrobot {token_hash('secret')}\n")
    with Running(settings, cloud, Tokens(path)) as running:
        assert running.client.get("/health").status_code == 200
        for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic !!"}):
            assert running.client.get("/v1/status", headers=header).status_code == 401
        assert running.post(png(GOOD)).status_code == 401
        good = running.post(png(GOOD), Authorization="Bearer secret")
        assert good.status_code == 201
        basic = {"Authorization": "Basic " + base64.b64encode(b"me:secret").decode()}
        assert running.client.get("/v1/status", headers=basic).status_code == 200
        assert running.station.spool.frame(1).source == "http:robot"
        path.write_text(f"robot {token_hash('rotated')}\n")
        assert running.post(png(GOOD), Authorization="Bearer secret").status_code == 401
        bearer = {"Authorization": "Bearer rotated"}
        assert running.client.get("/v1/status", headers=bearer).status_code == 200
        path.write_text("nonsense\n")
        status = running.client.get("/v1/status", headers=bearer)
        assert "NAME SHA256" in status.json()["tokens"]


@pytest.mark.parametrize("disk_hangs", [True, False])
def test_what_hangs_is_put_down_to_a_lone_frame_unless_it_is_the_disk(
    running: Running, monkeypatch: pytest.MonkeyPatch, disk_hangs: bool
) -> None:
    class Hanging:
        name = "edge-cell"

        def stuck(self) -> StuckThread:
            return StuckThread(self.name, 0.0, "it hangs")

        def status(self) -> dict[str, Any]:
            return {}

    monkeypatch.setattr(SpoolProbe, "under_way", 60.0 if disk_hangs else 0.0)
    station = running.station
    station.runners["cell"]._marker.begin(7, alone=True)
    station.living.append(Hanging())
    assert [stuck.thread for stuck in station.watch()] == ["edge-cell"]
    path = station.spool.folder / "touched" / "cell"
    eventually(lambda: path.read_text().split()[:2] == ["7", "0" if disk_hangs else "1"])


def test_ready_says_what_is_wrong(running: Running) -> None:
    ready = running.client.get("/ready").json()
    assert (ready["ready"], ready["problems"]) == (True, [])
    assert (ready["sources"], ready["links"]) == ({"in": "watching"}, {"cell": "up"})
    assert ready["sinks"] == {"log": {"state": "new", "waiting": 0, "oldest_s": None, "dead": 0}}
    running.station.runners["cell"].abort()
    tick = threading.Event()
    for _ in range(1000):
        answer = running.client.get("/ready")
        if answer.status_code == 503:
            break
        tick.wait(0.01)
    assert "deadlines-cell" in " ".join(answer.json()["problems"])


def test_ready_says_when_the_spool_cannot_be_written(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(name: str, value: float) -> None:
        if name == "probe":
            raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr(running.station.spool, "set_mark", damaged)
    running.station.probe.look()
    answer = running.client.get("/ready")
    assert answer.status_code == 503
    assert "cannot be written and read: database disk image is malformed" in answer.json()["problems"][0]
    assert running.client.get("/health").status_code == 200


def test_ready_answers_though_the_disk_hangs(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PATIENCE", 0.01)
    entered, release = threading.Event(), threading.Event()

    def hang(name: str, value: float) -> None:
        if name == "probe":
            entered.set()
            release.wait(60)

    monkeypatch.setattr(running.station.spool, "set_mark", hang)
    answer = running.client.get("/ready")
    while not entered.is_set():  # until then an earlier probe's answer is fresh
        answer = running.client.get("/ready")
    answer = running.client.get("/ready")
    release.set()
    assert answer.status_code == 503
    assert "the spool has not answered" in answer.json()["problems"][0]


def test_probes_answer_though_every_thread_of_the_pool_is_taken(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, release = threading.Semaphore(0), threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        taken.release()
        release.wait(60)
        return []

    monkeypatch.setattr(running.station.spool, "alarms", hang)
    with ThreadPoolExecutor(45) as pool:
        for _ in range(45):
            pool.submit(running.client.get, "/v1/alarms")
        for _ in range(40):  # the pool's threads, by the server's default
            assert taken.acquire(timeout=60)
        assert running.client.get("/health").status_code == 200
        assert running.client.get("/ready").status_code == 200
        release.set()


def test_status_and_metrics_show_the_progress_of_each_thread(running: Running) -> None:
    threads = running.client.get("/v1/status").json()["threads"]
    kinds = {"edge-cell", "cloud-cell", "versions-cell", "deadlines-cell", "sink-log", "source-in"}
    assert {*kinds, "retention", "clouds", "database"} <= set(threads)
    assert all(thread["turn_s"] <= thread["limit_s"] and not thread["stuck"] for thread in threads.values())
    metrics = running.client.get("/metrics").text
    for name in ("stuck", "turn_seconds", "limit_seconds"):
        assert f'saec_thread_{name}{{thread="edge-cell"}}' in metrics


def test_absent_cameras_and_receivers_fail_neither_health_nor_readiness(
    settings: StationSettings, cloud: FakeLinkCloud, tmp_path: Path
) -> None:
    import msgspec

    (tmp_path / "file").write_bytes(b"")
    settings = msgspec.structs.replace(
        settings,
        source=[CameraSource(name="cam", line="cell", address=str(tmp_path / "none"), open_timeout_s=0.1)],
        sink=[FileSink(name="gone", path=tmp_path / "file" / "out")],
    )
    cloud.up = False
    with Running(settings, cloud, Tokens(None)) as running:
        running.post(png(UNSURE), wait=0)
        running.post(png(GOOD))
        tick = threading.Event()
        while running.client.get("/ready").json()["sinks"]["gone"]["state"] != "away":
            tick.wait(0.01)
        assert running.client.get("/health").status_code == 200
        ready = running.client.get("/ready")
        assert ready.status_code == 200
        assert ready.json()["sources"] == {"cam": "lost"}
        assert ready.json()["sinks"]["gone"]["waiting"] >= 1


def test_nothing_is_shown_to_who_has_no_token_and_no_script_is_loaded_from_elsewhere(
    settings: StationSettings, cloud: FakeLinkCloud, tmp_path: Path
) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"robot {token_hash('secret')}\n")
    bearer = {"Authorization": "Bearer secret"}
    with Running(settings, cloud, Tokens(path)) as running:
        for url in ("/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect", "/metrics", "/"):
            assert running.client.get(url).status_code == 401
        assert running.client.get("/docs", headers=bearer).status_code == 404
        assert "/v1/status" in running.client.get("/openapi.json", headers=bearer).json()["paths"]
        assert "https://" not in running.client.get("/", headers=bearer).text
        metrics = running.client.get("/metrics", headers=bearer).text
        assert 'saec_http_refused_total{reason="no_token"} 6.0' in metrics


def test_a_record_is_not_kept_by_browsers_and_another_site_gets_none(running: Running) -> None:
    id = running.post(png(GOOD)).json()["id"]
    record = running.client.get(f"/v1/frames/{id}")
    assert (record.status_code, record.headers["cache-control"]) == (200, "no-store")
    for headers in (
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        for url in (f"/v1/frames/{id}", f"/v1/frames/{id}/image", "/v1/status"):
            answer = running.client.get(url, headers=headers)
            assert answer.status_code in (403, 421)
            assert answer.json()["error"]["remedy"]
        assert running.post(png(DEFECT), wait=20, **headers).status_code in (403, 421)
    assert running.station.spool.depth()["accepted"] == 0


def test_a_station_answers_over_tls(settings: StationSettings, cloud: FakeLinkCloud, tmp_path: Path) -> None:
    cert, key = make_pair(tmp_path)
    secure = msgspec.structs.replace(settings, http=HttpSettings(tls_cert=cert, tls_key=key))
    with Running(secure, cloud, Tokens(None)) as running:
        assert running.http.where.startswith("https://")
        trusting = ssl.create_default_context(cafile=str(cert))
        answer = httpx.get(f"{running.http.where}/v1/status", verify=trusting)
        assert answer.status_code == 200
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_an_image_that_somebody_removed_is_no_longer_kept(running: Running) -> None:
    id = running.post(png(GOOD)).json()["id"]
    assert running.client.get(f"/v1/frames/{id}/image").status_code == 200
    for path in running.station.spool.images.folder.rglob("*.png"):
        path.unlink()
    gone = running.client.get(f"/v1/frames/{id}/image")
    assert (gone.status_code, "was deleted" in gone.json()["error"]["message"]) == (410, True)


def test_what_nobody_foresaw_is_answered_in_json_with_what_to_do(
    settings: StationSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Running(settings, FakeLinkCloud(), Tokens(None)) as running:

        def fail(*args: object) -> None:
            raise ZeroDivisionError("of a test")

        monkeypatch.setattr(running.station, "accept", fail)
        answer = running.post(png(10))
    assert answer.status_code == 500
    told = answer.json()["error"]
    assert "ZeroDivisionError" in told["message"]
    assert "of a test" not in answer.text
    assert told["remedy"]


def test_a_thread_that_fails_is_told_and_the_frame_is_judged_all_the_same(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide, failed = running.station.spool.decide, threading.Event()

    def once(*args: Any, **options: Any) -> bool:
        if not failed.is_set():
            failed.set()
            raise ZeroDivisionError("of a test")
        return decide(*args, **options)

    monkeypatch.setattr(running.station.spool, "decide", once)
    assert running.post(png(DEFECT)).json()["verdict"]["label"] == 1
    (alarm,) = [alarm for alarm in running.station.spool.alarms() if alarm.kind == "thread"]
    assert alarm.about == "edge-cell"
    assert "ZeroDivisionError" in alarm.text


def test_an_alarm_that_cannot_be_kept_stops_nothing(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(running.station.spool, "alarm", full)
    running.station.tell("thread", "of a test")
    assert running.post(png(GOOD)).json()["verdict"]["label"] == 0


class Hanging:
    """A source whose driver has not come back."""

    state = HANGS

    def run(self, stopping: Stopping) -> None:
        raise NotImplementedError


def test_a_source_that_hangs_in_its_driver_makes_the_station_unready(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(running.station.sources, "in", Hanging())
    answer = running.client.get("/ready")
    assert answer.status_code == 503
    assert "source in hangs in its driver" in " ".join(answer.json()["problems"])


def test_a_cloud_that_is_another_now_opens_the_lines_anew(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = threading.Event()
    monkeypatch.setattr(running.station.runners["cell"], "reopen", opened.set)

    class Once(Stopping):
        def wait(self, seconds: float) -> bool:
            self.set()
            return True

    for changed in ([], ["fake"]):
        monkeypatch.setattr(running.station._clouds, "identify", lambda turn, models=changed: models)
        assert not opened.is_set()
        running.station._identify(Once())
    assert opened.is_set()


def test_a_start_that_fails_leaves_the_data_folder_free(settings: StationSettings) -> None:
    profile = settings.line[0].profile
    assert profile is not None
    (profile / "line.json").write_text("{")
    with pytest.raises(SaecError):
        Station(settings)
    Spool(settings.station.data, ("log",), SpoolLimits(free_gb=0)).close()


def test_a_map_that_is_not_kept_is_not_found(running: Running, tmp_path: Path) -> None:
    id = running.post(png(DEFECT)).json()["id"]
    assert running.client.get(f"/v1/frames/{id}/map").status_code == 200
    for path in (tmp_path / "data" / "maps").rglob("*.jpg"):
        path.unlink()
    answer = running.client.get(f"/v1/frames/{id}/map")
    assert (answer.status_code, "there is no picture" in answer.text) == (404, True)
