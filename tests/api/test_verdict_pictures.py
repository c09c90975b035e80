"""A verdict draws itself; what an LLM wrote is text wherever it is shown."""

from __future__ import annotations

import base64
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import saec
from saec.api.verdict_view import Verdict
from saec.data.images.pixels import decode_image
from saec.types import Explanation

HOSTILE = "<script>alert('x')</script> & \"quotes\" $\\frac{1}$ <img src=x onerror=y>"


def said(verdict: Verdict, kind: str, description: str) -> Verdict:
    """The verdict with these words of a cloud."""
    image = verdict.image
    words = Explanation(kind, description)
    shown = verdict.of_image(image)
    shown.record = msgspec.structs.replace(verdict.record, explanation=words, id=kind)
    return shown


class Tags(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_notebook_shows_the_picture_and_the_facts(line: saec.Line, photo: Path) -> None:
    verdict = line.inspect(photo)
    page = verdict._repr_html_()
    (data,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert decode_image(base64.b64decode(data)).shape == verdict.picture(max_side=360).shape
    text = Tags(page).text
    assert "defect" in text
    assert f"{verdict.p_defect:.3f}" in text


@given(st.text(max_size=60), st.text(max_size=60))
def test_words_are_never_markup(line: saec.Line, photo: Path, kind: str, description: str) -> None:
    verdict = line.inspect(photo)
    plain = Tags(said(verdict, "spot", "words")._repr_html_()).tags
    for words in ((kind, description), (kind + HOSTILE, HOSTILE + description)):
        assert Tags(said(verdict, *words)._repr_html_()).tags == plain


def test_a_figure_has_the_image_and_the_map(line: saec.Line, photo: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    verdict = said(line.inspect(photo), "spot", HOSTILE * 5)
    figure = verdict.plot()
    assert [len(axes.images) for axes in figure.axes] == [1, 1]
    figure.savefig(tmp_path / "verdict.png")
    assert figure._repr_png_() == (tmp_path / "verdict.png").read_bytes()  # type: ignore[attr-defined]
    verdict.save_picture(tmp_path / "new" / "verdict.jpg")
    assert (tmp_path / "new" / "verdict.jpg").is_file()


def test_without_matplotlib_or_pandas_the_extra_is_named(
    line: saec.Line, photo: Path, gears: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("matplotlib", "matplotlib.figure", "saec.api.verdict_figure", "pandas"):
        monkeypatch.setitem(sys.modules, name, None)
    for call in (line.inspect(photo).plot, saec.Metrics().to_pandas):
        with pytest.raises(saec.ExtraError, match=r"saec\[notebook\]"):
            call()


def test_figures_are_shown_and_handed_on(line: saec.Line, gears: Path) -> None:
    report = msgspec.structs.replace(line.evaluate(gears), notes=(HOSTILE,))
    assert "missed defects" in repr(report)
    assert "missed defects" in Tags(report._repr_html_()).text
    assert {"script", "img"}.isdisjoint(Tags(report._repr_html_()).tags)
    assert msgspec.convert(report.to_dict(), saec.Metrics) == report
    pandas = pytest.importorskip("pandas")
    frame = report.to_pandas()
    assert len(pandas.concat([frame, frame])) == 2
    assert frame["confusion.tp"][0] == report.confusion.tp
    assert report.escape_interval is not None
    assert frame["escape_interval.high"][0] == report.escape_interval[1]
    assert repr(saec.Metrics()).splitlines()[0] == "Metrics of 0 good and 0 defect images"
    assert "0 good" in saec.Metrics()._repr_html_()


def test_what_is_printed_says_what_it_is(line: saec.Line, photo: Path) -> None:
    verdict = line.inspect(photo)
    assert re.fullmatch(
        r"<Verdict 000.png: defect; P\(defect\) 0.\d+; score .*; edge: edge-only>", repr(verdict)
    )
    assert "gears" in repr(line)
    assert "&lt;Line gears" in line._repr_html_()
    assert np.array_equal(verdict.picture(max_side=64).shape, (64, 64, 3))


@given(st.text(max_size=64))
def test_the_edges_kind_is_shown_as_text_and_apart_from_the_clouds(
    line: saec.Line, photo: Path, name: str
) -> None:
    verdict = said(line.inspect(photo), "spot", "words")
    plain = Tags(verdict._repr_html_()).tags
    named = verdict.of_image(verdict.image)
    kind = name + HOSTILE
    named.record = msgspec.structs.replace(verdict.record, kind=kind, kind_confidence=0.83, true_kind="dent")
    assert (named.kind, named.kind_confidence, named.true_kind) == (kind, 0.83, "dent")
    assert named.to_dict()["kind"] == kind
    page = Tags(named._repr_html_())
    assert page.tags == [*plain, "tr", "th", "td"]
    assert "kind, says the cloud" in page.text
    assert f"{kind} (83 %)" in page.text.replace("\r", "\n") or "\r" in kind
    assert f"kind {kind} (83 %)" in repr(named)
    assert "kind" not in repr(line.inspect(photo))
