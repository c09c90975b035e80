"""Lines: what a version was made of, who may change what, and whether the station has really switched."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from starlette.testclient import TestClient

from saec.profile import CloudTrust, LineProfile
from saec.schedule.statistics.exact_interval import clopper_pearson
from saec.settings.cloud_settings import CloudConfig
from saec.station.audit.audit_log import AuditLog
from saec.station.page.facts.line_versions import ShadowAgreement, VersionTopics, line_versions
from saec.station.page.facts.version_facts import teaching_of, version_facts
from saec.station.page.page_templates import PageTemplates
from saec.station.page.words.languages import wording
from saec.station.people.roles import Role
from tests.station.page.page_fakes import PageBench, as_role
from tests.station.page.page_lines import add_versions, make_version, sha

CHANGE = "/page/lines/bottle/change"


def tell(bench: PageBench, version: int, shadow: int | None = None, **counters: int) -> None:
    """What the station says of its line from now on."""
    bench.told["status"]["lines"]["bottle"] = {"version": version, "shadow": shadow}
    bench.told["status"]["counters"] = {
        f"shadow:bottle:{name.replace('_', ':')}": n for name, n in counters.items()
    }
    bench.feed.update(bench.told)


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of the only form that changes a line."""
    form = page[page.index(f'action="{CHANGE}"') :]
    form = form[: form.index("</form>")]
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))


def change(client: TestClient, query: str, reason: str = "", role: Role = Role.ENGINEER) -> int:
    """Ask for a change and confirm it, as a person does; the status of the last answer."""
    asked = client.get(f"{CHANGE}?{query}", headers=as_role(role))
    if asked.status_code != 200:
        return asked.status_code
    fields = hidden(asked.text) | {"reason": reason}
    return client.post(CHANGE, data=fields, headers=as_role(role)).status_code


def test_a_version_says_what_it_was_made_of_and_taught(bench: PageBench) -> None:
    store = add_versions(bench)
    facts = {
        version.number: version_facts(store.path(version.number), version) for version in store.state().known
    }
    images = facts[2].images
    assert images is not None
    assert (images.goods, images.defects, images.holdout) == (30, 12, 1)
    assert sha(5000) not in images.labels
    taught = teaching_of(facts[2], list(facts.items()))
    assert taught is not None
    assert (taught.number, taught.goods, taught.defects, taught.forgotten) == (1, 10, 2, 0)
    assert teaching_of(facts[1], list(facts.items())) is None
    assert teaching_of(facts[2], [(2, facts[2])]) is None


def test_figures_are_those_of_a_threshold_by_hand_when_counted(tmp_path: Path) -> None:
    """Checked against plain counting: a threshold by hand is the same for every image."""
    from saec.station.line.version_store import Version

    profile = LineProfile.open(make_version(tmp_path / "v1"), verify=False)
    by_hand = msgspec.structs.replace(profile.calibration, by_hand={"threshold": 2.9})
    LineProfile.create(profile.folder, profile.line, by_hand)
    figures = version_facts(profile.folder, Version(number=1, content="by hand")).figures
    missed = sum(score < 2.9 for score in by_hand.defects)
    rejected = sum(score >= 2.9 for score in by_hand.goods)
    assert figures.choice is not None
    assert figures.choice.escape_rate == pytest.approx(missed / 12)
    assert figures.choice.overkill_rate == pytest.approx(rejected / 30)
    assert figures.choice.escape_interval == pytest.approx(clopper_pearson(missed, 12))
    assert figures.balanced_accuracy == pytest.approx(1 - (missed / 12 + rejected / 30) / 2)
    wins = [float(d > g) + 0.5 * float(d == g) for d in by_hand.defects for g in by_hand.goods]
    assert figures.auroc == pytest.approx(sum(wins) / len(wins))


def test_the_view_shows_facts_and_figures_to_a_viewer_who_may_change_nothing(
    bench: PageBench, client: TestClient
) -> None:
    bench.add_people(None)
    add_versions(bench)
    tell(bench, 1)
    page = client.get("/page/lines/bottle", headers=as_role(Role.VIEWER)).text
    for text in ("Version 1 judges.", "30 good, 12 defects", "10 new good, 2 new defects", "AUROC"):
        assert text in page
    assert "/change" not in page
    assert "/change" in client.get("/page/lines/bottle", headers=as_role(Role.ENGINEER)).text
    assert (
        client.get(f"{CHANGE}?what=line.promote&version=2", headers=as_role(Role.OPERATOR)).status_code == 403
    )
    assert client.post(CHANGE, data={}, headers=as_role(Role.OPERATOR)).status_code == 403


def test_the_list_of_lines_shows_at_once_what_its_events_show_later(
    bench: PageBench, client: TestClient
) -> None:
    bench.add_people(None)
    add_versions(bench)
    tell(bench, 1)
    topics = VersionTopics(bench.data, ["bottle"], bench.feed, PageTemplates(station="s"))
    topics.changed()
    for role in (Role.VIEWER, Role.ENGINEER):
        page = client.get("/page/lines", headers=as_role(role)).text
        assert topics.text("versions-bottle", wording("en"), role).strip() in page
        assert re.search(r'<h2[^>]*><a [^>]*href="/page/lines/bottle">bottle</a></h2>', page)


def test_a_line_without_versions_and_a_damaged_version_are_said(bench: PageBench, client: TestClient) -> None:
    bench.add_people(None)
    engineer = as_role(Role.ENGINEER)
    assert "no versions yet" in client.get("/page/lines", headers=engineer).text
    assert "no versions yet" in client.get("/page/lines/bottle", headers=engineer).text
    store = add_versions(bench)
    (store.path(2) / "line.json").write_text("{")
    page = client.get("/page/lines/bottle", headers=engineer)
    assert page.status_code == 200
    assert "Its profile cannot be read" in page.text
    assert client.get("/page/lines/nothing", headers=engineer).status_code == 409


def test_promote_shadow_and_roll_back_are_asked_once_recorded_and_shown_when_done(
    bench: PageBench, client: TestClient
) -> None:
    bench.add_people(None)
    store = add_versions(bench)
    tell(bench, 1)
    engineer = as_role(Role.ENGINEER)
    assert change(client, "what=line.shadow&version=2", "watch it") == 303
    assert store.state().shadow == 2
    assert "will judge beside it" in client.get("/page/lines/bottle", headers=engineer).text
    tell(bench, 1, 2, v2_same=98, v2_other=2)
    page = client.get("/page/lines/bottle", headers=engineer).text
    assert "judges beside it as a shadow" in page
    assert "98.00% of 100 frames" in page
    assert change(client, "what=line.promote&version=2", "it agrees") == 303
    page = client.get("/page/lines/bottle", headers=engineer).text
    assert "The station is switching." in page
    assert "Version 2 is chosen, and version 1 still judges" in page
    tell(bench, 2)
    assert "Version 2 judges." in client.get("/page/lines/bottle", headers=engineer).text
    assert change(client, "what=line.rollback", "") == 303
    assert store.state().current == 1
    rows = AuditLog(bench.data).rows()
    assert [row.what for row in rows[:3]] == ["line.rollback", "line.promote", "line.shadow"]
    assert {(row.actor, row.role) for row in rows[:3]} == {("engineer", "engineer")}
    assert rows[1].reason == "it agrees"
    assert change(client, "what=line.shadow&version=2") == 303
    assert change(client, "what=line.shadow") == 303
    assert store.state().shadow is None


MEASURED = CloudTrust(model="small@1", prompt="v4", mode="fused", auroc=0.9)
CHANGES_NOTHING = "With this version the cloud changes no label"


@pytest.mark.parametrize(
    ("policy", "clouds", "why"),
    [
        (None, [], "it was not measured with it"),
        ("value", [], "it was not measured with it"),
        (None, [("small@1", "advisory")], "there were no labelled defects to measure it on"),
        (None, [("small@1", "unasked")], "it adds nothing to the edge"),
        (None, [("small@1", "unasked"), ("large@1", "fused")], ""),
        ("cloud", [], ""),
        ("edge", [], ""),
    ],
)
def test_before_a_promotion_the_page_says_that_the_cloud_will_change_no_label(
    tmp_path: Path, policy: str | None, clouds: list[tuple[str, str]], why: str
) -> None:
    bench = PageBench(tmp_path, policy=policy, cloud=CloudConfig())
    bench.add_people(None)
    trusts = [msgspec.structs.replace(MEASURED, model=model, mode=mode) for model, mode in clouds]
    store = add_versions(bench, first_clouds=[MEASURED], clouds=trusts)
    engineer = as_role(Role.ENGINEER)
    with TestClient(bench.app) as client:
        asked = client.get(f"{CHANGE}?what=line.promote&version=2", headers=engineer).text
        assert (CHANGES_NOTHING in asked) is bool(why)
        assert why in asked
        assert ("Now the cloud decides with the edge" in asked) is bool(why)
        assert ("saec calibrate" in asked) is (why not in ("", "it adds nothing to the edge"))
        shadow = client.get(f"{CHANGE}?what=line.shadow&version=2", headers=engineer).text
        assert CHANGES_NOTHING not in shadow
        store.promote(2)
        back = client.get(f"{CHANGE}?what=line.rollback", headers=engineer).text
        assert "Roll back to version 1" in back
        assert CHANGES_NOTHING not in back
    bench.close()


def test_a_roll_back_to_a_version_without_a_measured_cloud_says_so_and_nothing_that_is_not_known(
    tmp_path: Path,
) -> None:
    bench = PageBench(tmp_path, cloud=CloudConfig())
    bench.add_people(None)
    store = add_versions(bench, clouds=[MEASURED])
    store.promote(2)
    tell(bench, 2)  # the station does not say what its cloud may do
    with TestClient(bench.app) as client:
        engineer = as_role(Role.ENGINEER)
        asked = client.get(f"{CHANGE}?what=line.rollback", headers=engineer).text
        assert CHANGES_NOTHING in asked
        assert "Now the cloud decides" not in asked
        (store.path(2) / "line.json").write_text("{ }")
        damaged = client.get(f"{CHANGE}?what=line.promote&version=2", headers=engineer).text
        assert "Its profile cannot be read" in damaged
    bench.close()


def test_a_line_without_a_cloud_is_promised_none(bench: PageBench, client: TestClient) -> None:
    bench.add_people(None)
    add_versions(bench)
    asked = client.get(f"{CHANGE}?what=line.promote&version=2", headers=as_role(Role.ENGINEER))
    assert "Promote version 2?" in asked.text
    assert CHANGES_NOTHING not in asked.text


def test_who_confirms_what_has_changed_meanwhile_changes_nothing(
    bench: PageBench, client: TestClient
) -> None:
    bench.add_people(None)
    store = add_versions(bench)
    engineer = as_role(Role.ENGINEER)
    asked = hidden(client.get(f"{CHANGE}?what=line.promote&version=2", headers=engineer).text)
    store.shadow(2)
    answer = client.post(CHANGE, data=asked, headers=engineer)
    assert answer.status_code == 409
    assert "changed the versions of this line meanwhile" in answer.text
    assert store.state().current == 1


@pytest.mark.parametrize(
    "query",
    [
        "what=line.promote&version=9",
        "what=line.promote",
        "what=line.promote&version=-1",
        "what=line.promote&version=%C2%B2",
        "what=line.add&version=1",
        "what=line.rollback",
        "",
    ],
)
def test_what_cannot_be_wanted_is_refused(bench: PageBench, client: TestClient, query: str) -> None:
    bench.add_people(None)
    add_versions(bench)
    assert change(client, query) == 409


def test_topics_change_with_what_they_show_and_look_rarely(bench: PageBench) -> None:
    store = add_versions(bench)
    tell(bench, 1)
    now = [0.0]
    topics = VersionTopics(
        bench.data, ["bottle"], bench.feed, PageTemplates(station="s"), steady=lambda: now[0]
    )
    assert topics.changed() == ["agreement-bottle", "versions-bottle"]
    store.shadow(2)
    assert topics.changed() == []
    now[0] = 1.0
    assert topics.changed() == ["versions-bottle"]
    tell(bench, 1, 2, v2_same=1)
    now[0] = 2.0
    assert topics.changed() == ["agreement-bottle", "versions-bottle"]
    tell(bench, 1, 2, v2_same=2)
    now[0] = 3.0
    assert topics.changed() == ["agreement-bottle"]
    english = wording("en")
    assert "/change" in topics.text("versions-bottle", english, Role.ENGINEER)
    assert "/change" not in topics.text("versions-bottle", english, Role.OPERATOR)


def test_agreement_counts_what_the_shadow_judged(bench: PageBench) -> None:
    add_versions(bench)
    tell(bench, 1, 2, v2_same=3, v2_other=1, v2_error=5)
    (agreement,) = line_versions(bench.data, "bottle", bench.feed).agreements.values()
    assert agreement == ShadowAgreement(3, 1, 5)
    assert agreement.share == 0.75
    assert ShadowAgreement(0, 0, 2).share is None
