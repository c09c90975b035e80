"""A backup holds the review: labels, pictures, counts, and the secret of the draws."""

from __future__ import annotations

from pathlib import Path

from saec.station.maintenance.backup_folder import make_backup
from saec.station.maintenance.backup_restore import restore_backup
from saec.station.review.review_records import ReviewAnswer
from saec.station.review.review_store import ReviewStore
from saec.station.setup.settings_file import read_settings
from tests.run_fakes import make_line
from tests.station.review.collecting.review_bench import ReviewBench


def test_a_review_goes_on_where_its_backup_is_restored(tmp_path: Path) -> None:
    make_line(tmp_path / "box" / "cell")
    config = tmp_path / "box" / "station.toml"
    config.write_text('[[line]]\nname = "cell"\nprofile = "cell"\n')
    bench = ReviewBench(tmp_path / "box" / "station-data", passed=1.0)
    bench.collect()
    first, second = bench.judged(), bench.judged()
    bench.collect()
    label = bench.store.answer("anna", first, ReviewAnswer(label=0))
    bench.spool.eviction.drop_images([second])
    made = make_backup(config, read_settings(config), tmp_path / "backup", "shell:a", "shell", now=1e9)
    assert {"data/review/review.sqlite", "data/review/secret"} <= set(made.files)
    rows = bench.rows()
    bench.close()
    restored = restore_backup(
        tmp_path / "backup", tmp_path / "other" / "station.toml", "shell:a", "shell", now=1e9
    )
    other = ReviewBench(restored.data, passed=1.0)
    other.collector.number_frames(other.spool)
    other.collect()
    assert other.rows() == rows
    assert other.store.labels() == [label]
    assert all(other.store.picture(row).read_bytes() for row in rows.values())
    assert other.sums() == {"passed": (2, 2, 0)}
    other.n = 100  # keys that are new
    later = other.judged()
    assert later > second
    other.collect()
    assert other.sums() == {"passed": (3, 3, 0)}
    other.close()


def test_a_database_is_copied_before_its_pictures(tmp_path: Path) -> None:
    store = ReviewStore(tmp_path)
    assert store.counts() == {}
    store.close()
    from saec.station.maintenance.backup_folder import _databases_first

    (store.folder / "images").mkdir(exist_ok=True)
    (store.folder / "images" / "1.png").write_bytes(b"x")
    files = sorted(store.folder.rglob("*"), key=_databases_first)
    assert files[0].name == "review.sqlite"
