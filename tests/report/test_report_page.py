import base64
import re
from base64 import b64decode
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from saec.cli.runs.report import command
from saec.errors import DataError
from saec.report import write_report
from saec.report.thumbs import Thumbs
from saec.report.words import ROLES
from saec.runs.run_record import Machine, RunInfo
from saec.types import Explanation, VerdictRecord
from tests.browsers import chromium
from tests.report.report_samples import Page, Role, failed, info, pictured, small, verdict, write

MIXED = [
    verdict("good/1.png", 1.0, truth=0),
    verdict("good/2.png", 3.5, truth=0),
    verdict("bad/1.png", 9.0, truth=1),
    verdict("bad/2.png", 1.2, truth=1),
    verdict("bad/3.png", 2.5, truth=1, label=1, cloud=0.9),
    verdict("good/3.png", 2.6, truth=0, label=1, cloud=0.8),
    failed(truth=1),
]


def page_of(tmp_path: Path, verdicts: list[VerdictRecord], run: RunInfo | None = None) -> Page:
    return Page(write_report(write(tmp_path / "run", verdicts, run)).read_text())


def test_page_refers_to_nothing_outside_itself(tmp_path: Path) -> None:
    run = tmp_path / "run"
    page = page_of(tmp_path, [pictured(run, "a.png"), *MIXED], info(cloud=small()))
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe", "object")]
    for _, attributes in page.tags:
        assert attributes.get("src", "data:image/jpeg;base64,").startswith("data:image/jpeg;base64,")
        assert attributes.get("href", "#").startswith("#")
    html = (run / "report.html").read_text()
    assert not re.findall(r"@import|url\(|https?://", html)


def test_links_lead_to_something_and_no_id_stands_twice(tmp_path: Path) -> None:
    page = page_of(tmp_path, MIXED, info(cloud=small()))
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    targets = {href[1:] for _, a in page.tags if (href := a.get("href"))}
    assert targets
    assert targets <= set(ids)


def test_result_is_said_in_one_sentence_and_counts_equal_the_verdicts(tmp_path: Path) -> None:
    text = page_of(tmp_path, MIXED, info(cloud=small())).text
    assert "1 of 3 defects missed (escaped), 2 of 3 good frames falsely rejected (overkill)." in text
    assert "answered about 2 frames of 7 and changed 2 labels: 1 corrected, 1 made wrong." in text
    assert "Figures on 3 good frames and 3 defects" in text
    assert "is good 1 2 false rejects is defect 1 missed defects 2" in text
    assert "Not judged 1" in text


def test_every_picture_has_a_text_and_a_size(tmp_path: Path) -> None:
    run = tmp_path / "run"
    page = page_of(tmp_path, [pictured(run, "a.png"), pictured(run, "b.png", truth=1)])
    images = page.having("img")
    assert len(images) == 5, "frame and map of both, and one in the strip at the top"
    for image in images:
        assert image["alt"]
        data = np.frombuffer(base64.b64decode(image["src"].split(",")[1]), np.uint8)
        height, width = cv2.imdecode(data, cv2.IMREAD_COLOR).shape[:2]
        assert (int(image["width"]), int(image["height"])) == (width, height)
        assert max(height, width) <= 288
    assert all(a.get("aria-label") for a in page.having("svg"))


def test_odd_names_and_words_stay_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\"'&.png"
    verdicts = [
        verdict(evil, 9.0, truth=1, explanation=Explanation("<b>kind", "</blockquote><img src=x onerror=1>")),
        failed("x.png", "<img src=http://evil/>"),
    ]
    run = info(
        evil, notes=["<script>note</script>"], command="saec inspect '<script>'", cloud=small(reason="<i>")
    )
    page = page_of(tmp_path, verdicts, run)
    assert not page.having("script")
    assert not page.having("img")
    for text in (
        evil,
        "<b>kind",
        "<img src=http://evil/>",
        "<script>note</script>",
        "saec inspect '<script>'",
    ):
        assert " ".join(text.split()) in page.text


def test_unmeasured_is_unknown_and_never_zero(tmp_path: Path) -> None:
    meter = [{"phase": "run", "wall_s": 2.5, "gpu_energy_j": None, "cpu_memory_avg_gb": 0.25}]
    page = page_of(tmp_path, MIXED, info(meter=meter, machine=Machine()))
    assert "Wall time 2.5 s" in page.text.replace("\u202f", " ")
    assert "GPU energy unknown" in page.text
    assert "Memory, peak unknown" in page.text
    assert "Energy per correct decision no energy was measured unknown" in page.text
    assert "Pixel AUROC of the anomaly maps, on frames with masks unknown" in page.text
    assert "unknown CPU" in page.text


def test_energy_per_correct_decision_is_that_of_the_run_phase(tmp_path: Path) -> None:
    meter = [
        {"phase": "loading", "wall_s": 9.0, "gpu_energy_j": 1e6},
        {"phase": "run", "wall_s": 2.0, "gpu_energy_j": 108.0, "cpu_energy_j": None},
    ]
    text = page_of(tmp_path, MIXED, info(meter=meter)).text.replace("\u202f", " ")
    assert "energy of GPU 10 mWh" in text, "108 J over 3 correct decisions"


@pytest.mark.parametrize(
    ("run", "first", "demonstration"),
    [
        (info(), "Images of gears", False),
        (info(cloud=small(demonstration=False)), "Images of gears", False),
        (info(cloud=small()), "Demonstration. Images of gears", True),
        (info(procedural=True), "Demonstration. Images that a program of saec drew", True),
    ],
)
def test_first_line_says_what_data_and_what_model(
    tmp_path: Path, run: RunInfo, first: str, demonstration: bool
) -> None:
    page = page_of(tmp_path, MIXED, run)
    body = page.text.split("inspection report", 1)[1].strip()
    assert body.startswith(first)
    assert ("say nothing about your product" in page.text) == demonstration
    assert ("without a cloud" in page.text) == (run.cloud is None)


def test_what_the_cloud_changed_stands_apart_with_both_opinions_and_the_words(tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = Explanation("crack", "A crack runs along the edge.")
    mended = pictured(run, "bad/9.png", 2.5, truth=1, label=1, cloud=0.93, explanation=words)
    lost = verdict("bad/8.png", 3.5, truth=1, label=0, cloud=0.04)
    kept = [verdict("good/8.png", 2.5, truth=0, cloud=0.1), verdict("bad/7.png", 2.4, truth=1, cloud=0.2)]
    page = page_of(tmp_path, [mended, lost, *kept, *MIXED], info(cloud=small()))
    section = page.text.split("Where the cloud changed the label")[1].split("Other frames")[0]
    assert (
        "answered about 6 frames. It corrected 2 labels (2 missed defects found) "
        "and made 2 wrong (1 new missed defect, 1 new false reject)." in section
    )
    assert "On the other answered frames the label did not change: 1 right, 1 wrong." in section
    right, wrong = section.split("Corrected by the cloud 2")[1].split("Made wrong by the cloud 2")
    assert "Edge good" in right
    assert "Cloud P(defect) 0.93" in right
    assert "Both defect" in right
    assert "crack A crack runs along the edge." in right
    assert "bad/8.png" in wrong
    assert "Edge defect" in wrong
    rest = page.text.split("Other frames")[1]
    assert "Unsure, and right with the cloud 1" in rest
    assert "Corrected by the cloud" not in rest
    assert [a["alt"] for a in page.having("img") if "bad/9.png" in a["alt"]][1:] == [
        "Frame bad/9.png",
        "Frame bad/9.png with its anomaly map",
    ]


def test_a_cloud_that_changed_nothing_is_said_to(tmp_path: Path) -> None:
    page = page_of(tmp_path, [verdict("a.png", 2.5, truth=0, cloud=0.1)], info(cloud=small()))
    assert (
        "It corrected 0 labels and made 0 wrong. "
        "On the other answered frames the label did not change: 1 right, 0 wrong." in page.text
    )
    assert "Other frames" not in page.text


@pytest.mark.parametrize("role", ["advisory", "unasked"])
def test_without_a_say_there_is_no_section_on_changes(tmp_path: Path, role: Role) -> None:
    page = page_of(tmp_path, [verdict("a.png", 2.5, cloud=0.9, role="advisory")], info(cloud=small(role)))
    assert "Where the cloud changed" not in page.text
    assert "The cloud disagrees 1" in page.text


def test_another_data_set_is_named_in_the_first_lines(tmp_path: Path) -> None:
    crossing = "line from bottle, judged on screw"
    first = write(tmp_path / "a", MIXED, info(cross_domain=crossing))
    second = write(tmp_path / "b", MIXED, info("screw"))
    page = Page(write_report(first, second).read_text())
    assert page.text.index(f"(cross-domain): {crossing}.") < page.text.index("All lines")
    assert page.text.count(crossing) == 1
    assert "cross-domain" not in Page(write_report(second).read_text()).text


def test_unlabelled_run_has_routes_and_gallery_and_no_figures(tmp_path: Path) -> None:
    verdicts = [msgspec.structs.replace(v, truth=None) for v in MIXED]
    page = page_of(tmp_path, verdicts, info(cloud=small()))
    assert "4 of 6 frames were judged defect." in page.text
    assert "AUROC ranking" not in page.text
    assert not page.having("table", "confusion")
    assert "answered about 2 frames and changed 2 labels; the true labels are not known." in page.text
    assert "Changed by the cloud 2" in page.text
    assert "Who decided, and why" in page.text
    assert "truth:" not in page.text


def test_run_without_frames_says_so(tmp_path: Path) -> None:
    page = page_of(tmp_path, [])
    assert "No frame was judged." in page.text
    assert not page.having("svg")


def test_run_of_errors_alone(tmp_path: Path) -> None:
    page = page_of(tmp_path, [failed("a.png"), failed("b.png")])
    assert "None of 2 frames could be judged." in page.text
    assert len(page.having("li", "card")) == 2


@pytest.mark.parametrize("role", ["fused", "advisory", "unasked", "alone"])
def test_cloud_role_stands_with_its_reason(tmp_path: Path, role: Role) -> None:
    page = page_of(tmp_path, MIXED, info(cloud=small(role, reason="AUROC 0.61 on 20 images.")))
    assert f"{ROLES[role].capitalize()}." in page.text
    assert "AUROC 0.61 on 20 images." in page.text


def test_explanation_is_shown_with_its_words(tmp_path: Path) -> None:
    words = Explanation("scratch", "A long scratch crosses the rim.", (10, 20, 110, 220))
    run = tmp_path / "run"
    plain = page_of(tmp_path, [pictured(run, "a.png")]).having("img")
    page = page_of(tmp_path, [pictured(run, "a.png", explanation=words)])
    assert "A long scratch crosses the rim." in page.text
    before, after = (
        next(i["src"] for i in images if i["alt"] == "Frame a.png") for images in (plain, page.having("img"))
    )
    assert before != after, "the box is drawn"


def test_pictures_stop_at_the_budget_and_the_page_says_so(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write(run, [pictured(run, f"{i}.png") for i in range(5)])
    path = write_report(run, budget=1)
    page = Page(path.read_text())
    assert "4 frames have no pictures" in page.text
    assert len(page.having("li", "card")) == 5


def test_frames_that_moved_away_leave_the_rest(tmp_path: Path) -> None:
    run = tmp_path / "run"
    seen = pictured(run, "a.png")
    (run.parent / "data" / "a.png").unlink()
    page = page_of(tmp_path, [seen, verdict("b.png", 8.0)])
    assert "no picture" in page.text
    assert [i["alt"] for i in page.having("img")] == [
        "Sure defects: a.png",
        "Frame a.png with its anomaly map",
    ]


def test_several_runs_in_one_page(tmp_path: Path) -> None:
    gear = write(tmp_path / "gear", MIXED, info("gear"))
    screw = write(tmp_path / "screw", MIXED[:3], info("screw", procedural=True))
    path = write_report(gear, screw, out=tmp_path / "both.html")
    page = Page(path.read_text())
    assert len(page.having("article")) == 2
    assert "2 lines: gear, screw" in page.text
    assert "some of them drawn by a program of saec" in page.text
    rows = page.text.split("All lines")[1].split("Line gear")[0].replace("\u202f", " ")
    assert "gear 3 3" in rows
    assert "screw 2 1 1.000" in rows
    assert "mean" in rows


def test_command_writes_the_page_into_the_run(tmp_path: Path) -> None:
    run = write(tmp_path / "run", MIXED)
    result = CliRunner().invoke(command, [str(run)], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.output.strip() == str(run / "report.html")
    page = (run / "report.html").read_text()
    shown = CliRunner().invoke(command, [str(run), "--out", "-"], catch_exceptions=False)
    assert (shown.exit_code, shown.output) == (0, page)


def test_folder_that_is_no_run_is_an_error_with_remedy(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a run folder") as error:
        write_report(tmp_path)
    assert "saec inspect" in error.value.remedy


def test_unwritable_out_is_an_error(tmp_path: Path) -> None:
    run = write(tmp_path / "run", MIXED)
    with pytest.raises(DataError, match="cannot be written"):
        write_report(run, out=tmp_path / "missing" / "page.html")


def test_a_run_without_a_cloud_says_so_once_and_on_no_card(tmp_path: Path) -> None:
    alone = [verdict(f"{t}.png", 1.0 + 8 * t, truth=t, reason="edge-only") for t in (0, 1)]
    page = Page(write_report(write(tmp_path / "run", alone)).read_text())
    assert "asks the cloud" not in page.text
    assert page.text.count("the run had no cloud to ask") == 1
    asked = Page(write_report(write(tmp_path / "asked", alone, info(cloud=small("unasked")))).read_text())
    assert asked.text.count("this policy never asks the cloud") == 3


def test_a_described_defect_without_a_box_says_why_and_a_note_is_shown(tmp_path: Path) -> None:
    words = Explanation("dent", "A dent.", None)
    frames = [
        pictured(tmp_path / "run", "a.png", explanation=words, note="another aspect ratio than the line"),
        pictured(tmp_path / "run", "b.png", explanation=Explanation("cut", "A cut.", (2, 2, 9, 9))),
    ]
    page = Page(write_report(write(tmp_path / "run", frames)).read_text())
    assert page.text.count("the anomaly map stays below the threshold") == 1
    assert "another aspect ratio than the line" in page.text


def test_the_box_is_drawn_on_the_frame(tmp_path: Path) -> None:
    plain = pictured(tmp_path / "plain", "a.png", explanation=Explanation("cut", "A cut.", None))
    boxed = msgspec.structs.replace(plain, explanation=Explanation("cut", "A cut.", (100, 200, 300, 400)))
    frames = [Thumbs(10**7).pair(v, tmp_path / "plain").frame for v in (plain, boxed)]
    before, after = (cv2.imdecode(np.frombuffer(b64decode(f.uri.split(",")[1]), np.uint8), 1) for f in frames)
    changed = np.abs(before.astype(int) - after).max(axis=2) > 40
    rows, columns = np.nonzero(changed)
    assert changed.any()
    block = 16  # of JPEG; the frame of 400 x 600 is shown at 192 x 288
    assert 48 - block <= columns.min() <= 48 <= 144 <= columns.max() + 3 <= 144 + block
    assert 96 - block <= rows.min() <= 96 <= 192 <= rows.max() + 3 <= 192 + block


@pytest.mark.parametrize("width", [390, 1280])
def test_no_table_hides_a_figure_beyond_the_screen(tmp_path: Path, width: int) -> None:
    program = chromium()
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    runs = [write(tmp_path / name, MIXED, info(name)) for name in ("gear", "a-line-of-a-rather-long-name")]
    path = write_report(*runs, out=tmp_path / "both.html")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        overview = page.locator(".overview .scroll")
        assert overview.evaluate("e => e.scrollWidth <= e.clientWidth")
        for cell in overview.locator("tbody td").all():
            box = cell.bounding_box()
            assert 0 <= box["x"] <= box["x"] + box["width"] <= width
        browser.close()


def test_the_page_says_what_the_threshold_was_chosen_by(tmp_path: Path) -> None:
    chosen = "for 5 % missed defects (escapes), from 30 labelled defects"
    known = info()
    run = msgspec.structs.replace(known, line=msgspec.structs.replace(known.line, rule=chosen, overkill=0.1))
    page = page_of(tmp_path, MIXED, run)
    assert f"threshold {known.line.threshold:g} {chosen}" in page.text
    assert "for 10% false rejects" not in page.text
