"""What the library refuses, and how: the error names the thing, and nothing stays behind."""

from __future__ import annotations

import copy
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import saec
from saec.data.images.pixels import read_image
from saec.settings.threshold_rule import ErrorCosts


@pytest.fixture
def own(line: saec.Line, tmp_path: Path) -> saec.Line:
    """A copy of the line, to calibrate and to break."""
    return saec.Line.open(shutil.copytree(line.folder, tmp_path / "own"))


def test_a_line_measures_its_own_calibration(own: saec.Line, gears: Path) -> None:
    before = own.evaluate(gears)
    lenient = own.calibrate(threshold=1e6)
    assert own.evaluate(gears).overkill_rate == before.overkill_rate != 0.0
    assert lenient.evaluate(gears).overkill_rate == 0.0


def test_a_line_stays_open_in_another_folder(
    own: saec.Line, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own.folder.parent)
    line = saec.Line.open(own.folder.name)
    monkeypatch.chdir("/")
    assert line.inspect(photo).is_defect
    assert line.folder == own.folder


def test_a_broken_detector_is_the_line_s_fault(own: saec.Line, photo: Path) -> None:
    (own.folder / "detector.xml").write_text("no graph")
    for judge in (
        lambda line: line.inspect(photo),
        lambda line: list(line.inspect_many([photo])),
        lambda line: list(line.inspect_many(iter([photo]))),
        lambda line: list(line.inspect_many(iter([photo]), policy="edge")),
        lambda line: line.evaluate(photo.parents[2]),
    ):
        line = saec.Line.open(own.folder, verify=False)
        with pytest.raises(saec.LineError, match="cannot be opened") as caught:
            judge(line)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (saec.RunConfig(decoders=0), r"run\.decoders"),
        (saec.RunConfig(deadline_s="1"), r"run\.deadline_s"),  # type: ignore[arg-type]
        (saec.RunConfig(deadline_s=-1), r"run\.deadline_s"),
        (saec.RunConfig(maps="no"), r"run\.maps"),  # type: ignore[arg-type]
        (saec.RunConfig(maps=object()), r"run\.maps"),  # type: ignore[arg-type]
    ],
)
def test_settings_of_a_run_are_checked(line: saec.Line, photo: Path, run: saec.RunConfig, said: str) -> None:
    with pytest.raises(saec.ConfigError, match=said):
        line.inspect_many([photo], run=run)
    with pytest.raises(saec.ConfigError, match=said):
        line.evaluate(photo.parents[2], run=run)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (saec.Policy(budget="0.3"), r"policy\.budget"),  # type: ignore[arg-type]
        (saec.Policy(complexity="a"), r"policy\.complexity"),  # type: ignore[arg-type]
    ],
)
def test_settings_of_a_policy_are_checked(
    line: saec.Line, photo: Path, policy: saec.Policy, said: str
) -> None:
    with pytest.raises(saec.ConfigError, match=said):
        line.inspect(photo, policy=policy)


def test_settings_of_a_cloud_are_checked() -> None:
    with pytest.raises(saec.ConfigError, match=r"cloud\.scoring"):
        saec.Cloud(saec.CloudConfig(model="small", scoring="rnk"))  # type: ignore[arg-type]
    with pytest.raises(saec.ConfigError, match=r"remote={'timeout_s': \.\.\.}"):
        saec.Cloud("http://127.0.0.1:9/v1", timeout_s=1)  # type: ignore[call-arg]
    for model in ("", None, 3):
        with pytest.raises(saec.ConfigError, match="model"):
            saec.Cloud(model)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"config": {"side_px": 128}}, "config is a dict"),
        ({"config": saec.FitConfig(side_px=1)}, r"config\.side_px"),
        ({"detector": 3}, "detector is an int"),
        ({"detector": saec.FitChoices(yolo_smax=2)}, r"detector\.yolo_smax"),
        ({"parts": r"(?P<part>\d+)"}, "parts is a str"),
        ({"layout": None}, "layout is a NoneType"),
        ({"roi_mask": 3}, "roi_mask is an int"),
        ({"goods": 3}, "goods is an int"),
        ({"goods": [3]}, "goods is an int"),
        ({"out": ""}, "out is no path"),
        ({"out": None}, "out is a NoneType"),
        ({"dataset": ["gear"]}, "dataset is a list"),
    ],
)
def test_arguments_of_a_fit_are_checked(
    gears: Path, tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(saec.ConfigError, match=said):
        saec.fit(**({"dataset": gears, "out": tmp_path / "line"} | given))


def test_a_fit_that_cannot_be_written_says_so(gears: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(saec.LineError, match="cannot be made"):
        saec.fit(gears, out=tmp_path / "file" / "line", side_px=128)


def test_numpy_s_numbers_are_numbers(own: saec.Line, gears: Path, photo: Path) -> None:
    assert own.calibrate(threshold=np.float32(4)).threshold == 4.0  # type: ignore[arg-type]
    assert own.calibrate(overkill_rate=np.float64(0.25)).profile.calibration.overkill == 0.25
    run = saec.RunConfig(decoders=np.int64(2), deadline_s=np.float64(9))  # type: ignore[arg-type]
    assert len(list(own.inspect_many(gears, limit=np.int64(3), run=run))) == 3  # type: ignore[arg-type]
    assert repr(saec.Cloud("small", references=np.int64(2))) == "<Cloud small, references=2>"  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", [0, -1, 2.5, "3"])
def test_a_limit_is_a_count(line: saec.Line, gears: Path, limit: Any) -> None:
    for ask in (line.inspect_many, line.evaluate):
        with pytest.raises(saec.ConfigError, match="limit"):
            ask(gears, limit=limit)


def test_a_run_that_judged_nothing_leaves_no_folder(line: saec.Line, photo: Path, tmp_path: Path) -> None:
    image, out = read_image(photo), tmp_path / "runs" / "a"

    def failing() -> Any:
        yield image
        raise OSError("the camera has gone")

    wrong: list[tuple[Any, type[Exception]]] = [
        (iter([image, image / 255]), saec.ImageError),
        (failing(), OSError),
    ]
    for images, error in wrong:
        with pytest.raises(error):
            list(line.inspect_many(images, out=out))
    with pytest.raises(saec.DataError, match="no image"):
        list(line.inspect_many(iter([]), out=out))
    assert not out.parent.exists()
    out.mkdir(parents=True)
    with pytest.raises(saec.ImageError):
        list(line.inspect_many([image, None], out=out))  # type: ignore[list-item]
    assert list(out.iterdir()) == []
    (verdict,) = line.inspect_many([image], out=out)
    assert verdict.is_defect


def test_verdicts_and_lines_can_be_pickled(line: saec.Line, photo: Path) -> None:
    image = read_image(photo)
    verdicts = [
        line.inspect(photo),
        line.inspect(image),
        *line.inspect_many([photo]),
        *line.inspect_many(iter([image]), policy="edge"),
    ]
    for verdict in verdicts:
        again = pickle.loads(pickle.dumps(verdict))
        assert again.record == verdict.record
        assert np.array_equal(again.image, image)
        assert np.array_equal(again.map, verdict.map)  # type: ignore[arg-type]
    for again in (pickle.loads(pickle.dumps(line)), copy.deepcopy(line)):
        assert again.folder == line.folder
        assert again.notes == line.notes
        assert again.inspect(photo).score == verdicts[0].score


def test_ids_are_unique(line: saec.Line, photo: Path) -> None:
    for images in ([photo] * 3, iter([photo] * 3)):
        ids = [verdict.id for verdict in line.inspect_many(images)]
        assert len(set(ids)) == 3
        assert ids[0].endswith("000.png")


def test_a_run_folder_is_a_folder_of_its_own(line: saec.Line, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out, said in (
        ("", "out is no path"),
        (3, "out is an int"),
        (line.folder, "is a line profile"),
        (tmp_path / "file", "is a file"),
        (tmp_path / "file" / "run", "cannot be made"),
    ):
        for images in ([photo], [read_image(photo)]):
            with pytest.raises(saec.ConfigError, match=said):
                list(line.inspect_many(images, out=out))  # type: ignore[arg-type]
    assert not (line.folder / "run.json").exists()


@pytest.mark.parametrize("name", ["a\0b.png", "a" * 5000])
def test_a_name_that_no_file_has_is_an_image_s_fault(line: saec.Line, photo: Path, name: str) -> None:
    with pytest.raises(saec.ImageError):
        line.inspect(name)
    both: list[Any] = [[name, photo], iter([name, photo])]
    for images in both:
        states = sorted(verdict.state for verdict in line.inspect_many(images))
        assert states == ["error", "final"]


def test_missing_files_are_errors_of_their_own(line: saec.Line, photo: Path, tmp_path: Path) -> None:
    for images in ([tmp_path / "no.png", photo], iter([tmp_path / "no.png", photo])):
        assert sorted(verdict.state for verdict in line.inspect_many(images)) == ["error", "final"]


def test_the_order_of_channels_is_refused_for_all_files(line: saec.Line, gears: Path, photo: Path) -> None:
    for ask in (
        lambda: line.inspect(photo, policy="edge", colour="bgr"),
        lambda: list(line.inspect_many(gears, colour="bgr")),
        lambda: list(line.inspect_many([photo], colour="bgr")),
        lambda: list(line.inspect_many(iter([photo]), colour="bgr")),
    ):
        with pytest.raises(saec.ConfigError, match="leave colour out"):
            ask()


@pytest.mark.parametrize("policy", [None, "edge"])
def test_no_image_is_said(line: saec.Line, policy: str | None) -> None:
    nothing: list[Any] = [[], (), np.zeros((0, 8, 8, 3), np.uint8), iter([])]
    for none in nothing:
        with pytest.raises(saec.DataError, match="no image"):
            list(line.inspect_many(none, policy=policy))


def test_what_is_no_image_is_said_in_words(line: saec.Line) -> None:
    for given, said in ((None, "cv2.imread"), (3, "is an int"), ([1], "a path, a Pillow image")):
        with pytest.raises(saec.ImageError, match=said):
            line.inspect(given)  # type: ignore[arg-type]


def test_a_picture_is_what_its_name_says(line: saec.Line, photo: Path, tmp_path: Path) -> None:
    verdict = line.inspect(photo)
    verdict.save_picture(tmp_path / "v.png")
    assert (tmp_path / "v.png").read_bytes().startswith(b"\x89PNG")
    picture = cv2.imread(str(tmp_path / "v.png"))
    assert picture is not None
    assert np.array_equal(picture[..., ::-1], verdict.picture())
    for path in (tmp_path, tmp_path / "v.docx", tmp_path / "v.png" / "v.png", "", 3):
        with pytest.raises(saec.ConfigError):
            verdict.save_picture(path)  # type: ignore[arg-type]
    for side in (0, -1):
        with pytest.raises(saec.ConfigError, match="max_side"):
            verdict.picture(max_side=side)


def test_arguments_of_another_type_are_named(line: saec.Line, gears: Path) -> None:
    asked: list[tuple[str, Callable[[], Any]]] = [
        ("dataset is a list", lambda: line.evaluate(["a"])),  # type: ignore[arg-type]
        ("dataset is a NoneType", lambda: line.evaluate(None)),  # type: ignore[arg-type]
        ("folder is a NoneType", lambda: saec.Line.open(None)),  # type: ignore[arg-type]
        ("folder is no path", lambda: saec.Line.open("")),
        ("shares is a float", lambda: line.worth(gears, saec.Cloud(), shares=0.3)),  # type: ignore[arg-type]
        ("layout is a NoneType", lambda: line.evaluate(gears, layout=None)),  # type: ignore[arg-type]
        ("layout is a NoneType", lambda: line.inspect_many(gears, layout=None)),  # type: ignore[arg-type]
        ("no split 'tst'", lambda: line.inspect_many(gears, split="tst")),  # type: ignore[arg-type]
        ("policy is an int", lambda: line.inspect_many(gears, policy=3)),  # type: ignore[arg-type]
    ]
    for said, ask in asked:
        with pytest.raises(saec.ConfigError, match=said):
            ask()


def test_the_threshold_is_chosen_by_costs(own: saec.Line) -> None:
    dear = own.calibrate(cost={"missed_defect": 10, "false_reject": np.float64(1)})
    other = dear.calibrate(cost=ErrorCosts(missed_defect=0.1, false_reject=1))  # type: ignore[arg-type]
    assert dear.threshold < other.threshold
    assert [choice.threshold for choice in dear.choices if choice.chosen] == [dear.threshold]
    assert "> cost 10 : 1" in repr(dear.choices)
    assert any("> cost 10 : 1" in note for note in dear.notes)
    assert len(dear.choices) == 6
    with pytest.raises(saec.ConfigError, match="escape_rate and cost cannot be used together"):
        own.calibrate(escape_rate=0.1, cost={"missed_defect": 10, "false_reject": 1})
    with pytest.raises(saec.ConfigError, match="cost lacks missed_defect"):
        own.calibrate(cost={"false_reject": 1})


def test_goods_to_calibrate_on_may_be_several_folders(own: saec.Line, gears: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "a" / "good", tmp_path / "b" / "good"]
    for place, folder in enumerate(folders):
        folder.mkdir(parents=True)
        image = read_image(gears / "train" / "good" / f"{place:03d}.png")
        assert cv2.imwrite(str(folder / "x.png"), 255 - image)
    after = own.calibrate(goods=folders)
    assert len(after.profile.calibration.goods) == 2 + len(own.profile.calibration.goods)


def test_an_unlabelled_image_has_no_split_to_name(line: saec.Line, photo: Path, tmp_path: Path) -> None:
    shutil.copy(photo, tmp_path / "x.png")
    with pytest.raises(saec.DataError, match="known label") as caught:
        line.evaluate(tmp_path / "x.png")
    assert "split" not in str(caught.value)


def test_messages_of_the_library_name_no_options_alone(
    line: saec.Line, gears: Path, photo: Path, tmp_path: Path
) -> None:
    list(line.inspect_many([photo], out=tmp_path / "run"))
    asked: list[Callable[[], Any]] = [
        lambda: line.inspect(photo, policy="cloud"),
        lambda: list(line.inspect_many([photo], out=tmp_path / "run")),
        lambda: saec.fit(gears, out=line.folder),
        lambda: saec.fit(gears, out=tmp_path / "line", detector="yolo"),
        lambda: line.calibrate(gate_low=2.0, gate_high=1.0),
        lambda: line.inspect_many(photo.parent, split="train"),
    ]
    for ask in asked:
        with pytest.raises(saec.SaecError) as caught:
            ask()
        assert "--" not in str(caught.value) or "in Python" in str(caught.value)
