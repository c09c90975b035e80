from __future__ import annotations

import base64
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from saec.cloud.questions.image_patches import fit_size, resized
from saec.data.images import pixels as images
from saec.service.requests.data_urls import decode_image_file, image_file, resize_for_model
from saec.service.requests.refusals import RequestRefused
from saec.settings import ModelCard
from saec.types import Image
from tests.service.service_helpers import data_url, encoded, noise

MOST = 1_000_000


def picture(url: str, most: int) -> Image | None:
    return decode_image_file(image_file(url, most), images.decode_image)


def _refused(url: str, status: int = 400) -> str:
    with pytest.raises(RequestRefused) as refused:
        picture(url, MOST)
    assert refused.value.status == status
    return refused.value.code


def _png(width: int, height: int) -> bytes:
    """A PNG whose header says that it is that large, and that holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP"])
def test_what_comes_without_loss_is_what_was_sent(kind: str) -> None:
    image = noise(0, 30, 50)
    how = {"lossless": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(picture(data_url(encoded(image, kind, **how), kind.lower()), MOST), image)


def test_a_turned_jpeg_is_put_upright() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    image = np.zeros((32, 64, 3), np.uint8)
    image[:, :32] = 255
    got = picture(data_url(encoded(image, "JPEG", exif=exif.tobytes()), "jpeg"), MOST)
    assert got is not None
    assert got.shape == (64, 32, 3)
    assert got[:24].mean() > 250 > 5 > got[40:].mean()


def test_no_path_and_no_address_is_ever_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(encoded(noise(0)))

    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("something was opened")

    monkeypatch.setattr("builtins.open", never)
    monkeypatch.setattr("socket.socket.connect", never)
    for url in (
        str(path),
        f"file://{path}",
        "http://127.0.0.1:1/x.png",
        "https://example.org/x.png",
        "ftp://example.org/x.png",
        "//example.org/x.png",
        "../../etc/passwd",
        "data:text/plain;base64,AAAA",
        "data:image/png,AAAA",
        f"data:image/png;base64;{path}",
        " data:image/png;base64,AAAA",
        "",
        "\0",
    ):
        assert _refused(url) == "not_a_data_url", url


@pytest.mark.parametrize(
    "head",
    [
        "data:image/png;base64,",
        "data:image;base64,",
        "data:;base64,",
        "data:image/jpg;base64,",
        "data:image/PNG;charset=utf-8;base64,",
        "data:image/png; charset=utf-8; base64,",
        'data:image/png;name="a.png";base64,',
        "DATA:IMAGE/X-PNG;BASE64,",
        "data:image/*;base64,",
        "data:image/vnd.microsoft.icon;base64,",
        "data:application/octet-stream;base64,",
    ],
)
def test_the_file_itself_says_what_it_is_not_the_head_of_its_url(head: str) -> None:
    file = encoded(noise(0, 30, 50))
    assert image_file(head + base64.b64encode(file).decode(), MOST) == file


def test_line_breaks_of_an_encoder_are_none_of_the_image() -> None:
    file = encoded(noise(0, 30, 50))
    for text in (base64.encodebytes(file), base64.encodebytes(file).replace(b"\n", b"\r\n")):
        assert image_file(f"data:image/png;base64,{text.decode()}", MOST) == file


@given(st.text(max_size=40), st.text(alphabet="data:imge/png;bs64,= ", max_size=40))
def test_a_head_of_any_form_is_read_or_refused(one: str, other: str) -> None:
    for head in (one, other, f"data:{one};base64,", f"data:image/png;{other};base64,"):
        with pytest.raises(RequestRefused) as refused:
            image_file(head, MOST)
        assert refused.value.status == 400


def test_another_media_type_is_named() -> None:
    with pytest.raises(RequestRefused, match=r"text/plain.*send images"):
        image_file("data:text/plain;base64,AAAA", MOST)


def test_damaged_base64_is_named() -> None:
    for text in ("????", "AAA", "AAAA AAAA", "é", "AA-_", "AAA%3D"):
        assert _refused(f"data:image/png;base64,{text}") == "bad_base64"


def test_what_is_too_large_is_refused_by_its_header() -> None:
    assert _refused(data_url(_png(1001, 1000)), 413) == "too_many_pixels"
    assert _refused(data_url(_png(60_000, 60_000)), 413) == "too_many_pixels"
    assert _refused(data_url(_png(2**31 - 1, 2**31 - 1)), 413) == "too_many_pixels"


def test_truncated_animated_and_other_files_are_named_errors() -> None:
    whole = encoded(noise(0, 90, 90))
    photo = encoded(noise(0, 90, 90), "JPEG")
    moving = io.BytesIO()
    frames = [Pillow.fromarray(noise(i, 20, 20)) for i in range(3)]
    frames[0].save(moving, "WEBP", save_all=True, append_images=frames[1:])
    apng = io.BytesIO()
    frames[0].save(apng, "PNG", save_all=True, append_images=frames[1:])
    for data in (
        b"",
        b"%PDF-1.7",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        encoded(noise(0, 20, 20), "GIF"),
        encoded(noise(0, 20, 20), "TIFF"),
        whole[: len(whole) // 2],
        whole[:20],
        photo[: len(photo) // 2],
        moving.getvalue(),
        apng.getvalue(),
        _png(500, 500),
    ):
        assert _refused(data_url(data)) == "bad_image", data[:20]


@given(st.binary(max_size=60), st.integers(0, 400), st.sampled_from(["PNG", "JPEG", "WEBP", "BMP"]))
def test_any_damage_is_an_image_or_a_refusal(junk: bytes, at: int, kind: str) -> None:
    data = bytearray(encoded(noise(1, 16, 16), kind))
    data[at : at + len(junk)] = junk
    url = f"data:image/png;base64,{base64.b64encode(bytes(data)).decode()}"
    try:
        image = picture(url, MOST)
    except RequestRefused as e:
        status, image = e.status, None
    assert status in (400, 413) if image is None else (image.dtype, image.ndim) == (np.uint8, 3)


@given(st.integers(40, 700), st.integers(40, 700), st.sampled_from([224, 336, 448, 672]), st.booleans())
def test_what_a_client_has_cut_to_size_is_shown_as_it_came(
    height: int, width: int, side: int, square: bool
) -> None:
    """So that a resize in the client and one in the engine are the same, and never two."""
    card = ModelCard(square=square)
    image = np.zeros((height, width, 3), np.uint8)
    image[::7] = 200
    cut = resized(image, fit_size(height, width, side, 28, square=square))
    assert resize_for_model(cut, card, side, 28) is cut


def test_what_comes_otherwise_is_resized_as_in_the_engine() -> None:
    image = noise(2, 300, 410)
    expected = resized(image, fit_size(300, 410, 224, 28))
    np.testing.assert_array_equal(resize_for_model(image, ModelCard(), 224, 28), expected)
    large = noise(3, 448, 448)  # whole tokens, but four times the model's own input
    assert resize_for_model(large, ModelCard(), 224, 28).shape == (224, 224, 3)
    oblong = noise(4, 196, 252)
    assert resize_for_model(oblong, ModelCard(), 224, 28) is oblong
    assert resize_for_model(oblong, ModelCard(square=True), 224, 28).shape == (224, 224, 3)
