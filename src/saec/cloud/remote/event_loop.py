"""The event loop, in a thread of its own, on which the clients of services make their requests.

A request that is no longer wanted must end at once, and only a coroutine can be cancelled while it waits.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_loops: dict[int, asyncio.AbstractEventLoop] = {}
"""By process: a child that was forked has the loop's memory, but not its thread."""

_lock = threading.Lock()


def run_on_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result; the calling thread waits for it.

    Raises:
        concurrent.futures.CancelledError: it was cancelled.
    """
    return asyncio.run_coroutine_threadsafe(coroutine, _loop()).result()


def _loop() -> asyncio.AbstractEventLoop:
    with _lock:
        loop = _loops.get(os.getpid())
        if loop is None:
            loop = _loops[os.getpid()] = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="saec-remote-loop", daemon=True).start()
        return loop
