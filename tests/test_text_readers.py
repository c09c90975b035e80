"""Every file of text that a person may have had in an editor is read as what it says, or named."""

from __future__ import annotations

import ast
import codecs
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest

from saec.errors import SaecError
from saec_research.small_model import FOLDER as SMALL
from tests.sources import modules


@dataclass
class Case:
    """A reader of one file, what it reads, and a sound text of the file."""

    path: Path
    read: Callable[[], Any]


def _image(path: Path, level: int = 90) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((16, 16, 3), level, np.uint8))


def _items(folder: Path) -> list[tuple[str, str, int | None, str]]:
    from saec.data.dataset import open_dataset

    return [(i.path.name, i.split, i.label, i.kind) for i in open_dataset(folder).items]


def _line(tmp: Path, line: Path, name: str) -> Case:
    from saec.profile import LineProfile

    shutil.copytree(line, tmp / "line")
    return Case(
        tmp / "line" / name,
        lambda: msgspec.to_builtins(
            [(p := LineProfile.open(tmp / "line", verify=False)).line, p.calibration]
        ),
    )


def _manifest(tmp: Path, line: Path) -> Case:
    from saec.data.manifest import Manifest

    shutil.copy(line / "manifest.json", tmp)
    return Case(tmp / "manifest.json", lambda: msgspec.to_builtins(Manifest.read(tmp)))


def _parts(tmp: Path, line: Path) -> Case:
    from saec.data.parts import PartIds

    (tmp / "parts.csv").write_text("path,part,lot\na.png,1,L1\nb/ä.png,2,\n", "utf-8")
    return Case(
        tmp / "parts.csv",
        lambda: [PartIds(table=tmp / "parts.csv").of(x) for x in ("x/a.png", "b/ä.png")],
    )


def _kinds(tmp: Path, line: Path) -> Case:
    from saec.data.layouts.defect_kinds import kinds_by_table

    table, images = tmp / "kinds.csv", (tmp / "a.png", tmp / "b" / "ä.png")
    table.write_text("file,kind\na.png,Kratzer\nb/ä.png,Beule\n", "utf-8")
    return Case(
        table, lambda: [s.kind for s in kinds_by_table(table, images, dict.fromkeys(images, "0")).values()]
    )


def _visa(tmp: Path, line: Path) -> Case:
    rows = ["object,split,label,image,mask"]
    for split in ("train", "test"):
        for i in range(2):
            name = f"candle/Data/Images/Normal/{split}{i}.JPG"
            _image(tmp / "visa" / name, 40 + i)
            rows.append(f"candle,{split},normal,{name},")
    (tmp / "visa" / "split_csv").mkdir()
    path = tmp / "visa" / "split_csv" / "1cls.csv"
    path.write_text("\n".join(rows) + "\n")
    return Case(path, lambda: _items(tmp / "visa" / "candle"))


def _coco(tmp: Path, line: Path) -> Case:
    for i in range(3):
        _image(tmp / "coco" / f"{i}.png", 50 + i)
    table = {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 16, "height": 16} for i in range(3)],
        "annotations": [{"id": 1, "image_id": 2, "category_id": 1, "bbox": [1, 1, 5, 5]}],
        "categories": [{"id": 1, "name": "Riß"}],
    }
    path = tmp / "coco" / "_annotations.coco.json"
    path.write_bytes(msgspec.json.encode(table))
    return Case(path, lambda: _items(tmp / "coco"))


def _yolo(tmp: Path, line: Path) -> Case:
    for i in range(2):
        _image(tmp / "yolo" / "images" / f"{i}.png", 50 + i)
        (tmp / "yolo" / "labels").mkdir(exist_ok=True)
        (tmp / "yolo" / "labels" / f"{i}.txt").write_text("0 0.5 0.5 0.2 0.2\n" if i else "")
    path = tmp / "yolo" / "data.yaml"
    path.write_text("path: .\ntrain: images\nnames:\n  0: Riß\n", "utf-8")
    return Case(path, lambda: _items(tmp / "yolo"))


def _verdict_lines() -> bytes:
    from saec.types import VerdictRecord

    made = [
        VerdictRecord(id=f"{i}.png", path=f"ä\u2028/{i}.png", sha256="", line="x", time=0.0, label=i, truth=0)
        for i in range(2)
    ]
    return b"".join(msgspec.json.encode(v) + b"\n" for v in made)


def _log(tmp: Path, line: Path) -> Case:
    from saec.runs.verdict_log import read_all

    (tmp / "verdicts.jsonl").write_bytes(_verdict_lines())
    return Case(tmp / "verdicts.jsonl", lambda: msgspec.to_builtins(list(read_all(tmp / "verdicts.jsonl"))))


def _report_log(tmp: Path, line: Path) -> Case:
    from saec.report import run_page as run

    (tmp / "verdicts.jsonl").write_bytes(_verdict_lines())
    return Case(
        tmp / "verdicts.jsonl", lambda: msgspec.to_builtins(run._read_verdicts(tmp / "verdicts.jsonl"))
    )


def _metered(tmp: Path, line: Path) -> Case:
    from saec.meter.measured_command import decided

    (tmp / "verdicts.jsonl").write_bytes(_verdict_lines())
    return Case(tmp / "verdicts.jsonl", lambda: decided((tmp / "verdicts.jsonl").read_bytes()))


def _samples(tmp: Path, line: Path) -> Case:
    from saec.profile import sha256_file
    from saec.tune.samples import read_samples

    lines = []
    for i in range(2):
        _image(tmp / f"ä{i}.png", 60 + i)
        sample = {
            "id": f"{i}\u2028",
            "image": f"ä{i}.png",
            "sha256": sha256_file(tmp / f"ä{i}.png"),
            "label": i,
        }
        lines.append(msgspec.json.encode(sample) + b"\n")
    (tmp / "train.jsonl").write_bytes(b"".join(lines))
    return Case(tmp / "train.jsonl", lambda: [str(s) for s in read_samples(tmp / "train.jsonl")])


def _excluded(tmp: Path, line: Path) -> Case:
    from saec.data.builders.build_folder import Exclusions

    _image(tmp / "ä.png")
    (tmp / "list.jsonl").write_text('{"image": "ä.png"}\n{"path": "ä.png"}\n', "utf-8")

    def read() -> set[str]:
        found = Exclusions()
        found.add_jsonl(tmp / "list.jsonl", tmp, [])
        return found.hashes

    return Case(tmp / "list.jsonl", read)


def _settings(tmp: Path, line: Path) -> Case:
    from saec.station.setup.settings_file import read_settings

    shutil.copytree(line, tmp / "line")
    (tmp / "in").mkdir()
    path = tmp / "station.toml"
    path.write_text(
        '# Gehäuse\n[station]\nname = "s"\n[[line]]\nname = "a"\nprofile = "line"\n'
        '[[source]]\nname = "in"\nkind = "folder"\nline = "a"\npath = "in"\n',
        "utf-8",
    )
    return Case(path, lambda: msgspec.to_builtins(read_settings(path), enc_hook=str))


def _versions(tmp: Path, line: Path) -> Case:
    from saec.station.line.version_store import Versions, VersionStore

    (tmp / "state.json").write_bytes(msgspec.json.encode(Versions(current=1)))
    return Case(tmp / "state.json", lambda: VersionStore(tmp).state())


def _card(tmp: Path, line: Path) -> Case:
    from saec.cloud.checkpoints.checkpoint_folder import read_card

    shutil.copy(SMALL / "saec.json", tmp)
    return Case(tmp / "saec.json", lambda: read_card(tmp))


def _pixels(tmp: Path, line: Path) -> Case:
    from saec.cloud.questions.image_patches import Preprocessing

    shutil.copy(SMALL / "preprocessor_config.json", tmp)
    return Case(tmp / "preprocessor_config.json", lambda: Preprocessing.read(tmp))


def _adapter(tmp: Path, line: Path) -> Case:
    from saec.cloud.checkpoints.adapters import _read_config

    (tmp / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 4, "lora_alpha": 8}')
    return Case(tmp / "adapter_config.json", lambda: _read_config(tmp))


def _run(tmp: Path, line: Path) -> Case:
    from saec.runs.run_record import DatasetInfo, LineInfo, RunInfo, read_run, write_run

    judged = LineInfo(name="Gehäuse", folder="x", detector="patch", threshold=1.0, calibration=1)
    write_run(tmp, RunInfo(saec="0", line=judged, dataset=DatasetInfo(root="x")))
    return Case(tmp / "run.json", lambda: read_run(tmp))


def _tokens(tmp: Path, line: Path) -> Case:
    from saec.web.admission.tokens import _read, token_hash

    (tmp / "tokens").write_text(f"# Gehäuse\nmes {token_hash('x')}\n", "utf-8")
    return Case(tmp / "tokens", lambda: _read(tmp / "tokens"))


def _lock(tmp: Path, line: Path) -> Case:
    from saec.cloud.checkpoints.hub import Lock, _read_lock

    (tmp / "models.lock").write_bytes(
        msgspec.json.encode(Lock(name="a/b", revision="main", commit="0", files={}))
    )
    return Case(tmp / "models.lock", lambda: _read_lock(tmp))


def _metrics(tmp: Path, line: Path) -> Case:
    from saec.report.run_page import _pixel_figures

    (tmp / "metrics.json").write_text('{"pixel_auroc": 0.9, "pro": null}')
    return Case(tmp / "metrics.json", lambda: _pixel_figures(tmp / "metrics.json"))


CASES: dict[str, Callable[[Path, Path], Case]] = {
    "line.json": lambda tmp, line: _line(tmp, line, "line.json"),
    "calibration": lambda tmp, line: _line(tmp, line, sorted(line.glob("calibration-*.json"))[-1].name),
    "manifest": _manifest, "kinds": _kinds,
    "parts": _parts, "VisA": _visa, "COCO": _coco, "YOLO": _yolo, "log": _log,
    "log of a report": _report_log, "metered log": _metered, "sft": _samples, "excluded": _excluded,
    "station.toml": _settings, "versions": _versions, "saec.json": _card, "preprocessor": _pixels,
    "adapter_config": _adapter, "run.json": _run, "tokens": _tokens, "models.lock": _lock,
    "metrics.json": _metrics,
}  # fmt: skip

FORMS: dict[str, Callable[[str], bytes]] = {
    "a byte order mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "a mark and CRLF": lambda text: codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 BE": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
}


@pytest.mark.parametrize("name", CASES)
def test_an_editor_s_form_changes_nothing(name: str, tmp_path: Path, gear_line: Path) -> None:
    case = CASES[name](tmp_path, gear_line)
    text, sound = case.path.read_text("utf-8"), case.read()
    for form, made in FORMS.items():
        case.path.write_bytes(made(text))
        assert case.read() == sound, form


@pytest.mark.parametrize("name", CASES)
def test_another_encoding_is_named_with_its_file(name: str, tmp_path: Path, gear_line: Path) -> None:
    case = CASES[name](tmp_path, gear_line)
    text = case.path.read_bytes()
    for wrong in (text[:1] + b"\xe4" + text[1:], codecs.BOM_UTF16_LE + text[: len(text) // 2 * 2 - 1]):
        case.path.write_bytes(wrong)
        with pytest.raises(SaecError) as e:
            case.read()
        assert "UTF-8" in str(e.value)
        assert case.path.name in e.value.what or name == "metered log"
        assert e.value.remedy


OWN = {
    "data/images/decoder_child.py", "data/images/decoder_process.py", "station/line/crash_marker.py",
    "meter/phases.py",
    "meter/process.py", "meter/rapl.py", "runs/waiting_list.py", "saec_research/tables/published.py",
}  # fmt: skip
"""Read what this program, the package or the kernel wrote a moment ago; nobody has had it in an editor."""

OWN_PARTS = {
    ("cli/station/__init__.py", "example"),
    ("runs/description.py", "machine"),
    ("bulk/bulk_run.py", "judge_archive"),  # opens a course, which is no file
    ("runs/run_folder.py", "judge_into"),  # the same
    ("station/maintenance/machine_facts.py", "_processor"),
    ("station/cameras/usb_cameras.py", "find_usb_cameras"),  # the kernel's
    ("station/outputs/pending_parts.py", "_read"),  # the program's own, which says when it is none
    ("station/simulated/machine/demonstration.py", "wait_ready"),  # the log of a station of its own
    # These open a session with a PLC or a coupler, which is no file.
    ("station/outputs/couplers/modbus_coupler.py", "open"),
    ("station/plc/modbus_client.py", "open"),
    ("station/plc/opcua/opcua_way.py", "open"),
    ("station/plc/s7/s7_way.py", "open"),
    ("station/plc/worker/hand_walk.py", "walk"),
    ("station/plc/worker/plc_worker.py", "run"),
    ("station/simulated/opcua_peer.py", "_is_connected"),
    # What stands between two marks of ASCII, whatever is around it.
    ("station/maintenance/local_request.py", "trust_only"),
}


def test_no_other_module_reads_text() -> None:
    """A reader that is added must use ``saec.texts``, or a mark or an encoding is forgotten there."""
    found = []
    for name, path in modules():
        if name == "texts.py" or name in OWN:
            continue
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if _reads_text(function) and (name, function.name) not in OWN_PARTS:
                found.append(f"{name}: {function.name}")
    assert not found, "call saec.texts there"


@pytest.mark.parametrize(
    ("code", "reads"),
    [
        ("path.read_text()", True),
        ("path.read_text('utf-8')", True),
        ("Path(x).open()", True),
        ("path.open('r', encoding='utf-8')", True),
        ("open(path)", True),
        ("open(path, 'rb')", False),
        ("path.open('w', encoding='utf-8')", False),
        ("tomllib.load(f)", True),
        ("json.load(f)", True),
        ("json.loads(path.read_bytes())", True),
        ("decode(path.read_bytes(), Card)", True),
        ("f = path.open('rb')\n    return decode(f.readline(), Card)", True),
        ("decode(decoded(path.read_bytes(), 'x'), Card)", False),
        ("decode(blob, Card)", False),
        ("hashlib.sha256(path.read_bytes())", False),
        ("Image.open(path)", False),
        ("LineProfile.open(path)", False),
    ],
)
def test_the_look_sees_them(code: str, reads: bool) -> None:
    (function,) = ast.parse(f"def f():\n    {code}").body
    assert isinstance(function, ast.FunctionDef)
    assert _reads_text(function) is reads


_PARSERS = re.compile(r"(json\.|tomllib\.|yaml\.)(loads?|safe_load)|decode|read|decoder\(.*\)\.decode")
_TEXTS = {"decoded", "read_text", "read_json", "read_lines", "read_table", "read_secret", "read_token"}


def _reads_text(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it opens a text, or reads bytes of a file and parses them, without the common reader."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    names = {ast.unparse(call.func) for call in calls}
    modes = {mode for call in calls if (mode := _opened(call)) is not None}
    if "text" in modes or {"json.load", "tomllib.load"} & names:
        return True
    raw = "bytes" in modes or any(name.endswith(".read_bytes") for name in names)
    return raw and any(_PARSERS.fullmatch(name) for name in names) and not _TEXTS & names


def _opened(call: ast.Call) -> str | None:
    """Whether a path is opened to read "text" or "bytes"; what has a capital is no path (``Image.open``)."""
    function, args = call.func, call.args
    if isinstance(function, ast.Name) and function.id == "open":
        args = args[1:]
    elif isinstance(function, ast.Attribute) and function.attr == "read_text":
        return "text"
    elif not isinstance(function, ast.Attribute) or function.attr != "open":
        return None
    if isinstance(function, ast.Attribute) and re.match(r"(?!Path\()[A-Z]", ast.unparse(function.value)):
        return None
    modes = [*args[:1], *(k.value for k in call.keywords if k.arg == "mode")]
    if not modes:
        return "text"
    mode = modes[0].value if isinstance(modes[0], ast.Constant) else None
    if not isinstance(mode, str) or not re.fullmatch(r"[rwaxbt+]+", mode) or "r" not in mode:
        return None
    return "bytes" if "b" in mode else "text"
