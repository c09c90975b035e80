"""A run's routes come out again from its folder and its line, whatever the policy; tampering is named."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from saec.cli import main
from saec.data.input_images import list_inputs
from saec.errors import ConfigError, DataError
from saec.frame.judges import Cloud
from saec.profile import LineProfile, sha256_file, write_json
from saec.runs.recorded_scheduler import replay_run, scheduler_of
from saec.runs.run_folder import Options, run_line
from saec.runs.run_record import read_run, write_run
from saec.runs.verdict_log import read_all
from saec.settings import BudgetConfig, CloudConfig, GateConfig, RunConfig
from saec.types import Route
from saec_research.seed.policy import SeedConfig, SeedPolicy
from tests.run_fakes import CALIBRATION, FUSED, FakeCloud, Frames, make_line


@pytest.fixture
def line(tmp_path: Path, fakes: FakeCloud) -> LineProfile:
    calibration = msgspec.structs.replace(CALIBRATION, clouds={Cloud(CloudConfig(model="small")).key: FUSED})
    return make_line(tmp_path / "bottle", calibration=calibration)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    frames = Frames(tmp_path / "data")
    for i in range(24):
        frames.add(f"{i:02}", (20, 128, 100, 240)[i % 4], green=9 * i)
    frames.broken("broken")
    return frames.folder


def inspect(line: LineProfile, data: Path, out: Path, **options: object) -> Path:
    cloud = Cloud(CloudConfig(model="small"))
    run_line(line, list_inputs(data), out, cloud=cloud, options=Options(**options))  # type: ignore[arg-type]
    return out


def rewrite(run: Path, seq: int, **fields: object) -> str:
    """Change one verdict of a log; returns its id."""
    verdicts = list(read_all(run / "verdicts.jsonl"))
    index = next(i for i, v in enumerate(verdicts) if v.seq == seq)
    verdicts[index] = msgspec.structs.replace(verdicts[index], **fields)
    (run / "verdicts.jsonl").write_bytes(b"".join(msgspec.json.encode(v) + b"\n" for v in verdicts))
    return verdicts[index].id


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"policy": "edge"},
        {"policy": "cloud"},
        {"policy": "value", "budget": BudgetConfig(share=0.3)},
        {"policy": "random", "budget": BudgetConfig(share=0.3)},
        {"gate": GateConfig(complexity=-5.0)},
        {"config": RunConfig(waiting=2, maps=False)},
        {"config": RunConfig(deadline_s=0.05, maps=False)},
        {"config": RunConfig(deadline_s=60.0, maps=False)},
    ],
)
def test_a_live_run_gives_its_routes_again(
    tmp_path: Path, line: LineProfile, data: Path, options: dict[str, object]
) -> None:
    run = inspect(line, data, tmp_path / "run", **options)
    found = replay_run(run)
    assert (found.routes, found.unrouted, found.missing, found.difference) == (24, 1, 0, None)


def test_a_resumed_run_is_replayed_part_by_part(tmp_path: Path, line: LineProfile, data: Path) -> None:
    run = inspect(line, data, tmp_path / "run")
    log = run / "verdicts.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:9]))
    inspect(line, data, run, resume=True, retry_errors=True)
    info = read_run(run)
    assert len(info.starts) == 2
    found = replay_run(run)
    assert found.difference is None
    assert found.routes == 24


def test_a_tampered_log_is_named_and_ends_with_status_1(
    tmp_path: Path, line: LineProfile, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = inspect(line, data, tmp_path / "run")
    assert main(["replay", str(run), "--line", str(line.folder)]) == 0
    assert "24 routes repeated, all equal" in capsys.readouterr().out
    name = rewrite(run, 6, route=Route("edge", "sure-good"))
    assert main(["replay", str(run)]) == 1
    told = capsys.readouterr().out
    assert f"frame {name} (seq 6)" in told
    assert "edge, sure-good" in told
    assert "cloud, unsure" in told


def test_an_older_calibration_is_found_and_another_line_refused(
    tmp_path: Path, line: LineProfile, data: Path
) -> None:
    run = inspect(line, data, tmp_path / "run")
    line.recalibrated(msgspec.structs.replace(line.calibration, threshold=9.0, created="later"))
    assert replay_run(run).difference is None
    other = make_line(tmp_path / "other", calibration=msgspec.structs.replace(CALIBRATION, created="then"))
    with pytest.raises(ConfigError, match="calibrated again"):
        replay_run(run, other.folder)
    (other.folder / "detector.xml").write_bytes(b"another graph")
    files = {"detector.xml": sha256_file(other.folder / "detector.xml")}
    detector = msgspec.structs.replace(other.line.detector, files=files)
    write_json(other.folder / "line.json", msgspec.structs.replace(other.line, detector=detector))
    with pytest.raises(ConfigError, match="not the line that judged"):
        replay_run(run, other.folder)


def test_the_seeds_policy_needs_its_cut(tmp_path: Path, line: LineProfile, data: Path) -> None:
    run = inspect(line, data, tmp_path / "run", policy="cloud")
    info = read_run(run)
    config = {**info.config, "own": msgspec.to_builtins(SeedConfig(qwen_thr=0.3))}
    write_run(run, msgspec.structs.replace(info, policy="seed", config=config))
    with pytest.raises(DataError, match="cut"):
        replay_run(run)
    for cut, expected in ((None, float("inf")), (2.5, 2.5)):
        write_run(
            run, msgspec.structs.replace(info, policy="seed", config={**config, "first_pass": {"cut": cut}})
        )
        scheduler = scheduler_of(run)
        policy = scheduler.policy()
        assert isinstance(policy, SeedPolicy)
        assert policy.cut == expected
        assert scheduler.rules().cloud_threshold == 0.3
