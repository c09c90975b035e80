"""Certificates and users: who is let in, over which security, by a server that asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from asyncua import ua

from saec.errors import ConfigError, MachineError
from saec.station.plc.opcua.opcua_certificates import load_certificate, load_key, make_certificate, uri_of
from saec.station.plc.opcua.opcua_server import OpcUaIdentity
from saec.station.plc.opcua.opcua_settings import OpcUaPlc
from saec.station.plc.signal_mapping import PlcAddresses, StationAddresses
from saec.station.setup.settings_warnings import warnings
from saec.station.setup.station_settings import StationSettings
from saec.station.simulated.opcua_nodes import OpcUaNodes

URI = "urn:saec:station:cell"
BITS = ("trigger", "acknowledge", "ready", "busy", "result_valid", "fault")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates and keys of a station, of a PLC and of somebody else."""
    folder = tmp_path_factory.mktemp("pki")
    for name, uri in (("station", URI), ("plc", "urn:plc"), ("other", "urn:other")):
        certificate, key = make_certificate(uri, ["localhost", "127.0.0.1"], days=30)
        (folder / f"{name}.pem").write_bytes(certificate)
        (folder / f"{name}.key").write_bytes(key)
    (folder / "password").write_text("open sesame\n")
    (folder / "wrong").write_text("open barley\n")
    return folder


@pytest.fixture(scope="module")
def plc(files: Path) -> Iterator[OpcUaNodes]:
    kinds = dict.fromkeys(BITS, (ua.VariantType.Boolean, False)) | {"label": (ua.VariantType.Byte, 0)}
    identity = OpcUaIdentity(
        name="PLC",
        uri="urn:plc",
        certificate=load_certificate(files / "plc.pem"),
        key=load_key(files / "plc.key"),
        clients=(load_certificate(files / "station.pem"),),
        users={"saec": "open sesame"},
    )
    types = ua.SecurityPolicyType
    policies = (
        types.Basic256Sha256_SignAndEncrypt,
        types.Aes128Sha256RsaOaep_SignAndEncrypt,
        types.Aes256Sha256RsaPss_SignAndEncrypt,
    )
    with OpcUaNodes(kinds, identity=identity, policies=policies) as nodes:
        yield nodes


@pytest.fixture
def settings(files: Path, plc: OpcUaNodes) -> OpcUaPlc:
    names = {name: f"ns=2;s={name}" for name in (*BITS, "label")}
    return OpcUaPlc(
        name="cell",
        line="bolts",
        source="cam",
        address=plc.address,
        timeout_s=0.3,
        security="Basic256Sha256",
        certificate_file=files / "station.pem",
        key_file=files / "station.key",
        peer_certificate_file=files / "plc.pem",
        user="saec",
        password_file=files / "password",
        reads=PlcAddresses(trigger=names["trigger"], acknowledge=names["acknowledge"]),
        writes=StationAddresses(**{name: names[name] for name in (*BITS[2:], "label")}),
    )


@pytest.mark.parametrize("security", ["Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"])
def test_a_station_is_let_in_over_each_security(plc: OpcUaNodes, settings: OpcUaPlc, security: str) -> None:
    settings = msgspec.structs.replace(settings, security=security)
    assert list(settings.faults()) == []
    way = settings.make_way(lambda: None)
    way.open()
    plc.write({"trigger": True})
    assert way.read().trigger
    plc.write({"trigger": False})
    assert not way.read().trigger
    way.close()


def test_a_wrong_password_is_no_passing_trouble(files: Path, settings: OpcUaPlc) -> None:
    wrong = msgspec.structs.replace(settings, password_file=files / "wrong")
    with pytest.raises(MachineError, match="refuses user or password"):
        wrong.make_way(lambda: None).open()


def test_a_server_lets_in_no_certificate_that_it_does_not_trust(files: Path, settings: OpcUaPlc) -> None:
    other = msgspec.structs.replace(
        settings, certificate_file=files / "other.pem", key_file=files / "other.key"
    )
    with pytest.raises(MachineError, match="certificate"):
        other.make_way(lambda: None).open()


def test_a_station_talks_to_no_server_but_the_one_that_it_trusts(files: Path, settings: OpcUaPlc) -> None:
    other = msgspec.structs.replace(settings, peer_certificate_file=files / "other.pem")
    with pytest.raises(MachineError, match="not that of peer_certificate_file"):
        other.make_way(lambda: None).open()


@pytest.mark.parametrize("changed", [{"encrypt": False}, {"security": "none", "encrypt": False}])
def test_security_that_is_not_offered_is_said(settings: OpcUaPlc, changed: dict[str, object]) -> None:
    plain = msgspec.structs.replace(settings, **changed)
    with pytest.raises(MachineError, match="does not offer this security") as told:
        plain.make_way(lambda: None).open()
    assert 'security = "Aes256Sha256RsaPss", encrypt = true' in told.value.remedy


def test_a_key_of_another_certificate_is_said(files: Path, settings: OpcUaPlc) -> None:
    wrong = msgspec.structs.replace(settings, key_file=files / "other.key")
    with pytest.raises(ConfigError, match="do not belong together"):
        wrong.make_way(lambda: None)


def test_a_certificate_is_read_from_pem_and_der(files: Path, tmp_path: Path) -> None:
    data = load_certificate(files / "station.pem")
    (tmp_path / "station.der").write_bytes(data)
    assert load_certificate(tmp_path / "station.der") == data
    assert uri_of(data) == URI
    key = load_key(files / "station.key")
    (tmp_path / "key.der").write_bytes(key)
    assert load_key(tmp_path / "key.der") == key


@pytest.mark.parametrize("load", [load_certificate, load_key])
def test_a_file_that_holds_none_is_named(load: object, tmp_path: Path) -> None:
    assert callable(load)
    (tmp_path / "x.pem").write_text("hello")
    for path in (tmp_path / "x.pem", tmp_path / "missing.pem"):
        with pytest.raises(ConfigError, match=path.name):
            load(path)


def test_a_certificate_that_ends_soon_is_said_at_the_start(files: Path, settings: OpcUaPlc) -> None:
    calm = StationSettings(plc=[settings])
    assert [told for told in warnings(calm) if "certificate" in told] == []
    soon = msgspec.structs.replace(calm, http=msgspec.structs.replace(calm.http, expiry_days=31.0))
    told = [one for one in warnings(soon) if "certificate" in one]
    assert len(told) == 2  # the station's own, and the PLC's
    assert "of the PLC cell ends on" in told[0]


def test_a_password_that_others_may_read_is_said(files: Path, settings: OpcUaPlc) -> None:
    (files / "password").chmod(0o644)
    told = [one for one in warnings(StationSettings(plc=[settings])) if "chmod" in one]
    (files / "password").chmod(0o600)
    assert any("password" in one for one in told)
