"""What cannot be meant in a [[plc]] over OPC UA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from saec.cli import main
from saec.station.plc.opcua.opcua_certificates import check_pair, load_certificate, load_key, uri_of
from saec.station.plc.opcua.opcua_settings import OpcUaPlc
from saec.station.plc.signal_mapping import PlcAddresses, StationAddresses

READS = {"trigger": 'ns=3;s="Saec"."Trigger"', "acknowledge": "ns=3;i=7"}
WRITES = {name: f"nsu=urn:plc;s={name}" for name in ("ready", "busy", "result_valid", "fault", "label")}


def _settings(
    reads: dict[str, str] | None = None, writes: dict[str, str] | None = None, **changed: Any
) -> OpcUaPlc:
    return OpcUaPlc(
        name="cell",
        line="bolts",
        source="cam",
        reads=PlcAddresses(**(READS if reads is None else reads)),
        writes=StationAddresses(**(WRITES if writes is None else writes)),
        **{"address": "opc.tcp://192.0.2.7:4840", **changed},
    )


FILES: dict[str, Any] = {
    name: Path("x.pem") for name in ("certificate_file", "key_file", "peer_certificate_file")
}


@pytest.mark.parametrize(
    ("settings", "key", "what"),
    [
        (_settings(), None, ""),
        (_settings(address="opc.tcp://plc"), None, ""),
        (_settings(security="Basic256Sha256", **FILES), None, ""),
        (_settings(security="Basic256Sha256", user="u", password_file=Path("p"), **FILES), None, ""),
        (_settings(address="opc.tcp://127.0.0.1", user="u", password_file=Path("p")), None, ""),
        (_settings(address="https://plc"), "address", "is not an address"),
        (_settings(address="opc.tcp://plc:port"), "address", "is not an address"),
        (_settings(address="opc.tcp://me:secret@plc"), "address", "is not an address"),
        (_settings(reads={"trigger": "ns=3;i=1"}), "reads", "acknowledge has no address"),
        (_settings(reads={**READS, "reset": "Saec.Reset"}), "reads", "is no node id"),
        (_settings(writes={**WRITES, "ready": READS["trigger"]}), "writes", "have one address"),
        (_settings(security="Basic256Sha256"), "certificate_file", "needs certificate_file"),
        (_settings(**FILES), "certificate_file", "needs security"),
        (_settings(user="u"), "user", "unencrypted"),
        (_settings(security="Basic256Sha256", encrypt=False, user="u", **FILES), "user", "unencrypted"),
        (_settings(password_file=Path("p")), "password_file", "no user"),
        (_settings(role="server"), "reads", "names its nodes"),
        (_settings({}, {}, role="server"), None, ""),
        (_settings({}, {}, role="server", address="opc.tcp://[::1]", user="u"), "user", "no password"),
    ],
)
def test_what_cannot_be_meant_is_named(settings: OpcUaPlc, key: str | None, what: str) -> None:
    faults = list(settings.faults())
    if key is None:
        assert faults == []
        return
    assert faults[0][0] == key
    assert what in faults[0][1]
    assert all(remedy for _, _, remedy in faults)


def test_a_certificate_is_made_with_its_key(tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    asked = ["station", "opcua-certificate", str(folder), "--uri", "urn:cell-3", "--host", "192.0.2.9"]
    assert main(asked) == 0
    certificate, key = load_certificate(folder / "certificate.pem"), load_key(folder / "key.pem")
    check_pair(certificate, key)
    assert uri_of(certificate) == "urn:cell-3"
    assert load_certificate(folder / "certificate.der") == certificate
    assert (folder / "key.pem").stat().st_mode & 0o077 == 0
    assert main(asked) != 0  # nothing is written over
