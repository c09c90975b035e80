"""Studies of repeated parts: what people and a line repeat, miss and reject, and how scores scatter."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.cli import main
from saec.data.input_images import list_inputs
from saec.errors import DataError
from saec.evaluation.studies.attribute_study import attribute_study
from saec.evaluation.studies.score_study import score_study
from saec.evaluation.studies.study_sentences import study_sentences
from saec.evaluation.studies.trials import LINE_RATER, PartTrial, read_trials
from saec.report.study_page import study_html
from tests.run_fakes import FakeCloud, Frames, make_line


def trials(rater: str, part: str, labels: list[int | None], truth: int | None = None) -> list[PartTrial]:
    return [PartTrial(rater=rater, part=part, label=label, truth=truth) for label in labels]


def test_what_a_rater_repeats_misses_and_rejects() -> None:
    found = attribute_study(
        [
            *trials("anna", "g1", [0, 0, 0], 0),
            *trials("anna", "g2", [0, 1, 0], 0),
            *trials("anna", "d1", [1, 1, 1], 1),
            *trials("anna", "d2", [1, 0, None], 1),
        ]
    )
    (anna,) = found.raters
    assert (anna.parts, anna.trials, anna.unanswered) == (4, 12, 1)
    assert anna.repeated[:2] == (2, 4)
    assert anna.effective[:2] == (2, 4)
    assert (anna.missed[:2], anna.missed_parts[:2]) == ((1, 5), (1, 2))
    assert (anna.rejected[:2], anna.rejected_parts[:2]) == ((1, 6), (1, 2))
    assert anna.grades == {
        "effectiveness": "not acceptable",
        "missed": "not acceptable",
        "rejected": "not acceptable",
    }
    assert set(found.unsteady) == {"g2", "d2"}
    assert any("20" in said for said in found.limits_to)


def test_two_raters_are_compared_on_what_both_have_rated() -> None:
    found = attribute_study(
        [
            *trials("anna", "a", [0, 0], 0),
            *trials("ben", "a", [0, 0], 0),
            *trials("anna", "b", [1, 1], 1),
            *trials("ben", "b", [1, 0], 1),
            *trials("ben", "c", [1], None),
        ]
    )
    assert found.all_agree[:2] == (1, 2)
    assert found.all_right[:2] == (1, 2)
    (pair,) = found.pairs
    assert (pair.first, pair.second, pair.kappa.parts) == ("anna", "ben", 2)
    assert pair.kappa.value == pytest.approx(0.5)


@given(st.integers(0, 2**16), st.floats(0.05, 2.0), st.floats(0.5, 5.0))
def test_variance_components_are_those_that_were_drawn(seed: int, within: float, between: float) -> None:
    rng = np.random.default_rng(seed)
    means = rng.normal(0, between, 400)
    drawn = [
        PartTrial(rater=LINE_RATER, part=str(part), label=0, score=float(score))
        for part, mean in enumerate(means)
        for score in rng.normal(mean, within, 2 + part % 3)
    ]
    found = score_study(drawn, 0.0, (-1.0, 1.0))
    assert found is not None
    freedom = sum(len(part.scores) - 1 for part in found.parts)
    assert found.repeat_deviation == pytest.approx(within, rel=6 / math.sqrt(2 * freedom))
    exact = math.sqrt(between**2 + within**2 / 2)  # what a part's mean varies by, at most
    assert found.part_deviation < exact * (1 + 6 / math.sqrt(2 * 399))
    assert found.guard_band == (-2 * found.repeat_deviation, 2 * found.repeat_deviation)


def test_the_flip_of_a_part_at_the_threshold_is_one_half() -> None:
    scored = [
        PartTrial(rater=LINE_RATER, part=p, label=0, score=s)
        for p, s in (("a", 4.0), ("a", 6.0), ("b", 9.0), ("b", 9.0))
    ]
    found = score_study(scored, 5.0, (4.9, 5.1))
    assert found is not None
    assert [part.part for part in found.parts] == ["a", "b"]
    assert found.parts[0].flips == 0.5
    assert found.parts[1].flips == pytest.approx(0.5 * math.erfc(4.0 / 1.0 / math.sqrt(2)))
    assert not found.covered
    said = list(study_sentences(attribute_study(scored), found))
    assert any("does not" in sentence for sentence in said)
    assert score_study(scored[:2], 5.0, (4.0, 6.0)) is None


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ("anna,1,perhaps,", "row 2, column label: 'perhaps' is no label"),
        ("anna,1,good,good\nben,1,good,defect", "row 3: the part 1 has another truth"),
        (",1,good,", "row 2: the rater or the part is empty"),
        ("", "holds no trials"),
    ],
)
def test_a_table_that_cannot_be_meant_names_its_row(tmp_path: Path, rows: str, what: str) -> None:
    table = tmp_path / "people.csv"
    table.write_text(f"rater,part,label,truth\n{rows}\n")
    with pytest.raises(DataError) as e:
        read_trials(table)
    assert what in e.value.what


def test_words_of_the_shop_floor_are_understood(tmp_path: Path) -> None:
    table = tmp_path / "people.csv"
    table.write_text("rater;part;label\nanna;1;OK\nanna;1;NG\nanna;2;not sure\nanna;2;1\n")
    assert [trial.label for trial in read_trials(table)] == [0, 1, None, 1]


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Two good parts and two defects, twice each; one of them on both sides of the threshold."""
    frames = Frames(tmp_path / "parts")
    for part, reds in (
        ("good/a", (60, 61)),
        ("good/b", (125, 130)),
        ("defect/c", (200, 201)),
        ("defect/d", (220, 222)),
    ):
        for at, red in enumerate(reds):
            frames.add(f"{part}/{at}", red, green=at)
    return tmp_path / "parts"


def study(tmp_path: Path, *arguments: object) -> dict[str, Any]:
    file = tmp_path / "study.json"
    assert main(["study", *map(str, arguments), "--json", str(file)]) == 0
    told: dict[str, Any] = json.loads(file.read_text())
    return told


def test_a_line_and_people_in_one_study(
    tmp_path: Path, parts: Path, fakes: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    make_line(tmp_path / "line")
    people = tmp_path / "people.csv"
    people.write_text("rater,part,label\nanna,a,good\nanna,b,good\nanna,c,defect\nanna,d,defect\n")
    page = tmp_path / "study.html"
    told = study(tmp_path, parts, "--line", tmp_path / "line", "--table", people, "--out", page)
    line = next(one for one in told["study"]["raters"] if one["rater"] == "line")
    assert line["repeated"][:2] == [3, 4]
    assert line["rejected"][:2] == [1, 4]
    assert line["missed"][:2] == [0, 4]
    assert set(told["study"]["unsteady"]) == {"b"}
    assert told["scores"]["threshold"] == 5.0
    text = page.read_text()
    assert "The line line, version 1, judged" in text
    assert "http" not in text.replace("http-equiv", "")
    assert "anna has rated 4 parts: take at least 20" in capsys.readouterr().out


def test_pictures_of_the_fit_are_no_study(
    tmp_path: Path, parts: Path, fakes: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    make_line(tmp_path / "line", goods=list_inputs(parts / "good").sources)
    assert main(["study", str(parts), "--line", str(tmp_path / "line")]) == 2
    assert "was used" in capsys.readouterr().err


def test_a_part_that_is_not_known_is_asked_for(
    tmp_path: Path, fakes: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    Frames(tmp_path / "parts").add("good/1", 60)
    make_line(tmp_path / "line")
    assert main(["study", str(tmp_path / "parts"), "--line", str(tmp_path / "line")]) == 2
    assert "it is not known which part" in capsys.readouterr().err


def test_a_hostile_name_stays_text() -> None:
    found = attribute_study(trials("<script>x</script>", "<b>", [0, 1]))
    html = study_html(found, None, "<i>")
    assert "<script>" not in html
    assert "<b>" not in html
