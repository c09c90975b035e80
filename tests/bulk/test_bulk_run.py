"""A bulk run gives what the plain run gives, whatever its engine loses; no Ray here."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saec.bulk.bulk_engine import StartEngine
from saec.bulk.bulk_run import BulkCalls, judge_archive
from saec.data.input_images import list_inputs
from saec.errors import ConfigError, DataError, EndedError
from saec.frame.judges import Cloud
from saec.profile import CloudTrust, LineProfile
from saec.runs.requested_options import run_options
from saec.runs.run_folder import Options, run_line
from saec.runs.run_record import RunInfo, read_run
from saec.runs.verdict_log import read_all, read_verdicts
from saec.settings import BulkConfig, Policy, RunConfig
from saec.types import VerdictRecord
from tests.bulk.archives import flat_png, folder_of, parquet_of, tar_of
from tests.bulk.engines import LossyEngine, dead_engine, starting
from tests.run_fakes import CALIBRATION, FakeCloud, make_line

FRAMES = 60
SMALL_TASKS = BulkConfig(task_frames=4, estimate_frames=3)


@pytest.fixture
def cloud(fakes: FakeCloud) -> Cloud:
    return Cloud("small", batch=5, references=0)


@pytest.fixture
def profile(tmp_path: Path, cloud: Cloud) -> LineProfile:
    """The fakes' line, which trusts the cloud."""
    trust = CloudTrust(model="fake", prompt="v0", mode="fused", edge_weight=1.0, cloud_weight=2.0)
    calibration = msgspec.structs.replace(CALIBRATION, clouds={cloud.key: trust})
    return make_line(tmp_path / "line", calibration=calibration)


def bulk(
    profile: LineProfile,
    archive: Path,
    out: Path,
    cloud: Cloud | None = None,
    start: StartEngine | None = None,
    calls: BulkCalls | None = None,
    **options: object,
) -> RunInfo:
    """A whole bulk run in this process."""
    run = judge_archive(
        profile,
        str(archive),
        out,
        start=start or starting(),
        cloud=cloud,
        options=replace(run_options(), **options) if options else None,  # type: ignore[arg-type]
        bulk=SMALL_TASKS,
        calls=calls,
    )
    return returned(run)


def returned(run: Iterator[VerdictRecord]) -> RunInfo:
    while True:
        try:
            next(run)
        except StopIteration as end:
            info: RunInfo = end.value
            return info


def facts(out: Path, *, paths: bool = True) -> dict[str, dict[str, Any]]:
    """What a verdict says of its frame, without times and order."""
    found: dict[str, dict[str, Any]] = {}
    for v in read_all(out / "verdicts.jsonl"):
        assert v.id not in found or v.replaces
        plain = msgspec.to_builtins(v)
        for name in ("time", "seq", "ms", "energy_j", "map", "cloud_state", "replaces"):
            del plain[name]
        found[v.id] = plain if paths else {**plain, "path": "", "id": ""}
    return found


def plain_facts(
    profile: LineProfile, archive: Path, out: Path, cloud: Cloud | None
) -> dict[str, dict[str, Any]]:
    options = Options(config=RunConfig(maps=False))
    run_line(profile, list_inputs(archive, split="all"), out, cloud=cloud, options=options)
    return facts(out)


def test_it_gives_what_the_plain_run_gives(tmp_path: Path, profile: LineProfile, cloud: Cloud) -> None:
    archive = folder_of(tmp_path / "archive", FRAMES)
    expected = plain_facts(profile, archive, tmp_path / "plain", cloud)
    made: list[LossyEngine] = []
    told: list[str] = []
    begun: list[int] = []
    info = bulk(
        profile,
        archive,
        tmp_path / "bulk",
        cloud,
        starting(made),
        BulkCalls(tell=told.append, begin=begun.append),
    )
    assert facts(tmp_path / "bulk") == expected
    assert read_run(tmp_path / "bulk").counts == info.counts
    assert info.dataset.layout == "archive"
    plain = read_run(tmp_path / "plain")
    counts = {name: count for name, count in plain.counts.items() if name != "drift"}
    assert info.counts == counts
    assert info.counts["escalated"] == 14
    assert made[0].pages["cloud"] == [5, 5, 4]  # the cloud's batches are full
    assert begun == [FRAMES]
    assert "engine" not in vars(cloud)  # its memory is the workers'
    assert any("estimate from 3 frames: 60 frames" in text for text in told)
    assert [v.seq for v in read_all(tmp_path / "bulk" / "verdicts.jsonl")] == list(range(1, FRAMES + 1))
    assert not list((tmp_path / "bulk").glob("*.work"))


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), dies=st.lists(st.integers(1, 70), max_size=3), with_cloud=st.booleans())
def test_whatever_dies_each_frame_has_one_verdict(
    tmp_path_factory: pytest.TempPathFactory,
    profile: LineProfile,
    cloud: Cloud,
    seed: int,
    dies: list[int],
    with_cloud: bool,
) -> None:
    """Pages are lost, cut off, repeated and out of order, and the driver dies and is resumed."""
    root, asked = tmp_path_factory.mktemp("case"), cloud if with_cloud else None
    archive = profile.folder.parent / "archive"  # of all examples, as what a plain run makes of it
    if not archive.exists():
        folder_of(archive, FRAMES)
        for name, who in (("edge", None), ("cloud", cloud)):
            plain_facts(profile, archive, profile.folder.parent / name, who)
    expected = facts(profile.folder.parent / ("cloud" if with_cloud else "edge"))
    draw = random.Random(seed)
    for at in dies:
        run = judge_archive(
            profile,
            str(archive),
            root / "bulk",
            start=starting(draw=draw, dies_at=at),
            cloud=asked,
            options=Options(resume=True),
            bulk=SMALL_TASKS,
        )
        try:
            returned(run)
        except KeyboardInterrupt:
            continue
        break
    bulk(profile, archive, root / "bulk", asked, starting(draw=draw), resume=True)
    bulk(profile, archive, root / "bulk", asked, dead_engine, resume=True)  # nothing is left to do
    made = facts(root / "bulk")
    found = {id: one for id, one in made.items() if (one["error"] or {}).get("kind") != "EndedError"}
    lost = set(expected) - set(found)
    assert {id: expected[id] for id in found} == found
    errors = [v for v in read_verdicts(root / "bulk" / "verdicts.jsonl") if v.id in lost]
    assert all("ended each time" in v.error.message for v in errors)
    assert len(made) == FRAMES


def test_tar_and_parquet_give_the_same_verdicts(tmp_path: Path, profile: LineProfile, cloud: Cloud) -> None:
    for number in range(30):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "images" / f"{number}.png").write_bytes(flat_png(number))
    expected = plain_facts(profile, tmp_path / "images", tmp_path / "plain", cloud)
    by_hash = {one["sha256"]: {**one, "path": "", "id": ""} for one in expected.values()}
    tar_of(tmp_path / "tars" / "a.tar", 30)
    parquet_of(tmp_path / "parquets" / "a.parquet", 30, struct=True)
    for name in ("tars", "parquets"):
        bulk(profile, tmp_path / name, tmp_path / f"run-{name}", cloud)
        found = facts(tmp_path / f"run-{name}", paths=False).values()
        assert {one["sha256"]: one for one in found} == by_hash


def test_a_frame_that_ends_its_worker_ends_no_run(tmp_path: Path, profile: LineProfile, cloud: Cloud) -> None:
    archive = folder_of(tmp_path / "archive", FRAMES)
    start = starting(poison=b"00010.png")
    info = bulk(profile, archive, tmp_path / "bulk", cloud, start)
    assert info.counts["error"] == 2  # with the one that is no image
    found = {v.id: v for v in read_verdicts(tmp_path / "bulk" / "verdicts.jsonl")}
    assert len(found) == FRAMES
    assert "ended each time" in found["line 1/00010.png"].error.message
    info = bulk(profile, archive, tmp_path / "bulk", cloud, resume=True, retry_errors=True)
    assert (info.counts["frames"], info.counts["error"]) == (FRAMES, 1)


def test_a_cloud_that_ends_its_worker_leaves_the_edges_answer(
    tmp_path: Path, profile: LineProfile, cloud: Cloud
) -> None:
    archive = folder_of(tmp_path / "archive", FRAMES)
    info = bulk(
        profile, archive, tmp_path / "bulk", cloud, starting(poison=b"00013.png", poisoned=("cloud",))
    )
    assert (info.counts["frames"], info.counts["provisional"]) == (FRAMES, 1)


def test_an_engine_that_brings_nothing_is_named(tmp_path: Path, profile: LineProfile, cloud: Cloud) -> None:
    archive = folder_of(tmp_path / "archive", 9)
    with pytest.raises(EndedError, match="9 of 9 frames"):
        bulk(profile, archive, tmp_path / "bulk", cloud, starting(poison=b"."))
    assert bulk(profile, archive, tmp_path / "bulk", cloud, resume=True).counts["frames"] == 9


def test_a_changed_file_is_judged_again(tmp_path: Path, profile: LineProfile, fakes: FakeCloud) -> None:
    archive = folder_of(tmp_path / "archive", 8)
    bulk(profile, archive, tmp_path / "bulk")
    changed, touched = archive / "line 0" / "00000.png", archive / "line 1" / "00001.png"
    changed.write_bytes(flat_png(2))
    touched.touch()
    begun: list[int] = []
    bulk(profile, archive, tmp_path / "bulk", calls=BulkCalls(begin=begun.append), resume=True)
    assert begun == [2]  # what has another time is read, and its content decides
    verdicts = list(read_all(tmp_path / "bulk" / "verdicts.jsonl"))
    assert len(verdicts) == 9
    assert verdicts[-1].path == str(changed)


def test_a_plain_run_can_be_gone_on_with(tmp_path: Path, profile: LineProfile, cloud: Cloud) -> None:
    archive = folder_of(tmp_path / "archive", FRAMES)
    expected = plain_facts(profile, archive, tmp_path / "plain", cloud)
    log = tmp_path / "plain" / "verdicts.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:20]))
    bulk(profile, archive, tmp_path / "plain", cloud, resume=True)
    assert facts(tmp_path / "plain") == expected


def test_ctrl_c_ends_it_and_it_goes_on(tmp_path: Path, profile: LineProfile, cloud: Cloud) -> None:
    archive, stop = folder_of(tmp_path / "archive", FRAMES), threading.Event()
    run = judge_archive(
        profile,
        str(archive),
        tmp_path / "bulk",
        start=starting(),
        cloud=cloud,
        bulk=SMALL_TASKS,
        calls=BulkCalls(stop=stop),
    )
    next(run)
    stop.set()
    info = returned(run)
    assert info.ended == ""
    assert info.counts["frames"] < FRAMES
    assert bulk(profile, archive, tmp_path / "bulk", cloud, resume=True).counts["frames"] == FRAMES


def test_ctrl_c_after_the_last_verdict_ends_it_as_done(tmp_path: Path, profile: LineProfile) -> None:
    archive, stop, told = folder_of(tmp_path / "archive", FRAMES), threading.Event(), 0
    run = judge_archive(
        profile,
        str(archive),
        tmp_path / "bulk",
        start=starting(),
        bulk=SMALL_TASKS,
        calls=BulkCalls(stop=stop),
    )
    while told < FRAMES:
        next(run)
        told += 1
    stop.set()
    info = returned(run)
    assert info.ended
    assert info.counts["frames"] == FRAMES


@pytest.mark.parametrize(
    ("policy", "run", "says"),
    [
        (
            Policy(budget=0.3),
            RunConfig(),
            "--budget 0.3 .policy value. decides by the frames before.*leave --budget out.*gate, edge, cloud",
        ),
        (Policy(policy="random", budget=0.5), RunConfig(), "--budget 0.5 .policy random"),
        (Policy(), RunConfig(deadline_s=1.0), "deadline_s"),
        (Policy(), RunConfig(waiting=3), "waiting"),
    ],
)
def test_what_needs_an_order_is_refused(
    tmp_path: Path, profile: LineProfile, cloud: Cloud, policy: Policy, run: RunConfig, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        next(
            judge_archive(
                profile,
                "x",
                tmp_path / "bulk",
                start=dead_engine,
                cloud=cloud,
                options=run_options(policy, run),
            )
        )
    assert not (tmp_path / "bulk").exists()


def test_an_empty_archive_is_named(tmp_path: Path, profile: LineProfile, fakes: FakeCloud) -> None:
    (tmp_path / "archive").mkdir()
    with pytest.raises(DataError, match="holds no image"):
        bulk(profile, tmp_path / "archive", tmp_path / "bulk")
    with pytest.raises(DataError, match="does not exist"):
        bulk(profile, tmp_path / "arhcive", tmp_path / "bulk")
    assert not (tmp_path / "bulk").exists()


def test_a_damaged_shard_is_an_error_and_the_others_are_judged(
    tmp_path: Path, profile: LineProfile, fakes: FakeCloud
) -> None:
    tar_of(tmp_path / "archive" / "a.tar", 4)
    (tmp_path / "archive" / "b.tar").write_bytes(b"no tar" * 300)
    info = bulk(profile, tmp_path / "archive", tmp_path / "bulk")
    assert (info.counts["frames"], info.counts["error"]) == (5, 1)
    assert bulk(profile, tmp_path / "archive", tmp_path / "bulk", resume=True).counts["frames"] == 5


def test_a_name_that_no_log_can_hold_has_its_verdict(
    tmp_path: Path, profile: LineProfile, fakes: FakeCloud
) -> None:
    archive = folder_of(tmp_path / "archive", 4)
    (archive / "caf\udce9.png").write_bytes(flat_png(1))
    info = bulk(profile, archive, tmp_path / "bulk")
    assert (info.counts["frames"], info.counts["error"]) == (5, 1)
    assert bulk(profile, archive, tmp_path / "bulk", resume=True).counts["frames"] == 5
