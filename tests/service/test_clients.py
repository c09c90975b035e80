"""Clients that people use, against a service of its own: openai, LangChain, LiteLLM, vLLM's benchmark.

`make acceptance` makes the environment of the first three (scripts/clients.sh), whose Python SAEC_CLIENTS
names. vLLM's is that of `scripts/vllm/cpu.sh install VENV`; SAEC_VLLM_PYTHON names its Python. No client may
ask anybody but the service.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

from saec.data.procedural import draw_product
from saec.service.served_model import ServedModel
from saec.service.service_settings import ServiceConfig
from saec.web.admission.tokens import token_hash
from saec_research.small_model import FOLDER as SMALL
from tests.processes import serving
from tests.service.service_helpers import Gate, running
from tests.watching import Watch

ROOT = Path(__file__).parents[2]
CLIENTS = Path(os.environ.get("SAEC_CLIENTS", ROOT / ".venv-clients" / "bin" / "python")).absolute()
VLLM = os.environ.get("SAEC_VLLM_PYTHON", "")
QUIET = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]
clients = pytest.mark.skipif(
    not CLIENTS.is_file(), reason=f"needs the clients of {CLIENTS}: sh scripts/clients.sh .venv-clients"
)
vllm = pytest.mark.skipif(
    not VLLM,
    reason="needs vLLM: SAEC_VLLM_PYTHON names no Python with it; sh scripts/vllm/cpu.sh install VENV",
)


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn gear with a plain defect."""
    product = draw_product("gear", 3)
    image = product.render(0, kind=product.kinds[0], difficulty=0.0, size=240).image
    path = tmp_path_factory.mktemp("frame") / "frame.png"
    assert cv2.imwrite(str(path), image[..., ::-1])
    return path


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `saec cloud --model small`, where the token is "secret"."""
    folder = tmp_path_factory.mktemp("service")
    tokens = folder / "tokens"
    tokens.write_text(f"line-1 {token_hash('secret')}\n")
    tokens.chmod(0o600)
    argv = ("cloud", "--model", "small", "--listen", "127.0.0.1:0", "--tokens-file", tokens)
    with serving(*argv, cwd=folder) as service:
        yield service.url


def _run(python: str | Path, watch: Watch, *argv: str | Path, **env: str) -> str:
    # -P: the program's own folder holds a package `requests` of tests, which would hide the library.
    done = subprocess.run(
        [str(Path(python).absolute()), "-P", *map(str, argv)],
        capture_output=True, text=True, timeout=600, check=False, env=os.environ | watch.env | QUIET | env,
        cwd=watch.root,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert watch.asked == []
    return done.stdout


def _asked(library: str, where: str, frame: Path, watch: Watch, token: str = "secret") -> dict[str, Any]:
    program = Path(__file__).with_name("client_program.py")
    out = _run(CLIENTS, watch, program, library, where, token, frame)
    return json.loads(out.splitlines()[-1])


def _raised(found: dict[str, Any], kind: str, words: str) -> None:
    assert kind in found["raised"], found
    assert re.search(words, found["words"]), found


@clients
def test_openais_client(where: str, frame: Path, tmp_path: Path) -> None:
    got = _asked("openai", where, frame, Watch(tmp_path))
    assert (got["models"], got["model"]) == (["small"], "small")
    assert set(json.loads(got["plain"])) == {"kind", "description"}
    assert got["plain"] == got["slash"] == got["async"] == got["stream"] == got["defaults"]
    assert got["parse"] == json.loads(got["plain"])
    assert got["parse stream"][0] == got["parse"]
    assert got["logprobs"] == 3
    _raised(got["sampling"], "BadRequestError", "set temperature to 0")
    assert got["sampling"]["param"] == "temperature"
    _raised(got["tools"], "BadRequestError", "without tools")
    _raised(got["unknown"], "NotFoundError", "name one of small")
    _raised(got["stranger"], "AuthenticationError", "Bearer TOKEN")
    _raised(got["off-prompt"], "UnprocessableEntityError", "max_tokens")


@clients
def test_langchains_client(where: str, frame: Path, tmp_path: Path) -> None:
    got = _asked("langchain", where, frame, Watch(tmp_path))
    assert set(json.loads(got["plain"])) == {"kind", "description"}
    assert got["plain"] == got["stream"] == got["async"] == got["block"]
    assert got["batch"] == [got["plain"]] * 2
    assert got["usage"] is True
    assert got["parse"] == json.loads(got["plain"])
    assert got["logprobs"] == 3
    _raised(got["sampling"], "BadRequestError", "set temperature to 0")
    _raised(got["tools"], "BadRequestError", "without tools")
    _raised(got["unknown"], "NotFoundError", "name one of small")
    _raised(got["stranger"], "AuthenticationError", "Bearer TOKEN")


@clients
def test_litellms_client(where: str, frame: Path, tmp_path: Path) -> None:
    got = _asked("litellm", where, frame, Watch(tmp_path))
    assert set(json.loads(got["plain"])) == {"kind", "description"}
    assert got["plain"] == got["vllm"] == got["stream"] == got["async"] == got["defaults"]
    assert got["parse"] == json.loads(got["plain"])
    _raised(got["sampling"], "BadRequestError", "set temperature to 0")
    _raised(got["unknown"], "NotFoundError", "name one of small")
    _raised(got["stranger"], "AuthenticationError", "Bearer TOKEN")


LIMITED = """
import sys, openai
client = openai.OpenAI(base_url=sys.argv[1], api_key="secret", max_retries=0)
ask = lambda: client.chat.completions.create(model="small", messages=[{"role": "user", "content": "Hello"}])
ask()
try:
    ask()
except openai.RateLimitError as e:
    print(e.code, int(e.response.headers["Retry-After"]))
"""


@clients
def test_openais_client_is_told_when_to_come_again(served: ServedModel, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"line-1 {token_hash('secret')}\n")
    gate = Gate(served)
    gate.open.set()
    with running(gate.served, ServiceConfig(max_delay_ms=0.0, requests_per_s=0.1), tokens=tokens) as (
        where,
        _,
    ):
        out = _run(CLIENTS, Watch(tmp_path), "-c", LIMITED, f"{where}/v1")
    code, seconds = out.split()
    assert code == "rate_limit"
    assert 1 <= int(seconds) <= 10


@clients
def test_the_example_of_the_service_page_runs(where: str, frame: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "service.md").read_text()
    (code,) = re.findall(r"```python\n(import base64.*?)```", page, re.DOTALL)
    code = code.replace("http://127.0.0.1:8100/v1", where).replace('"TOKEN"', '"secret"')
    (tmp_path / "frame.png").write_bytes(frame.read_bytes())
    assert _run(CLIENTS, Watch(tmp_path), "-c", code).startswith("kind='")


BENCH = """
from vllm.benchmarks.serve import add_cli_args, main
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = FlexibleArgumentParser()
add_cli_args(parser)
main(parser.parse_args())
"""
"""`vllm bench serve`, without loading the rest of vLLM's command."""


@vllm
@pytest.mark.parametrize(
    "data",
    [
        ["random", "--random-input-len", "40", "--random-output-len", "6"],
        [
            *("random-mm", "--random-input-len", "20", "--random-output-len", "6"),
            *("--random-mm-base-items-per-request", "1", "--random-mm-num-mm-items-range-ratio", "0"),
            *("--random-mm-bucket-config", "{(240, 240, 1): 1.0}"),
            *("--random-mm-limit-mm-per-prompt", '{"image": 1, "video": 0}'),
        ],
    ],
    ids=["texts", "images"],
)
def test_vllms_benchmark_client(where: str, tmp_path: Path, data: list[str]) -> None:
    argv = ["--backend", "openai-chat", "--endpoint", "/v1/chat/completions", "--tokenizer", str(SMALL)]
    argv += ["--base-url", where.removesuffix("/v1"), "--num-prompts", "5", "--ready-check-timeout-sec", "60"]
    argv += ["--save-result", "--result-dir", str(tmp_path), "--result-filename", "result.json"]
    argv += ["--header", "Authorization=Bearer secret", "--model", "small", "--dataset-name", *data]
    _run(VLLM, Watch(tmp_path), "-c", BENCH, *argv, OPENAI_API_KEY="secret")
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["completed"], result.get("failed", 0)) == (5, 0)
    assert result["total_output_tokens"] == 5 * 6
