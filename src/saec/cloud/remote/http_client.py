"""JSON over HTTP to a server of models, at one address or several; no word about frames.

What is asked here changes nothing on a server, so a request that failed on its way may be made again: at
the next address at once, and when all have failed after an exponential back-off with jitter, not before the
server's Retry-After, within the time-out of one answer. A hedged request (Dean and Barroso, The Tail at
Scale, 2013) goes to a second address when the first has not answered in time; the first answer counts, and
the other request is cancelled. The same request has the same key wherever it goes.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

import msgspec
import tenacity

from saec.cloud.remote.address_pool import AddressFigures, AddressPool
from saec.cloud.remote.endpoint import Endpoint, Reply, Request, TryAgain
from saec.cloud.remote.event_loop import run_on_loop
from saec.cloud.remote.listed_models import listed_models
from saec.connecting import addresses_of
from saec.errors import AnswerError, ConfigError, LinkError, SaecError
from saec.settings import RemoteConfig
from saec.tracing.tracers import traceparent

T = TypeVar("T")

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_FRAME = frozenset({400, 413, 415, 422})
_PROBE = 5.0
"""Seconds that a probe waits for its answer."""

_FIRST_PROBE = 0.5
"""Seconds that an address rests until it is probed."""

_REST = tenacity.wait_exponential(multiplier=_FIRST_PROBE, max=30.0) + tenacity.wait_random(0.0, 0.5)
"""From probe to probe."""


class OtherWeightsError(LinkError):
    """An answer by other weights than the trusted ones."""

    def __init__(self, name: str, seen: str, trusted: str) -> None:
        super().__init__(
            f"the service {name} now has other weights ({seen[:12] or 'it does not say which'}) "
            f"than when this program started ({trusted[:12]})",
            "start this program again, and calibrate the line with this cloud",
        )
        self.seen = seen


class Poster:
    """Posts JSON below one address or several; safe to use from several threads.

    Args:
        remote: the service's settings.
        model: the model that is asked; a probe looks for it in the service's list.
        sleep: how to wait between two tries.
        clock: seconds that do not go back.

    Raises:
        ConfigError: an address, token file or certificate file that cannot be used.
    """

    def __init__(
        self,
        remote: RemoteConfig,
        model: str = "",
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._remote, self._model, self._sleep, self._clock = remote, model, sleep, clock
        urls = addresses_of(remote.url) or [""]
        self._endpoints = [Endpoint(url, remote, clock) for url in urls]
        names = [endpoint.name for endpoint in self._endpoints]
        if len(set(names)) < len(names):
            raise ConfigError(f"{remote.url} names one address twice", "give each address once")
        # A server that tells no hash is one by its model's name; nobody asked is not known at all.
        self._trusted = remote.weights_hash if remote.weights_hash or remote.hashes else None
        self._pool = AddressPool(names, self._trusted, remote.hashes, spread=remote.spread)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    @property
    def figures(self) -> dict[str, AddressFigures]:
        """State and counts by address, in order of preference."""
        return self._pool.figures()

    def learn(self, hashes: dict[str, str]) -> None:
        """Take out the addresses that have other weights than the trusted; they are probed from now on."""
        other = {name: told for name, told in hashes.items() if self._trusted not in (None, told)}
        if other and not self._closed:
            run_on_loop(self._take_out(other))

    async def _take_out(self, other: dict[str, str]) -> None:
        for n, endpoint in enumerate(self._endpoints):
            if endpoint.name in other:
                self._pool.found(n, other[endpoint.name])
                self._rest(n)

    def post(self, path: str, body: dict[str, Any] | bytes) -> Any:
        """The decoded answer to a request, retries included.

        Args:
            path: below the address.
            body: the request's body; bytes are JSON already.

        Raises:
            LinkError: no address can be reached, or answers in time, takes the token and knows the way.
            AnswerError: the server finds the request wrong, or answers something that is no JSON.
        """
        return self._run(self._send(path, body, self._decoded))

    def get(self, path: str) -> Any:
        """The decoded answer of an address that only tells something.

        Raises:
            LinkError, AnswerError: what ``post`` raises.
        """
        return self._run(self._send(path, None, self._decoded))

    def reply(self, path: str, body: dict[str, Any]) -> Reply:
        """The reply to a request, whatever its status; only a connection that fails is tried again.

        Raises:
            LinkError: no address can be reached, or answers in time.
        """
        return self._run(self._send(path, body, lambda name, reply: reply))

    def close(self) -> None:
        """Close the connections; requests that are under way end with a LinkError."""
        if not self._closed:
            self._closed = True
            run_on_loop(self._close())

    async def _close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*(endpoint.close() for endpoint in self._endpoints))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if self._closed:
            work.close()
            raise self._ended()
        try:
            return run_on_loop(self._tracked(work))
        except CancelledError:
            raise self._ended() from None

    async def _tracked(self, work: Coroutine[Any, Any, T]) -> T:
        return await self._task(work)

    def _ended(self) -> LinkError:
        return LinkError(f"{self._endpoints[0].name}: the connection was closed")

    def _task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task that ``close`` cancels; nobody need wait for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_seen)
        return task

    # one request, at one address after the other

    async def _send(
        self, path: str, body: dict[str, Any] | bytes | None, read: Callable[[str, Reply], T]
    ) -> T:
        data = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        # The same request has the same key: a server that has answered it need not compute again.
        headers = {"Idempotency-Key": hashlib.sha256(data).hexdigest()}
        if parent := traceparent():
            headers["traceparent"] = parent
        request = Request(path, data, headers, self._clock() + self._remote.timeout_s)
        tries = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(TryAgain),
            stop=tenacity.stop_after_attempt(1 + self._remote.retries)
            | tenacity.stop_before_delay(self._remote.timeout_s),
            wait=_wait,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            answer: T = await tries(self._round, request, read)
        except TryAgain as e:
            raise LinkError(str(e), "check the connection and the server") from e
        return answer

    async def _round(self, request: Request, read: Callable[[str, Reply], T]) -> T:
        """The first answer of the addresses, each asked once at most."""
        tried: set[int] = set()
        running: set[asyncio.Task[T]] = set()
        failures: list[TryAgain | LinkError] = []
        try:
            while True:
                if not running:
                    n = self._pool.choose(self._clock(), tried)
                    if n is None:
                        raise self._failure(failures)
                    running.add(self._ask(n, tried, request, read))
                done = await self._first(running, tried)
                if not done:
                    n = self._pool.choose(self._clock(), tried, well=True)
                    if n is not None:
                        running.add(self._ask(n, tried, request, read, hedge=True))
                    continue
                running -= done
                for task in done:
                    try:
                        return task.result()
                    except (TryAgain, LinkError) as e:
                        failures.append(e)
        finally:
            for task in running:
                task.cancel()

    async def _first(self, running: set[asyncio.Task[T]], tried: set[int]) -> set[asyncio.Task[T]]:
        """The requests that have ended; none when it is time for a hedge."""
        lone = len(running) == 1 and len(tried) < len(self._endpoints)
        after = self._remote.hedge_after_s if lone else None
        done, _ = await asyncio.wait(running, timeout=after, return_when=asyncio.FIRST_COMPLETED)
        return done

    def _ask(
        self,
        n: int,
        tried: set[int],
        request: Request,
        read: Callable[[str, Reply], T],
        *,
        hedge: bool = False,
    ) -> asyncio.Task[T]:
        tried.add(n)
        self._pool.begin(n, hedge=hedge)
        return self._task(self._attempt(n, request, read, others=len(self._endpoints) - len(tried)))

    async def _attempt(self, n: int, request: Request, read: Callable[[str, Reply], T], *, others: int) -> T:
        """One request to one address, and what the pool learns from it."""
        try:
            answer = read(self._endpoints[n].name, await self._endpoints[n].ask(request, others=others))
        except asyncio.CancelledError:
            if self._pool.given_up(n):
                self._rest(n)
            raise
        except OtherWeightsError as e:
            self._pool.refused(n, e.seen)
            self._rest(n)
            raise
        except (TryAgain, LinkError) as e:
            wait = e.wait if isinstance(e, TryAgain) else 0.0
            self._pool.failed(n, self._clock() + wait)
            if len(self._endpoints) > 1:
                self._rest(n)
            raise
        except AnswerError:
            self._pool.answered(n)
            raise
        self._pool.answered(n)
        return answer

    def _failure(self, failures: list[TryAgain | LinkError]) -> TryAgain | LinkError:
        """What is said where no address has answered."""
        if not failures:
            other = next((o for o in self.figures.items() if o[1].state == "other weights"), None)
            if other is not None and self._pool.wait(self._clock()) == float("inf"):
                return OtherWeightsError(other[0], other[1].weights, self._remote.weights_hash)
            return TryAgain("every address asks to be left alone", self._pool.wait(self._clock()))
        if len(failures) == 1:
            return failures[0]
        words = "; ".join(f.what if isinstance(f, LinkError) else str(f) for f in failures)
        waits = [f.wait for f in failures if isinstance(f, TryAgain)]
        return (
            TryAgain(words, min(waits)) if waits else LinkError(words, "check the addresses of the service")
        )

    def _decoded(self, name: str, reply: Reply) -> Any:
        if 200 <= reply.status < 300:
            answer = reply.decoded()
            seen = answer.get("system_fingerprint") if isinstance(answer, dict) else None
            if self._remote.weights_hash and seen and seen != self._remote.weights_hash:
                raise OtherWeightsError(name, str(seen), self._remote.weights_hash)
            return answer
        words = reply.words()
        if reply.status in RETRIED:
            raise TryAgain(f"{name}: {words}", reply.wait)
        if reply.status in (401, 403):
            raise LinkError(f"{name} refuses the token: {words}", "check the token file")
        if reply.status in _FRAME:
            raise AnswerError(
                f"the server refused the request: {words}", "correct what the server's message says"
            )
        raise LinkError(f"{name} does not know this address or model: {words}", "check url and model")

    # an address that is not asked: does it come back?

    def _rest(self, n: int) -> None:
        name = f"probe {self._endpoints[n].name}"
        if (
            not self._closed
            and self._pool.state(n) != "up"
            and name not in {task.get_name() for task in self._tasks}
        ):
            self._task(_probed(weakref.ref(self), n)).set_name(name)

    async def _probe(self, n: int) -> bool:
        """Whether the address is well again and has the trusted weights."""
        if self._pool.state(n) == "up":
            return True
        request = Request("models", b"", {}, self._clock() + min(_PROBE, self._remote.timeout_s))
        try:
            models = listed_models(self._decoded("", await self._endpoints[n].ask(request)))
        except (SaecError, TryAgain, msgspec.ValidationError):
            return False
        found = next((model for model in models if model.id == self._model), None)
        return found is not None and self._pool.found(n, found.weights)


def _seen(task: asyncio.Task[Any]) -> None:
    """The failure of a request that nobody waits for any more is no news."""
    if not task.cancelled():
        task.exception()


async def _probed(poster: weakref.ref[Poster], n: int) -> None:
    """Probe an address with a growing pause until it is asked again, or its poster has gone."""

    async def over() -> bool:
        alive = poster()
        return alive is None or await alive._probe(n)

    tries = tenacity.AsyncRetrying(retry=tenacity.retry_if_result(lambda back: not back), wait=_REST)
    await asyncio.sleep(_FIRST_PROBE)
    await tries(over)


def _wait(state: tenacity.RetryCallState) -> float:
    """Exponential with jitter, and at least what the server asks for."""
    jittered = (tenacity.wait_exponential(multiplier=0.1, max=5.0) + tenacity.wait_random(0.0, 0.1))(state)
    failure = state.outcome.exception() if state.outcome is not None else None
    return max(jittered, failure.wait if isinstance(failure, TryAgain) else 0.0)
