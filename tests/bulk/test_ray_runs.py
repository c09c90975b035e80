"""On a real Ray: what the plain run gives, whatever dies. `make acceptance` runs it."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

import saec
from saec.bulk import ray_engine
from saec.bulk.bulk_engine import Stage
from saec.bulk.bulk_judges import BulkOrder
from saec.data.input_images import list_inputs
from saec.errors import EndedError, LineError
from saec.profile import LineProfile
from saec.runs.run_folder import Options, run_line
from saec.runs.verdict_log import read_all
from saec.settings import RunConfig
from tests.bulk.archives import marked_png

pytestmark = pytest.mark.acceptance

FRAMES, KILLS, BOUND_S = 1000, 5, 300


@pytest.fixture(scope="module")
def archive(gears: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn gears again and again, each file with a text of its own."""
    root = tmp_path_factory.mktemp("archive")
    pictures = [path.read_bytes() for path in sorted(gears.glob("test/*/*.png"))]
    for number in range(FRAMES):
        path = root / f"{number % 7}" / f"{number:05}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(marked_png(pictures[number % len(pictures)], number))
    return root


@pytest.fixture(scope="module")
def plain(archive: Path, gear_line: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the plain run says of each frame."""
    out = tmp_path_factory.mktemp("plain") / "run"
    options = Options(config=RunConfig(maps=False))
    run_line(LineProfile.open(gear_line), list_inputs(archive, split="all"), out, options=options)
    return said(out)


def said(out: Path) -> dict[str, Any]:
    """What a run's verdicts say, without times and order; each frame has one."""
    found: dict[str, Any] = {}
    for verdict in read_all(out / "verdicts.jsonl"):
        assert verdict.id not in found
        plain = msgspec.to_builtins(verdict)
        for name in ("time", "seq", "ms", "energy_j", "cloud_state"):
            del plain[name]
        found[verdict.id] = plain
    return found


def workers(root: psutil.Process) -> list[psutil.Process]:
    """The processes that judge, below one."""
    found = []
    for child in root.children(recursive=True):
        try:
            if (
                child.cmdline()[:1] == ["ray::MapWorker(MapBatches(TableJudge))"]
                or "TableJudge" in child.name()
            ):
                found.append(child)
        except psutil.Error:
            continue
    return found


def test_workers_killed_at_random_moments(
    archive: Path, gear_line: Path, plain: dict[str, Any], tmp_path: Path
) -> None:
    draw = random.Random(7)
    moments = sorted(draw.sample(range(50, FRAMES - 50), KILLS))
    killed = 0
    line = saec.Line.open(gear_line)
    bulk = saec.BulkConfig(task_frames=16)
    run = line.inspect_many(archive, engine="ray", out=tmp_path / "run", bulk=bulk)
    for count, verdict in enumerate(run, 1):
        assert verdict.label is not None
        if moments and count >= moments[0] and (alive := workers(psutil.Process())):
            draw.choice(alive).kill()
            moments.pop(0)
            killed += 1
    assert killed == KILLS
    assert said(tmp_path / "run") == plain


def begun(archive: Path, line: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    arguments = ["inspect", str(archive), "--line", str(line), "--out", str(out), "--engine", "ray", *more]
    return subprocess.Popen([sys.executable, "-m", "saec", *arguments], start_new_session=True)


def verdicts_of(out: Path) -> int:
    log = out / "verdicts.jsonl"
    return log.read_bytes().count(b"\n") if log.exists() else 0


def test_the_driver_is_killed_and_resumed(
    archive: Path, gear_line: Path, plain: dict[str, Any], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    driver = begun(archive, gear_line, out)
    left = psutil.Process(driver.pid).children(recursive=True)
    waited(lambda: verdicts_of(out) >= FRAMES // 3 or driver.poll() is not None)
    left = psutil.Process(driver.pid).children(recursive=True)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait(BOUND_S)
    assert FRAMES // 3 <= verdicts_of(out) < FRAMES
    _, alive = psutil.wait_procs(left, BOUND_S)  # Ray goes with its driver
    assert alive == []
    assert begun(archive, gear_line, out, "--resume").wait(BOUND_S) == 0
    assert said(out) == plain
    assert begun(archive, gear_line, out, "--resume").wait(BOUND_S) == 0
    assert said(out) == plain


class DeadlyJudge(ray_engine.TableJudge):
    """Ends its process at one frame."""

    def __call__(self, table: Any) -> dict[str, list[bytes]]:
        if any(b"/00010.png" in row for row in table["row"].to_pylist()):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(table)


class ClosedJudge(ray_engine.TableJudge):
    """Cannot be opened."""

    def __init__(self, order: BulkOrder, stage: Stage, cpus: int) -> None:
        raise LineError("the line is not on this machine", "copy it there")


def test_workers_that_cannot_begin_say_why(
    archive: Path, gear_line: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "TableJudge", ClosedJudge)
    root, line = few(archive, tmp_path / "archive", 4), saec.Line.open(gear_line)
    with pytest.raises(EndedError, match="the line is not on this machine"):
        list(line.inspect_many(root, engine="ray", out=tmp_path / "run"))


def test_a_cluster_that_runs_is_joined(archive: Path, gear_line: Path, tmp_path: Path) -> None:
    root, ray = few(archive, tmp_path / "archive", 8), Path(sys.executable).with_name("ray")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    where = ["--node-ip-address", "127.0.0.1", "--port", address.partition(":")[2], "--num-cpus", "2"]
    head = subprocess.Popen([str(ray), "start", "--head", "--block", "--include-dashboard", "false", *where])
    try:
        waited(lambda: b"1 node" in status(ray, address) or b"Active" in status(ray, address))
        out = tmp_path / "run"
        for more in ([], ["--resume"]):
            assert begun(root, gear_line, out, "--ray-address", address, *more).wait(BOUND_S) == 0
            assert len(said(out)) == 8
    finally:
        below = psutil.Process(head.pid).children(recursive=True)
        head.terminate()
        head.wait(BOUND_S)
        psutil.wait_procs(below, BOUND_S)


def status(ray: Path, address: str) -> bytes:
    command = [str(ray), "status", "--address", address]
    return subprocess.run(command, capture_output=True, check=False).stdout


def few(archive: Path, root: Path, frames: int) -> Path:
    for number, path in enumerate(sorted(archive.rglob("*.png"), key=lambda path: path.name)[:frames]):
        root.mkdir(exist_ok=True)
        (root / f"{number:05}.png").write_bytes(path.read_bytes())
    return root


def test_a_frame_that_ends_its_worker_each_time(
    archive: Path, gear_line: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "TableJudge", DeadlyJudge)
    root = few(archive, tmp_path / "archive", 24)
    bulk = saec.BulkConfig(task_frames=8, estimate_frames=0)
    run = saec.Line.open(gear_line).inspect_many(root, engine="ray", out=tmp_path / "run", bulk=bulk)
    found = {verdict.id: verdict for verdict in run}
    assert len(found) == 24
    errors = {id: verdict.error.message for id, verdict in found.items() if verdict.label is None}
    assert list(errors) == ["00010.png"]
    assert "ended each time" in errors["00010.png"]


def test_a_cloud_worker_is_killed(archive: Path, gear_line: Path, tmp_path: Path) -> None:
    root = few(archive, tmp_path / "archive", 24)
    cloud = saec.Cloud("small", batch=4, references=1)
    line, config = saec.Line.open(gear_line), RunConfig(maps=False, explain=False)
    list(
        line.inspect_many(root, cloud=cloud, policy="cloud", run=config, out=tmp_path / "plain", split="all")
    )
    asked: dict[str, Any] = {"cloud": cloud, "policy": "cloud", "run": config, "out": tmp_path / "run"}
    killed = 0
    for count, _ in enumerate(line.inspect_many(root, engine="ray", **asked), 1):
        if count == 8:
            for worker in workers(psutil.Process()):
                worker.kill()
                killed += 1
    assert killed
    assert said(tmp_path / "run") == near(said(tmp_path / "plain"))


def near(verdicts: dict[str, Any]) -> dict[str, Any]:
    """A cloud's last digits depend on the frames of its batch; in a plain run chance has a say in these."""
    for one in verdicts.values():
        for holder in (one, one["cloud"]):
            holder["p_defect"] = pytest.approx(holder["p_defect"], abs=1e-6)
    return verdicts


def waited(done: Any) -> None:
    end = time.monotonic() + BOUND_S
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def one_ray_at_a_time() -> Iterator[None]:
    """Nothing of Ray is left behind."""
    yield
    assert workers(psutil.Process()) == []
