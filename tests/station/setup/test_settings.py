"""A settings file is checked as a whole, and an error names its line and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from saec.errors import ConfigError
from saec.runs.requested_options import run_options
from saec.schedule.policies import asked_policy
from saec.settings import CloudConfig, Policy, RemoteConfig, Spending
from saec.settings.setting_tree import attribute_docs
from saec.station.plc import AnyPlc
from saec.station.plc.signal_mapping import PlcAddresses, StationAddresses
from saec.station.recipes.recipe_settings import RecipeSettings
from saec.station.setup.settings_checks import is_on_site
from saec.station.setup.settings_file import read_settings
from saec.station.setup.station_section import STATION_SECTIONS, StationSection
from saec.station.setup.station_settings import FrameGuardSettings, LineSettings, StationSettings
from saec.station.sinks import AnySink, MqttSink
from saec.station.sources import AnySource, FolderSource
from saec.station.storage.records import Retention, SpoolLimits

GOOD = """
[station]
name = "cell-3"
listen = "127.0.0.1:0"

[[line]]
name = "bottle"
profile = "bottle"
deadline_s = 0.2

[[source]]
kind = "folder"
name = "in"
line = "bottle"
path = "in"

[[sink]]
kind = "mqtt"
name = "plc"
host = "10.0.0.7"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bottle").mkdir()
    (tmp_path / "bottle" / "line.json").write_text("{}")
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "station.toml"
    path.write_text(text)
    return path


def test_a_whole_file(folder: Path) -> None:
    settings = read_settings(write(folder, GOOD))
    (source,), (sink,) = settings.source, settings.sink
    assert isinstance(source, FolderSource)
    assert source.path == folder / "in"
    assert isinstance(sink, MqttSink)
    assert settings.line[0].profile == folder / "bottle"
    assert settings.station.data == folder / "station-data"


@pytest.mark.parametrize(
    ("change", "line", "what"),
    [
        (("deadline_s = 0.2", "deadline_s = -1"), 9, "0"),
        (("deadline_s = 0.2", "deadlin_s = 1"), 9, "deadlin_s"),
        (("deadline_s = 0.2", 'deadline_s = "soon"'), 9, "line.deadline_s must be a number, and is a text"),
        (('profile = "bottle"', 'profile = "nowhere"'), 8, "not a line profile"),
        (('kind = "folder"', 'kind = "magic"'), 12, "magic"),
        (('path = "in"', "path = 'in'\npart_pattern = '(?P<part>'"), 16, "is not a regular expression"),
        (('path = "in"', "path = 'in'\npart_pattern = '[0-9]+'"), 16, "no group named part"),
        (("deadline_s = 0.2", "deadline_s = 0.2\nparts.sources = ['left']"), 10, "no [[source]] named left"),
        (("deadline_s = 0.2", "deadline_s = 0.2\nparts.rule = 'best'"), 10, "best"),
        (("deadline_s = 0.2", "deadline_s = 9\nparts.views = 2"), 6, "below the line's deadline_s"),
        (("deadline_s = 0.2", "deadline_s = 0.2\ncode.region = [5, 5, 5, 9]"), 10, "holds no pixel"),
        (
            ("deadline_s = 0.2", "deadline_s = 0.2\ncode = {formats = ['qr'], recipe = true}"),
            10,
            "no [[recipe]] of bottle has a pattern",
        ),
        (
            (
                "deadline_s = 0.2",
                "deadline_s = 0.2\ncode = {formats = ['qr'], recipe = true}\n[[recipe]]\nnumber = 1\n"
                "name = 'a'\nline = 'bottle'\nparts = 'A.*'\ncamera = {in = {Gain = 1}}",
            ),
            10,
            "too late for a recipe that sets cameras",
        ),
        (('line = "bottle"\npath', 'line = "screw"\npath'), 14, "screw"),
        (('host = "10.0.0.7"', 'host = "10.0.0.7"\nport = 99999'), 21, "65535"),
        (('listen = "127.0.0.1:0"', 'listen = "0.0.0.0:80"'), 4, "token"),
        (('listen = "127.0.0.1:0"', 'listen = "here"'), 4, "address"),
        (('name = "cell-3"', 'name = "../x"'), 3, "must be a text"),
        (('name = "in"', 'name = "in'), 13, "line 13"),
        (('name = "bottle"\nprofile', 'name = "bottle"\npolicy = "cloud"\nprofile'), 8, "cloud"),
        (("deadline_s = 0.2", "deadline_s = inf"), 9, "1000000"),
        (("deadline_s = 0.2", 'deadline_s = 0.2\npolicy = "magic"'), 10, "magic"),
        (
            ("deadline_s = 0.2", 'deadline_s = 0.2\npolicy = "edge"\nbudget = 0.1'),
            11,
            "policy edge takes no budget",
        ),
        (
            ("deadline_s = 0.2", 'deadline_s = 0.2\npolicy = "gate"\nbudget = 0.1'),
            11,
            "policy gate takes no budget",
        ),
        (("deadline_s = 0.2", 'deadline_s = 0.2\npolicy = "random"'), 10, "policy random needs a budget"),
        (('path = "in"', "path = 7"), 15, "7 is not a path"),
        (("deadline_s = 0.2", "[line.guard]\ndark = 250"), 6, "250"),
        (('path = "in"', 'path = "."'), 15, "its own images"),
        (('path = "in"', 'path = "a/../station-data/taken"'), 15, "station's data"),
        (('path = "in"', 'path = "bottle"'), 15, "profile of line bottle"),
        (('path = "in"', 'path = "bottle/references"'), 15, "profile of line bottle"),
        (
            ("[[sink]]", '[[sink]]\nkind = "files"\nname = "a"\npath = "station-data/images/x"\n[[sink]]'),
            20,
            "lies in images",
        ),
        (('listen = "127.0.0.1:0"', 'listen = "127.0.0.1:²"'), 4, "address"),
        (('path = "in"', 'path = "in"\n[spool]\nframes = 0'), 17, "1"),
        (('path = "in"', 'path = "in"\n[retention]\nimage_days = -1.0'), 17, "0"),
        (
            ('host = "10.0.0.7"', 'host = "10.0.0.7"\n[cloud]\nservice_model = "m"\nmodel = "http://[::1"'),
            23,
            "address",
        ),
        (
            (
                'path = "in"',
                'path = "in"\n[[source]]\nkind = "folder"\nname = "b"\nline = "bottle"\npath = "in/b"',
            ),
            20,
            "in watches this folder already",
        ),
        (
            (
                "[[sink]]",
                '[[sink]]\nkind = "files"\nname = "a"\npath = "x"\n[[sink]]\nkind = "files"\n'
                'name = "b"\npath = "y/../x"\n[[sink]]',
            ),
            24,
            "a writes to the same files",
        ),
    ],
)
def test_an_error_names_its_line(folder: Path, change: tuple[str, str], line: int, what: str) -> None:
    assert GOOD.count(change[0]) == 1
    with pytest.raises(ConfigError) as e:
        read_settings(write(folder, GOOD.replace(*change)))
    assert f"line {line}" in e.value.what
    assert what in e.value.what
    assert e.value.remedy


_HOOK = 'kind = "webhook"\nname = "mes"\n'
_PLC = 'kind = "mqtt"\nname = "mes"\n'


@pytest.mark.parametrize(
    ("sink", "line", "what"),
    [
        (_HOOK + 'url = "ftp://mes/x"', 25, "not an address"),
        (_HOOK + 'url = "http://u:pa55@[::1/x"', 25, "not an address"),
        (_HOOK + 'url = "http://mes.example/x"\ntoken_file = "t"', 25, "unencrypted"),
        (_HOOK + 'url = "http://u:pa55@mes.example/x"', 25, "unencrypted"),
        (_HOOK + 'url = "https://u:pa55@mes.example/x"\ntoken_file = "t"', 25, "both"),
        (_HOOK + 'url = "http://mes.example/x"\nca_file = "ca.pem"', 26, "ca_file needs TLS"),
        (_HOOK + 'url = "https://mes.example/x"\nkey_file = "key.pem"', 26, "no certificate"),
        (_HOOK + 'url = "https://mes.example/x"\nattempts = 0', 26, "1"),
        (_HOOK + 'url = "https://mes.example/x"\noverflow = "burn"', 26, "burn"),
        (_PLC + 'host = "10.0.0.7"\ntopic = "cell/#"', 26, "has the wildcards"),
        (_PLC + 'host = "10.0.0.7"\ntopic = "cell/+/x"', 26, "has the wildcards"),
        (_PLC + 'host = "10.0.0.7"\ntopic = ""', 26, "has the wildcards"),
        (_PLC + 'host = "mqtt://10.0.0.7"', 25, "not a host name"),
        (_PLC + 'host = "10.0.0.7"\nuser = "u"\npassword_file = "p"', 26, "unencrypted"),
        (_PLC + 'host = "10.0.0.7"\ntls = true\npassword_file = "p"', 27, "no user"),
        (_PLC + 'host = "10.0.0.7"\ncertificate_file = "c.pem"', 26, "certificate_file needs TLS"),
        (_HOOK + 'url = "http://127.0.0.1:8080/x"\ntoken_file = "t"', None, None),
        (_HOOK + 'url = "https://mes.example/x"\ntoken_file = "t"\nca_file = "ca.pem"', None, None),
        (_PLC + 'host = "10.0.0.7"\ntls = true\nuser = "u"\npassword_file = "p"', None, None),
        (_PLC + 'host = "localhost"\nuser = "u"\npassword_file = "p"', None, None),
    ],
)
def test_a_sink_that_cannot_be_meant_is_named(
    folder: Path, sink: str, line: int | None, what: str | None
) -> None:
    path = write(folder, f"{GOOD}\n[[sink]]\n{sink}\n")
    if what is None:
        assert len(read_settings(path).sink) == 2
        return
    with pytest.raises(ConfigError, match=what) as e:
        read_settings(path)
    assert f"line {line}:" in e.value.what
    assert e.value.remedy
    assert "pa55" not in str(e.value)


@pytest.mark.parametrize(
    ("cloud", "privacy", "what"),
    [
        ('model = "https://example.com/v1"', "true", "privacy"),
        ('model = "https://10.1.2.3/v1"', "true", None),
        ('model = "https://example.com/v1"', "false", None),
        ('model = "gpu:8443"', "false", "address"),
        ('model = "http://10.1.2.3/v1"\nremote.token_file = "t"', "false", "unencrypted"),
        ('model = "https://10.0.0.1/v1, https://10.0.0.2/v1"', "true", None),
        ('model = "https://10.0.0.1/v1, https://example.com/v1"', "true", "privacy"),
        ('model = "https://a/v1,http://10.1.2.3/v1"\nremote.token_file = "t"', "false", "unencrypted"),
        ('model = "https://a/v1, small"', "false", "small is not an address"),
        ('model = ","', "false", "is not an address"),
    ],
)
def test_no_image_leaves_the_site(folder: Path, cloud: str, privacy: str, what: str | None) -> None:
    text = GOOD.replace(
        "[[line]]", f'privacy = {privacy}\n\n[cloud]\nservice_model = "small"\n{cloud}\n\n[[line]]'
    )
    if what is None:
        assert read_settings(write(folder, text)).cloud is not None
        return
    with pytest.raises(ConfigError, match=what):
        read_settings(write(folder, text))


CLOUD = '\n[cloud]\nmodel = "https://10.1.2.3/v1"\nservice_model = "m"\n'


@pytest.mark.parametrize(
    ("cloud", "line", "what"),
    [
        ('device = "cuda"', 25, "device cuda cannot be used with the service https://10.1.2.3/v1"),
        ('dtype = "4bit"', 25, "dtype 4bit cannot be used with the service"),
        ('attention = "eager"', 25, "attention eager cannot be used with the service"),
        ('adapter = "tuned"', 25, "cannot be used with the service"),
        ("timeout_s = 3.0", 25, "[cloud] has no key timeout_s"),
        ("remote.timeout = 3.0", 25, "[cloud] has no key remote.timeout"),
        ('remote.url = "https://elsewhere/v1"', 25, "[cloud] has no key remote.url"),
        ("batch = 0", 25, "cloud.batch"),
        ("[cloud.remote]\nretries = -1", 26, "cloud.remote.retries"),
    ],
)
def test_a_cloud_is_told_what_a_run_s_is_told_but_for_loading(
    folder: Path, cloud: str, line: int, what: str
) -> None:
    with pytest.raises(ConfigError) as e:
        read_settings(write(folder, f"{GOOD}{CLOUD}{cloud}\n"))
    assert f"line {line}" in e.value.what
    assert what in e.value.what
    assert e.value.remedy


def test_the_cloud_of_a_station_is_that_of_a_run(folder: Path) -> None:
    given = 'views = 2\nspending.rule = "scene"\n[cloud.remote]\ntoken_file = "t"\nretries = 5\n'
    cloud = read_settings(write(folder, GOOD + CLOUD + given)).cloud
    assert cloud == CloudConfig(
        model="https://10.1.2.3/v1",
        service_model="m",
        views=2,
        spending=Spending(rule="scene"),
        remote=RemoteConfig(token_file=str(folder / "t"), retries=5),
    )
    assert read_settings(write(folder, f'{GOOD}\n[cloud]\nmodel = "none"\n')).cloud is None


def test_a_service_and_its_model_are_named(folder: Path) -> None:
    for section, what in ((CLOUD.replace("service_", ""), "model"), ("\n[cloud]\nbatch = 2\n", "no model")):
        with pytest.raises(ConfigError, match=what):
            read_settings(write(folder, GOOD + section))
    lone = '\n[cloud]\nmodel = "https://10.1.2.3/v1"\n'
    with pytest.raises(ConfigError, match="service_model is missing"):
        read_settings(write(folder, GOOD + lone))


def test_sections_of_other_commands_may_stand_in_the_file(folder: Path) -> None:
    assert read_settings(write(folder, f"{GOOD}\n[fit]\nfolds = 3\n")).station.name == "cell-3"


def test_the_names_of_the_sections_are_those_of_the_settings() -> None:
    assert StationSettings.__struct_fields__ == STATION_SECTIONS


def test_every_setting_says_what_it_is() -> None:
    kinds = [LineSettings, FrameGuardSettings, StationSection, SpoolLimits, Retention, RecipeSettings]
    unions = [*AnySource.__args__, *AnySink.__args__, *AnyPlc.__args__]
    for kind in [*kinds, *unions, PlcAddresses, StationAddresses]:
        told = {name for base in kind.__mro__ for name in attribute_docs(base)}
        assert set(kind.__struct_fields__) <= told, kind


@pytest.mark.parametrize(
    ("line", "policy"),
    [("", "gate"), ("budget = 0.1", "value"), ('policy = "edge"', "edge")],
)
def test_a_line_s_policy_is_chosen_as_a_run_s_is(folder: Path, line: str, policy: str) -> None:
    text = GOOD.replace("deadline_s = 0.2", f"deadline_s = 0.2\n{line}")
    (found,) = read_settings(write(folder, text)).line
    assert asked_policy(found.policy, found.budget) == policy
    asked = Policy(policy=found.policy, budget=found.budget)
    assert run_options(asked).policy == policy


def test_what_lies_on_site() -> None:
    on = ("localhost", "127.0.0.1", "::1", "192.168.1.5", "10.0.0.1", "fe80::1")
    assert all(is_on_site(host) for host in on)
    assert not any(is_on_site(host) for host in ("8.8.8.8", "gpu.factory.example", "", "2001:db9::1"))


def test_names_are_unique_and_lines_needed(folder: Path) -> None:
    twice = GOOD + '\n[[line]]\nname = "bottle"\nprofile = "bottle"\n'
    with pytest.raises(ConfigError, match="have the name"):
        read_settings(write(folder, twice))
    with pytest.raises(ConfigError, match="line"):
        read_settings(write(folder, "[station]\nname = 'x'\n"))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_settings(folder / "gone.toml")


def test_a_file_that_windows_saved_is_read_as_it_was_written(folder: Path) -> None:
    path = folder / "station.toml"
    for data in (b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode(), GOOD.encode("utf-16")):
        path.write_bytes(data)
        assert read_settings(path).station.name == "cell-3"
    path.write_bytes(GOOD.replace("plc", "früh").encode("latin-1"))
    with pytest.raises(ConfigError, match="not UTF-8: byte 0xFC in line 19"):
        read_settings(path)


PARTS = "deadline_s = 0.2", "deadline_s = 0.2\n[line.parts]\nviews = 2\n"
INPUT = (
    '\n[[coupler]]\nkind = "modbus"\nname = "io"\nhost = "10.0.0.8"\n'
    '[[input]]\nname = "eye"\ncoupler = "io"\n'
)
PLC = '\n[[plc]]\nkind = "modbus"\nname = "press"\nline = "bottle"\nsource = "in"\nhost = "10.0.0.9"\n'


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        (GOOD.replace(PARTS[0], PARTS[1] + 'rule = "best"'), "use one of: any-defect, newest, vote"),
        (
            GOOD.replace(PARTS[0], PARTS[1] + 'rule = "votes"'),
            "did you mean `vote`? There are: any-defect, newest, vote",
        ),
        (
            GOOD.replace(PARTS[0], "deadline_s = 0.2\ncode.formats = ['qr', 'aztec']"),
            "use one of: code128, datamatrix, qr",
        ),
        (
            GOOD.replace('"folder"', '"magic"'),
            "use one of: folder, camera, industrial, video, simulated",
        ),
        (GOOD.replace('"mqtt"', '"mqqt"'), "did you mean `mqtt`? There are: files, webhook, mqtt"),
        (GOOD.replace('kind = "mqtt"\n', ""), "add the key kind to [[sink]], one of files, webhook, mqtt"),
        (GOOD + PLC.replace('"modbus"', '"profinet"'), "use one of: modbus, opcua, s7"),
        (GOOD + INPUT.replace('"modbus"', '"card"'), "use one of: modbus, gpio"),
        (
            GOOD + INPUT + 'address = "d0"\nuse = "triger"',
            "did you mean `trigger`? There are: encoder, running, trigger",
        ),
        (
            f'{GOOD}{INPUT}address = "d1"\nuse = "trigger"\n[[output]]\nname = "gate"\ncoupler = "io"\n'
            'address = "d0"\non = ["deffect"]\n',
            "did you mean `defect`? There are: defect, error, good, ",
        ),
        (GOOD + INPUT + 'address = "d0"\nusage = "trigger"', "did you mean `use`?"),
        (GOOD + PLC + "[plc.reads]\ntriger = 'c0'", "did you mean `trigger`?"),
        (GOOD + PLC + "[plc.reads]\nzzz = 'c0'", "use one of the keys of [plc.reads]: trigger, "),
        (GOOD + PLC + "zzz = 1", "use one of the keys of [[plc]] of kind modbus: name, line, source, "),
        (GOOD.replace('path = "in"', 'path = "in"\nafer = "keep"'), "did you mean `after`?"),
        (GOOD.replace('path = "in"', 'path = "in"\nafter = "burn"'), "use one of: delete, keep"),
        (GOOD.replace("deadline_s = 0.2", "[line.guard]\ndrak = 2"), "did you mean `dark`?"),
        (GOOD + "[people.oidc]\nisuer = 'x'", "did you mean `issuer`?"),
        (GOOD + "[retention]\nimages = 'some'", "use one of: all, defects, doubtful, none"),
        (GOOD.replace("[[sink]]", "[sink]"), "write [[sink]], for each of them"),
        (GOOD.replace('name = "bottle"\nprofile', "profile"), "add the key name to [[line]]"),
    ],
)
def test_a_remedy_says_what_may_stand_there(folder: Path, text: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as e:
        read_settings(write(folder, text))
    assert e.value.remedy.startswith(remedy), e.value


@pytest.mark.parametrize(
    ("text", "line", "remedy"),
    [
        (GOOD.replace(*PARTS).replace('line = "bottle"', 'line = "botle"'), 17, "did you mean bottle?"),
        (
            GOOD.replace(PARTS[0], "deadline_s = 0.2\n[line.parts]\nsources = ['in']").replace(
                'line = "bottle"', 'line = "botle"'
            ),
            16,
            "did you mean bottle?",
        ),
        (
            GOOD + PLC.replace('line = "bottle"', 'line = "botle"') + 'answer = "part"',
            25,
            "did you mean bottle?",
        ),
        (GOOD + INPUT + 'address = "d0"\nuse = "trigger"\nline = "botle"\nsource = "in"', 31, "did you mean"),
        (GOOD + '[[recipe]]\nnumber = 1\nname = "a"\nline = "botle"\ncamera = {in = {Gain = 1}}', 24, "did"),
    ],
)
def test_a_misspelt_name_of_a_line_is_blamed_where_it_stands(
    folder: Path, text: str, line: int, remedy: str
) -> None:
    with pytest.raises(ConfigError, match=f"line {line}: there is no .*line.* named botle") as e:
        read_settings(write(folder, text))
    assert e.value.remedy.startswith(remedy)
