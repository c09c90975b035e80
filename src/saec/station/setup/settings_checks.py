"""What the types of a settings file cannot say: what contradicts itself, or cannot be meant."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from urllib.parse import urlsplit

from saec.connecting import shown
from saec.errors import ConfigError
from saec.schedule.policies import BUDGET_POLICY, DEFAULT_POLICY, policy_kind
from saec.station.setup.station_settings import (
    FileSink,
    FolderSource,
    LineSettings,
    MqttSink,
    StationSettings,
    WebhookSink,
)
from saec.web.addresses import is_loopback
from saec.web.admission.admission_control import check_admission

OWN_FOLDERS = ("aside", "clouds", "images", "lines", "maps", "release", "touched")
"""What a station keeps in its data folder, beside the database."""

Fault = tuple[list[str | int], str, str]
"""Where (keys and indices), what, and the remedy."""


def contradictions(settings: StationSettings) -> Iterator[Fault]:
    """Every fault of settings whose types are right."""
    yield from _names(settings)
    yield from _lines(settings)
    yield from _sources(settings)
    yield from _sinks(settings)
    yield from _listening(settings)
    yield from _cloud(settings)


def _names(settings: StationSettings) -> Iterator[Fault]:
    if not settings.line:
        yield [], "no [[line]]", "name at least one line with its profile"
    for section, entries in (("line", settings.line), ("source", settings.source), ("sink", settings.sink)):
        names = [entry.name for entry in entries]
        for i, name in enumerate(names):
            if name in names[:i]:
                yield [section, i, "name"], f"two of [[{section}]] are named {name}", "give each its own name"


def _lines(settings: StationSettings) -> Iterator[Fault]:
    for i, line in enumerate(settings.line):
        if not (line.profile / "line.json").is_file():
            what = f"{line.profile} is no line profile"
            yield ["line", i, "profile"], what, "make one with `saec fit DATASET --out LINE`"
        yield from _policy(i, line, settings)
        if line.guard.dark >= line.guard.bright:
            what = f"no frame is brighter than {line.guard.dark:g} and darker than {line.guard.bright:g}"
            yield ["line", i, "guard"], what, "dark lies below bright, both from 0 to 255"


def _policy(i: int, line: LineSettings, settings: StationSettings) -> Iterator[Fault]:
    try:
        kind = policy_kind(line.policy)
    except ConfigError as e:
        yield ["line", i, "policy"], e.what, e.remedy
        return
    if kind.first_pass is not None:
        what = f"policy {line.policy} must see all frames before the first"
        yield ["line", i, "policy"], what, f"a station needs one such as {DEFAULT_POLICY}"
    if line.budget is not None and kind.cloud != "trusted":
        yield (
            ["line", i, "budget"],
            f"a budget with policy {line.policy}",
            f"it is for policy {BUDGET_POLICY}",
        )
    if line.budget is None and kind.ranks == "only":
        yield (
            ["line", i, "policy"],
            f"policy {line.policy} without a budget",
            "give the share that may be asked",
        )
    if kind.cloud == "alone" and settings.cloud is None:
        yield ["line", i, "policy"], f"policy {line.policy} without a [cloud]", "name the cloud service"


def _sources(settings: StationSettings) -> Iterator[Fault]:
    lines, data = {line.name for line in settings.line}, settings.station.data.resolve()
    folders: list[tuple[int, str, Path]] = []
    for i, source in enumerate(settings.source):
        if source.line not in lines:
            remedy = f"known lines: {', '.join(sorted(lines))}"
            yield ["source", i, "line"], f"no [[line]] is named {source.line}", remedy
        if isinstance(source, FolderSource):
            folders.append((i, source.name, source.path.resolve()))
    for i, _, path in folders:
        if path.is_relative_to(data):
            yield ["source", i, "path"], "the folder lies in the station's data", "watch another folder"
        if data.is_relative_to(path):
            what = "the station's data lie in the folder, so that it would judge what it has judged"
            yield ["source", i, "path"], what, "watch another folder"
        for line in settings.line:
            profile = line.profile.resolve()
            if path.is_relative_to(profile) or profile.is_relative_to(path):
                what = f"the profile of line {line.name} lies there, whose images are no frames"
                yield ["source", i, "path"], what, "watch another folder"
    for (_, name, path), (i, _, other) in combinations(folders, 2):
        if path.is_relative_to(other) or other.is_relative_to(path):
            what = f"the folder is watched by {name} already"
            yield ["source", i, "path"], what, "give each source a folder of its own"


def _sinks(settings: StationSettings) -> Iterator[Fault]:
    folders: dict[tuple[Path, str], str] = {}
    for i, sink in enumerate(settings.sink):
        if isinstance(sink, FileSink):
            yield from _own_folder(settings.station.data, sink, i)
            name = folders.setdefault((sink.path.resolve(), sink.format), sink.name)
            if name != sink.name:
                remedy = "give each sink a folder of its own"
                yield ["sink", i, "path"], f"{name} writes to the same files", remedy
        elif isinstance(sink, WebhookSink):
            yield from _sink_faults(i, _webhook(sink))
        elif isinstance(sink, MqttSink):
            yield from _sink_faults(i, _mqtt(sink))


def _sink_faults(i: int, faults: Iterator[tuple[str, str, str]]) -> Iterator[Fault]:
    """The faults of the sink of index ``i``, each with its place in the settings."""
    for key, what, remedy in faults:
        yield ["sink", i, key], what, remedy


def _own_folder(data: Path, sink: FileSink, i: int) -> Iterator[Fault]:
    """Of a sink's folder in one of the station's own: files that it does not know there are set aside."""
    path = sink.path.resolve()
    for name in OWN_FOLDERS:
        if path.is_relative_to((data / name).resolve()):
            what = f"the folder lies in {name} of the station's data"
            yield ["sink", i, "path"], what, "give the sink a folder beside them"


def _webhook(sink: WebhookSink) -> Iterator[tuple[str, str, str]]:
    """Key, what and remedy of each fault."""
    try:
        url = urlsplit(sink.url)
        host, known = url.hostname or "", url.port is None or url.port > 0
    except ValueError:  # of brackets, or of a port that is no number
        known = False
    if not known or not host or url.scheme not in ("http", "https"):
        yield "url", f"{shown(sink.url)} is no address", "give https://HOST/PATH"
        return
    in_url = url.username is not None or url.password is not None
    if in_url and sink.token_file is not None:
        yield "url", "both a password in the url and a token_file", "give one of them"
    if url.scheme == "http" and not is_loopback(host) and (in_url or sink.token_file is not None):
        what = f"the {'password' if in_url else 'token'} would travel unencrypted"
        yield "url", what, "use https, or a receiver on this machine"
    if url.scheme == "http":
        yield from _without_tls(sink, "the url is not https")
    yield from _key(sink)


def _mqtt(sink: MqttSink) -> Iterator[tuple[str, str, str]]:
    """The same of a broker."""
    if not sink.host or not re.fullmatch(r"[\w.:-]+", sink.host):
        yield "host", f"{sink.host[:80]!r} is no host", "give the name or the address alone"
    if not sink.topic or any(sign in sink.topic for sign in "#+\0") or len(sink.topic.encode()) > 60_000:
        yield "topic", f"{sink.topic[:80]!r} is nothing to publish to", "give a topic without # and +"
    if sink.password_file is not None and sink.user is None:
        yield "password_file", "a password without a user", "name the user"
    if sink.user is not None and not sink.tls and not is_loopback(sink.host):
        yield "user", "user and password would travel unencrypted", "set tls = true, and the broker's port"
    if not sink.tls:
        yield from _without_tls(sink, "tls is off")
    yield from _key(sink)


def _without_tls(sink: WebhookSink | MqttSink, off: str) -> Iterator[tuple[str, str, str]]:
    for key in ("ca_file", "certificate_file", "key_file"):
        if getattr(sink, key) is not None:
            yield key, f"{key} without TLS: {off}", "turn TLS on, or remove it"


def _key(sink: WebhookSink | MqttSink) -> Iterator[tuple[str, str, str]]:
    if sink.key_file is not None and sink.certificate_file is None:
        yield "key_file", "a key without its certificate", "name the certificate_file"


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
    try:
        url = urlsplit(cloud.url)
        host = url.hostname or ""
        known = url.scheme in ("http", "https") and bool(host) and (url.port is None or url.port > 0)
    except ValueError:  # of brackets, or of a port that is no number
        known = False
    if not known:
        yield ["cloud", "url"], f"{shown(cloud.url)} is no address", "give https://HOST:PORT/v1"
        return
    if settings.station.privacy and not is_on_site(host):
        what = f"privacy is on and {host} is not known to lie in the site"
        yield ["cloud", "url"], what, "use a private or loopback address, or remove [cloud]"
    if cloud.token_file is not None and url.scheme == "http" and not is_loopback(host):
        yield ["cloud", "url"], "the token would travel unencrypted", "use https"


def is_on_site(host: str) -> bool:
    """Whether an address lies in the site for certain: loopback, private, or link-local by number."""
    if host == "localhost":
        return True
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False  # a name may lead anywhere, tomorrow if not today
    return ip.is_loopback or ip.is_private or ip.is_link_local
