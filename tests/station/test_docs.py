"""What the documents tell a user to write is what the station reads."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from pairs import make_pair
from saec.cli.station import command
from saec.station.settings_file import read_settings

DOCS = Path(__file__).parents[2] / "docs"


def test_the_settings_of_the_document_are_sound_with_every_section(tmp_path: Path) -> None:
    text = (DOCS / "station.md").read_text("utf-8")
    (toml,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "lines" / "leather").mkdir(parents=True)
    (tmp_path / "lines" / "leather" / "line.json").write_text("{}")
    make_pair(tmp_path, "tls")
    whole = re.sub(r"^# (\[\[|\w+ = )", r"\1", toml, flags=re.MULTILINE)
    assert whole != toml
    path = tmp_path / "station.toml"
    path.write_text(whole)
    settings = read_settings(path)
    assert [source.name for source in settings.source] == ["in", "camera-1", "recording"]
    assert [sink.name for sink in settings.sink] == ["log", "mes", "plc"]
    assert settings.station.tokens_file == tmp_path / "tokens"
    assert settings.http.tls_key == tmp_path / "tls.key"
    assert settings.http.plain_http
    path.write_text(toml)
    assert len(read_settings(path).source) == 1


def test_the_example_that_is_printed_is_the_document_s() -> None:
    (toml,) = re.findall(r"```toml\n(.*?)```", (DOCS / "station.md").read_text("utf-8"), re.DOTALL)
    assert CliRunner().invoke(command, ["example"]).output == toml
