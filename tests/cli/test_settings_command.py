"""Options beat the file, the file beats the defaults; a fault of the file is named with its line."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import click
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.cli import main
from saec.cli.options.effective_settings import toml_value
from saec.cli.options.settings_command import SettingsCommand, is_given
from saec.settings import CloudConfig
from saec.settings.setting_fields import Argument, Count, Everyday, NewFile, Share


class Inner(msgspec.Struct, frozen=True, kw_only=True):
    """A table within a section.

    Attributes:
        timeout_s: Seconds to wait.
    """

    timeout_s: float = 2.5


class Outer(msgspec.Struct, frozen=True, kw_only=True):
    """A section.

    Attributes:
        name: A name.
        count: How many.
        share: A share.
        kind: A kind.
        flag: A flag that is off.
        other: A flag that is on.
        costs: Costs by name.
        many: Several words.
        inner: a table within.
    """

    name: Argument[str] = "none"
    count: Everyday[Count] = 3
    share: Share | None = None
    kind: Literal["a", "b"] = "a"
    flag: bool = False
    other: bool = True
    costs: Annotated[dict[str, float], "any"] = {}
    many: tuple[str, ...] = ()
    inner: Inner = Inner()


def run(args: list[str]) -> tuple[Outer, set[str]]:
    """What a command of the section is given, and the settings that the user gave."""
    seen: list[tuple[Outer, set[str]]] = []

    def function(outer: Outer) -> None:
        names = [*Outer.__struct_fields__[:-1], "inner.timeout_s"]
        seen.append((outer, {name for name in names if is_given(f"outer.{name}")}))

    function.__annotations__["outer"] = Outer
    SettingsCommand(function).main(args, standalone_mode=False)
    return seen[0]


WORDS = st.text("abcxyz", min_size=1, max_size=6)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "name": WORDS,
    "count": st.integers(1, 10**6),
    "share": st.floats(0, 1),
    "kind": st.sampled_from(["a", "b"]),
    "flag": st.booleans(),
    "other": st.booleans(),
    "costs": st.dictionaries(WORDS, st.floats(-1e3, 1e3), min_size=1, max_size=3),
    "many": st.lists(WORDS, min_size=1, max_size=3).map(tuple),
    "inner.timeout_s": st.floats(0.1, 1e3),
}
GIVEN = st.fixed_dictionaries({}, optional=VALUES)


def options(values: dict[str, Any]) -> list[str]:
    words: list[str] = []
    for key, value in values.items():
        flag = f"--{key.rpartition('.')[2].replace('_', '-')}"
        if key == "name":
            continue
        if isinstance(value, bool):
            if value or key == "other":
                words.append(flag if value else f"--no-{flag[2:]}")
        elif isinstance(value, dict):
            words += [word for name, cost in value.items() for word in (flag, f"{name}={cost!r}")]
        elif isinstance(value, tuple):
            words += [word for one in value for word in (flag, one)]
        else:
            words += [flag, str(value)]
    return [*words, *([values["name"]] if "name" in values else [])]


def field(outer: Outer, key: str) -> Any:
    for name in key.split("."):
        outer = getattr(outer, name)
    return outer


@given(in_file=GIVEN, on_line=GIVEN)
def test_options_beat_the_file_and_the_file_beats_the_defaults(
    tmp_path_factory: pytest.TempPathFactory, in_file: dict[str, Any], on_line: dict[str, Any]
) -> None:
    if on_line.get("flag") is False:
        del on_line["flag"]  # an option switches it on, none switches it off
    path = tmp_path_factory.mktemp("settings") / "saec.toml"
    rows = [f"{key} = {toml_value(value)}" for key, value in in_file.items() if "." not in key]
    rows += (
        [f"[outer.inner]\ntimeout_s = {in_file['inner.timeout_s']!r}"] if "inner.timeout_s" in in_file else []
    )
    path.write_text("\n".join(["[outer]", *rows]))
    outer, given_keys = run(["--config", str(path), *options(on_line)])
    for key in VALUES:
        expected = on_line.get(key, in_file.get(key, field(Outer(), key)))
        assert field(outer, key) == expected
    assert given_keys == {*in_file, *on_line}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[cloud]\nreferencs = 2", "line 2: [cloud] has no key referencs"),
        ("[cloud]\nmodel = 'small'\nreferences = -1", "line 3: cloud.references"),
        ("[cloud]\nbatch = 'x'", "line 2: cloud.batch"),
        ("[clod]\nmodel = 'small'", "line 1: no section [clod]"),
        ("[cloud.remote]\ntimeout_s = 0", "line 2: cloud.remote.timeout_s"),
        ("[cloud", "saec.toml"),
        ("[run]\nmaps = 1", "line 2: run.maps"),
        ("fit = 3", "line 1: fit is 3"),
        ("\nfit.seed = -1", "line 2: fit.seed"),
        ("\nfit = {folds = 3, seed = -1}", "line 2: fit.seed"),
        ("[cloud]\n\nremote = {retries = -1}", "line 3: cloud.remote.retries"),
        ("[cloud]\n# batch = 3\nbatch = 0", "line 3: cloud.batch"),
        ("[[fit]]\nseed = 1", "line 1: fit is a list of tables"),
        ('[fit]\ndtype = "fp16"', "line 2: fit.dtype is 'fp16'"),
        ("[fit]\nseed = 99999999999999999999", "line 2: fit.seed"),
        ("[thresholds]\nthreshold = inf", "line 2: thresholds.threshold is not a finite number"),
        ("[policy]\ncost = {escape = nan}", "line 2: policy.cost is not a finite number"),
        ('[policy]\npolicy = "gte"', "line 2: policy.policy: 'gte' is not one of"),
        ('[inspect]\nline = "nowhere"', "line 2: inspect.line"),
    ],
)
@pytest.mark.parametrize("command", ["check", "show"])
def test_a_fault_of_the_file_is_named_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str, command: str
) -> None:
    path = tmp_path / "saec.toml"
    path.write_text(text)
    assert main(["config", command, "--config", str(path)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "remedy: " in error


def test_a_key_of_another_section_is_told_where_it_belongs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "saec.toml"
    path.write_text("[inspect]\nlimit = 3\n")
    for command in (["config", "check"], ["inspect", str(tmp_path), "--line", str(tmp_path)]):
        assert main([*command, "--config", str(path)]) == 2
        assert "write it below [sample]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("[replicas]\nreplicas = 3", "write it as count: this is the key of the option --replicas"),
        ("[bulk]\nbulk_workers = 3", "write it as workers"),
        ("[bulk]\nbulk-workers = 3", "write it as workers"),
        ("[cloud]\ntimeout_s = 3", "write it as remote.timeout_s"),
        ("[plan]\nstation = 3", "did you mean stations?"),
        ("[sample]\nlimits = 3", "did you mean limit?"),
    ],
)
def test_an_options_name_is_told_its_key_of_the_same_section(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, remedy: str
) -> None:
    path = tmp_path / "saec.toml"
    path.write_text(text)
    assert main(["config", "check", "--config", str(path)]) == 2
    assert f"remedy: {remedy}" in capsys.readouterr().err


def test_a_fault_is_told_before_a_command_does_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "saec.toml"
    path.write_text("[run]\nqueue = 3\n")
    assert main(["inspect", str(tmp_path), "--line", str(tmp_path), "--config", str(path)]) == 2
    assert "[run] has no key queue" in capsys.readouterr().err


def test_a_sound_file_is_shown_with_its_lines_and_the_defaults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "saec.toml"
    path.write_text('[cloud]\nmodel = "small"\n[cloud.remote]\nretries = 7\n[policy]\ncost = {escape = 20}\n')
    assert main(["config", "check", "--config", str(path)]) == 0
    assert "sound" in capsys.readouterr().out
    assert main(["config", "show", "--config", str(path)]) == 0
    shown = capsys.readouterr().out
    assert f'model = "small"  # {path} line 2' in shown
    assert f"retries = 7  # {path} line 4" in shown
    assert f"cost = {{escape = 20.0}}  # {path} line 6" in shown
    assert "\nbatch = 8\n" in shown


def test_what_is_shown_is_a_settings_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show"]) == 0
    path = tmp_path / "all.toml"
    path.write_text(capsys.readouterr().out)
    assert main(["config", "check", "--config", str(path)]) == 0


def test_what_is_shown_of_odd_names_is_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "saec.toml"
    path.write_text(
        '[service]\nadapters = {"a-b" = "x"}\n[policy]\ncost = {"a.b" = 1}\npreset = "a\\u007fb"\n'
    )
    for _ in range(2):
        assert main(["config", "show", "--config", str(path)]) == 0
        path = tmp_path / "again.toml"
        path.write_text(capsys.readouterr().out)
    shown = tomllib.loads(path.read_text())
    assert shown["service"]["adapters"] == {"a-b": str(tmp_path / "x")}
    assert shown["policy"]["cost"] == {"a.b": 1.0}
    assert shown["policy"]["preset"] == "a\x7fb"


def test_a_model_is_a_name_or_a_folder_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    seen: list[CloudConfig] = []

    def function(cloud: CloudConfig) -> None:
        seen.append(cloud)

    function.__annotations__["cloud"] = CloudConfig
    for name, model in (("./checkpoint", str(tmp_path / "checkpoint")), ("some/model", "some/model")):
        (tmp_path / "saec.toml").write_text(f'[cloud]\nmodel = "{name}"\n')
        SettingsCommand(function).main(["--config", str(tmp_path / "saec.toml")], standalone_mode=False)
        assert seen.pop().model == model


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "30%"])
def test_a_number_is_finite(value: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["calibrate", str(tmp_path), f"--threshold={value}"]) == 2
    assert "--threshold" in capsys.readouterr().err


def test_paths_of_a_file_are_relative_to_it(tmp_path: Path) -> None:
    class Files(msgspec.Struct, frozen=True, kw_only=True):
        """Files.

        Attributes:
            out: A file.
        """

        out: NewFile | None = None

    seen: list[Files] = []

    def function(files: Files) -> None:
        seen.append(files)

    function.__annotations__["files"] = Files
    for written, read in (("figures.json", tmp_path / "figures.json"), ("-", Path("-"))):
        (tmp_path / "saec.toml").write_text(f'[files]\nout = "{written}"\n')
        SettingsCommand(function).main(["--config", str(tmp_path / "saec.toml")], standalone_mode=False)
        assert seen.pop().out == read


def test_the_schema_describes_what_the_file_may_hold(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["properties"]["cloud"]["properties"]["remote"]["properties"]["retries"]["default"] == 2
    assert schema["properties"]["cloud"]["additionalProperties"] is False
    assert schema["properties"]["line"]["type"] == "array"


def test_an_empty_path_is_not_the_current_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["inspect", str(tmp_path), "--line", str(tmp_path), "--out", ""]) == 2
    assert "--out" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_misspelt_option_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--lien", "x"]) == 2
    assert "--line" in capsys.readouterr().err


def cloud_model(*args: str) -> str:
    """The cloud that a command with the section [cloud] is given."""
    seen: list[str] = []

    def function(cloud: CloudConfig) -> None:
        seen.append(cloud.model)

    function.__annotations__["cloud"] = CloudConfig
    SettingsCommand(function).main([*args], standalone_mode=False)
    return seen[0]


def test_a_cloud_that_is_given_several_times_has_several_addresses(tmp_path: Path) -> None:
    one, two = "https://a:1/v1", "https://b:1/v1"
    assert cloud_model("--cloud", one, "--cloud", two) == cloud_model("--cloud", f"{one},{two}")
    (tmp_path / "saec.toml").write_text(f'[cloud]\nmodel = "{two}"\n')
    in_file = ("--config", str(tmp_path / "saec.toml"))
    assert cloud_model(*in_file) == two
    assert cloud_model(*in_file, "--cloud", "small") == "small"
    assert cloud_model() == "none"


def test_two_clouds_that_are_no_addresses_are_refused() -> None:
    with pytest.raises(click.BadParameter, match="several times takes addresses only, not small"):
        cloud_model("--cloud", "https://u:pw@a:1/v1", "--cloud", "small")
