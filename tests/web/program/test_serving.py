"""A socket belongs to one program; a server that has ended is missed; a start can be interrupted."""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from saec.errors import ConfigError, EndedError
from saec.web.program import main_thread as starting
from saec.web.program.http_server import HttpThread, listen
from saec.web.program.main_thread import Signals, start_in_thread


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})


def test_of_two_who_listen_on_one_port_the_second_is_refused() -> None:
    with closing(listen("127.0.0.1:0")) as first:
        where = f"127.0.0.1:{first.getsockname()[1]}"
        with pytest.raises(ConfigError, match=f"cannot listen on {where}: Address already in use"):
            listen(where)
    listen(where).close()  # a port that was left is free at once


def http(bound: Any, **how: Any) -> HttpThread:
    return HttpThread(uvicorn.Config(app, log_config=None, lifespan="off", **how), bound)


def test_a_server_that_has_started_answers_and_one_that_ends_is_missed() -> None:
    with closing(listen("127.0.0.1:0")) as bound:
        server = http(bound)
        server.start()
        assert httpx.get(server.where, trust_env=False).status_code == 204
        server.check()
        server.stop()
        with pytest.raises(EndedError, match="is no longer served"):
            server.check()


def test_a_server_that_cannot_start_says_why() -> None:
    bound = listen("127.0.0.1:0")
    server = http(bound)
    bound.close()
    with pytest.raises(EndedError, match="Bad file descriptor"):
        server.start()
    server.stop()


def test_work_that_hangs_is_left_when_the_program_is_told_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "_FAREWELL", 0.01)
    release = threading.Event()

    def hang() -> str:
        os.kill(os.getpid(), signal.SIGTERM)
        release.wait(60)
        return "done"

    before = signal.getsignal(signal.SIGTERM)
    with Signals() as signals:
        assert start_in_thread(signals, hang) is None
        assert signals.asked
    release.set()
    assert signal.getsignal(signal.SIGTERM) is before


def test_signals_that_interrupt_each_other_are_one() -> None:
    """A supervisor tells a program and its group, so a handler may run within another one's."""
    with Signals() as signals:

        def tell() -> None:
            for number in [signal.SIGTERM, signal.SIGINT] * 200:
                os.kill(os.getpid(), number)

        thread = threading.Thread(target=tell)
        thread.start()
        assert signals.wait(60)
        thread.join()
        assert signals.wait(60)
        assert signals.asked


def test_a_hang_up_ends_nothing() -> None:
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        assert not signals.wait(0.05)
        assert not signals.asked


def test_a_librarys_own_handler_gives_way_again(tmp_path: Path) -> None:
    """As that of Ray, which writes a dump; Python does not know of it."""
    with (tmp_path / "dump").open("w+") as dump, Signals() as signals:
        before = signal.getsignal(signal.SIGTERM)
        faulthandler.register(signal.SIGTERM, dump, chain=True)
        assert signal.getsignal(signal.SIGTERM) == before
        signals.again()
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.wait(60)
        faulthandler.unregister(signal.SIGTERM)
        assert (tmp_path / "dump").read_text() == ""


def test_a_handler_that_the_work_puts_in_place_gives_way_while_it_works(tmp_path: Path) -> None:
    """As that of Ray, which is started before replicas load their model."""
    taken = threading.Event()

    class Noted(Signals):
        def again(self) -> None:
            super().again()
            taken.set()

    def load() -> bool:
        faulthandler.register(signal.SIGTERM, dump, chain=True)
        taken.clear()
        heeded = taken.wait(30)
        os.kill(os.getpid(), signal.SIGTERM)
        return heeded

    with (tmp_path / "dump").open("w+") as dump, Noted() as signals:
        assert start_in_thread(signals, load)
        assert signals.asked
        faulthandler.unregister(signal.SIGTERM)
        assert (tmp_path / "dump").read_text() == ""


def test_work_gives_its_result_or_its_error() -> None:
    def fail() -> str:
        raise ConfigError("no line")

    with Signals() as signals:
        assert start_in_thread(signals, lambda: "done") == "done"
        with pytest.raises(ConfigError, match="no line"):
            start_in_thread(signals, fail)
        assert not signals.asked
