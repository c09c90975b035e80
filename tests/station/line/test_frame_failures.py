"""A frame that cannot be judged costs itself at most; what is not its fault costs it nothing."""

from __future__ import annotations

import errno
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saec import edge
from saec.data.images import pixels as images
from saec.errors import DecoderDiedError, DecoderOverranError, DecoderStartError, is_transient
from saec.frame import judges as loading
from saec.frame.judges import Standing
from saec.station.line import crash_marker, exclusive_lock
from saec.station.line.exclusive_lock import ExclusiveLock, NotAloneError
from saec.station.line.version_store import Versions
from saec.station.storage.crash_attempts import MOST_ATTEMPTS
from saec.station.storage.records import Retention
from saec.station.storage.retention import is_kept
from saec.types import EdgeOpinion, Image
from tests.processes import eventually
from tests.run_fakes import FUSED, FakeDetector
from tests.station.station_fakes import DEFECT, GOOD, UNSURE, Bench, FakeLinkCloud, png

POISON = png(GOOD, green=77)


class KilledError(BaseException):
    """Stands for SIGKILL: nothing of the process runs after it."""


class Fragile(FakeDetector):
    """A detector that may end the process."""

    fatal: Callable[[Image], bool] = staticmethod(lambda image: False)
    dead = False

    def inspect(self, images: list[Image]) -> list[EdgeOpinion]:
        if images[0].shape[0] == 8 and Fragile.fatal(images[0]):  # not at the warm-up
            Fragile.dead = True
            raise KilledError
        return super().inspect(images)


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(edge, "open_detector", lambda profile: Fragile())
    monkeypatch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))
    monkeypatch.setattr(Fragile, "fatal", staticmethod(lambda image: False))
    (tmp_path / "boot").write_text("first-boot\n")
    monkeypatch.setattr(crash_marker, "_BOOT", tmp_path / "boot")


@contextmanager
def running(folder: Path, cloud: FakeLinkCloud | None = None, deadline: float = 30.0) -> Iterator[Bench]:
    bench = Bench(folder, cloud, deadline)
    try:
        yield bench
        assert bench.failures == []
    finally:
        bench.stop()


def label(bench: Bench, seq: int) -> int | str | None:
    final = bench.spool.verdicts(seq).get("final")
    return "none yet" if final is None else final.label


def finished(bench: Bench, *seqs: int) -> Callable[[], bool]:
    return lambda: all(label(bench, seq) != "none yet" for seq in seqs)


def error_on(bench: Bench, bad: bytes, error: Callable[[], Exception]) -> list[int]:
    """Decoding of these bytes fails so; gives back the numbers of decodings before each failure."""
    seen: list[bytes] = []
    failed: list[int] = []

    def decode(data: bytes, *, bits: int, name: str) -> Image:
        seen.append(data)
        if data == bad:
            failed.append(len(seen) - 1)
            raise error()
        return images.decode_image(data, bits=bits, name=name)

    bench.decoding = decode
    return failed


# of a decoder


@pytest.mark.parametrize("error", [DecoderOverranError, DecoderDiedError])
def test_a_frame_that_ends_its_decoder_each_time_is_quarantined_by_name(
    tmp_path: Path, error: type[DecoderOverranError]
) -> None:
    with running(tmp_path) as bench:
        failed = error_on(bench, POISON, lambda: error("poison: it took too long", "mend it"))
        poison = bench.accept(POISON, tell=False)
        others = [bench.accept(png(red), tell=False) for red in (GOOD, DEFECT, GOOD)]
        bench.start()
        bench.wait(finished(bench, poison, *others))
        assert [label(bench, seq) for seq in others] == [0, 1, 0]
        assert len(failed) == MOST_ATTEMPTS
        assert failed[1] == 4, "the others come before its second attempt"
        verdict = bench.spool.verdicts(poison)["final"]
        assert (verdict.label, verdict.state, verdict.error.kind) == (None, "error", "QuarantinedError")
        assert "took too long" in verdict.error.message
        (alarm,) = [a for a in bench.spool.alarms() if a.kind == "quarantined"]
        frame = bench.spool.frame(poison)
        assert frame.id in alarm.text
        assert frame.image in alarm.text
        assert verdict.id in [d.verdict.id for d in bench.spool.outbox.waiting("sink")]
        assert [held.id for held, _ in bench.spool.quarantine()] == [frame.id]
        assert is_kept(Retention(images="none"), bench.spool.verdicts(poison))
        assert not is_kept(Retention(images="none"), bench.spool.verdicts(others[0]))


def test_one_that_ends_its_decoder_less_often_is_judged(tmp_path: Path) -> None:
    with running(tmp_path) as bench:
        left = [DecoderDiedError("it died")] * (MOST_ATTEMPTS - 1)

        def decode(data: bytes, *, bits: int, name: str) -> Image:
            if left:
                raise left.pop()
            return images.decode_image(data, bits=bits, name=name)

        bench.decoding = decode
        bench.start()
        seq = bench.accept(png(DEFECT))
        bench.wait(finished(bench, seq))
        assert label(bench, seq) == 1
        assert bench.spool.attempts.of_line("cell") == []
        assert bench.spool.quarantine() == []


def test_attempts_outlive_the_process(tmp_path: Path) -> None:
    for _ in range(MOST_ATTEMPTS):
        with running(tmp_path) as bench:
            error_on(bench, POISON, lambda: DecoderOverranError("too long"))
            if not bench.spool.frame(1):
                bench.accept(POISON)
            bench.runner.recover()
            arrival = bench.runner._arrivals.next(0.0)
            assert arrival is not None
            bench.runner._edge.take(arrival)
    assert arrival.suspect
    with running(tmp_path) as bench:
        assert label(bench, 1) is None


# of the process


def life(folder: Path, accepted: int = 0, reds: tuple[int, ...] = ()) -> tuple[list[int], bool]:
    """One life of a station: it accepts frames, judges until nothing is left or it is killed.

    Returns the order of the frames that it began with, and whether it was killed.
    """
    bench = Bench(folder)
    bench.n, order = accepted, []
    write, Fragile.dead = bench.runner._marker._write, False

    def write_while_alive(text: str) -> None:
        if not Fragile.dead:
            write(text)

    bench.runner._marker._write = write_while_alive  # type: ignore[method-assign]
    try:
        bench.runner.recover()
        for red in reds:
            bench.accept(png(red))
        while (arrival := bench.runner._arrivals.next(0.0)) is not None:
            order.append(arrival.seq)
            try:
                bench.runner._edge.take(arrival)
            except KilledError:
                return order, True
        return order, False
    finally:
        bench.runner.close()
        bench.spool.close()


def test_a_frame_that_ends_the_station_each_time_is_met_last_and_quarantined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fragile, "fatal", staticmethod(lambda image: image[0, 0, 0] == 13))
    lives = [life(tmp_path, reds=(GOOD, 13, GOOD, DEFECT))]
    while lives[-1][1]:
        lives.append(life(tmp_path))
    assert lives[0][0] == [1, 2]
    assert lives[1][0] == [3, 4, 2], "those behind it come first"
    assert [order for order, _ in lives[2:]] == [[2]] * (MOST_ATTEMPTS - 1) + [[]]
    with running(tmp_path) as bench:
        assert [label(bench, seq) for seq in (1, 2, 3, 4)] == [0, None, 0, 1]
        (alarm,) = [a for a in bench.spool.alarms() if a.kind == "quarantined"]
        assert "cell-0000000002" in alarm.text


KILLS = st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=6)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(KILLS, st.lists(st.sampled_from([GOOD, DEFECT]), min_size=1, max_size=5))
def test_kills_and_power_cuts_condemn_no_innocent_frame(
    tmp_path_factory: pytest.TempPathFactory, kills: list[tuple[int, bool]], reds: list[int]
) -> None:
    """Two kills of the process at any frames, and any number of power cuts beside them."""
    folder, boots, spent = tmp_path_factory.mktemp("station"), 0, 0
    with pytest.MonkeyPatch.context() as m:
        m.setattr(crash_marker, "_BOOT", folder / "boot")
        (folder / "boot").write_text("0")
        accepted: tuple[int, ...] = tuple(reds)
        for after, power in kills:
            if not power and spent == 2:
                continue
            spent += not power
            left = [after]

            def fatal(image: Image, left: list[int] = left) -> bool:
                left[0] -= 1
                return left[0] < 0

            m.setattr(Fragile, "fatal", staticmethod(fatal))
            life(folder, reds=accepted)
            accepted = ()
            if power:
                boots += 1
                (folder / "boot").write_text(str(boots))
        m.setattr(Fragile, "fatal", staticmethod(lambda image: False))
        life(folder, reds=accepted)
        with running(folder) as bench:
            got = [label(bench, seq) for seq in range(1, len(reds) + 1)]
    assert got == [int(red == DEFECT) for red in reds]


def test_after_a_power_cut_no_frame_is_a_suspect(tmp_path: Path) -> None:
    Bench(tmp_path).runner._marker.begin(1, alone=True)
    (tmp_path / "boot").write_text("another")
    assert crash_marker.CrashMarker(tmp_path / "data" / "touched" / "cell").left is None


@given(st.binary(max_size=200))
def test_a_damaged_file_of_what_was_touched_names_nobody(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("touched") / "cell"
    path.write_bytes(data)
    file = crash_marker.CrashMarker(path, boot="here")
    assert file.left is None
    file.begin(12, alone=True)
    assert crash_marker.CrashMarker(path, boot="here").left == crash_marker.CrashMark(12, alone=True)
    file.end()
    assert crash_marker.CrashMarker(path, boot="here").left is None


def touch(folder: Path) -> crash_marker.CrashMark | None:
    return crash_marker.CrashMarker(folder / "cell", boot="here").left


def test_what_hangs_beside_others_is_a_suspect_and_what_hangs_alone_the_cause_unless_it_comes_back(
    tmp_path: Path,
) -> None:
    file = crash_marker.CrashMarker(tmp_path / "cell", boot="here")
    for _ in range(2):
        file.begin(12)
        assert touch(tmp_path) == crash_marker.CrashMark(12, alone=False)
        file.begin(12, alone=True)
        assert touch(tmp_path) == crash_marker.CrashMark(12, alone=True)
        file.end()
        assert touch(tmp_path) is None


def test_a_disk_that_hangs_condemns_nobody(tmp_path: Path) -> None:
    file = crash_marker.CrashMarker(tmp_path / "cell", boot="here")
    file.excuse()
    assert touch(tmp_path) is None
    file.begin(12, alone=True)
    file.excuse()
    file.excuse()
    eventually(lambda: touch(tmp_path) == crash_marker.CrashMark(12, alone=False))
    file.begin(13, alone=True)
    assert touch(tmp_path) == crash_marker.CrashMark(13, alone=True), "the next one is no longer excused"


def test_nobody_waits_for_an_excuse_that_the_disk_does_not_take(tmp_path: Path) -> None:
    file, answering = crash_marker.CrashMarker(tmp_path / "cell", boot="here"), threading.Event()
    file.begin(12, alone=True)
    write = file._write
    file._write = lambda text: (answering.wait(60), write(text))  # type: ignore[method-assign, assignment]
    file.excuse()
    assert touch(tmp_path) == crash_marker.CrashMark(12, alone=True)
    answering.set()
    eventually(lambda: touch(tmp_path) == crash_marker.CrashMark(12, alone=False))


def test_only_the_look_at_a_suspect_counts_and_not_what_is_written_afterwards(tmp_path: Path) -> None:
    """A disk that hangs while a verdict is written ends the station as well."""
    with running(tmp_path) as bench:
        bench.accept(png(GOOD))
        bench.spool.attempts.add(1, "it hung", counted=False)
        noted: list[str] = []
        write, decide = bench.runner._marker._write, bench.spool.decide

        def note_mark(text: str) -> None:
            noted.append(text)
            write(text)

        def note_decision(*args: Any, **options: Any) -> Any:
            noted.append("decided")
            return decide(*args, **options)

        bench.runner._marker._write = note_mark  # type: ignore[method-assign]
        bench.spool.decide = note_decision  # type: ignore[method-assign]
        bench.runner.recover()
        for _ in range(2):  # as it was accepted, and as a suspect
            if (arrival := bench.runner._arrivals.next(0.0)) is not None and arrival.suspect:
                bench.runner._edge.take(arrival)
    alone = [words.split()[1] if words and words != "decided" else words for words in noted]
    assert alone == ["0", "1", "0", "decided", ""]


# of the machine


TRANSIENT = [
    OSError(errno.EMFILE, "Too many open files"),
    OSError(errno.EIO, "Input/output error"),
    MemoryError("no memory"),
    sqlite3.OperationalError("database or disk is full"),
    DecoderStartError("no process"),
]


@pytest.mark.parametrize("error", TRANSIENT, ids=lambda e: type(e).__name__)
def test_what_the_machine_lacks_for_a_while_costs_no_frame_its_verdict(
    tmp_path: Path, error: Exception
) -> None:
    with running(tmp_path) as bench:
        lacking = threading.Event()
        lacking.set()
        met = []

        def decode(data: bytes, *, bits: int, name: str) -> Image:
            if lacking.is_set():
                met.append(name)
                raise error
            return images.decode_image(data, bits=bits, name=name)

        bench.decoding = decode
        bench.start()
        seqs = [bench.accept(png(red)) for red in (GOOD, DEFECT, GOOD)]
        bench.wait(lambda: len(met) >= 7)
        assert "frames wait" in bench.runner.problem()
        assert not any(bench.spool.verdicts(seq) for seq in seqs)
        lacking.clear()
        bench.wait(finished(bench, *seqs))
        assert [label(bench, seq) for seq in seqs] == [0, 1, 0]
        assert [(a.kind, a.count) for a in bench.spool.alarms()] == [("waiting", 1)]
        assert all(d.act for d in bench.spool.outbox.waiting("sink"))


def test_a_file_that_cannot_be_read_for_now_holds_none_behind_it(tmp_path: Path) -> None:
    with running(tmp_path) as bench:
        error_on(bench, POISON, lambda: OSError(errno.EIO, "Input/output error"))
        bench.start()
        first = bench.accept(POISON)
        others = [bench.accept(png(DEFECT)) for _ in range(5)]
        bench.wait(finished(bench, *others))
        assert bench.runner.problem() == "", "one frame alone makes no line unable"
        assert label(bench, first) == "none yet"
        bench.decoding = images.decode_image
        bench.wait(finished(bench, first))
        assert label(bench, first) == 0


def test_a_question_that_the_machine_cannot_put_now_is_put_later(tmp_path: Path) -> None:
    with running(tmp_path, FakeLinkCloud()) as bench:
        data, met = png(UNSURE, green=250), []

        def decode(data: bytes, *, bits: int, name: str) -> Image:
            met.append(name)
            if len(met) == 2:  # for the cloud
                raise OSError(errno.EMFILE, "Too many open files")
            return images.decode_image(data, bits=bits, name=name)

        bench.decoding = decode
        bench.start()
        seq = bench.accept(data)
        bench.wait(finished(bench, seq))
        assert bench.labels(seq)["final"] == (1, "cloud")
        assert len(met) == 3


def test_a_look_at_the_versions_without_a_handle_ends_no_thread(tmp_path: Path) -> None:
    with running(tmp_path) as bench:
        state, met = bench.versions.state, threading.Semaphore(0)

        def none() -> Versions:
            met.release()
            raise OSError(errno.EMFILE, "Too many open files")

        bench.versions.state = none  # type: ignore[method-assign]
        bench.start()
        assert met.acquire(timeout=30)
        bench.versions.state = state  # type: ignore[method-assign]
        bench.versions.shadow(1)
        bench.wait(lambda: bench.runner.status()["shadow"] is not None)


def test_an_error_is_the_machines_also_where_another_was_raised_from_it() -> None:
    error = ValueError("no image")
    error.__cause__ = OSError(errno.EMFILE, "Too many open files")
    assert is_transient(error)
    assert not is_transient(OSError(errno.ENOENT, "No such file or directory"))
    assert not is_transient(DecoderOverranError("too long"))


# one alone


def test_a_suspect_is_alone_or_comes_later() -> None:
    lock, inside, go = ExclusiveLock(), threading.Event(), threading.Event()

    def other() -> None:
        with lock.shared():
            inside.set()
            assert go.wait(30)

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(30)
    with pytest.raises(NotAloneError), lock.alone(0.01):
        raise AssertionError("it is not alone")
    with lock.shared():
        pass  # the others go on
    go.set()
    thread.join(30)
    with lock.alone(30), pytest.raises(NotAloneError), lock.alone(0.01):
        raise AssertionError("there is another")
    with lock.shared():
        pass


def test_who_waits_for_one_that_is_alone_shows_its_progress_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exclusive_lock, "_INTERVAL", 0.001)
    lock, turns = ExclusiveLock(), threading.Semaphore(0)

    def work() -> None:
        with lock.shared(turns.release):
            pass

    other = threading.Thread(target=work)
    with lock.alone(30):
        other.start()
        for _ in range(5):
            assert turns.acquire(timeout=60)
    other.join(60)
    assert not other.is_alive()
