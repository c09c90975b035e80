"""Labels become a candidate that judges nothing yet, is compared, and is the same when it is begun again."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from saec.data.manifest import Manifest
from saec.profile import LineProfile, sha256_file
from saec.station.audit.audit_log import AuditLog
from saec.station.challenge.golden_set import GoldenPart, GoldenSet
from saec.station.maintenance.version_comparisons import Comparisons
from saec.station.review.review_records import ReviewAnswer
from saec.station.teaching.job_records import CompareJob, JobOutcome
from saec.station.teaching.teaching_program import done_job
from saec.types import DEFECT, GOOD
from tests.station.teaching.teaching_bench import TeachingBench, draw


def snapshot(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): sha256_file(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def teach(bench: TeachingBench, excluded: tuple[int, ...] = ()) -> tuple[str, JobOutcome]:
    job = bench.ask(bench.choice().work(excluded))
    return job.id, done_job(bench.settings, bench.jobs.path(job.id))


def test_labels_become_a_candidate_that_is_compared_and_not_current(bench: TeachingBench) -> None:
    choice = bench.choice()
    assert (choice.goods, choice.defects) == (4, {"tooth": 4})
    before = snapshot(bench.versions.path(1))
    id, outcome = teach(bench)
    assert outcome.problem == ""
    assert (outcome.version, outcome.compared) == (2, True)
    assert outcome.memory_mb > 0
    state = bench.versions.state()
    assert (state.current, state.shadow, [v.number for v in state.known]) == (1, None, [1, 2])
    assert snapshot(bench.versions.path(1)) == before
    row = AuditLog(bench.data).rows()[0]
    assert (row.what, row.actor, row.role, row.reason) == ("line.add", "anna", "engineer", "because")
    candidate = LineProfile.open(bench.versions.path(2))
    assert candidate.line.version == 2
    assert len(candidate.calibration.defect_scores) == 4
    made = Comparisons(bench.versions).find(2, 1)
    assert made is not None
    assert (made.frames, made.job, made.left_out, made.recorded) == (22, id, {}, 0)
    assert made.errors.escape is not None
    assert made.errors.overkill is not None
    assert (made.errors.escape.images, made.errors.overkill.images) == (10, 12)
    assert made.errors == made.edge
    assert made.challenge is None
    assert any("taught 4 good images and 4 defects" in note for note in outcome.notes)
    again = bench.choice()
    assert again.base.number == 1
    assert len(again.offered) == 8
    bench.versions.promote(2)
    after = bench.choice()
    assert (after.offered, dict(after.left_out)) == ([], {"taught": 8})


def test_a_job_that_is_begun_again_ends_with_the_same_candidate(
    bench: TeachingBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    id, outcome = teach(bench)
    content = bench.versions.state().known[1].content
    folder = bench.jobs.path(id)
    for kept in ("taught", "material", "said-2.json"):
        path = folder / "work" / kept
        path.rename(folder / "work" / "moved")
        assert done_job(bench.settings, folder).version == outcome.version
        assert [v.content for v in bench.versions.state().known][1:] == [content]
        aside = folder / "work" / "moved"
        for part in sorted(aside.rglob("*"), reverse=True) if aside.is_dir() else []:
            part.rmdir() if part.is_dir() else part.unlink()
        aside.rmdir() if aside.is_dir() else aside.unlink()


def test_what_is_excluded_disputed_or_taken_back_is_not_taught(bench: TeachingBench) -> None:
    choice = bench.choice()
    seqs = [one.frame.seq for one in choice.offered]
    disputed, unsure, excluded, undone = seqs[-1], seqs[-2], seqs[0], seqs[1]
    bench.reviews.answer("bert", disputed, ReviewAnswer(label=DEFECT))
    bench.reviews.ask_second(unsure)
    bench.reviews.answer("bert", unsure, ReviewAnswer(label=DEFECT))
    bench.reviews.answer("carl", unsure, ReviewAnswer(label=GOOD))
    choice = bench.choice()
    assert choice.left_out == {"disputed": 2}
    job = bench.ask(choice.work([excluded]))
    for label in bench.reviews.labels("anna", most=50):
        if label.seq == undone:
            bench.reviews.withdraw("anna", label.n)
    outcome = done_job(bench.settings, bench.jobs.path(job.id))
    assert outcome.problem == ""
    assert any("changed or lost since they were chosen: 1 labels" in note for note in outcome.notes)
    taught = Manifest.read(bench.versions.path(2)).roles.keys()
    hashes = {seq: frame.sha256 for seq in seqs if (frame := bench.reviews.frame(seq)) is not None}
    for seq in (disputed, unsure, excluded, undone):
        assert hashes[seq] not in taught
    assert sum(sha in taught for sha in hashes.values()) == 4


def test_labels_taken_back_meanwhile_are_said_and_cost_a_reason(bench: TeachingBench) -> None:
    id, _ = teach(bench)
    label = next(one for one in bench.reviews.labels("anna", most=50) if one.answer.kind == "tooth")
    bench.reviews.withdraw("anna", label.n)
    outcome = done_job(bench.settings, bench.jobs.path(id))
    assert outcome.version == 2
    assert any("while they were taught: 1 labels" in note for note in outcome.notes)
    assert "labels-changed" in Comparisons(bench.versions).concerns(2)
    bench.jobs.write(msgspec.structs.replace(bench.jobs.find(id), state="done"))
    job = bench.ask(CompareJob(version=2, base=1))
    assert done_job(bench.settings, bench.jobs.path(job.id)).compared
    assert "labels-changed" in Comparisons(bench.versions).concerns(2)


def test_what_proves_is_never_taught(bench: TeachingBench) -> None:
    frames = bench.choice().work().frames
    first = bench.reviews.frame(frames[0].seq)
    assert first is not None
    proving = {one.frame.sha256 for one in bench.reviews.reviewed("gears", use="prove")}
    assert proving.isdisjoint(frame.sha256 for frame in frames)
    teach(bench)
    assert proving.isdisjoint(Manifest.read(bench.versions.path(2)).roles)


def test_a_line_that_changed_and_a_job_without_labels_say_so(bench: TeachingBench) -> None:
    job = bench.ask(CompareJob(version=1, base=1))
    outcome = done_job(bench.settings, bench.jobs.path(job.id))
    assert "version 1 judges now" in outcome.problem


def test_golden_parts_that_a_candidate_judges_wrong_cost_a_reason(bench: TeachingBench) -> None:
    golden, log = GoldenSet(bench.data, "gears"), AuditLog(bench.data)
    good, bad = draw(bench.root / "golden", 1, 700, defects=False)[0], bench.root / "golden" / "wrong.png"
    bad.write_bytes(draw(bench.root / "golden", 1, 701, defects=False)[0].read_bytes())
    for path, label in ((good, GOOD), (bad, DEFECT)):
        part = GoldenPart(name=path.stem, label=label, sha256=sha256_file(path), suffix=".png", person="eng")
        golden.pin(log, "engineer", [(part, path.read_bytes())])
    _, outcome = teach(bench)
    assert outcome.problem == ""
    made = Comparisons(bench.versions).find(2, 1)
    assert made is not None
    assert made.challenge is not None
    assert (made.challenge.parts, made.challenge.passed) == (2, False)
    assert "wrong" in made.challenge.wrong
    assert "challenge-failed" in Comparisons(bench.versions).concerns(2)
