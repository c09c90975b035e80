"""The way of a frame: every frame one verdict, nothing waits for the cloud, nothing piles up."""

from __future__ import annotations

import gc
import itertools
import threading
import weakref
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from saec.data.images import pixels as images
from saec.frame.verdicts import JUDGING, SUMS, WAITING, decide
from saec.runs import inspection
from saec.runs.inspection import run_inspection
from saec.schedule.policies.policy_contract import CloudState
from saec.settings import RunConfig
from saec.types import EdgeOpinion, Image, Route, Source
from tests.run_fakes import THRESHOLD, FakeCloud, Frames, judges, score_of

GOOD_RED, UNSURE_RED, DEFECT_RED = 20, 128, 240


def mixed(frames: Frames, n: int = 24) -> list[Source]:
    """Sure goods, sure defects and unsure frames in turn, with one of each kind of trouble."""
    reds = itertools.cycle((GOOD_RED, UNSURE_RED, DEFECT_RED, UNSURE_RED - 10))
    sources = [frames.add(f"{i:03}", next(reds), green=(37 * i) % 190) for i in range(n)]
    return [
        *sources,
        frames.broken("broken"),
        frames.add("blue", 10, blue=255),
        frames.add("thirteen", UNSURE_RED, green=13),
        frames.add("wordless", UNSURE_RED, green=200),
        Source(id="gone.png", path=str(frames.folder / "gone.png")),
    ]


def test_every_frame_has_exactly_one_verdict(frames: Frames) -> None:
    sources = mixed(frames)
    verdicts = list(run_inspection(sources, judges(FakeCloud())))
    assert sorted(v.id for v in verdicts) == sorted(s.id for s in sources)
    for verdict in verdicts:
        assert (verdict.label is None) == (verdict.state == "error")
        assert (verdict.state == "error") <= (verdict.error is not None)


def test_trouble_stays_with_its_frame(frames: Frames) -> None:
    by_id = {v.id: v for v in run_inspection(mixed(frames), judges(FakeCloud()))}
    assert {i for i, v in by_id.items() if v.state == "error"} == {"broken.png", "blue.png", "gone.png"}
    assert by_id["broken.png"].error.kind == "UnknownFormatError"
    assert by_id["broken.png"].sha256
    assert not by_id["gone.png"].sha256
    assert by_id["blue.png"].reason == "edge-error"
    assert "chokes" in by_id["blue.png"].error.message
    fallback = by_id["thirteen.png"]
    assert (fallback.decided_by, fallback.state, fallback.reason) == (
        "edge-fallback",
        "provisional",
        "cloud-error",
    )
    assert fallback.label == fallback.edge.label
    assert fallback.cloud is None
    assert all(v.state == "final" for i, v in by_id.items() if i[0].isdigit())


def test_an_explanation_that_does_not_parse_is_noted_and_the_label_stands(frames: Frames) -> None:
    sources = [frames.add(f"{i}", UNSURE_RED + 20, green=g) for i, g in enumerate((180, 200, 190))]
    verdicts = sorted(run_inspection(sources, judges(FakeCloud())), key=lambda v: v.id)
    assert [v.label for v in verdicts] == [1, 1, 1]
    assert [v.explanation is not None for v in verdicts] == [True, False, True]
    assert verdicts[1].state == "final"
    assert verdicts[1].error.kind == "AnswerError"
    assert verdicts[0].explanation.box == (0, 0, 8, 8)


def test_labels_follow_from_what_is_logged(frames: Frames) -> None:
    for role in ("fused", "advisory", "alone"):
        crew = judges(FakeCloud(), role=role)
        for verdict in run_inspection(mixed(frames), crew):
            if verdict.state == "final":
                assert verdict.edge is not None
                decision = decide(verdict.edge, verdict.cloud, crew.rules)
                assert (decision.label, decision.p_defect, decision.by) == (
                    verdict.label,
                    verdict.p_defect,
                    verdict.decided_by,
                )


def test_an_advisory_cloud_changes_no_label(frames: Frames) -> None:
    sources = mixed(frames)
    alone = {v.id: v.label for v in run_inspection(sources, judges())}
    advised = list(run_inspection(sources, judges(FakeCloud(), role="advisory")))
    assert {v.id: v.label for v in advised} == alone
    assert any(v.cloud is not None and (v.cloud.p_defect >= 0.5) != v.label for v in advised)
    assert {v.decided_by for v in advised} <= {"edge", "edge-fallback", "none"}


def test_labels_do_not_depend_on_batch_queue_and_decoders(frames: Frames) -> None:
    sources = mixed(frames)

    def labels(batch: int, queue: int, decoders: int) -> dict[str, tuple[int | None, float | None, str]]:
        config = RunConfig(decode_ahead=queue, decoders=decoders)
        verdicts = run_inspection(sources, judges(FakeCloud(), batch=batch), config)
        return {v.id: (v.label, v.p_defect, v.reason) for v in verdicts}

    assert labels(1, 1, 1) == labels(5, 3, 2) == labels(64, 16, 4)


def test_edge_verdicts_come_in_order_with_several_decoders(frames: Frames) -> None:
    sources = [frames.add(f"{i:03}", GOOD_RED) for i in range(30)]
    verdicts = run_inspection(sources, judges(), RunConfig(decoders=4, decode_ahead=3))
    assert [v.id for v in verdicts] == [s.id for s in sources]


def test_a_stuck_cloud_delays_no_edge_verdict(frames: Frames) -> None:
    sources = [frames.add(f"{i:03}", (UNSURE_RED, GOOD_RED)[i % 2]) for i in range(60)]
    cloud = FakeCloud(gate=threading.Event())
    verdicts = run_inspection(sources, judges(cloud), RunConfig(decode_ahead=2))
    first = list(itertools.islice(verdicts, 30))
    # All of the edge's verdicts are here while the cloud has not answered once.
    assert not cloud.batches
    assert [v.id for v in first] == [s.id for s in sources[1::2]]
    cloud.gate.set()
    assert {v.id for v in verdicts} == {s.id for s in sources[::2]}


def test_a_bound_on_waiting_frames_sends_the_rest_to_the_edge(frames: Frames) -> None:
    sources = [frames.add(f"{i:03}", UNSURE_RED) for i in range(40)]
    cloud = FakeCloud(gate=threading.Event())
    verdicts = run_inspection(sources, judges(cloud, batch=1), RunConfig(waiting=3))
    # Three wait, and at most three are on their way from the list to the stuck cloud.
    busy = list(itertools.islice(verdicts, 40 - 3 - 3))
    assert {(v.reason, v.decided_by) for v in busy} == {("cloud-busy", "edge")}
    cloud.gate.set()
    rest = list(verdicts)
    assert len(rest) == 6
    assert sum(v.decided_by == "cloud" for v in rest) >= 3


def test_decoded_frames_are_bounded(frames: Frames, monkeypatch: pytest.MonkeyPatch) -> None:
    # Two queues of 2 with a frame in the hands of each of four threads, and at most three batches of 2.
    bound = 2 * 2 + 4 + 3 * 2 + 1
    alive: set[int] = set()
    count = itertools.count()
    exceeded, cloud = threading.Event(), FakeCloud(gate=threading.Event())

    def decode(data: bytes, *, bits: int = 16, name: str = "") -> Image:
        image = images.decode_image(data, bits=bits, name=name).copy()
        key = next(count)
        alive.add(key)
        weakref.finalize(image, alive.discard, key)
        if len(alive) > bound:
            exceeded.set()
        return image

    def observe(source: Source, image: Image, opinion: EdgeOpinion) -> None:
        if source.id == "000.png":  # everybody in front of a stuck stage has time to run away
            exceeded.wait(0.5)
        if source.id == "150.png":
            cloud.gate.set()

    for stage in ("decode_frame", "make_query"):
        monkeypatch.setattr(inspection, stage, partial(getattr(inspection, stage), decode=decode))
    sources = [frames.add(f"{i:03}", (GOOD_RED, UNSURE_RED)[i % 2]) for i in range(160)]
    verdicts = run_inspection(sources, judges(cloud, batch=2), RunConfig(decode_ahead=2), observe=observe)
    assert len(list(verdicts)) == 160
    gc.collect()
    assert not exceeded.is_set()
    assert not alive


def test_no_batch_is_longer_than_asked_and_references_are_shown(frames: Frames) -> None:
    sources = [frames.add(f"{i:03}", UNSURE_RED) for i in range(23)]
    cloud = FakeCloud()
    crew = judges(cloud, batch=5)
    crew = replace(crew, references=(np.zeros((8, 8, 3), np.uint8),) * 2)
    list(run_inspection(sources, crew))
    assert sum(cloud.batches) == 23
    assert max(cloud.batches) <= 5
    assert cloud.references == [2] * 23


def test_known_files_are_not_judged_again_but_changed_ones_are(frames: Frames) -> None:
    sources = mixed(frames)
    first = list(run_inspection(sources, judges(FakeCloud())))
    known = {(v.path, v.sha256) for v in first}
    assert not list(run_inspection(sources, judges(FakeCloud()), known=known))
    frames.add("000", DEFECT_RED)
    assert [v.id for v in run_inspection(sources, judges(FakeCloud()), known=known)] == ["000.png"]


def test_the_observer_sees_a_frame_before_its_verdict_and_its_failure_is_noted(frames: Frames) -> None:
    sources = [frames.add(f"{i}", GOOD_RED + i) for i in range(6)]
    shown: list[str] = []

    def observe(source: Source, image: Image, opinion: EdgeOpinion) -> str | None:
        shown.append(source.id)
        assert score_of(image) == opinion.score < THRESHOLD
        if source.id == "3.png":
            raise OSError("disk full")
        return f"maps/{source.id}.jpg"

    for verdict in run_inspection(sources, judges(), observe=observe):
        assert verdict.id in shown
        if verdict.id == "3.png":
            assert verdict.map is None
            assert verdict.label == 0
            assert "disk full" in verdict.error.message
        else:
            assert verdict.map == f"maps/{verdict.id}.jpg"
            assert verdict.error is None


def test_stop_ends_an_endless_stream_and_writes_what_is_on_its_way(frames: Frames) -> None:
    source, stop = frames.add("again", GOOD_RED), threading.Event()
    verdicts = run_inspection(itertools.repeat(source), judges(), stop=stop)
    for _ in range(5):
        assert next(verdicts).label == 0
    stop.set()
    assert all(v.label == 0 for v in verdicts)


def test_stop_leaves_waiting_frames_without_a_verdict(frames: Frames) -> None:
    sources = [frames.add(f"{i:03}", UNSURE_RED) for i in range(40)] + [frames.add("last", GOOD_RED)]
    cloud, stop = FakeCloud(gate=threading.Event()), threading.Event()
    verdicts = run_inspection(sources, judges(cloud, batch=4), stop=stop)
    assert next(verdicts).id == "last.png"
    stop.set()
    cloud.gate.set()
    rest = list(verdicts)
    assert len(rest) <= 3 * 4
    assert all(v.cloud is not None for v in rest)


def test_what_the_sources_raise_ends_the_run(frames: Frames) -> None:
    def failing() -> Iterator[Source]:
        yield frames.add("one", GOOD_RED)
        raise OSError("the camera is gone")

    with pytest.raises(OSError, match="camera"):
        list(run_inspection(failing(), judges()))


def test_no_thread_outlives_a_run_that_is_abandoned(frames: Frames) -> None:
    before = set(threading.enumerate())
    verdicts = run_inspection(itertools.repeat(frames.add("again", GOOD_RED)), judges(FakeCloud()))
    next(verdicts)
    verdicts.close()  # type: ignore[attr-defined]
    assert set(threading.enumerate()) <= before


def test_a_policy_that_wants_a_cloud_where_there_is_none_falls_back(frames: Frames) -> None:
    class Stubborn:
        def route(
            self, complexity: float | None, opinion: EdgeOpinion, state: CloudState, now: float
        ) -> Route:
            assert state.link == "down"
            return Route("cloud", "stubborn")

    (verdict,) = run_inspection([frames.add("one", DEFECT_RED)], replace(judges(), policy=Stubborn()))
    assert (verdict.decided_by, verdict.reason, verdict.label) == ("edge-fallback", "no-cloud", 1)


def test_a_file_name_that_is_not_utf8_gets_an_error_verdict(tmp_path: Path) -> None:
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    (verdict,) = run_inspection([Source(id=name, path=str(tmp_path / name))], judges())
    assert verdict.state == "error"
    assert "UTF-8" in verdict.error.message
    verdict.path.encode()


def test_stage_times_add_up(frames: Frames) -> None:
    for verdict in run_inspection(mixed(frames), judges(FakeCloud())):
        if verdict.label is None:
            continue
        ms = verdict.ms
        assert ms["judging"] == pytest.approx(sum(ms.get(stage, 0.0) for stage in JUDGING))
        assert set(ms) <= {*JUDGING, *WAITING, *SUMS}
        waits = [ms[stage] for stage in WAITING if stage in ms]
        assert ("waiting" in ms) == ("queue" in ms) == bool(waits)
        assert ms.get("waiting", 0.0) == pytest.approx(sum(waits))
        assert min(ms.values()) >= 0
        assert {"read", "decode", "edge"} <= set(ms)
        assert ("cloud" in ms) == (verdict.route.decision == "cloud")
        assert ("queue" in ms) == ("cloud" in ms)


class StoppedForTheCloud(threading.Event):
    """Set for the cloud's threads from the start, and never for the one that reads."""

    def is_set(self) -> bool:
        return not threading.current_thread().name.startswith("saec-read")


def test_stop_does_not_cut_off_frames_that_are_still_at_the_edge(frames: Frames) -> None:
    sources = [frames.add(f"{i:03}", GOOD_RED if i % 2 else UNSURE_RED) for i in range(40)]
    verdicts = list(run_inspection(sources, judges(FakeCloud()), stop=StoppedForTheCloud()))
    assert [v.id for v in verdicts] == [s.id for s in sources[1::2]]


@pytest.mark.parametrize(
    ("frame", "odd"),
    [
        ((8, 8), False),
        ((480, 512), False),
        ((8, 12), True),
        ((12, 8), True),
        ((1080, 1920), True),
        (None, False),
    ],
)
def test_a_frame_of_another_aspect_than_the_lines_is_named(
    frames: Frames, frame: tuple[int, int] | None, odd: bool
) -> None:
    judged = judges(FakeCloud())
    judged = replace(judged, rules=replace(judged.rules, frame=frame))
    sources = [frames.add("edge", GOOD_RED), frames.add("cloud", UNSURE_RED)]
    verdicts = list(run_inspection(sources, judged))
    assert {v.decided_by for v in verdicts} == {"edge", "cloud"}
    for verdict in verdicts:
        assert bool(verdict.note) == odd
        assert verdict.label is not None
        if frame and odd:
            assert verdict.note.endswith(
                f"8 x 8 pixels, another aspect ratio than the line was fitted on ({frame[1]} x {frame[0]})"
            )
