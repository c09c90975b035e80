"""A dead box is brought back on another: what was acknowledged is there, judged, and can be judged again."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from saec.errors import SpoolError
from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_verify import verify_log
from saec.station.audit.signing_keys import SigningKeys
from saec.station.maintenance.backup_folder import make_backup, read_backup
from saec.station.maintenance.backup_restore import restore_backup
from saec.station.setup.settings_file import read_settings
from saec.station.storage.records import NewFrame, SpoolLimits
from saec.station.storage.spool import Spool
from saec.types import VerdictRecord
from tests.processes import eventually, saec, serving
from tests.station.station_fakes import image_path

SETTINGS = """
[station]
name = "cell-3"
listen = "127.0.0.1:0"
tokens_file = "secret/tokens"

[[line]]
name = "gears"
profile = "{profile}"

[line.guard]
blur = 0
empty = 0

[[sink]]
kind = "files"
name = "log"
path = "verdicts"

[spool]
free_gb = 0
"""


WHO = ("shell:anna", "shell")


@pytest.fixture
def site(tmp_path: Path, gear_line: Path) -> Path:
    """A settings file whose line profile lies elsewhere."""
    (tmp_path / "box" / "secret").mkdir(parents=True)
    (tmp_path / "box" / "secret" / "tokens").write_text("# nobody yet\n")
    config = tmp_path / "box" / "station.toml"
    config.write_text(SETTINGS.format(profile=gear_line))
    return config


def open_spool(config: Path) -> Spool:
    return Spool(config.parent / "station-data", ("log",), SpoolLimits(free_gb=0))


def accept(spool: Spool, key: str) -> int:
    frame = NewFrame(line="gears", source="test", key=key, suffix=".png", captured=1.0)
    return spool.accept(frame, key.encode()).seq


def decide(spool: Spool, seq: int) -> None:
    spool.decide(
        seq, "final", VerdictRecord(id=f"{seq}", path="", sha256="", line="gears", time=1.0, label=0)
    )


def test_a_station_comes_back_on_another_box(site: Path, gears: Path, tmp_path: Path) -> None:
    token = saec("station", "token", "robot").stdout
    secret, line = (text.split(": ", 1)[1] for text in token.strip().splitlines())
    (site.parent / "secret" / "tokens").write_text(line + "\n")
    bearer = {"Authorization": f"Bearer {secret}", "Content-Type": "image/png"}
    pictures = sorted(gears.glob("test/*/*.png"))
    with serving("station", "--config", site, cwd=site.parent) as box:
        posts = [
            httpx.post(
                f"{box.url}/v1/lines/gears/frames?wait=30",
                content=path.read_bytes(),
                headers=bearer,
                timeout=60,
            )
            for path in pictures
        ]
        assert [post.status_code for post in posts] == [201] * len(pictures)
        made = saec("station", "backup", "--config", site, "--with-secrets", tmp_path / "backup")
        assert made.returncode == 0, made.stderr
        assert f"{len(pictures)} frames and {len(pictures)} images" in made.stdout
        box.process.send_signal(signal.SIGKILL)
        box.process.wait()
    shutil.rmtree(site.parent)
    other = tmp_path / "other" / "station.toml"
    assert not [path for path in (tmp_path / "backup").rglob("*") if path.stat().st_mode & 0o077]
    back = saec("station", "restore", "--settings", other, tmp_path / "backup")
    assert back.returncode == 0, back.stderr
    files = [other, *(tmp_path / "other" / "station-data").rglob("*")]
    assert not [path for path in files if path.stat().st_mode & 0o077]
    with serving("station", "--config", other, cwd=tmp_path / "other") as box:
        for post, path in zip(posts, pictures, strict=True):
            id = post.json()["id"]
            record = httpx.get(f"{box.url}/v1/frames/{id}", headers=bearer).json()
            assert record["verdicts"]["final"] == post.json()["verdict"]
            image = httpx.get(f"{box.url}/v1/frames/{id}/image", headers=bearer)
            assert image.content == path.read_bytes()
        ids = [post.json()["id"] for post in posts]
        new = httpx.post(
            f"{box.url}/v1/lines/gears/frames?wait=30",
            content=pictures[0].read_bytes(),
            headers=bearer,
            timeout=60,
        ).json()
        assert new["verdict"]["label"] == posts[0].json()["verdict"]["label"]
        assert int(new["id"].rpartition("-")[2]) > int(ids[-1].rpartition("-")[2]) + 1000
        eventually(lambda: httpx.get(f"{box.url}/ready").json()["ready"])
        replayed = saec("station", "replay", ids[0], "--config", other)
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
        evidence = tmp_path / "all.zip"
        exported = saec("audit", "export", "--config", other, "--out", evidence)
        assert exported.returncode == 0, exported.stdout + exported.stderr
        sound = saec("audit", "verify", evidence, "--data", tmp_path / "other" / "station-data")
        assert sound.returncode == 0, sound.stdout + sound.stderr
        assert f"judged again: {len(pictures) + 1} the same" in sound.stdout
        against = saec("audit", "verify", "--config", other, "--against", evidence)
        assert against.returncode == 0, against.stdout + against.stderr


def test_secrets_are_left_out_and_named(site: Path, tmp_path: Path) -> None:
    spool = open_spool(site)
    accept(spool, "a")
    made = make_backup(site, read_settings(site), tmp_path / "backup", *WHO, now=1e9)
    spool.close()
    assert made.left_out == ["station.tokens_file"]
    assert not any("nobody" in path.read_text() for path in (tmp_path / "backup" / "parts").rglob("tokens"))
    restored = restore_backup(tmp_path / "backup", tmp_path / "new" / "station.toml", *WHO, now=1e9)
    assert restored.missing == ["station.tokens_file"]


def test_a_backup_of_a_station_that_works_is_whole(site: Path, tmp_path: Path) -> None:
    """Retention goes on while it is made, and so does the edge."""
    spool = open_spool(site)
    seqs = [accept(spool, f"part-{n}") for n in range(20)]
    for seq in seqs[:10]:
        decide(spool, seq)
    first = image_path(spool, seqs[0])
    late = image_path(spool, seqs[15])
    read = Path.read_bytes
    gone: list[Any] = []

    def meanwhile(path: Path) -> bytes:
        if not gone:
            gone.append(path)
            spool.eviction.drop_images([seqs[0]])
            decide(spool, seqs[15])
            spool.eviction.drop_images([seqs[15]])
            accept(spool, "after")
        return read(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", meanwhile)
        made = make_backup(site, read_settings(site), tmp_path / "backup", *WHO, now=1e9)
    assert not first.exists()
    assert not late.exists()
    spool.close()
    with closing(sqlite3.connect(tmp_path / "backup" / "data" / "spool.sqlite")) as db:
        rows = db.execute("SELECT state, image FROM frames").fetchall()
    assert all((tmp_path / "backup" / "data" / image).is_file() for _, image in rows if image)
    assert all(image or state == "done" for state, image in rows)
    assert (made.frames, made.images) == (21, 19)
    held = {p for p in (tmp_path / "backup" / "data" / "images").rglob("*") if p.is_file()}
    assert len(held) == 19


def test_nothing_is_overwritten(site: Path, tmp_path: Path) -> None:
    spool = open_spool(site)
    accept(spool, "a")
    settings = read_settings(site)
    backup = tmp_path / "backup"
    make_backup(site, settings, backup, *WHO, now=1e9)
    with pytest.raises(SpoolError, match="not empty"):
        make_backup(site, settings, backup, *WHO, now=1e9)
    with pytest.raises(SpoolError, match="lies in the station's data"):
        make_backup(site, settings, settings.station.data / "x", *WHO, now=1e9)
    with pytest.raises(SpoolError, match="running"):
        restore_backup(backup, site, *WHO, now=1e9, force=True)
    spool.close()
    with pytest.raises(SpoolError, match="exists already"):
        restore_backup(backup, site, *WHO, now=1e9)
    moved = restore_backup(backup, site, *WHO, now=1e9, force=True).moved
    assert sorted(path.name.partition(".before")[0] for path in moved) == ["station-data", "station.toml"]
    assert all(path.exists() for path in moved)
    spool = open_spool(site)
    assert [f.key for f in spool.frames("accepted")] == ["a"]
    spool.close()


@pytest.mark.parametrize("what", ["spool.sqlite", "backup.json", "settings.toml"])
def test_a_damaged_backup_is_not_restored(site: Path, tmp_path: Path, what: str) -> None:
    spool = open_spool(site)
    accept(spool, "a")
    make_backup(site, read_settings(site), tmp_path / "backup", *WHO, now=1e9)
    spool.close()
    (path,) = (tmp_path / "backup").rglob(what)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(SpoolError, match="damaged"):
        restore_backup(tmp_path / "backup", tmp_path / "new" / "station.toml", *WHO, now=1e9)
    assert not (tmp_path / "new").exists()


def test_an_image_that_is_not_what_its_record_says_is_named(site: Path, tmp_path: Path) -> None:
    spool = open_spool(site)
    paths = [image_path(spool, accept(spool, key)) for key in "ab"]
    paths[0].write_bytes(b"x")
    made = make_backup(site, read_settings(site), tmp_path / "backup", *WHO, now=1e9)
    assert [Path(image).name for image in made.damaged] == [paths[0].name]
    (tmp_path / "backup" / "data" / "images" / paths[1].parent.name / paths[1].name).unlink()
    restored = restore_backup(tmp_path / "backup", tmp_path / "new" / "station.toml", *WHO, now=1e9)
    assert sorted(Path(image).name for image in restored.damaged) == sorted(path.name for path in paths)
    spool.close()


def test_the_data_go_where_they_are_told_to(site: Path, tmp_path: Path) -> None:
    spool = open_spool(site)
    accept(spool, "a")
    make_backup(site, read_settings(site), tmp_path / "backup", *WHO, now=1e9)
    spool.close()
    config = tmp_path / "new" / "station.toml"
    restore_backup(tmp_path / "backup", config, *WHO, now=1e9, data=tmp_path / "disk" / "d")
    settings = read_settings(config)
    assert settings.station.data == tmp_path / "disk" / "d"
    assert (settings.station.data / "spool.sqlite").is_file()
    assert settings.line[0].profile.is_relative_to(config.parent)
    assert json.loads((tmp_path / "backup" / "backup.json").read_text())["station"] == "cell-3"
    assert read_backup(tmp_path / "backup").frames == 1


def test_a_damaged_station_starts_again_after_repair(site: Path) -> None:
    spool = open_spool(site)
    for n in range(30):
        accept(spool, f"part-{n}")
    spool.close()
    database = site.parent / "station-data" / "spool.sqlite"
    with database.open("r+b") as f:
        f.write(bytes(4096))
    refused = saec("station", "--config", site)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert "saec station repair" in refused.stderr
    repaired = saec("station", "repair", "--config", site)
    assert repaired.returncode == 0, repaired.stderr
    assert "frames: 30 rows" in repaired.stdout
    spool = open_spool(site)
    assert len(spool.frames("accepted")) == 30
    spool.close()


def test_a_station_that_never_ran_has_nothing_to_back_up(site: Path, tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="holds no database") as e:
        make_backup(site, read_settings(site), tmp_path / "backup", *WHO, now=1e9)
    assert "has run" in e.value.remedy


def test_an_empty_folder_may_be_the_target_of_backup_and_restore(site: Path, tmp_path: Path) -> None:
    spool = open_spool(site)
    accept(spool, "a")
    (tmp_path / "backup").mkdir()
    make_backup(site, read_settings(site), tmp_path / "backup", *WHO, now=1e9)
    spool.close()
    other = tmp_path / "other" / "station.toml"
    (other.parent / "station-data").mkdir(parents=True)
    restore_backup(tmp_path / "backup", other, *WHO, now=1e9)
    spool = open_spool(other)
    assert [f.key for f in spool.frames("accepted")] == ["a"]
    spool.close()


def test_a_backup_of_another_form_is_refused(site: Path, tmp_path: Path) -> None:
    open_spool(site).close()
    make_backup(site, read_settings(site), tmp_path / "backup", *WHO, now=1e9)
    stated = tmp_path / "backup" / "backup.json"
    stated.write_text(json.dumps(json.loads(stated.read_text()) | {"schema": 99}))
    with pytest.raises(SpoolError, match="in a format that this version cannot read") as e:
        read_backup(tmp_path / "backup")
    assert e.value.remedy == "restore it with saec 0.1.0"


def test_actions_and_keys_come_along_the_private_key_only_if_asked(site: Path, tmp_path: Path) -> None:
    open_spool(site).close()
    data = read_settings(site).station.data
    log = AuditLog(data)
    keys = SigningKeys(data, log)
    key = keys.ensure("station", "station")
    plain = make_backup(site, read_settings(site), tmp_path / "plain", *WHO, now=1e9)
    whole = make_backup(site, read_settings(site), tmp_path / "whole", *WHO, now=1e9, secrets=True)
    assert f"the key that signs evidence (keys/{key.id}.pem)" in plain.left_out
    assert whole.left_out == []
    assert not list((tmp_path / "plain").rglob("*.pem"))
    for name, private in (("plain", 0), ("whole", 1)):
        restored = restore_backup(tmp_path / name, tmp_path / f"{name}-new" / "station.toml", *WHO, now=1e9)
        there = AuditLog(restored.data)
        assert verify_log(there).fault is None
        kinds = [row.what for row in there.rows()]
        assert kinds[:2] == ["backup.restore", "backup.make"]
        assert there.rows()[0].after["made"] == 1e9
        assert len(list((restored.data / "keys").glob("*.pem"))) == private
        assert SigningKeys(restored.data, there).known() == [key]
        assert not [p for p in restored.data.rglob("*") if p.stat().st_mode & 0o077]
        assert not list((tmp_path / name).rglob("*.sqlite-*"))
        assert SigningKeys(restored.data, there).ensure("station", "station").state == "active"
    assert [row.after["secrets"] for row in log.rows(what="backup.make")] == [True, False]
