"""docs/seed.md: every flag of the seed has a row, and every command and option there is one of ours."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from saec.cli import root
from saec.runs.requested_options import run_options
from saec.settings import Policy
from saec_research.seed.policy import PRESETS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "seed.md"
TEXT = PAGE.read_text(encoding="utf-8")

FLAGS = {
    "schemeB_1k_minrun_v4": (
        "data save_dir yolo_env_py yolo_step2 yolo_weights mvtec_root qwen_base qwen_adapter init_q_ratio "
        "cpx_size yolo_smax_thr yolo_margin_thr yolo_ent_thr yolo_keep_bidir qwen_thr qwen_batch qwen_resize "
        "qwen_4bit qwen_attn"
    ),
    "profile": "gpu interval images save",
    "build_mvtec_holdout1k": "src out n-good n-defect seed",
    "prep_mvtec_sft": "src out defect-train-ratio",
    "train_qwen25_qlora": "model data out epochs bs ga lr use-4bit",
    "eval_qwen25_rank_tta": "model adapter data imgsz",
    "eval_llava_base_mvtec": "base data resize max_new_tokens num_beams tta save_csv",
}
"""Of each script the flags that its read-me and its page of experiments use."""

CASCADE = "schemeB_1k_minrun_v4"
FILES = ("YOLO", "HOLDOUT")
NEW = ("OUT", "JSON", "CSV", "LISTS")


@dataclass(frozen=True)
class Row:
    script: str
    flag: str
    ours: str
    values: tuple[str, ...]
    remark: str


def rows() -> Iterator[Row]:
    script = ""
    for line in TEXT.splitlines():
        if line.startswith("## "):
            script = line.removeprefix("## ").split(":")[0]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `--"):
            yield Row(script, cells[0].strip("`-"), cells[1].strip("`"), tuple(cells[2:-1]), cells[-1])


ROWS = list(rows())
LINES = [line.strip() for line in TEXT.splitlines() if line.startswith("    saec ")]


def parsed(words: list[str], tmp_path: Path) -> tuple[click.Command, click.Context]:
    """The command of the words, its parameters parsed as they are when it runs; it is not run."""
    assert words[0] == "saec"
    command: click.Command = root
    rest = words[1:]
    while isinstance(command, click.Group):
        (name, *rest) = rest
        found = command.get_command(click.Context(command), name)
        assert found is not None, name
        command = found
    given = [placed(word, tmp_path) for word in rest]
    while True:  # what a row leaves out, for it is of another row
        try:
            return command, command.make_context(command.name, list(given))
        except click.MissingParameter as e:
            given = filled(given, e.param, tmp_path)


def placed(word: str, tmp_path: Path) -> str:
    """A word in capitals stands for a path of the user's."""
    if not re.fullmatch(r"[A-Z][A-Z0-9]+", word):
        return word
    path = tmp_path / word
    if word in FILES:
        path.touch()
    elif word not in NEW:
        path.mkdir(exist_ok=True)
    return str(path)


def filled(given: list[str], param: click.Parameter | None, tmp_path: Path) -> list[str]:
    assert param is not None
    if isinstance(param, click.Argument):
        return [*given, *([placed("DATA", tmp_path)] * (2 if param.nargs == -1 else 1))]
    if not isinstance(param.type, click.Path):
        assert param.type is click.STRING, param.name
        return [*given, param.opts[0], "NAME"]
    return [*given, param.opts[0], placed("DATA" if param.type.exists else "OUT", tmp_path)]


def option_of(command: click.Command, words: list[str]) -> tuple[click.Parameter, str | None]:
    """The last option that is written, and its value."""
    at = max(i for i, word in enumerate(words) if word.startswith("--"))
    (param,) = [p for p in command.params if words[at] in (*p.opts, *p.secondary_opts)]
    return param, words[at + 1] if at + 1 < len(words) else None


def test_every_flag_of_the_seed_has_a_row_and_no_other_has() -> None:
    assert {(row.script, row.flag) for row in ROWS} == {
        (script, flag) for script, flags in FLAGS.items() for flag in flags.split()
    }
    assert len(ROWS) == len({(row.script, row.flag) for row in ROWS})


@pytest.mark.parametrize("row", [r for r in ROWS if r.ours == "none"], ids=lambda r: r.flag)
def test_a_flag_without_ours_says_why(row: Row) -> None:
    assert len(row.remark) > 20


@pytest.mark.parametrize("row", [r for r in ROWS if r.ours != "none"], ids=lambda r: f"{r.script} {r.flag}")
def test_a_row_is_a_command_that_takes_it(row: Row, tmp_path: Path) -> None:
    words = shlex.split(row.ours)
    command, context = parsed(words, tmp_path)
    if not any(word.startswith("--") for word in words):
        paths = [value for value in _flat(context.params.values()) if isinstance(value, Path)]
        assert tmp_path / words[-1] in paths
        return
    param, value = option_of(command, words)
    assert context.get_parameter_source(param.name or "") is click.core.ParameterSource.COMMANDLINE
    if value is None:
        assert context.params[param.name] is True
    elif (said := row.values[0]) and value == said:
        assert str(float(context.params[param.name])) == str(float(said))
    if row.remark.startswith("the default"):
        assert param.default == context.params[param.name]


def _flat(values: object) -> Iterator[object]:
    for value in values:  # type: ignore[attr-defined]
        yield from value if isinstance(value, tuple) else (value,)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[5:40])
def test_every_command_of_the_page_parses(line: str, tmp_path: Path) -> None:
    parsed(shlex.split(line), tmp_path)


def test_the_cascades_values_are_those_of_the_presets() -> None:
    for column, name in enumerate(("saec", "all-to-cloud")):
        preset = PRESETS[name]
        known = {f: getattr(preset.policy, f) for f in preset.policy.__struct_fields__}
        known |= {"qwen_batch": preset.batch, "qwen_resize": preset.resize, "qwen_4bit": preset.four_bit}
        said = {r.flag: r.values[column] for r in ROWS if r.script == CASCADE and r.values[column]}
        assert said.pop("qwen_attn") == preset.attention
        assert {flag: float(value) for flag, value in said.items()} == {f: float(v) for f, v in known.items()}


@pytest.mark.parametrize("row", [r for r in ROWS if "--set" in r.ours], ids=lambda r: r.flag)
def test_a_set_sets_its_parameter(row: Row) -> None:
    change = row.ours.split()[-1]
    name, value = change.split("=")
    assert (name, value) == (row.flag, row.values[0])
    own = run_options(Policy(policy="seed", parameters={name: value})).own
    assert float(getattr(own, name)) == float(value)


@pytest.mark.parametrize(
    ("flag", "field", "value"),
    [
        ("qwen_batch", "batch", 24),
        ("qwen_resize", "side_px", 512),
        ("qwen_4bit", "dtype", "4bit"),
        ("qwen_attn", "attention", "flash"),
    ],
)
def test_the_clouds_options_reach_its_settings(flag: str, field: str, value: object, tmp_path: Path) -> None:
    (row,) = [r for r in ROWS if (r.script, r.flag) == (CASCADE, flag)]
    words = [*shlex.split(row.ours), "--cloud", "small"]
    _, context = parsed(words, tmp_path)
    assert context.params[f"cloud__{field}"] == value
