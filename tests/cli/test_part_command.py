"""saec station part shows a part's verdicts and its frames, beside a station that may run."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from saec.cli import root
from saec.station.storage.parts.part_rules import PartRules
from tests.station.storage.parts.part_frames import Clocks, decide, open_parts, take


def test_a_part_is_shown_with_its_verdicts_and_frames(tmp_path: Path) -> None:
    (tmp_path / "cell").mkdir()
    (tmp_path / "cell" / "line.json").write_text("{}")
    config = tmp_path / "station.toml"
    config.write_text('[[line]]\nname = "cell"\nprofile = "cell"\n[line.parts]\nviews = 2\n')
    clocks = Clocks()
    spool = open_parts(tmp_path / "station-data", PartRules(views=2), clocks)

    def shown(part: str) -> tuple[int, str]:
        done = CliRunner().invoke(root, ["station", "part", part, "--config", str(config)])
        return done.exit_code, done.output

    first = take(spool, "left")
    decide(spool, first, 0)
    assert f"cell/A1/{first}  waits for its frames" in shown("A1")[1]
    decide(spool, take(spool, "right"), 1)
    status, text = shown("A1")
    assert status == 0
    assert f"cell/A1/{first}  defect  by any-defect, in time" in text
    assert text.count("cell-00000000") == 2
    assert shown("zebra") == (1, "no frame of part 'zebra' has a verdict\n")
    spool.close()
