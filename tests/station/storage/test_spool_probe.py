"""The spool is probed when somebody asks, at most once a second; who asks is answered in bounded time."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from saec.station.storage import spool_probe as probes
from saec.station.storage.spool import Spool
from saec.station.storage.spool_probe import SpoolProbe


class Counted:
    """Stands for the spool: keeps how often it was written."""

    def __init__(self) -> None:
        self.marks: list[float] = []
        self.wrong = False
        self.images = SimpleNamespace(probe=lambda: None)

    def set_mark(self, name: str, value: float) -> None:
        self.marks.append(value)

    def mark(self, name: str) -> float | None:
        return -1.0 if self.wrong else self.marks[-1]


@pytest.fixture
def spool() -> Counted:
    return Counted()


def test_a_true_spool_is_written_and_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    probe = SpoolProbe(spool)
    asked = probe.ask()
    probe.look()
    assert asked.result(0) == ""
    assert spool.mark("probe") == 1
    spool.close()
    probe = SpoolProbe(spool)
    asked = probe.ask()
    probe.look()
    assert "the spool cannot be written and read" in asked.result(0)


def test_images_that_cannot_be_written_are_a_fault_of_the_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.images.folder.rmdir()
    spool.images.folder.touch()
    probe = SpoolProbe(spool)
    asked = probe.ask()
    probe.look()
    assert "the spool cannot be written and read" in asked.result(0)
    spool.images.folder.unlink()
    assert probe._look() == "", "the folder is made again"
    assert spool.images.folder.is_dir()
    spool.close()


def test_those_who_ask_within_a_second_share_one_answer(spool: Counted) -> None:
    now = 0.0
    probe = SpoolProbe(spool, clock=lambda: now)  # type: ignore[arg-type]
    waiting = [probe.ask() for _ in range(50)]
    probe.look()
    assert {asked.result(0) for asked in waiting} == {""}
    now = 0.9
    assert [probe.ask().result(0) for _ in range(50)] == [""] * 50
    assert len(spool.marks) == 1
    now = 1.1
    asked = probe.ask()
    assert not asked.done()
    probe.look()
    assert asked.done()
    assert len(spool.marks) == 2


def test_what_is_read_must_be_what_was_written(spool: Counted) -> None:
    spool.wrong = True
    probe = SpoolProbe(spool)  # type: ignore[arg-type]
    asked = probe.ask()
    probe.look()
    assert "the disk returns other data than were written" in asked.result(0)


def test_a_probe_that_hangs_answers_those_who_ask_and_says_for_how_long(
    spool: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "PATIENCE", 0.01)
    entered, release = threading.Event(), threading.Event()

    def hang(name: str, value: float) -> None:
        entered.set()
        release.wait(60)
        spool.marks.append(value)

    spool.set_mark = hang  # type: ignore[method-assign]
    now = 1000.0
    probe = SpoolProbe(spool, clock=lambda: now)  # type: ignore[arg-type]
    assert probe.under_way == 0.0
    thread = threading.Thread(target=probe.look)
    thread.start()
    assert entered.wait(60)
    now = 1070.0
    assert probe.under_way == 70.0

    async def ask_twice() -> list[str]:
        return [await probe.problem() for _ in range(2)]

    assert all("the spool has not answered for 70 s" in said for said in asyncio.run(ask_twice()))
    release.set()
    thread.join(60)
    assert probe.under_way == 0.0
    assert probe.ask().result(0) == ""
