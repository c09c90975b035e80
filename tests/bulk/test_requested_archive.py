"""What may be asked of a bulk run, before anything is started."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest

import saec
from saec.bulk import ray_engine, requested_archive
from saec.bulk.archive.archive_listing import list_archive
from saec.bulk.archive.archived_images import archived_image
from saec.bulk.bulk_judges import BulkOrder, bulk_order
from saec.bulk.bulk_run import BulkCalls, judge_archive
from saec.bulk.ray_engine import TableJudge, WorkerPool, ray_started, worker_pools
from saec.bulk.requested_archive import given_archive
from saec.cli import main
from saec.data.images.pixels import decode_image
from saec.errors import ConfigError, ExtraError, ImageError
from saec.profile import LineProfile
from saec.runs.run_folder import Options
from saec.runs.run_record import RunInfo
from saec.settings import BulkConfig, CloudConfig, RemoteConfig
from saec.types import VerdictRecord
from tests.bulk.archives import flat_png, folder_of, parquet_of, tar_of
from tests.bulk.engines import starting
from tests.run_fakes import FakeCloud, judges, make_line


@pytest.fixture
def profile(tmp_path: Path, fakes: FakeCloud) -> LineProfile:
    return make_line(tmp_path / "line")


def an_order(profile: LineProfile, threads: int = 1, cloud: CloudConfig | None = None) -> BulkOrder:
    detector = msgspec.structs.replace(profile.line.detector, threads=threads)
    line = msgspec.structs.replace(profile.line, detector=detector)
    threaded = LineProfile(profile.folder, line, profile.calibration)
    return replace(bulk_order(threaded, judges(), cloud, explain=False))


@pytest.mark.parametrize(
    ("given", "fields", "says"),
    [
        (["a.png", "b.png"], {}, "one path or address"),
        ("", {}, "one path or address"),
        ("photos", {"split": "test"}, "split cannot be used"),
        ("photos", {"layout": "mvtec"}, "layout cannot be used"),
        ("photos", {"limit": 3}, "limit cannot be used"),
    ],
)
def test_an_archive_is_one_path_and_no_data_set(given: object, fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        given_archive(given, **fields)


def test_a_library_that_is_missing_is_named(
    profile: LineProfile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "find_spec", lambda name: None if name == "ray" else object())
    with pytest.raises(ExtraError, match=r"ray is not installed \(pip install 'saec\[bulk\]'\)"):
        saec.Line(profile).inspect_many("photos", engine="ray", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"engine": "ray"}, "needs a run folder"),
        ({"bulk": saec.BulkConfig(workers=2)}, "bulk needs the engine ray"),
        ({"engine": "spark", "out": "run"}, "use local or ray"),
        ({"engine": "ray", "out": "run", "policy": saec.Policy(budget=0.3)}, "decides by the frames before"),
        ({"engine": "ray", "out": "run", "bulk": {"workers": 2}}, "BulkConfig"),
        ({"engine": "ray", "out": "run", "bulk": saec.BulkConfig(task_frames=0)}, "task_frames"),
    ],
)
def test_the_library_refuses_at_once(
    profile: LineProfile,
    fields: dict[str, Any],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=says):
        saec.Line(profile).inspect_many("photos", **fields)


@pytest.mark.parametrize("given", ["photos.tar", "s3://plant/photos"])
def test_the_library_refuses_an_archive_without_ray(
    profile: LineProfile, given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tar_of(tmp_path / "photos.tar", 2)
    with pytest.raises(ConfigError, match=r'which only Ray reads .*engine="ray"'):
        list(saec.Line(profile).inspect_many(given))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["s3://plant/photos"], "add --engine ray"),
        (["s3://plant/photos", "--engine", "ray"], "name a folder for the run"),
        (["s3://plant/photos", "--engine", "ray", "--out", "run", "--limit", "3"], "limit cannot be used"),
        (
            ["s3://p/x", "--engine", "ray", "--out", "run", "--trace-endpoint", "http://127.0.0.1:1"],
            "no traces",
        ),
        (["nowhere", "--engine", "ray", "--out", "run"], "does not exist"),
        (["photos.tar"], "add --engine ray, in Python engine=\"ray\" (pip install 'saec[bulk]')"),
        (["photos.PARQUET"], "photos.PARQUET is an archive of many images"),
        (["photos", "--task-frames", "3"], "--task-frames needs --engine ray"),
        (["photos", "--bulk-workers", "3"], "--bulk-workers needs --engine ray"),
        (["photos", "--engine", "ray", "--out", "run", "--budget", ".1"], "--budget 0.1 (policy value)"),
    ],
)
def test_the_command_refuses_at_once(
    profile: LineProfile,
    arguments: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path / "photos", 1)
    tar_of(tmp_path / "photos.tar", 2)
    (tmp_path / "photos.PARQUET").write_bytes(b"PAR1")
    assert main(["inspect", *arguments, "--line", str(profile.folder)]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(("judged", "status"), [(1, 130), (12, 0)])
def test_ctrl_c_interrupts_unless_all_frames_are_judged(
    profile: LineProfile,
    judged: int,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def without_ray(
        *where: Any, options: Options, calls: BulkCalls, **how: Any
    ) -> Generator[VerdictRecord, None, RunInfo]:
        bulk = BulkConfig(task_frames=2, estimate_frames=0)
        run = judge_archive(*where, start=starting(), options=options, bulk=bulk, calls=calls)
        assert calls.stop is not None
        for _ in range(judged):
            yield next(run)
        calls.stop.set()  # as Ctrl-C does
        return (yield from run)

    monkeypatch.setattr(requested_archive, "judged_on_ray", without_ray)
    archive = folder_of(tmp_path / "archive", 12)
    given = [str(archive), "--line", str(profile.folder), "--out", str(tmp_path / "run")]
    assert main(["inspect", *given, "--engine", "ray"]) == status
    assert ("interrupted" in capsys.readouterr().err) == (status == 130)


def test_a_rays_client_is_refused(profile: LineProfile) -> None:
    config = BulkConfig(ray_address="ray://10.0.0.5:10001")
    with (
        pytest.raises(ConfigError, match="run on a machine of the cluster"),
        ray_started(an_order(profile), config),
    ):
        pass


def test_a_ray_that_is_not_there_is_told_at_once(profile: LineProfile) -> None:
    pytest.importorskip("ray")
    with socket.create_server(("127.0.0.1", 0)) as bound:
        dead = f"127.0.0.1:{bound.getsockname()[1]}"
    with (
        pytest.raises(ConfigError, match=f"no Ray runs at {dead}"),
        ray_started(an_order(profile), BulkConfig(ray_address=dead)),
    ):
        pass


def test_workers_share_the_machines(profile: LineProfile) -> None:
    def pools(cpus: int, gpus: float = 0.0, threads: int = 1, cloud: Any = None, **fields: Any) -> Any:
        return worker_pools(an_order(profile, threads, cloud), BulkConfig(**fields), cpus, gpus)

    assert pools(8)["edge"] == WorkerPool(8, 1.0)
    assert pools(8, threads=3)["edge"] == WorkerPool(2, 3.0)
    assert pools(2, threads=8)["edge"] == WorkerPool(1, 2.0)
    assert pools(2, workers=4)["edge"] == WorkerPool(4, 0.5)
    loaded, service = (
        CloudConfig(model="small"),
        CloudConfig(model="m", remote=RemoteConfig(url="http://x/v1")),
    )
    assert pools(8, cloud=loaded)["cloud"] == WorkerPool(1, 8.0)
    assert pools(8, 2.0, cloud=loaded, cloud_workers=2)["cloud"] == WorkerPool(2, 1.0, 1.0)
    assert pools(8, 2.0, cloud=service, cloud_workers=4)["cloud"] == WorkerPool(4, 1.0)
    assert pools(8, 2.0, cloud=loaded, cloud_gpus=0.5)["cloud"] == WorkerPool(1, 1.0, 0.5)


def test_a_worker_has_the_threads_of_its_cpus(profile: LineProfile) -> None:
    arrow = pytest.importorskip("pyarrow")
    before = cv2.getNumThreads()
    try:
        judge = TableJudge(an_order(profile), "edge", 3)
        assert cv2.getNumThreads() == 3
        TableJudge(an_order(profile), "edge", 1)
        assert cv2.getNumThreads() == 1
        assert judge(arrow.table({"row": arrow.array([], arrow.binary())})) == {"answer": []}
    finally:
        cv2.setNumThreads(before)


def test_an_image_is_read_again_by_its_path(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "archive", 4)
    tar_of(root / "a.tar", 3, first=20)
    parquet_of(root / "b.parquet", 3)
    for frame in list_archive(str(root)):
        place = int(frame.id.rpartition("/")[2].removesuffix(".png").lstrip("p") or 0)
        wanted = decode_image(flat_png(place))
        assert np.array_equal(archived_image(frame.path, bits=8), wanted)
    for path in (f"tar://p99999.png::{root / 'a.tar'}", f"{root / 'b.parquet'}#row=9", str(root / "x.png")):
        with pytest.raises(ImageError):
            archived_image(path, bits=8)


def test_a_run_without_ray_loads_no_ray() -> None:
    code = (
        "import sys, saec.cli.runs.inspect, saec.bulk.requested_archive\n"
        "saec.Line\n"
        "assert not {'ray', 'pyarrow', 'fsspec', 'pandas', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_a_worker_said_is_its_last_line() -> None:
    died = RuntimeError("The actor died\n  File x, line 1\nsaec.errors.LineError: no line (fit one)\n")
    died.__cause__ = RuntimeError()
    assert ray_engine._said(died) == "saec.errors.LineError: no line (fit one)"
    empty = RuntimeError()
    assert ray_engine._said(empty) == "RuntimeError"
    empty.__cause__ = died
    assert ray_engine._said(empty) == "saec.errors.LineError: no line (fit one)"
