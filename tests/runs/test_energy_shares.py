"""A run's energy is shared out among its frames, and the parts add up to what the counters saw."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from saec import edge
from saec.cli.options.measurement import meter_line, tell_energy
from saec.data.input_images import list_inputs
from saec.frame import judges as loading
from saec.frame.judges import Cloud, Standing
from saec.meter import energy_meter as meters
from saec.meter.ledger import MeterSample
from saec.meter.rapl import NullCpu
from saec.runs.metering.energy_shares import Frames, RunEnergy, _per_correct, account
from saec.runs.metering.run_meter import ENERGY_FILE, SPANS_FILE
from saec.runs.metering.stage_spans import SPAN, STAGES, SpanLog, read_spans
from saec.runs.run_folder import Options, run_line
from saec.runs.verdict_log import read_verdicts
from saec.settings import CloudConfig, MeterConfig
from tests.run_fakes import FUSED, FakeCloud, FakeDetector, make_dataset, make_line


def span(
    seq: int, stage: str, begin: float, end: float, batch: int = 0
) -> tuple[int, int, int, float, float]:
    return seq, STAGES.index(stage), batch, begin, end


def frames(*routes: str) -> Frames:
    n = len(routes)
    return Frames(np.arange(1, n + 1), list(routes), np.ones(n), np.full(n, 1000.0))


def test_an_account_by_hand() -> None:
    # GPU: 100 W at rest, 300 W in second 2; CPU: 10 W at rest, 30 W in second 1.
    samples = [
        MeterSample(float(t), gpu_j=g, cpu_j=c)
        for t, g, c in ((0, 0, 0), (1, 100, 30), (2, 400, 40), (3, 500, 50))
    ]
    spans = np.array(
        [
            span(1, "edge", 0.0, 0.5),
            span(2, "edge", 0.5, 1.0),
            span(3, "edge", 2.5, 2.5),
            span(2, "cloud", 1.0, 2.0, batch=1),
            span(3, "cloud", 1.0, 2.0, batch=1),
        ],
        SPAN,
    )
    energy, gross = account(
        samples,
        spans,
        frames("edge", "cloud", "cloud"),
        idle_w={"gpu": 100.0, "cpu": 10.0},
        cloud_device="gpu",
        link_j_per_byte=1e-3,
    )
    gpu, cpu = energy.devices
    assert (gpu.total_j, gpu.idle_j, gpu.unattributed_j, gpu.stages_j) == pytest.approx((500, 300, 0, 200))
    assert (cpu.total_j, cpu.idle_j, cpu.unattributed_j, cpu.stages_j) == pytest.approx((50, 30, 0, 20))
    assert {(p.stage, p.device): p.net_j for p in energy.parts} == pytest.approx(
        {("cloud", "gpu"): 200.0, ("edge", "cpu"): 20.0}
    )
    assert gross.tolist() == pytest.approx([10 + 110, 10 + 100 + 110, 100 + 110])
    assert gross.sum() == pytest.approx(550)
    by_route = {route.route: route for route in energy.routes}
    assert (by_route["edge"].net_j, by_route["cloud"].net_j) == pytest.approx((10, 105))
    assert energy.per_correct_gross_mwh is not None
    assert energy.per_correct_gross_mwh[0] == pytest.approx(550 / 3.6 / 3)
    assert energy.link_j == pytest.approx(3.0)


def test_what_was_not_measured_is_unknown() -> None:
    samples = [MeterSample(0.0), MeterSample(1.0)]
    spans = np.array([span(1, "edge", 0, 1)], SPAN)
    energy, gross = account(
        samples, spans, frames("edge"), idle_w={}, cloud_device="cpu", link_j_per_byte=0.0
    )
    assert energy.devices == []
    assert energy.per_correct_gross_mwh is None
    assert gross.tolist() == [0.0]
    measured = [MeterSample(0.0, cpu_j=0.0), MeterSample(1.0, cpu_j=5.0)]
    energy, gross = account(
        measured, spans, frames("edge"), idle_w={}, cloud_device="cpu", link_j_per_byte=0.0
    )
    assert gross.tolist() == pytest.approx([5.0])
    assert energy.per_correct_net_mwh is None
    assert "idle power was not measured" in " ".join(energy.notes)


def test_spans_are_kept(tmp_path: Path) -> None:
    log = SpanLog(tmp_path / "s")
    log.edge(7, 10.0, 10.5, {"read": 10.0, "decode": 20.0, "edge": 100.0})
    log.cloud(11.0, [7, 8], [{"cloud": 25.0, "explain": 30.0}, {"cloud": 25.0}])
    log.close()
    rows = [
        (STAGES[s["stage"]], s["seq"], s["batch"], s["begin"], s["end"]) for s in read_spans(tmp_path / "s")
    ]
    assert ("read", 7, 0, 10.0, 10.01) in rows
    assert [r[:3] for r in rows if r[0] in ("edge", "cloud", "explain")] == [
        ("edge", 7, 0),
        ("cloud", 7, 1),
        ("cloud", 8, 1),
        ("explain", 7, 1),
    ]
    assert all(begin <= end for *_, begin, end in rows)
    # each frame of a batch is at work for all of it, and its words come after
    assert [r[3:] for r in rows if r[0] == "cloud"] == [pytest.approx((11.0, 11.05))] * 2
    assert [r[3:] for r in rows if r[0] == "explain"] == [pytest.approx((11.05, 11.08))]


def test_a_run_gives_each_verdict_its_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    monkeypatch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))
    line = make_line(tmp_path / "line")
    inputs = list_inputs(make_dataset(tmp_path / "data"))
    cloud = Cloud(CloudConfig(model="fake", references=1))
    cloud.__dict__["engine"] = FakeCloud()
    options = Options(metering=MeterConfig(cpu_watts=(8.0, 3.0), interval_s=0.01))
    info = run_line(line, inputs, tmp_path / "run", cloud=cloud, options=options)
    energy = msgspec.json.decode((tmp_path / "run" / ENERGY_FILE).read_bytes(), type=RunEnergy)
    (cpu,) = energy.devices
    assert cpu.total_j == pytest.approx(cpu.idle_j + cpu.unattributed_j + cpu.stages_j)
    shares = [v.energy_j for v in read_verdicts(tmp_path / "run" / "verdicts.jsonl")]
    assert None not in shares
    assert sum(share or 0.0 for share in shares) == pytest.approx(cpu.total_j)
    assert not (tmp_path / "run" / SPANS_FILE).exists()
    run = next(r for r in info.meter if r["phase"] == "run")
    assert run["cpu_energy_j"] == pytest.approx(cpu.total_j)
    assert "ESTIMATED" in " ".join(run["notes"])
    assert "ESTIMATED" in " ".join(energy.notes)
    assert "of CPU (estimated)" in meter_line(info)
    tell_energy(tmp_path / "run")
    told = capsys.readouterr().out
    assert "ESTIMATED" in told
    assert "by a stated model, 40 nJ a byte" in told


@pytest.mark.parametrize("n", [20_000, 20_001])
def test_intervals_of_a_ratio_cover_it(n: int) -> None:
    """Drawn again and again below the limit, by the normal law above it: both as wide as they must be."""
    rng = np.random.default_rng(1)
    joules, correct = rng.lognormal(0, 0.5, n), (rng.random(n) < 0.9).astype(float)
    interval = _per_correct(joules, correct)
    assert interval is not None
    value, low, high = interval
    assert value == pytest.approx(joules.sum() / 3.6 / correct.sum())
    variance = np.var(joules / 3.6 - value * correct) / n / correct.mean() ** 2
    assert (high - low) / 2 == pytest.approx(1.96 * np.sqrt(variance), rel=0.1)
    assert low < value < high


def test_a_run_without_counters_keeps_no_spans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    monkeypatch.setattr(meters, "open_cpu", lambda: NullCpu("none here"))
    line = make_line(tmp_path / "line")
    inputs = list_inputs(make_dataset(tmp_path / "data"))
    run_line(line, inputs, tmp_path / "run")
    assert not (tmp_path / "run" / ENERGY_FILE).exists()
    assert not (tmp_path / "run" / SPANS_FILE).exists()
    assert all(v.energy_j is None for v in read_verdicts(tmp_path / "run" / "verdicts.jsonl"))
