"""What a station says of its settings before it starts: `saec config check` and the start say the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from saec.cloud.remote.engine import RemoteEngine
from saec.connecting import shown_list
from saec.edge.detector_kinds import device_note
from saec.edge.graph import check_device
from saec.errors import ConfigError
from saec.frame.cloud_services import at_service, service_of
from saec.profile import LineProfile
from saec.station.cloud_models import named_model
from saec.station.line.version_store import VersionStore
from saec.station.parts.code_reader import CodeReader
from saec.station.people.oidc import check_oidc
from saec.station.setup.settings_file import read_settings
from saec.station.setup.settings_warnings import warnings
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.web.admission.tokens import Tokens


def check_station(path: Path) -> list[str]:
    """Check a settings file of a station, and start nothing.

    Returns:
        lines for whoever checks: what the settings name, then the warnings, each beginning with "warning: ".

    Raises:
        ConfigError: the settings are wrong, or something that they name cannot be opened.
    """
    settings = read_settings(path)
    check_openable(settings)
    return [*_overview(settings), *(f"warning: {warning}" for warning in warnings(settings))]


def check_openable(settings: StationSettings) -> None:
    """Open each sink, each file with tokens, secrets or certificates and the cloud's client, and close them.

    The lines' devices are looked for, and what each PLC needs. Nothing is connected, written or started.

    Raises:
        ConfigError: one cannot be opened, or this machine lacks a device; it names it, and the remedy.
    """
    for device in sorted({line.device for line in settings.line if line.device is not None}):
        check_device(device)
    for line in settings.line:
        if line.code.formats:
            CodeReader(line.code)
    _check_recipes(settings)
    Tokens(settings.station.tokens_file)
    check_oidc(settings.people.oidc)
    for sink in settings.sink:
        sink.make_sink().close()
    for plc in settings.plc:
        plc.make_way(lambda: None)
    if (cloud := settings.cloud) is not None:
        RemoteEngine.open(at_service(cloud, named_model(cloud), service_of(cloud))).close()


def _check_recipes(settings: StationSettings) -> None:
    """Each version that a recipe names must be there; before the first start a line has version 1."""
    for line in settings.line:
        store = VersionStore(settings.station.data / "lines" / line.name)
        known = {version.number for version in store.state().known} if store.begun else {1}
        for recipe in settings.recipes_of(line.name):
            if recipe.version is not None and recipe.version not in known:
                raise ConfigError(
                    f"the recipe {recipe.number} names version {recipe.version}, which the line {line.name} "
                    "does not have",
                    f"add it with `saec station add`, or use one of {', '.join(map(str, sorted(known)))}",
                )


def _overview(settings: StationSettings) -> list[str]:
    found = []
    for line in settings.line:
        if line.profile is None:
            found.append(f"line {line.name}: {_made_here(settings, line)}")
            continue
        profile = LineProfile.open(line.profile)
        found.append(f"line {line.name}: {line.profile}, calibration {profile.calibration.version}")
        if (note := device_note(profile, line.device)) is not None:
            found.append(f"line {line.name}: {note}")
    for kind, entries in (("source", settings.source), ("sink", settings.sink)):
        found += [f"{kind} {entry.name}: {entry.__struct_config__.tag}" for entry in entries]
    found += [f"source {source.name}: {note}" for source in settings.source for note in source.notes()]
    found += [*_products(settings), *_machine(settings)]
    found.append(f"cloud: {'none' if settings.cloud is None else shown_list(settings.cloud.model)}")
    scheme = "http" if settings.http.tls_cert is None else "https"
    found.append(f"data: {settings.station.data}; page: {scheme}://{settings.station.listen}/")
    return found


def _made_here(settings: StationSettings, line: LineSettings) -> str:
    """What a line without a profile in the settings has of its own."""
    store = VersionStore(settings.station.data / "lines" / line.name)
    if store.begun:
        return f"version {store.state().current} of its own"
    return "no version yet: make one with `saec fit`, and add it with `saec station add`"


def _products(settings: StationSettings) -> Iterator[str]:
    """What the lines make of parts, and the recipes that they run."""
    for line in settings.line:
        if line.parts.on:
            frames = " and ".join(line.parts.sources) or f"{line.parts.views} frames"
            yield f"parts of {line.name}: {line.parts.rule} of {frames}, within {line.parts.within_s:g} s"
    for recipe in settings.recipe:
        version = "the current version" if recipe.version is None else f"version {recipe.version}"
        yield f"recipe {recipe.number} of {recipe.line}: {recipe.name}, {version}"


def _machine(settings: StationSettings) -> Iterator[str]:
    """The PLCs, the couplers, and what is wired to them."""
    for plc in settings.plc:
        yield f"plc {plc.name}: {plc.__struct_config__.tag}, pictures of {plc.source} for line {plc.line}"
    for coupler in settings.coupler:
        yield f"coupler {coupler.name}: {coupler.__struct_config__.tag}"
    for output in settings.output:
        of = f" of line {output.line}" if output.line else ""
        yield f"output {output.name}: {output.address} of {output.coupler}, on for {', '.join(output.on)}{of}"
    for one in settings.input:
        of = f" of line {one.line}" if one.line else ""
        yield f"input {one.name}: {one.address} of {one.coupler}, {one.use}{of}"
