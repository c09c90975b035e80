"""What comes in is checked: each wrong image is refused with what to do, and each right one is judged."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image as Pillow

import saec
from saec.api.given_frames import are_files
from saec.api.given_images import given_frame, given_pixels
from saec.data.images.pixels import decode_image

IMAGE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
FLOATS = IMAGE / 255.0

WRONG: dict[str, tuple[Any, str, str]] = {
    "shares": (FLOATS, "they run from 0 to 1", "(255 * image).round()"),
    "floats up to 255": (
        IMAGE.astype(np.float32),
        "they run from 0 to 255",
        "image.round().astype(np.uint8)",
    ),
    "standardised": (FLOATS * 4 - 2, "they run from -2 to 2", "scale it to 0 to 255"),
    "NaN": (np.where(FLOATS > 0.5, np.nan, FLOATS), "NaN or infinite", "np.isnan"),
    "infinite": (np.full((4, 4, 3), np.inf), "48 of them", "np.isnan"),
    "integers": (IMAGE.astype(np.int64), "int64", "image.round().astype(np.uint8)"),
    "integers beyond": (IMAGE.astype(np.int32) * 9, "they run from 0 to 2295", "scale it"),
    "12 bit": (IMAGE.astype(np.uint16) << 4, "uint16", "bits"),
    "truth values": (IMAGE > 9, "bool", "255 * image"),
    "grey": (IMAGE[..., 0], "shape (24, 32)", "np.dstack"),
    "RGBA": (np.dstack([IMAGE, IMAGE[..., 0]]), "shape (24, 32, 4)", "image[..., :3]"),
    "empty": (IMAGE[:0], "no pixels", "with pixels"),
    "channels first": (IMAGE.transpose(2, 0, 1), "(3, 24, 32)", "transpose(1, 2, 0)"),
    "a batch": (IMAGE[None], "(1, 24, 32, 3)", "list(batch)"),
    "a list": (IMAGE.tolist(), "list", "NumPy array"),
    "bytes": (b"\x89PNG", "bytes", "a path"),
    "nothing": (None, "None", "cv2.imread"),
    "objects": (np.full((2, 2, 3), "x"), "<U1", "scale it"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_image_is_refused_with_what_to_do(line: saec.Line, wrong: str) -> None:
    image, what, remedy = WRONG[wrong]
    with pytest.raises(saec.ImageError) as e:
        line.inspect(image)
    assert what in e.value.what
    assert remedy in e.value.remedy
    if wrong not in ("a list", "a batch"):  # these are several
        with pytest.raises(saec.ImageError) as many:
            list(line.inspect_many([IMAGE, image]))
        assert "frame-000002" in many.value.what


@pytest.mark.parametrize("images", [IMAGE, Pillow.fromarray(IMAGE), None, 7])
def test_one_image_is_not_many(line: saec.Line, images: Any) -> None:
    with pytest.raises(saec.ImageError, match=r"line\.inspect"):
        line.inspect_many(images)


def test_the_remedies_hold(line: saec.Line) -> None:
    expected = line.inspect(IMAGE).score
    grey = np.dstack([IMAGE[..., 0]] * 3)
    for remedied in ((255 * FLOATS).round().astype(np.uint8), np.dstack([IMAGE, IMAGE[..., 0]])[..., :3]):
        assert line.inspect(remedied).score == expected
    assert line.inspect(Pillow.fromarray(IMAGE[..., 0])).score == line.inspect(grey).score


images = arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3)))


@settings(max_examples=25)
@given(images)
def test_every_image_has_a_verdict(line: saec.Line, image: np.ndarray[Any, Any]) -> None:
    before = image.copy()
    verdict = line.inspect(image)
    assert verdict.label in (saec.GOOD, saec.DEFECT)
    assert verdict.score is not None
    assert np.isfinite(verdict.score)
    assert verdict.is_defect == (verdict.score >= verdict.threshold)
    assert verdict.p_defect is None or 0 <= verdict.p_defect <= 1
    assert verdict.picture().shape == image.shape
    assert np.array_equal(image, before)
    assert verdict.score == line.inspect(image[..., ::-1], colour="bgr").score


@given(images, st.sampled_from(["PNG", "BMP", "TIFF", "PPM"]))
def test_an_array_a_file_and_pillow_s_image_are_the_same(image: np.ndarray[Any, Any], form: str) -> None:
    stream = io.BytesIO()
    Pillow.fromarray(image).save(stream, form)
    read = decode_image(stream.getvalue())
    assert np.array_equal(read, given_pixels(Pillow.open(stream)))
    assert np.array_equal(read, given_pixels(image))
    assert np.array_equal(read, given_pixels(image[..., ::-1], colour="bgr"))


@given(st.sampled_from(["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "HSV", "LAB", "I;16"]))
def test_pillow_s_modes_are_read_as_files_of_them(mode: str) -> None:
    if mode == "I;16":
        image = Pillow.fromarray(IMAGE[..., 0].astype(np.uint16) << 4)
        assert np.array_equal(given_pixels(image, bits=12)[..., 0], IMAGE[..., 0])
        return
    image = Pillow.fromarray(IMAGE).convert(mode)
    assert np.array_equal(given_pixels(image), np.array(image.convert("RGB")))


def test_pillow_s_images_without_a_range_are_refused() -> None:
    for image in (
        Pillow.fromarray(FLOATS[..., 0].astype(np.float32)),
        Pillow.new("I", (4, 4)),
        Pillow.new("RGB", (0, 4)),
    ):
        with pytest.raises(saec.ImageError):
            given_pixels(image)
    stream = io.BytesIO()
    frames = [Pillow.fromarray(IMAGE), Pillow.fromarray(255 - IMAGE)]
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    with pytest.raises(saec.ImageError, match="2 frames"):
        given_pixels(Pillow.open(stream))
    stream = io.BytesIO()
    frames[0].save(stream, "PNG")
    with pytest.raises(saec.ImageError, match="cannot be loaded"):
        given_pixels(Pillow.open(io.BytesIO(stream.getvalue()[:400])))


def test_an_upright_picture_is_judged(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Pillow.Exif()
    exif[0x0112] = 6
    Pillow.fromarray(IMAGE).save(path, exif=exif)
    assert given_frame(path).image.shape == given_pixels(Pillow.open(path)).shape == (32, 24, 3)


def test_the_order_of_colours_is_named_for_arrays_alone(line: saec.Line, photo: Path) -> None:
    with pytest.raises(saec.ConfigError, match="'BGR'"):
        line.inspect(IMAGE, colour="BGR")  # type: ignore[arg-type]
    for image in (photo, Pillow.fromarray(IMAGE)):
        with pytest.raises(saec.ConfigError, match="gives the order"):
            line.inspect(image, colour="bgr")


def test_what_is_listed(line: saec.Line, gears: Path, photo: Path) -> None:
    assert are_files(str(gears))
    assert are_files([photo, str(photo)])
    assert not are_files([photo, IMAGE])
    assert not are_files([])
    pattern = str(gears / "test" / "*" / "000.png")
    assert {v.id for v in line.inspect_many(pattern)} == {"good/000.png", "defect/000.png"}
    assert [v.id for v in line.inspect_many([photo])] == ["000.png"]
    assert [v.id for v in line.inspect_many(iter([photo]))] == [photo.as_posix().lstrip("/")]
    for missing, said in (
        ([], "no image"),
        (gears / "*.jpg", "no file matches"),
        (gears / "no", "does not exist"),
    ):
        with pytest.raises(saec.DataError, match=said):
            line.inspect_many(missing)
    with pytest.raises(saec.ConfigError, match="limit"):
        line.inspect_many([IMAGE], limit=1)


def test_what_is_given_beside_images_is_checked(line: saec.Line, photo: Path, gears: Path) -> None:
    wrong: Any = "small"
    for call in (
        lambda: line.inspect(photo, cloud=wrong),
        lambda: line.inspect_many(photo, cloud=wrong),
        lambda: line.evaluate(gears, cloud=wrong),
        lambda: line.calibrate(cloud=wrong),
        lambda: line.worth(gears, wrong),
        lambda: line.worth(gears, None),  # type: ignore[arg-type]
    ):
        with pytest.raises(saec.ConfigError, match=r"saec\.Cloud"):
            call()
    with pytest.raises(saec.ConfigError, match=r"saec\.Policy"):
        line.inspect(photo, policy=7)  # type: ignore[arg-type]
    with pytest.raises(saec.ConfigError, match=r"saec\.RunConfig"):
        line.inspect_many(photo, run={})  # type: ignore[arg-type]
    with pytest.raises(saec.ConfigError, match=r"Line\.open"):
        saec.Line(str(line.folder))  # type: ignore[arg-type]
    with pytest.raises(saec.ImageError, match="inspect_many"):
        line.inspect(gears)
    with pytest.raises(saec.ImageError, match="inspect_many"):
        line.inspect(gears, policy="edge")
