"""Write docs/settings.md: every key, option and environment variable, from the structs that have them.

python scripts/settings_page.py            print the page
python scripts/settings_page.py --write    write it
"""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path
from textwrap import fill
from typing import Any, Literal, get_args, get_origin

import msgspec

from saec.cli.options.all_settings import KnownSetting, known_settings, station_sections
from saec.cli.options.effective_settings import toml_value
from saec.settings.setting_tree import Setting, flat_settings, unwrapped

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"

HEAD = """# Settings

`python scripts/settings_page.py --write` writes this page from the code.

Every command takes a settings file: `saec inspect --config saec.toml ...`. The file is TOML. An
option of the command line beats the file; the file beats the default. Paths in the file are
relative to the file. A key that is not known is an error, which names the line.

    saec config show --config saec.toml     # every setting, its value, and where the value is from
    saec config check --config saec.toml    # errors with their lines; starts nothing
    saec config schema > saec.schema.json   # JSON Schema, for editors

One file may serve all commands: each takes the sections that it knows. `saec COMMAND --help` shows
the everyday options, `saec COMMAND --help-all` all of them.
"""

VARIABLES = {
    "GENICAM_GENTL64_PATH": "`saec station`: the folders of the makers' GenTL producers "
    "([cameras.md](cameras.md)).",
    "HF_ENDPOINT": "`saec models pull`: the hub's address, instead of huggingface.co.",
    "HF_TOKEN": "`saec models pull`: your access token for the hub.",
    "SAEC_PHASES": "Set by `saec meter` for the program that it measures: the file in which the program "
    "marks its phases ([metering.md](metering.md)).",
    "RAY_ADDRESS": "With `--ray-address auto`: the head of the Ray cluster that is joined.",
    "RAY_AUTH_TOKEN": "`saec cloud` with replicas: the token of Ray ([fleet.md](fleet.md#security)).",
    "RAY_AUTH_TOKEN_PATH": "`saec cloud` with replicas: the file with the token of Ray. The default is "
    "~/.ray/auth_token.",
    "RAY_TMPDIR": "`saec cloud` with replicas: where Ray keeps its sockets and logs. The default is "
    "~/.ray/saec.",
    "RAY_USAGE_STATS_ENABLED": "Set to 0 for Ray, so that it sends nothing to its makers.",
    "XDG_CACHE_HOME": "`saec fit`: the folder of converted backbones and feature graphs. The default "
    "is ~/.cache.",
    "ONEDNN_MAX_CPU_ISA": "Only read to explain an error: it holds back the CPU's instructions.",
    "DNNL_MAX_CPU_ISA": "The older name of ONEDNN_MAX_CPU_ISA.",
    "WORLD_SIZE": "`saec tune`: how many processes tune together; `torchrun` sets it.",
    "RANK": "`saec tune`: the number of this process; `torchrun` sets it.",
    "LOCAL_RANK": "`saec tune`: its number on its machine, which is that of its GPU; `torchrun` sets it.",
    "NO_COLOR": "Set: no colours in the terminal.",
}
"""The environment variables that are read, with what they do."""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    known = list(known_settings().values())
    for section, settings in groupby(sorted(known, key=lambda k: k.setting.section), _section):
        parts.append(_commands_section(section, list(settings)))
    own = {one.setting.section for one in known}
    stations = [(name, hint) for name, hint in station_sections().items() if name not in own]
    parts.append("## The station's own sections\n\n[station.md](station.md) shows a whole file.\n")
    parts.extend(_station_section(name, hint) for name, hint in stations)
    rows = [f"| `{name}` | {what} |" for name, what in sorted(VARIABLES.items())]
    parts.append(
        "\n".join(["## Environment variables\n", "| variable | what it does |", "|---|---|", *rows]) + "\n"
    )
    return "\n".join(parts)


def _section(known: KnownSetting) -> str:
    return known.setting.section


def _commands_section(section: str, known: list[KnownSetting]) -> str:
    commands = sorted({command for one in known for command in one.commands})
    named = fill(f"Commands: {', '.join(f'`{c}`' for c in commands)}.", 100, break_on_hyphens=False)
    rows = [f"## [{section}]\n", f"{named}\n"]
    rows += ["| key | option | value | default | what it does |", "|---|---|---|---|---|"]
    for one in known:
        setting = one.setting
        option = setting.flag if setting.option.argument else f"`{setting.flag}`"
        option = "" if one.in_file_only else option
        cells = (
            f"`{'.'.join(setting.keys)}`",
            option,
            _value(setting),
            _default(setting),
            _help(setting.help),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _station_section(name: str, hint: Any) -> str:
    kind, _ = unwrapped(hint)
    if get_origin(kind) is not list:
        return _table(f"### [{name}]", flat_settings(name, kind))
    element, _ = unwrapped(get_args(kind)[0])
    structs = [unwrapped(one)[0] for one in (get_args(element) or (element,))]
    parts = []
    for struct in structs:
        tag = struct.__struct_config__.tag
        parts.append(
            _table(
                f"### [[{name}]]" + (f" kind = {toml_value(tag)}" if tag else ""), flat_settings(name, struct)
            )
        )
    return "\n".join(parts)


def _table(header: str, settings: list[Setting]) -> str:
    rows = [f"{header}\n", "| key | value | default | what it does |", "|---|---|---|---|"]
    rows += [f"| `{'.'.join(s.keys)}` | {_value(s)} | {_default(s)} | {_help(s.help)} |" for s in settings]
    return "\n".join(rows) + "\n"


def _value(setting: Setting) -> str:
    """The type and range of a value in words."""
    kind = setting.kind
    if get_origin(kind) is Literal:
        return ", ".join(f"{value}" for value in get_args(kind))
    bounds = setting.range
    signs = ((">=", bounds.ge), (">", bounds.gt), ("<=", bounds.le), ("<", bounds.lt))
    ends = [f"{sign} {value:g}" for sign, value in signs if value is not None]
    names = {int: "integer", float: "number", bool: "true, false", str: "text", Path: "path"}
    if get_origin(kind) is dict:
        return "names and values"
    if get_origin(kind) is tuple:
        inner = unwrapped(get_args(kind)[0])[0]
        many = "list of" if get_args(kind)[-1] is ... else f"{len(get_args(kind))} of"
        return f"{many} {names.get(inner, 'values')}"
    return " ".join([names.get(kind, "value"), *ends])


def _default(setting: Setting) -> str:
    if setting.required:
        return "must be given"
    if setting.default is None or setting.default in ((), {}, []):
        return "none"
    return f"`{toml_value(msgspec.to_builtins(setting.default, enc_hook=str))}`"


def _help(words: str) -> str:
    return words.replace("``", "`").replace("|", "\\|")


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page(), end="")
