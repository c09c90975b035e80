"""The remote engine against a true vLLM that serves the small checkpoint; see docs/remote.md.

Runs where SAEC_VLLM_URL names such a server, or two with a comma between them: then each test asks both as
one cloud. With SAEC_VLLM_ADAPTER, the folder of an adapter that the server
has under the name small+FOLDER, that one is compared too.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saec.cloud import open_engine
from saec.cloud.remote.engine import RemoteEngine
from saec.cloud.remote.model_list import introduced
from saec.connecting import addresses_of
from saec.contracts import CloudEngine
from saec.data.procedural import FAMILIES, draw_product
from saec.errors import AnswerError
from saec.settings import CloudConfig, ModelCard, RemoteConfig
from saec.types import CloudQuery
from tests.cloud.helpers_cloud import query

URL = os.environ.get("SAEC_VLLM_URL", "")
ADAPTER = os.environ.get("SAEC_VLLM_ADAPTER", "")

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(not URL, reason="needs a vLLM server: SAEC_VLLM_URL names none, see docs/remote.md"),
    pytest.mark.timeout(600),
]


def _queries(references: int) -> list[CloudQuery]:
    """Twenty frames of five products in two sizes, half with a defect, from plain to hardly visible."""
    queries: list[Any] = []
    for n, family in enumerate(sorted(FAMILIES)[:5]):
        product = draw_product(family, 2**31 + n)
        shown = [product.render(1000 + i, size=240).image for i in range(references)]
        for i in range(4):
            kind = product.kinds[n % len(product.kinds)] if i % 2 else None
            image = product.render(i, kind, 0.1 + 0.2 * n, 240 + 20 * (i // 2)).image
            queries.append(query(image, *shown, name=f"frame-{len(queries)}"))
    return queries


def _remote(model: str, references: int, **settings: Any) -> CloudEngine:
    link = RemoteConfig(url=URL, timeout_s=120.0, **settings)
    return open_engine(CloudConfig(model=model, references=references, remote=link))


def _local(references: int, **settings: Any) -> CloudEngine:
    return open_engine(
        CloudConfig(model="small", references=references, dtype="float32", device="cpu", **settings)
    )


def _ps(engine: CloudEngine, queries: list[CloudQuery]) -> np.ndarray:
    return np.array([o.p_defect for o in engine.judge(queries)])


def _report(name: str, there: np.ndarray, here: np.ndarray) -> None:
    apart = np.abs(there - here)
    print(
        f"\n{name}: {len(here)} frames, P(defect) {here.min():.4f} to {here.max():.4f}, "
        f"|dP| median {np.median(apart):.1e}, most {apart.max():.1e}, "
        f"{int(((there > 0.5) != (here > 0.5)).sum())} labels differ"
    )


@pytest.mark.parametrize("references", [0, 1])
def test_vllm_judges_as_this_process_does(references: int) -> None:
    queries = _queries(references)
    there, here = _ps(_remote("small", references), queries), _ps(_local(references), queries)
    _report(f"small, {references} references", there, here)
    assert np.ptp(here) > 0.1
    np.testing.assert_allclose(there, here, rtol=0, atol=1e-3)


@pytest.mark.skipif(
    len(addresses_of(URL)) < 2, reason="needs two servers: SAEC_VLLM_URL names fewer, see docs/remote.md"
)
@pytest.mark.parametrize("settings", [{"spread": True}, {"hedge_after_s": 0.2}, {}], ids=str)
def test_two_servers_judge_as_one_though_an_address_is_dead(settings: dict[str, Any]) -> None:
    """Beside the two servers there is an address where nobody listens, and it stands first."""
    queries, first = _queries(1), addresses_of(URL)[0]
    with socket.socket() as held:  # a port of ours that refuses connections
        held.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
        remote = RemoteConfig(url=f"{dead},{URL}", timeout_s=120.0, **settings)
        name, told = introduced(remote, "small")
        engine = RemoteEngine.open(CloudConfig(model=name, references=1, remote=told))
        there = _ps(engine, queries)
    figures = engine.addresses
    engine.close()
    print("\n", {address: (one.asked, one.failed, one.hedged) for address, one in figures.items()})
    np.testing.assert_allclose(there, _ps(_local(1), queries), rtol=0, atol=1e-3)
    assert figures[dead].failed >= 1
    assert figures[first].asked >= 1
    assert figures[first].failed == 0
    if settings.get("spread"):
        assert all(figures[url].asked >= 5 for url in addresses_of(URL))


@pytest.mark.parametrize("settings", [{"views": 2}, {"scoring": "rank"}, {"side_px": 260}], ids=str)
def test_vllm_is_asked_in_other_ways_alike(settings: dict[str, Any]) -> None:
    queries = _queries(1)[:4]
    link = RemoteConfig(url=URL, timeout_s=120.0)
    remote = open_engine(CloudConfig(references=1, remote=link, **settings))
    there, here = _ps(remote, queries), _ps(_local(1, **settings), queries)
    _report(f"small, {settings}", there, here)
    np.testing.assert_allclose(there, here, rtol=0, atol=1e-3)


def test_vllm_describes_as_this_process_does() -> None:
    queries = _queries(1)[1:12:2]
    assert _remote("small", 1).explain(queries) == _local(1).explain(queries)


@pytest.mark.skipif(not ADAPTER, reason="needs an adapter: SAEC_VLLM_ADAPTER names none, see docs/remote.md")
@pytest.mark.parametrize("references", [0, 1])
def test_vllm_judges_with_an_adapter_as_this_process_does(references: int) -> None:
    queries = _queries(references)
    there = _ps(_remote(f"small+{Path(ADAPTER).name}", references), queries)
    here = _ps(_local(references, adapter=ADAPTER), queries)
    _report(f"small+{Path(ADAPTER).name}, {references} references", there, here)
    base = _ps(_local(references), queries)
    assert np.abs(base - here).max() > 0.01, "the adapter changes what is compared"
    np.testing.assert_allclose(there, here, rtol=0, atol=1e-3)


def test_a_frame_that_the_server_refuses_is_named() -> None:
    """The server takes two images in one conversation."""
    image = _queries(0)[0].frame.image
    engine = _remote("small", 5, card=ModelCard(side=240, unit=20, square=True))
    with pytest.raises(AnswerError, match=r"^frame-0: .*image"):
        engine.judge([query(image, *[image] * 5, name="frame-0")])
