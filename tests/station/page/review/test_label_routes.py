"""What engineers see of the labels: where people disagree, or contradict the verdict, and who is asked."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from saec.station.people.roles import Role
from saec.station.review.review_records import ReviewAnswer
from tests.station.page.page_fakes import PageBench, as_role
from tests.station.page.review.review_bench import add_review

ENGINEER = as_role(Role.ENGINEER)


@pytest.fixture
def answered(bench: PageBench) -> dict[str, str]:
    """The ids of four good frames, by what people say of them."""
    bench.add_people(None)
    store, found = bench.tools.review, {}
    said: dict[str, list[int | None]] = {
        "agree": [0],
        "contradict": [1],
        "disagree": [0, 1],
        "unsure": [None],
    }
    seqs = [seq for seq in add_review(bench, 8) if (frame := store.frame(seq)) and frame.label == 0]
    for seq, (name, labels) in zip(seqs, said.items(), strict=False):
        frame = store.frame(seq)
        assert frame is not None
        found[name] = frame.frame
        for person, label in zip(("anna", "<b>"), labels, strict=False):
            store.answer(person, seq, ReviewAnswer(label=label, kind="hole" if label else ""))
    return found


def listed(client: TestClient, found: dict[str, str], query: str) -> set[str]:
    text = client.get(f"/page/review/labels{query}", headers=ENGINEER).text
    return {name for name, id in found.items() if f'href="/page/frames/{id}"' in text}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", {"disagree"}),
        ("?which=disagree", {"disagree"}),
        ("?which=contradict", {"contradict"}),
        ("?which=unsure", {"unsure"}),
        ("?which=all", {"agree", "contradict", "disagree", "unsure"}),
        ("?which=all&line=bottle", {"agree", "contradict", "disagree", "unsure"}),
        ("?which=none&line=none", {"disagree"}),
    ],
)
def test_the_list_holds_what_its_filter_says(
    client: TestClient, answered: dict[str, str], query: str, names: set[str]
) -> None:
    assert listed(client, answered, query) == names


def test_each_answer_stands_with_its_person_and_what_was_shown(
    client: TestClient, answered: dict[str, str]
) -> None:
    text = client.get("/page/review/labels", headers=ENGINEER).text
    assert "shown: Good by version 3" in text
    assert "without the verdict" in text
    assert "anna" in text
    assert "&lt;b&gt;" in text
    assert "<b>," not in text


def test_one_more_person_is_asked(bench: PageBench, client: TestClient, answered: dict[str, str]) -> None:
    seq = int(answered["agree"].rpartition("-")[2])
    answer = client.post("/page/review/second", data={"seq": seq, "which": "all"}, headers=ENGINEER)
    assert answer.headers["location"] == f"/page/review/labels?which=all&asked={seq}"
    assert "One more person is asked." in client.get(answer.headers["location"], headers=ENGINEER).text
    tasks = bench.tools.review.take("admin", None, 10)
    assert {task.frame.seq: task.second for task in tasks}[seq] is True
    for wrong in ("", "999", "x"):
        form = {"seq": wrong}
        assert client.post("/page/review/second", data=form, headers=ENGINEER).status_code == 409
