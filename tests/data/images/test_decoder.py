"""A file is decoded where it can be stopped, and what becomes of that process is told apart."""

from __future__ import annotations

import errno
import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from saec.data.images import decoder_process
from saec.data.images import pixels as images
from saec.data.images.decoder_child import BEGUN
from saec.data.images.killable_decoder import Decoder, Spares
from saec.errors import (
    ConfigError,
    DecoderDiedError,
    DecoderOverranError,
    DecoderStartError,
    ImageError,
)
from tests import bombs

GOOD = bombs.encoded("PNG", 40)


@pytest.fixture(scope="module")
def spares() -> Iterator[Spares]:
    spares = Spares()
    yield spares
    spares.close()


@pytest.fixture
def decoder(spares: Spares) -> Iterator[Decoder]:
    decoder = Decoder(spares)
    yield decoder
    decoder.close()


def pid(decoder: Decoder) -> int:
    """Of its process, warm."""
    decoder.decode(GOOD)
    assert decoder._process is not None
    return decoder._process.pid


def works(decoder: Decoder) -> bool:
    return np.array_equal(decoder.decode(GOOD), images.decode_image(GOOD))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "GIF", "WEBP", "PPM"])
def test_pixels_are_those_of_decoding_here(decoder: Decoder, form: str) -> None:
    for side in (1, 40, 300):
        data = bombs.encoded(form, side)
        np.testing.assert_array_equal(decoder.decode(data), images.decode_image(data))


def test_deep_pixels_are_scaled_as_here(decoder: Decoder) -> None:
    import cv2

    deep = cv2.imencode(".png", np.arange(256, dtype=np.uint16).reshape(16, 16) * 16)[1].tobytes()
    np.testing.assert_array_equal(decoder.decode(deep, bits=12), images.decode_image(deep, bits=12))
    with pytest.raises(ConfigError):
        decoder.decode(deep, bits=17)


def test_a_picture_stays_when_the_next_one_comes(decoder: Decoder) -> None:
    first = decoder.decode(GOOD)
    decoder.decode(bombs.encoded("PNG", 41))
    np.testing.assert_array_equal(first, images.decode_image(GOOD))


@pytest.mark.parametrize("data", [b"", b"no image", GOOD[:60], bombs.png(20_000, 20_000)])
def test_the_files_own_fault_is_said_as_here(decoder: Decoder, data: bytes) -> None:
    before = pid(decoder)
    with pytest.raises(ImageError) as there:
        decoder.decode(data, name="Prüfling \udcff")
    with pytest.raises(ImageError) as here:
        images.decode_image(data, name="Prüfling \\udcff")
    assert (there.value.what, there.value.remedy) == (here.value.what, here.value.remedy)
    assert there.type is here.type
    assert pid(decoder) == before


def test_processor_time_is_limited_and_the_next_frame_is_decoded(spares: Spares) -> None:
    hasty = Decoder(spares, seconds=0.05)
    before = pid(hasty)
    with pytest.raises(DecoderOverranError, match=r"bomb: .* processor time"):
        hasty.decode(bombs.jpeg_of_scans(4096, 88), name="bomb")
    assert not psutil.pid_exists(before)
    assert works(hasty)
    hasty.close()


def test_memory_is_limited_and_the_next_frame_is_decoded() -> None:
    spares = Spares(memory=30_000_000)
    small = Decoder(spares)
    with pytest.raises(DecoderOverranError, match="memory"):
        small.decode(bombs.encoded("BMP", 3000))
    assert works(small)
    small.close()
    spares.close()


def while_busy(decoder: Decoder, then: Callable[[int], None]) -> list[Exception]:
    """What a decoding raises to whose process something is done while it works."""
    held, raised, bomb = pid(decoder), [], slow()

    def decode() -> None:
        try:
            decoder.decode(bomb)
        except Exception as e:
            raised.append(e)

    process, thread = decoder._process, threading.Thread(target=decode)
    assert process is not None
    process._area[-1] = 0
    thread.start()
    while process._area[-1] != BEGUN:
        time.sleep(0.001)
    then(held)
    thread.join(60)
    assert not thread.is_alive()
    return raised


@functools.cache
def slow() -> bytes:
    """A file within all limits that takes seconds."""
    return bombs.jpeg_of_scans(4096, 88)


def test_a_process_that_is_killed_says_so(decoder: Decoder) -> None:
    (error,) = while_busy(decoder, lambda held: os.kill(held, signal.SIGKILL))
    assert isinstance(error, DecoderDiedError)
    assert "signal 9" in error.what
    assert works(decoder)


def test_who_waits_hears_of_it_when_another_thread_ends_the_decoding(decoder: Decoder) -> None:
    (error,) = while_busy(decoder, lambda _: decoder.kill())
    assert isinstance(error, DecoderDiedError)
    assert works(decoder)


def test_one_that_has_died_idle_is_nobodys_fault(decoder: Decoder) -> None:
    os.kill(pid(decoder), signal.SIGKILL)
    assert works(decoder)


def test_a_process_that_hangs_is_ended(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_process, "HANG", 0.2)
    (error,) = while_busy(decoder, lambda held: os.kill(held, signal.SIGSTOP))
    assert isinstance(error, DecoderOverranError)
    assert "hung" in error.what
    assert works(decoder)


def test_a_process_that_is_slow_to_start_is_waited_for_and_not_begun_anew(
    spares: Spares, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = Decoder(spares)
    with monkeypatch.context() as m:
        m.setattr(decoder_process, "SLOW_START", -1.0)
        m.setattr(decoder_process, "_STEP", 0.0)
        m.setattr(spares, "take", lambda: decoder_process.DecoderProcess(10**9))
        with pytest.raises(DecoderStartError, match="not ready"):
            decoder.decode(GOOD)
        held = decoder._process
    assert works(decoder)
    assert decoder._process is held
    decoder.close()


def test_one_that_stands_still_holds_no_other(decoder: Decoder, spares: Spares) -> None:
    os.kill(pid(decoder), signal.SIGSTOP)
    other = Decoder(spares)
    assert works(other)
    other.close()


def test_signals_to_the_station_are_not_for_it(decoder: Decoder) -> None:
    before = pid(decoder)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(before, number)
    assert works(decoder)
    assert pid(decoder) == before


def test_without_handles_the_frame_is_not_at_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as m:
        m.setattr(os, "memfd_create", none)
        spares = Spares()
        decoder = Decoder(spares)
        with pytest.raises(DecoderStartError, match="Too many open files"):
            decoder.decode(GOOD)
    assert works(decoder)
    decoder.close()
    spares.close()


def test_what_lies_in_the_working_folder_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('this was dropped into the folder')")
    monkeypatch.chdir(tmp_path)
    decoder = Decoder(Spares(spare=False))
    assert works(decoder)
    decoder.close()


def test_nothing_is_left_of_processes_that_died() -> None:
    me = psutil.Process()
    handles, children = me.num_fds(), len(me.children())
    spares = Spares()
    decoder = Decoder(spares)
    for _ in range(4):
        while_busy(decoder, lambda held: os.kill(held, signal.SIGKILL))
    decoder.close()
    spares.close()
    assert (me.num_fds(), len(me.children())) == (handles, children)


def test_it_ends_with_the_program_that_started_it_even_while_it_is_busy() -> None:
    script = (
        "import os, signal\n"
        "from tests import bombs\n"
        "from saec.data.images.killable_decoder import Decoder, Spares\n"
        "d = Decoder(Spares()); d.decode(bombs.encoded('PNG'))\n"
        "print(d._process.pid, d._spares._spare.pid, flush=True)\n"
        "import threading; threading.Timer(0.2, os._exit, (0,)).start()\n"
        "d.decode(bombs.jpeg_of_scans(8192, 88))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], env=_path(), capture_output=True, timeout=60)
    left = [int(n) for n in done.stdout.split()]
    assert len(left) == 2
    for _ in range(600):
        if not any(psutil.pid_exists(n) and psutil.Process(n).status() != "zombie" for n in left):
            return
        time.sleep(0.05)
    raise AssertionError("a decoder has outlived its program")


def _path() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
