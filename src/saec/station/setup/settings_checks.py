"""What the types of a settings file cannot say: what contradicts itself, or cannot be meant."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Protocol

from saec.connecting import addresses_of, http_address, shown, shown_list
from saec.errors import ConfigError
from saec.frame.cloud_services import settings_of_loading
from saec.schedule.policies import BUDGET_POLICY, DEFAULT_POLICY, asked_policy, policy_kind
from saec.settings.settings_text import suggestion
from saec.settings.trace_settings import TraceConfig
from saec.station.outputs.output_checks import output_faults
from saec.station.recipes.recipe_settings import recipe_faults
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.sources.frame_source import FOR_TRIGGERS
from saec.web.addresses import is_loopback
from saec.web.admission.admission_control import check_admission

OWN_FOLDERS = (
    "aside",
    "challenge",
    "clouds",
    "images",
    "lines",
    "maps",
    "outputs",
    "release",
    "review",
    "touched",
)
"""What a station keeps in its data folder, beside the database."""

Fault = tuple[list[str | int], str, str]
"""Where (keys and indices), what, and the remedy."""


class Named(Protocol):
    """A section of a list."""

    @property
    def name(self) -> str: ...


def contradictions(settings: StationSettings) -> Iterator[Fault]:
    """Every fault of settings whose types are right."""
    yield from _names(settings)
    yield from _line_names(settings)
    yield from _lines(settings)
    yield from _sources(settings)
    yield from _sinks(settings)
    yield from _plcs(settings)
    yield from output_faults(
        settings.coupler,
        settings.output,
        settings.input,
        lines={one.name: one.parts.within_s if one.parts.on else one.deadline_s for one in settings.line},
        sources={source.name: source.line for source in settings.source},
        taken={plc.source: plc.name for plc in settings.plc},
        alone={source.name: why for source in settings.source if (why := source.by_itself())},
    )
    yield from _listening(settings)
    for key, what, remedy in settings.people.oidc.faults():
        yield ["people", "oidc", key], what, remedy
    yield from _cloud(settings)
    yield from _codes(settings)
    yield from _recipes(settings)


def _recipes(settings: StationSettings) -> Iterator[Fault]:
    sources = {source.name: source for source in settings.source}
    lines = {name: source.line for name, source in sources.items()}
    for i, key, what, remedy in recipe_faults(settings.recipe, {one.name for one in settings.line}, lines):
        yield ["recipe", i, key], what, remedy
    for i, recipe in enumerate(settings.recipe):
        for name in recipe.camera:
            if not sources[name].sets_features:
                what = f"the source {name} is no camera whose features can be set"
                yield ["recipe", i, "camera"], what, 'use a source with kind = "industrial"'


def _codes(settings: StationSettings) -> Iterator[Fault]:
    """What keeps a code in the picture from choosing recipes."""
    for i, line in enumerate(settings.line):
        if not line.code.recipe:
            continue
        recipes = settings.recipes_of(line.name)
        if not any(recipe.parts for recipe in recipes):
            what = f"no [[recipe]] of {line.name} has a pattern of part ids that a code could match"
            yield ["line", i, "code", "recipe"], what, "give a [[recipe]] its `parts`, such as A7-[0-9]+"
        if any(recipe.camera for recipe in recipes):
            what = "a code is read after the picture is taken: too late for a recipe that sets cameras"
            yield ["line", i, "code", "recipe"], what, "take `camera` out of the recipes of this line"


def _names(settings: StationSettings) -> Iterator[Fault]:
    if not settings.line:
        yield [], "there is no [[line]]", "add at least one [[line]] with its name"
    sections: list[tuple[str, Sequence[Named]]] = [
        ("line", settings.line),
        ("source", settings.source),
        ("sink", settings.sink),
        ("plc", settings.plc),
        ("coupler", settings.coupler),
        ("output", settings.output),
        ("input", settings.input),
    ]
    for section, entries in sections:
        names = [entry.name for entry in entries]
        for i, name in enumerate(names):
            if name in names[:i]:
                yield (
                    [section, i, "name"],
                    f"two [[{section}]] have the name {name}",
                    "give each its own name",
                )


def _line_names(settings: StationSettings) -> Iterator[Fault]:
    """Names of lines that there are not: said before what follows from them elsewhere in the file."""
    lines = sorted(line.name for line in settings.line)
    named = [("source", source.line, i) for i, source in enumerate(settings.source)]
    named += [("plc", plc.line, i) for i, plc in enumerate(settings.plc)]
    named += [("recipe", recipe.line, i) for i, recipe in enumerate(settings.recipe)]
    for section, name, i in named:
        if name not in lines:
            yield [section, i, "line"], f"there is no [[line]] named {name}", suggestion(name, lines)


def _lines(settings: StationSettings) -> Iterator[Fault]:
    for i, line in enumerate(settings.line):
        if line.profile is not None and not (line.profile / "line.json").is_file():
            what = f"{line.profile} is not a line profile"
            remedy = (
                "make one with `saec fit DATASET --out LINE`, or leave `profile` out and make it on the page"
            )
            yield ["line", i, "profile"], what, remedy
        yield from _policy(i, line, settings)
        for key, what, remedy in line.challenge.faults():
            yield ["line", i, "challenge", key], what, remedy
        if line.guard.dark >= line.guard.bright:
            what = f"guard.dark ({line.guard.dark:g}) is not below guard.bright ({line.guard.bright:g})"
            yield ["line", i, "guard"], what, "give 0 <= dark < bright <= 255"
        sources = [source.name for source in settings.source if source.line == line.name]
        for key, what, remedy in line.parts.faults(sources, line.deadline_s):
            yield ["line", i, "parts", key], what, remedy
        for key, what, remedy in line.code.faults():
            yield ["line", i, "code", key], what, remedy


def _policy(i: int, line: LineSettings, settings: StationSettings) -> Iterator[Fault]:
    policy = asked_policy(line.policy, line.budget)
    try:
        kind = policy_kind(policy)
    except ConfigError as e:
        yield ["line", i, "policy"], e.what, e.remedy
        return
    if kind.first_pass is not None:
        what = f"policy {policy} needs all frames in advance, so a station cannot use it"
        yield ["line", i, "policy"], what, f"use another policy, such as {DEFAULT_POLICY}"
    if line.budget is not None and kind.ranks == "no":
        yield (
            ["line", i, "budget"],
            f"policy {policy} takes no budget",
            f"remove budget, or use policy {BUDGET_POLICY}",
        )
    if line.budget is None and kind.ranks == "only":
        yield (
            ["line", i, "policy"],
            f"policy {policy} needs a budget",
            "set budget to the share of frames that may go to the cloud",
        )
    if kind.cloud == "alone" and settings.cloud is None:
        yield ["line", i, "policy"], f"policy {policy} needs a cloud", "add a [cloud] section"


def _sources(settings: StationSettings) -> Iterator[Fault]:
    data = settings.station.data.resolve()
    folders: list[tuple[int, str, Path]] = []
    for i, source in enumerate(settings.source):
        for key, what, remedy in source.faults():
            yield ["source", i, key], what, remedy
        if (watched := source.watched()) is not None:
            folders.append((i, source.name, watched.resolve()))
    for i, _, path in folders:
        if path.is_relative_to(data):
            yield (
                ["source", i, "path"],
                "the watched folder lies in the station's data folder",
                "watch another folder",
            )
        if data.is_relative_to(path):
            what = "the watched folder contains the station's data, so the station would judge its own images"
            yield ["source", i, "path"], what, "watch another folder"
        for line in settings.line:
            profile = None if line.profile is None else line.profile.resolve()
            if profile is None:
                continue
            if path.is_relative_to(profile) or profile.is_relative_to(path):
                what = (
                    f"the watched folder contains the profile of line {line.name}, whose images "
                    "would be judged"
                )
                yield ["source", i, "path"], what, "watch another folder"
    for (_, name, path), (i, _, other) in combinations(folders, 2):
        if path.is_relative_to(other) or other.is_relative_to(path):
            what = f"the source {name} watches this folder already"
            yield ["source", i, "path"], what, "give each source a folder of its own"


def _sinks(settings: StationSettings) -> Iterator[Fault]:
    folders: dict[tuple[Path, str], str] = {}
    for i, sink in enumerate(settings.sink):
        for key, what, remedy in sink.faults():
            yield ["sink", i, key], what, remedy
        output = sink.output()
        if output is None:
            continue
        folder, form = output[0].resolve(), output[1]
        yield from _own_folder(settings.station.data, folder, i)
        name = folders.setdefault((folder, form), sink.name)
        if name != sink.name:
            remedy = "give each sink a folder of its own"
            yield ["sink", i, "path"], f"the sink {name} writes to the same files", remedy


def _plcs(settings: StationSettings) -> Iterator[Fault]:
    lines = {line.name: line for line in settings.line}
    sources = {source.name: source for source in settings.source}
    taken: dict[str, str] = {}
    for i, plc in enumerate(settings.plc):
        for key, what, remedy in plc.faults():
            yield ["plc", i, key], what, remedy
        if plc.line in lines and plc.deadline_s < (due := lines[plc.line].deadline_s):
            what = f"deadline_s ({plc.deadline_s:g}) is below that of the line {plc.line} ({due:g})"
            yield ["plc", i, "deadline_s"], what, "raise it, or lower the line's"
        if plc.line in lines and plc.answer == "part":
            for key, what, remedy in lines[plc.line].parts.faults_of_answer(plc.deadline_s):
                yield ["plc", i, key], what, remedy
        if plc.source not in sources and not plc.source.startswith("http:"):
            remedy = suggestion(plc.source, [*sorted(sources), "http:CLIENT"])
            yield ["plc", i, "source"], f"there is no [[source]] named {plc.source}", remedy
        elif plc.source in sources and (other := sources[plc.source].line) != plc.line:
            what = f"the frames of the source {plc.source} are judged by the line {other}"
            yield ["plc", i, "line"], what, f"set line to {other}, or name another source"
        elif plc.source in sources and (why := sources[plc.source].by_itself()):
            yield ["plc", i, "source"], f"the source {plc.source} {why}", FOR_TRIGGERS
        if (first := taken.setdefault(plc.source, plc.name)) != plc.name:
            remedy = "give each PLC a source of its own"
            yield ["plc", i, "source"], f"the source takes the pictures of the PLC {first}", remedy


def _own_folder(data: Path, path: Path, i: int) -> Iterator[Fault]:
    """The fault of a sink's folder that lies in one of the station's: unknown files are set aside there."""
    for name in OWN_FOLDERS:
        if path.is_relative_to((data / name).resolve()):
            what = f"the sink's folder lies in {name} of the station's data"
            yield ["sink", i, "path"], what, "choose a folder outside the station's data"


def _listening(settings: StationSettings) -> Iterator[Fault]:
    try:
        check_admission(
            settings.http, settings.station.listen, tokens=settings.station.tokens_file is not None
        )
    except ConfigError as e:
        yield ["station", "listen"], e.what, e.remedy


def _cloud(settings: StationSettings) -> Iterator[Fault]:
    cloud = settings.cloud
    if cloud is None:
        return
    urls = {address: http_address(address) for address in addresses_of(cloud.model)}
    for address in [a for a, url in urls.items() if url is None] or ([] if urls else [cloud.model]):
        what = f"{shown(address)} is not an address, and a station asks a service"
        yield ["cloud", "model"], what, "give https://HOST:PORT/v1; `saec cloud --model NAME` makes a service"
        return
    if cloud.service_model is None:
        what = "service_model is missing"
        yield ["cloud"], what, "name the model or adapter to ask at the service"
    for name, value, remedy in settings_of_loading(cloud):
        yield (
            ["cloud", name],
            f"{name} {value} cannot be used with the service {shown_list(cloud.model)}",
            remedy,
        )
    for address, url in urls.items():
        host = url.hostname if url is not None and url.hostname is not None else ""
        if settings.station.privacy and not is_on_site(host):
            what = f"privacy = true allows only local addresses, and {host} is not known to be one"
            yield ["cloud", "model"], what, "use a private or loopback address, or remove [cloud]"
        clear = url is not None and url.scheme == "http" and not is_loopback(host)
        if cloud.remote.token_file is not None and clear:
            what = f"the token would travel unencrypted to {shown(address)}"
            yield ["cloud", "model"], what, "use https in model"


def check_traces_on_site(settings: StationSettings, trace: TraceConfig) -> None:
    """Refuse a collector of traces that may lie elsewhere, where nothing may leave the site.

    Raises:
        ConfigError: names the address.
    """
    if trace.endpoint is None or not settings.station.privacy:
        return
    url = http_address(trace.endpoint)
    if url is not None and not is_on_site(host := url.hostname or ""):
        raise ConfigError(
            f"privacy = true allows only local addresses, and {host} is not known to be one",
            "use a private or loopback address in trace.endpoint, or remove it",
        )


def is_on_site(host: str) -> bool:
    """Whether an address lies in the site for certain: loopback, private, or link-local by number."""
    if host == "localhost":
        return True
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False  # a name may lead anywhere, tomorrow if not today
    return ip.is_loopback or ip.is_private or ip.is_link_local
