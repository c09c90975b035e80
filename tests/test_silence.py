"""Nothing opens a connection that the user did not ask for; no library writes into the home folder."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import threading
import tomllib
from itertools import chain
from pathlib import Path

import httpx
import pytest

import saec as package
from saec.silence import ABSENT, CHILD, SWITCHES
from tests.processes import saec, serving
from tests.sources import modules
from tests.watching import Watch

SRC = Path(package.__file__).parent
ALL = """
import sys
from saec.cli import main
for line in open(sys.argv[1]):
    assert main(line.strip().split("|")) == 0, line
"""
"""Runs the commands of a file, one a line, in one process."""


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path)


def _python(watch: Watch, code: str, *args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        capture_output=True, text=True, timeout=300, check=False, env=os.environ | watch.env,
    )  # fmt: skip


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.getaddrinfo('www.example.com', 443)",
        "import socket; socket.gethostbyname('www.example.com')",
        "import socket; socket.create_connection(('192.0.2.1', 443))",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('192.0.2.1', 53))",
        "import os, sys; sys.exit(os.spawnv(os.P_WAIT, sys.executable, [sys.executable, '-c', "
        "'import urllib.request as u; u.urlopen(\"http://www.example.com\")']))",
    ],
)
def test_the_watch_sees_and_refuses(watch: Watch, code: str) -> None:
    done = _python(watch, code)
    assert done.returncode != 0
    assert len(watch.asked) == 1


def test_fit_inspect_evaluate_and_report_ask_nobody(watch: Watch, gears: Path, tmp_path: Path) -> None:
    line, run = tmp_path / "line", tmp_path / "run"
    commands = (
        (
            "fit",
            gears,
            "--out",
            line,
            "--side-px",
            "128",
            "--memory-patches",
            "64",
            "--folds",
            "2",
            "--threads",
            "1",
        ),
        ("inspect", gears, "--line", line, "--out", run),
        ("evaluate", line, gears, "--out", tmp_path / "evaluation"),
        ("report", run),
    )
    (tmp_path / "commands").write_text("\n".join("|".join(map(str, argv)) for argv in commands))
    done = _python(watch, ALL, tmp_path / "commands")
    assert done.returncode == 0, done.stderr
    assert watch.asked == []
    assert watch.left == []


def opened_page(client: httpx.Client) -> httpx.Response:
    """The page that a browser is shown, once its process answers."""
    waiting, left = threading.Event(), 1200
    while (page := client.get("/", follow_redirects=True)).status_code == 503:
        waiting.wait(0.05)
        left -= 1
        assert left
    assert page.status_code == 200
    return page


def test_a_station_and_its_page_ask_nobody(
    watch: Watch, gears: Path, gear_line: Path, tmp_path: Path
) -> None:
    (tmp_path / "station.toml").write_text(
        f'[station]\ndata = "data"\nlisten = "127.0.0.1:0"\n'
        f'[[line]]\nname = "cell"\nprofile = "{gear_line}"\n'
        f'[[sink]]\nkind = "files"\nname = "log"\npath = "out"\n'
    )
    image = sorted((gears / "test" / "good").iterdir())[0].read_bytes()
    with (
        serving("station", "--config", "station.toml", cwd=tmp_path, env=watch.env) as station,
        httpx.Client(base_url=station.url, timeout=60) as client,
    ):
        posted = client.post(
            "/v1/lines/cell/frames?wait=30", content=image, headers={"Content-Type": "image/png"}
        )
        assert posted.json()["verdict"]["state"] == "final"
        page = opened_page(client)
        for path in ("/v1/frames", "/v1/status", "/metrics", "/ready"):
            assert client.get(path).is_success
    assert not re.search(r"""(?:src|href|url\(|@import|action)\W{0,3}(?:https?:)?//""", page.text)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert watch.asked == []
    assert watch.left == []


@pytest.mark.acceptance
def test_a_service_and_who_asks_it_ask_nobody_else(
    watch: Watch, gears: Path, gear_line: Path, tmp_path: Path
) -> None:
    with serving(
        "cloud", "--model", "small", "--listen", "127.0.0.1:0", cwd=tmp_path, env=watch.env
    ) as cloud:
        for asked in (("--cloud", cloud.url), ("--cloud", "small")):
            run = tmp_path / f"run-{asked[1] == 'small'}"
            done = saec("inspect", gears, "--line", gear_line, "--out", run, *asked, env=watch.env)
            assert done.returncode == 0, done.stderr
    assert watch.asked == []
    assert watch.left == []


@pytest.mark.acceptance
def test_no_library_asks_anybody_when_it_is_loaded(watch: Watch) -> None:
    """Every package that pyproject.toml names, those of the extras too."""
    project = tomllib.loads((SRC.parents[1] / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    names = sorted({re.split(r"[^\w.-]", name)[0] for name in named} - {"saec"})
    done = _python(watch, LOADS, *names)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 20
    assert watch.asked == []


LOADS = """
import importlib, sys
import saec
from importlib.metadata import packages_distributions
tops = sorted({top for top, owners in packages_distributions().items() if set(owners) & set(sys.argv[1:])})
loaded = 0
for top in tops:
    try:
        importlib.import_module(top)
        loaded += 1
    except ImportError as e:  # a part for another system
        print(top, e)
print(loaded)
"""


@pytest.mark.parametrize("home", ["/dev/null/home", "/proc"])
def test_without_a_home_the_error_stands_alone(
    watch: Watch, gears: Path, gear_line: Path, tmp_path: Path, home: str
) -> None:
    """Nobody, root neither, can make a folder at these."""
    env = watch.env | {"HOME": home}
    done = saec("inspect", gears, "--line", gears, "--out", tmp_path / "a", env=env)
    assert done.returncode == 2
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["error", "remedy"]
    done = saec(
        "inspect", gears, "--line", gear_line, "--cloud", "/nowhere", "--out", tmp_path / "b", env=env
    )
    assert done.returncode == 2
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["error", "remedy"]
    done = saec("inspect", gears, "--line", tmp_path / "no-line", "--out", tmp_path / "c", env=env)
    assert done.returncode == 2
    assert done.stderr.count("Error") == 1
    assert watch.asked == []


INTERRUPTED = """
import os, signal, sys
def _interrupt(event, args):
    if event == "import" and args[0] == "openvino":
        os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
sys.addaudithook(_interrupt)
"""


@pytest.mark.parametrize("command", ["inspect", "fit"])
def test_ctrl_c_while_libraries_load_ends_with_a_word(
    watch: Watch, gears: Path, gear_line: Path, tmp_path: Path, command: str
) -> None:
    out = ("--out", tmp_path / "out")
    argv = ("inspect", gears, "--line", gear_line, *out) if command == "inspect" else ("fit", gears, *out)
    done = saec(*argv, before=INTERRUPTED, env=watch.env)
    assert done.returncode == 130
    assert done.stderr.splitlines()[-1] == "interrupted"
    assert "Traceback" not in done.stderr


def test_importing_the_package_is_enough(watch: Watch) -> None:
    done = _python(
        watch,
        "import os, sys, saec\n"
        "for name in sys.argv[1:]:\n    print(name, os.environ[name])\n"
        "import importlib.util\nprint(importlib.util.find_spec('openvino_telemetry'))\n",
        *[name for name in SWITCHES if name != "DO_NOT_TRACK"],
    )
    assert done.stdout.split()[-1] == "None", done.stderr
    assert dict(line.split() for line in done.stdout.splitlines()[:-1]).items() <= SWITCHES.items()


def test_the_package_is_silent_before_it_imports_anything() -> None:
    """So every module of it is: Python runs the package before its modules."""
    body = ast.parse((SRC / "__init__.py").read_text()).body
    first = [ast.unparse(node) for node in body if not isinstance(node, ast.Assign)][1:3]
    assert first == ["from saec.silence import keep_silent", "keep_silent()"]
    loads = [n for n in ast.walk(ast.parse((SRC / "silence.py").read_text())) if isinstance(n, ast.Import)]
    assert {name.name for node in loads for name in node.names} == {"os", "sys"}


def test_other_pythons_are_started_silent() -> None:
    """They run a module of the package, or begin with the lines that importing it would have run."""
    from saec.edge import model_conversion as convert

    starts = {
        ast.unparse(node): [part for part in node.elts[1:] if ast.unparse(part) != "'-P'"][:2]
        for _, path in modules()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.List | ast.Tuple)
        and node.elts
        and ast.unparse(node.elts[0]) == "sys.executable"
    }
    ways = {"".join(map(ast.unparse, how)) for how in starts.values()}
    assert all(way == "'-c'_EXPORT" or way.startswith(("'-m''saec'", "'-m''saec.")) for way in ways), ways
    assert convert._EXPORT.startswith(CHILD)
    assert all(name in CHILD for name in ABSENT)


def test_weights_are_loaded_from_this_machine_alone() -> None:
    """Where a hub is to be asked, the user has named it: `find_checkpoint` and `models pull` do that."""
    loose = [
        f"{name}:{node.lineno}"
        for name, path in modules()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("from_pretrained", "load_adapter")
        and "local_files_only=True" not in ast.unparse(node)
    ]
    assert loose == []
