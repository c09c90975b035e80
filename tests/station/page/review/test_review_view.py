"""The routes of the review: who may answer what, and what no person can have sent."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest
from PIL import Image
from starlette.testclient import TestClient

from saec.station.page.page_visit import LARGEST_FORM
from saec.station.page.views.review.review_cards import browser_picture
from saec.station.people.roles import Role
from saec.station.review.place_checks import MOST_POINTS
from saec.station.review.review_pictures import upright_size
from saec.station.review.review_records import ReviewAnswer
from tests.station.page.page_fakes import PageBench, as_role
from tests.station.page.review.review_bench import add_review

OPERATOR = as_role(Role.OPERATOR)
POSTS = ("/page/review/answer", "/page/review/undo")


@pytest.fixture
def waiting(bench: PageBench) -> list[int]:
    bench.add_people(None)
    return add_review(bench, 6)


def shown(text: str) -> list[int]:
    """The frames of an answer, in their order."""
    return [int(seq) for seq in re.findall(r'class="review-task[^>]* data-seq="(\d+)"', text)]


def post(client: TestClient, path: str, role: Role = Role.OPERATOR, **fields: object) -> tuple[int, str]:
    answer = client.post(path, data={"script": "yes", **fields}, headers=as_role(role))
    return answer.status_code, answer.text


def first(client: TestClient, role: Role = Role.OPERATOR) -> int:
    return shown(client.get("/page/review", headers=as_role(role)).text)[0]


def test_a_person_has_two_frames_and_the_next_one_comes_with_the_reply(
    bench: PageBench, client: TestClient, waiting: list[int]
) -> None:
    had = shown(client.get("/page/review", headers=OPERATOR).text)
    assert len(had) == 2
    status, text = post(
        client, "/page/review/answer", seq=had[0], answer="defect", kind="hole", seconds="1.5"
    )
    assert status == 200
    assert shown(text)[0] == had[1]
    assert len(shown(text)) == 2
    (label,) = bench.tools.review.labels()
    assert (label.person, label.seq, label.origin) == ("operator", had[0], "page")
    assert label.answer == ReviewAnswer(label=1, kind="hole", seconds=1.5)
    assert "1 answer of yours" in text


def test_only_operators_answer_and_only_engineers_see_all_labels(
    client: TestClient, waiting: list[int]
) -> None:
    gets = {"/page/review": Role.OPERATOR, "/page/review/tasks": Role.OPERATOR}
    gets |= {f"/page/review/picture/{waiting[0]}": Role.OPERATOR, "/page/review/labels": Role.ENGINEER}
    for path, least in gets.items():
        for role in Role:
            status = client.get(path, headers=as_role(role)).status_code
            assert status == (200 if role.allows(least) else 403), (path, role)
    for path in POSTS:
        assert post(client, path, Role.VIEWER, seq=waiting[0], answer="good")[0] == 403
    assert post(client, "/page/review/second", Role.OPERATOR, seq=waiting[0])[0] == 403


def test_a_form_of_another_page_is_refused(bench: PageBench, client: TestClient, waiting: list[int]) -> None:
    for origin in ({"Origin": "http://elsewhere"}, {}):
        headers = {name: value for name, value in OPERATOR.items() if name != "Origin"} | origin
        for path in (*POSTS, "/page/review/second"):
            assert (
                client.post(path, data={"seq": waiting[0], "answer": "good"}, headers=headers).status_code
                == 403
            )
    assert bench.tools.review.labels() == []


def test_a_frame_of_another_person_is_refused_aloud(
    bench: PageBench, client: TestClient, waiting: list[int]
) -> None:
    seq = first(client)
    status, text = post(client, "/page/review/answer", Role.ENGINEER, seq=seq, answer="good")
    assert status == 409
    assert "somebody else has" in text
    assert seq not in shown(text)
    assert bench.tools.review.labels() == []


def test_the_same_answer_again_is_one_label_and_another_one_is_refused(
    bench: PageBench, client: TestClient, waiting: list[int]
) -> None:
    seq = first(client)
    for _ in range(3):
        assert post(client, "/page/review/answer", seq=seq, answer="good")[0] == 200
    status, text = post(client, "/page/review/answer", seq=seq, answer="defect")
    assert status == 409
    assert "you have answered" in text
    assert [label.answer.label for label in bench.tools.review.labels()] == [0]


def test_undo_hands_the_frame_back_and_nobody_takes_back_another_s_label(
    bench: PageBench, client: TestClient, waiting: list[int]
) -> None:
    seq = first(client)
    post(client, "/page/review/answer", seq=seq, answer="good")
    (label,) = bench.tools.review.labels()
    assert post(client, "/page/review/undo", Role.ENGINEER, n=label.n)[0] == 409
    assert post(client, "/page/review/undo", Role.ENGINEER)[0] == 409
    status, text = post(client, "/page/review/undo", n=label.n)
    assert status == 200
    assert shown(text)[0] == seq
    assert f'data-back="{seq}"' in text
    assert bench.tools.review.labels() == []
    assert post(client, "/page/review/undo", n=label.n)[0] == 409


def place(**marks: object) -> str:
    return json.dumps({"boxes": [], "strokes": [], **marks})


@pytest.mark.parametrize(
    "told",
    [
        place(boxes=[[300, 0, 400, 9]]),
        place(boxes=[[9, 9, 5, 5]]),
        place(boxes=[[10**30, 0, 10**31, 5]]),
        '{"boxes":[[NaN,0,1,1]]}',
        '{"strokes":[{"width":NaN,"points":[[1,1]]}]}',
        '{"strokes":[{"width":4,"points":[[Infinity,1]]}]}',
        place(strokes=[{"width": 1e9, "points": [[1, 1]]}]),
        place(strokes=[{"width": 2, "points": [[1, 1]] * (MOST_POINTS + 1)}]),
        place(boxes=[[0, 0, 1, 1]] * 51),
        "null",
        "[" * 9000,
    ],
)
def test_a_hostile_place_is_refused_and_nothing_is_kept(
    bench: PageBench, client: TestClient, waiting: list[int], told: str
) -> None:
    seq = first(client)
    status, text = post(client, "/page/review/answer", seq=seq, answer="defect", place=told)
    assert status == 409
    assert 'role="alert"' in text
    assert bench.tools.review.labels() == []
    assert shown(text)[0] == seq


def test_a_place_over_the_border_is_cut_and_the_largest_one_fits(
    bench: PageBench, client: TestClient, waiting: list[int]
) -> None:
    points = [[1023.4, 1023.4]] * (MOST_POINTS - 1) + [[5.0, 5.0]]
    told = place(boxes=[[-4, -4, 900, 20]], strokes=[{"width": 12.5, "points": points}])
    told = told.replace(" ", "")
    fields: dict[str, Any] = {"seq": first(client), "answer": "defect", "place": told}
    assert len(urlencode(fields)) < LARGEST_FORM
    assert post(client, "/page/review/answer", **fields)[0] == 200
    kept = bench.tools.review.labels()[0].answer.place
    assert kept is not None
    assert kept.boxes == ((0, 0, 256, 20),)
    assert len(kept.strokes[0].points) == MOST_POINTS


def test_a_form_beyond_all_bounds_is_no_form(client: TestClient, waiting: list[int]) -> None:
    assert post(client, "/page/review/answer", seq=1, answer="good", place="x" * LARGEST_FORM)[0] == 400


@pytest.mark.parametrize("seq", ["", "0", "-1", "999999", "x", "9" * 40, "1 OR 1=1"])
def test_a_frame_that_is_not_there(client: TestClient, waiting: list[int], seq: str) -> None:
    status, text = post(client, "/page/review/answer", seq=seq, answer="good")
    assert status == 409
    assert 'role="alert"' in text
    if seq:
        assert client.get(f"/page/review/picture/{seq}", headers=OPERATOR).status_code == 409


def test_a_second_opinion_is_asked_for_blind(
    bench: PageBench, client: TestClient, waiting: list[int]
) -> None:
    seq = first(client)
    frame = bench.tools.review.frame(seq)
    assert frame is not None
    post(client, "/page/review/answer", seq=seq, answer="defect", kind="<hole>", second="yes")
    text = client.get("/page/review", headers=as_role(Role.ADMIN)).text
    task = text[text.index("<article") : text.index("</article>")]
    assert f'data-seq="{seq}"' in task
    assert "Second opinion" in task
    for told in ('class="verdict', "/map", "You see it because", "P(defect)", "operator"):
        assert told not in task
    record = f"/page/frames/{frame.frame}"
    for role, sees in ((Role.VIEWER, False), (Role.OPERATOR, True), (Role.ENGINEER, True)):
        labels = client.get(record, headers=as_role(role)).text.partition('id="labels"')[2]
        assert ("&lt;hole&gt;" in labels) is sees
        assert ("1 person has answered this frame." in labels) is not sees


def test_without_the_script_a_press_loads_the_view_anew(
    bench: PageBench, client: TestClient, waiting: list[int]
) -> None:
    fields = {"seq": first(client), "answer": "unsure", "line": "bottle"}
    answer = client.post("/page/review/answer", data=fields, headers=OPERATOR)
    assert (answer.status_code, answer.headers["location"]) == (303, "/page/review?line=bottle")
    assert bench.tools.review.labels()[0].answer.label is None
    again = client.post("/page/review/answer", data={**fields, "answer": "good"}, headers=OPERATOR)
    assert again.status_code == 409


def test_any_frame_with_a_picture_can_be_labelled_from_its_record(
    bench: PageBench, client: TestClient, waiting: list[int]
) -> None:
    client.get("/page/review", headers=OPERATOR)
    id = bench.judge(label=1)
    seq = int(id.rpartition("-")[2])
    assert "Label this frame" in client.get(f"/page/frames/{id}", headers=OPERATOR).text
    assert "Label this frame" not in client.get(f"/page/frames/{id}", headers=as_role(Role.VIEWER)).text
    place = f"/page/frames/{id}/label"
    assert client.post(place, headers=as_role(Role.VIEWER)).status_code == 403
    answer = client.post(place, headers=OPERATOR)
    assert answer.headers["location"] == "/page/review?line=bottle"
    assert shown(client.get("/page/review?line=bottle", headers=OPERATOR).text)[0] == seq
    assert "somebody asked for an answer" in client.get("/page/review", headers=OPERATOR).text
    post(client, "/page/review/answer", seq=seq, answer="good")
    record = client.get(f"/page/frames/{id}", headers=OPERATOR).text
    assert "shown: Defect by version 3" in record
    assert "Label this frame" not in record
    engineer = client.get(f"/page/frames/{id}", headers=as_role(Role.ENGINEER)).text
    assert "operator" in engineer[engineer.index('id="labels"') :]


def test_a_frame_without_a_label_cannot_be_asked_about(bench: PageBench, client: TestClient) -> None:
    bench.add_people(None)
    id = bench.judge(label=None)
    assert client.post(f"/page/frames/{id}/label", headers=OPERATOR).status_code == 409


def test_pictures_are_shown_upright_and_tiff_as_png(bench: PageBench) -> None:
    image = Image.new("RGB", (40, 20), "red")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(bench.data / "turned.jpg", exif=exif)
    image.save(bench.data / "plain.tif")
    assert upright_size(bench.data / "turned.jpg") == (20, 40)
    assert upright_size(bench.data / "plain.tif") == (40, 20)
    data, kind = browser_picture(bench.data / "plain.tif")
    assert kind == "image/png"
    assert data.startswith(b"\x89PNG")
    assert browser_picture(bench.data / "turned.jpg")[1] == "image/jpeg"


def test_a_damaged_review_takes_no_other_view_with_it(bench: PageBench, client: TestClient) -> None:
    bench.add_people(None)
    id = bench.judge()
    folder = bench.data / "review"
    folder.mkdir(exist_ok=True)
    (folder / "review.sqlite").write_bytes(b"no database" * 1000)
    assert client.get("/page/review", headers=OPERATOR).status_code == 409
    record = client.get(f"/page/frames/{id}", headers=OPERATOR)
    assert record.status_code == 200
    assert "The labels cannot be read:" in record.text
    assert client.get("/page/live", headers=OPERATOR).status_code == 200


def test_an_empty_queue_says_what_fills_it(bench: PageBench, client: TestClient) -> None:
    bench.add_people(None)
    text = client.get("/page/review", headers=OPERATOR).text
    assert "No frame waits for an answer." in text
    assert "drawn at random" in text
