import json
import math
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec.errors import DataError
from saec.profile import OPEN, Gate
from saec.report import plots, words
from saec.report.gallery import sections
from saec.report.run_page import open_run
from saec.report.tally import routes, shares, stage_times, tally
from saec.types import VerdictRecord
from tests.report.report_samples import GATE, THRESHOLD, failed, info, verdict, write

VERDICTS = st.lists(
    st.one_of(
        st.builds(failed, id=st.integers(0, 99).map(str), truth=st.sampled_from([None, 0, 1])),
        st.builds(
            verdict,
            id=st.integers(0, 99).map(str),
            score=st.floats(-10, 100),
            truth=st.sampled_from([None, 0, 1]),
            label=st.sampled_from([None, 0, 1]),
            cloud=st.one_of(st.none(), st.floats(0, 1)),
            role=st.sampled_from(["fused", "advisory"]),
            decided_by=st.sampled_from(["edge", "cloud", "edge-fallback"]),
        ),
    ),
    max_size=12,
    unique_by=lambda v: v.id,
)


@settings(deadline=None)
@given(VERDICTS)
def test_every_count_adds_up_to_the_frames(verdicts: list[VerdictRecord]) -> None:
    t = tally(verdicts)
    assert t.good + t.defect + t.errors == t.frames == len(verdicts)
    assert t.tp + t.fn == t.true_defect
    assert t.tn + t.fp == t.true_good
    assert t.labelled == sum(v.truth is not None and v.label is not None for v in verdicts)
    assert sum(row.frames for row in routes(verdicts)) == t.frames
    assert sum(s.frames for s in shares(verdicts)) == t.frames
    assert sum(row.wrong or 0 for row in routes(verdicts)) == t.fp + t.fn
    assert 0 <= t.caught <= t.put_right <= t.tp + t.tn
    assert 0 <= t.lost <= t.put_wrong <= t.fp + t.fn
    assert t.put_right + t.put_wrong <= t.changed
    assert t.kept_right + t.kept_wrong <= t.heard <= t.asked


@settings(deadline=None)
@given(VERDICTS, st.sampled_from([GATE, None]))
def test_each_frame_stands_in_exactly_one_section(verdicts: list[VerdictRecord], gate: Gate | None) -> None:
    found = sections(verdicts, THRESHOLD, gate, share=100)
    assert sorted(v.id for s in found for v in s.shown) == sorted(v.id for v in verdicts)
    assert sum(s.total for s in found) == len(verdicts)
    t = tally(verdicts)
    totals = {s.key: s.total for s in found}
    assert totals.get("errors", 0) == t.errors
    assert totals.get("cloud-wrong", 0) == t.put_wrong
    assert totals.get("cloud-right", 0) == t.put_right
    wrong = sum(totals.get(key, 0) for key in ("cloud-wrong", "escapes", "overkills"))
    assert wrong == t.fp + t.fn


def test_section_shows_the_most_telling_frames_first() -> None:
    goods = [verdict(f"{i}.png", 3.0 + i, truth=0) for i in range(40)]
    (section,) = sections(goods, THRESHOLD, GATE)
    assert section.key == "overkills"
    assert (section.total, len(section.shown)) == (40, 24)
    assert [v.id for v in section.shown[:2]] == ["39.png", "38.png"]


@pytest.mark.parametrize(
    ("made", "key"),
    [
        (verdict(score=1.0), "sure-good"),
        (verdict(score=9.0), "sure-defect"),
        (verdict(score=2.5), "unsure"),
        (verdict(score=9.0, truth=0), "overkills"),
        (verdict(score=1.0, truth=1), "escapes"),
        (verdict(score=2.5, truth=1, label=1, cloud=0.9), "cloud-right"),
        (verdict(score=3.5, truth=1, label=0, cloud=0.1), "cloud-wrong"),
        (verdict(score=3.5, label=0, cloud=0.1), "changed"),
        (verdict(score=3.5, cloud=0.1, role="advisory"), "second-opinion"),
        (verdict(score=3.5, cloud=0.9, role="advisory"), "unsure"),
        (verdict(score=2.5, truth=0, cloud=0.1), "settled"),
        (verdict(score=2.5, truth=1, cloud=0.1), "escapes"),
        (verdict(score=3.5, decided_by="edge-fallback"), "fallback"),
        (failed(), "errors"),
    ],
)
def test_section_of_a_frame(made: VerdictRecord, key: str) -> None:
    assert [s.key for s in sections([made], THRESHOLD, GATE)] == [key]


@settings(deadline=None)
@given(
    VERDICTS, st.floats(-20, 20), st.sampled_from([GATE, Gate(low=-OPEN, high=OPEN, basis="certified"), None])
)
def test_histogram_holds_every_score_once_and_stays_in_its_frame(
    verdicts: list[VerdictRecord], threshold: float, gate: Gate | None
) -> None:
    drawn = plots.histogram(verdicts, threshold, gate)
    scored = [v for v in verdicts if v.score is not None]
    assert (drawn is None) == (not scored)
    if drawn is None:
        return
    assert sum(int(bar.label.split()[0]) for bar in drawn.bars) == len(scored)
    for bar in drawn.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= plots.WIDTH
        assert -1 <= bar.y <= bar.y + bar.height <= plots.HEIGHT
    assert 0 <= drawn.threshold <= plots.WIDTH
    assert 1 <= len(drawn.ticks) <= 12


def test_goods_stand_above_the_axis_and_defects_hang_below() -> None:
    drawn = plots.histogram([verdict("a", 1.0, truth=0), verdict("b", 8.0, truth=1)], THRESHOLD, GATE)
    good, defect = drawn.bars
    assert good.kind == "good"
    assert good.y + good.height == pytest.approx(drawn.base)
    assert defect.kind == "defect"
    assert defect.y == pytest.approx(drawn.base)
    assert drawn.gate is not None
    assert good.x < drawn.gate[0] < drawn.threshold < sum(drawn.gate) < defect.x


def test_axis_shows_the_gate_however_far_a_defect_lies() -> None:
    verdicts = [verdict(f"{i}", 1.0 + i / 50) for i in range(50)] + [verdict("far", 1e4)]
    axis = plots.score_axis(verdicts, THRESHOLD, GATE)
    assert axis.share(GATE.high) - axis.share(GATE.low) > 0.1
    assert plots.histogram(verdicts, THRESHOLD, GATE).beyond == 1


def test_an_open_end_of_the_gate_does_not_stretch_the_axis() -> None:
    half_open = Gate(low=-OPEN, high=4.0, basis="certified")
    axis = plots.score_axis([verdict(score=1.0), verdict(score=5.0)], THRESHOLD, half_open)
    assert -10 < axis.low < axis.high < 20
    assert axis.share(half_open.low) == 0.0


def test_stage_times_are_percentiles_in_the_order_of_the_way() -> None:
    verdicts = [
        verdict(str(i), ms={"judging": 2.0 * i, "edge": float(i), "queue": 9.0, "own": 1.0})
        for i in range(101)
    ]
    rows = stage_times(verdicts)
    assert [r.stage for r in rows] == ["edge", "judging", "queue", "own"]
    assert (rows[0].p50, rows[0].p95, rows[0].frames) == (50.0, 95.0, 101)


def test_torn_last_line_is_left_out_and_said(tmp_path: Path) -> None:
    run = write(tmp_path / "run", [verdict("a"), verdict("b")])
    log = run / "verdicts.jsonl"
    log.write_bytes(log.read_bytes()[:-9])
    opened = open_run(run)
    assert [v.id for v in opened.verdicts] == ["a"]
    assert "incomplete" in opened.notes[0]


def test_retried_frame_counts_once_with_its_last_verdict(tmp_path: Path) -> None:
    opened = open_run(write(tmp_path / "run", [failed("a"), verdict("b"), verdict("a", 9.0)]))
    assert [(v.id, v.label) for v in opened.verdicts] == [("a", 1), ("b", 0)]


def test_damaged_line_names_the_file_and_the_line(tmp_path: Path) -> None:
    run = write(tmp_path / "run", [verdict("a")])
    with (run / "verdicts.jsonl").open("ab") as log:
        log.write(b'{"id": 3}\n')
    with pytest.raises(DataError, match=r"verdicts\.jsonl:2"):
        open_run(run)


def test_run_that_was_killed_says_so(tmp_path: Path) -> None:
    opened = open_run(write(tmp_path / "run", [verdict("a")], info(ended="")))
    assert "not ended" in opened.notes[0]


def test_pixel_figures_come_from_the_evaluation_and_the_rest_from_the_verdicts(tmp_path: Path) -> None:
    run = write(tmp_path / "run", [verdict("a", 1.0, truth=0), verdict("b", 9.0, truth=1)])
    (run / "metrics.json").write_text(json.dumps({"pixel_auroc": 0.9, "image_auroc": 0.1}))
    metrics = open_run(run).metrics
    assert metrics.pixel_auroc == 0.9
    assert metrics.image_auroc == 1.0


def test_run_of_another_schema_is_refused(tmp_path: Path) -> None:
    run = write(tmp_path / "run", [], msgspec.structs.replace(info(), schema=99))
    with pytest.raises(DataError, match="format 99"):
        open_run(run)


@settings(deadline=None)
@given(st.one_of(st.none(), st.floats(0, 1e7)))
def test_unknown_and_zero_are_told_apart(value: float | None) -> None:
    for text in (words.milliseconds(value), words.quantity(value)):
        assert (text == "unknown") == (value is None)
        if value is not None:
            shown = float(text.split("\u202f")[0]) if "\u202fms" in text else None
            assert shown is None or math.isclose(shown, value, rel_tol=0.01, abs_tol=1e-9)
