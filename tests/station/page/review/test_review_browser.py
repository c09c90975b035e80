"""Review in a real Chromium: by keys, mouse and touch, without a connection, and in two tabs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saec.station.review.review_records import Label
from tests.station.page.page_fakes import PageBench, served
from tests.station.page.review.review_bench import add_review
from tests.station.page.test_frames_browser import assert_sound
from tests.station.page.test_page_browser import FOCUSED, WIDTHS, Visitor

pytestmark = pytest.mark.acceptance

NOW = ".review-task:not([hidden])"


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[PageBench]:
    """Two lines with frames that wait; each third is a defect."""
    bench = PageBench(tmp_path, ("bottle", "leather"))
    bench.add_people()
    add_review(bench, 9, "bottle")
    add_review(bench, 3, "leather")
    yield bench
    bench.close()


class Reviewer(Visitor):
    """A person at the view, with its newest labels."""

    def __init__(self, browser: Any, where: str, bench: PageBench, width: int = 1024, **context: Any) -> None:
        super().__init__(browser, where, width, **context)
        self.bench = bench

    def begin(self, name: str = "operator") -> Any:
        self.name = name
        page = self.log_in(name, view="review")
        page.locator(NOW).wait_for()
        self.ready()
        return page

    def ready(self) -> None:
        """Wait until the picture is there and a press counts."""
        self.page.wait_for_function(f"document.querySelector('{NOW} .review-picture').naturalWidth > 0")
        self.page.wait_for_timeout(350)

    @property
    def seq(self) -> int:
        return int(self.page.locator(NOW).get_attribute("data-seq"))

    def press(self, key: str) -> int:
        """Answer by a key and wait for the next frame; the number of the one that was answered."""
        answered = self.seq
        self.page.keyboard.press(key)
        self.page.locator(f"{NOW}[data-seq='{answered}']").wait_for(state="detached")
        return answered

    def labels(self, least: int = 0) -> list[Label]:
        """The labels that the station has of this person, newest first; waits until there are so many."""
        for _ in range(200):
            found = self.bench.tools.review.labels(person=self.name, most=50, withdrawn=True)
            if len(found) >= least:
                return found
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{len(found)} labels")


def test_answers_by_keys_alone_with_the_next_frame_at_once(browser: Any, waiting: PageBench) -> None:
    with served(waiting) as where:
        one = Reviewer(browser, where, waiting)
        page = one.begin()
        page.goto(f"{where}/page/review?line=bottle")
        one.ready()
        for key, label in (("g", 0), ("d", 1), ("n", None)):
            following = page.locator(".review-task[hidden] .review-picture")
            assert following.evaluate("e => e.decode().then(() => e.naturalWidth)") == 256
            seq = one.press(key)
            one.ready()
            newest = one.labels(1)[0]
            assert (newest.seq, newest.answer.label, newest.shown_version) == (seq, label, "3")
            assert newest.answer.seconds is not None
            assert 0.3 <= newest.answer.seconds < 60
        page.keyboard.press("k")
        page.keyboard.type("deep hole")
        page.keyboard.press("Enter")
        assert one.labels(4)[0].answer.kind == "deep hole"
        one.ready()
        page.locator("#review-said", has_text="Defect, deep hole: ").wait_for()
        page.reload()
        one.ready()
        assert page.locator(f"{NOW} .review-kinds button").inner_text().split("\n")[0] == "deep hole"
        page.keyboard.press("s")
        seq = one.press("1")
        newest = one.labels(5)[0]
        assert (newest.seq, newest.answer.kind, newest.answer.second) == (seq, "deep hole", True)
        assert one.errors == []


def test_a_second_press_meant_for_the_frame_before_answers_nothing(browser: Any, waiting: PageBench) -> None:
    with served(waiting) as where:
        one = Reviewer(browser, where, waiting)
        page = one.begin()
        page.locator(f"{NOW} [value=good]").dblclick()
        page.keyboard.press("g")
        page.wait_for_timeout(500)
        assert len(one.labels(1)) == 1


def test_undo_gives_the_frame_back_and_each_label_can_be_taken_back(browser: Any, waiting: PageBench) -> None:
    with served(waiting) as where:
        one = Reviewer(browser, where, waiting)
        page = one.begin()
        first = one.press("g")
        one.ready()
        second = one.press("d")
        one.labels(2)
        one.ready()
        page.keyboard.press("u")
        page.locator(f"{NOW}[data-seq='{second}']").wait_for()
        assert [label.withdrawn is None for label in one.labels(2)] == [False, True]
        page.locator(".review-recent li", has_text=f"{first:010d}").get_by_role("button").click()
        page.locator(f"{NOW}[data-seq='{first}']").wait_for()
        assert all(label.withdrawn for label in one.labels(2))
        one.ready()
        one.press("n")
        assert one.labels(3)[0].answer.label is None
        assert one.errors == []


def drag(page: Any, *places: tuple[float, float]) -> None:
    """Draw over the picture from place to place, each as shares of its width and height."""
    box = page.locator(f"{NOW} .review-canvas").bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*at[0])
    page.mouse.down()
    for place in at[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()


def test_a_box_and_a_brush_mark_the_place_also_in_a_zoomed_picture(browser: Any, waiting: PageBench) -> None:
    with served(waiting) as where:
        one = Reviewer(browser, where, waiting)
        page = one.begin()
        shapes = page.locator(f"{NOW} .review-shapes > *")
        page.keyboard.press("b")
        drag(page, (0.25, 0.25), (0.5, 0.75))
        page.keyboard.press("+")
        page.keyboard.press("p")
        drag(page, (0.45, 0.5), (0.55, 0.5))
        assert shapes.count() == 2
        one.press("d")
        place = one.labels(1)[0].answer.place
        assert place is not None
        (box,), (stroke,) = place.boxes, place.strokes
        assert [round(value / 64) for value in box] == [1, 1, 2, 3]
        assert all(abs(value - round(value / 64) * 64) <= 2 for value in box)
        assert abs(stroke.points[0][0] - 0.45 * 256) < 3
        assert abs(stroke.points[-1][0] - 0.55 * 256) < 3
        one.ready()
        assert page.locator("#review").get_attribute("data-tool") == "brush", "the tool stays in the hand"
        drag(page, (0.2, 0.2), (0.4, 0.2))
        drag(page, (0.2, 0.8), (0.4, 0.8))
        page.keyboard.press("e")
        drag(page, (0.3, 0.15), (0.3, 0.25))
        assert shapes.count() == 1
        page.keyboard.press("c")
        assert shapes.count() == 0
        page.keyboard.press("d")
        assert one.labels(2)[0].answer.place is None
        assert one.errors == []


def test_a_box_by_keys_and_a_good_frame_keeps_none(browser: Any, waiting: PageBench) -> None:
    with served(waiting) as where:
        one = Reviewer(browser, where, waiting)
        page = one.begin()
        page.locator(f"{NOW} .review-stage").focus()
        for key in ("Enter", "ArrowLeft", "ArrowUp", "Shift+ArrowRight"):
            page.keyboard.press(key)
        one.press("d")
        place = one.labels(1)[0].answer.place
        assert place is not None
        assert place.boxes == ((91, 91, 160 - 5 + 5, 155),)
        one.ready()
        page.locator(f"{NOW} .review-stage").focus()
        page.keyboard.press("Enter")
        one.press("g")
        assert one.labels(2)[0].answer.place is None


def test_two_fingers_zoom_and_one_paints(browser: Any, waiting: PageBench) -> None:
    with served(waiting) as where:
        one = Reviewer(browser, where, waiting, 390, has_touch=True)
        page = one.begin()
        page.locator(f"{NOW} [data-tool=brush]").tap()
        session = page.context.new_cdp_session(page)
        box = page.locator(f"{NOW} .review-stage").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

        def touch(kind: str, *points: tuple[float, float]) -> None:
            told = [{"x": px, "y": py, "id": n} for n, (px, py) in enumerate(points)]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": told})

        touch("touchStart", (x - 20, y))
        touch("touchStart", (x - 20, y), (x + 20, y))
        for far in (30, 45, 60):
            touch("touchMove", (x - far, y), (x + far, y))
        touch("touchEnd")
        canvas = page.locator(f"{NOW} .review-canvas")
        assert canvas.bounding_box()["width"] > 1.5 * box["width"]
        assert page.locator(f"{NOW} .review-shapes > *").count() == 0
        touch("touchStart", (x - 20, y))
        for right in (0, 20, 20, 20):  # it rests before it is lifted: after a fling Chromium takes no tap
            page.wait_for_timeout(60)
            touch("touchMove", (x + right, y))
        page.wait_for_timeout(200)
        touch("touchEnd")
        assert page.locator(f"{NOW} .review-shapes > polyline").count() == 1
        page.locator(f"{NOW} [value=defect]").tap()
        place = one.labels(1)[0].answer.place
        assert place is not None
        assert len(place.strokes) == 1
        assert one.errors == []


def test_the_heat_map_is_a_switch_and_a_second_opinion_has_neither_map_nor_verdict(
    browser: Any, waiting: PageBench
) -> None:
    with served(waiting) as where:
        one = Reviewer(browser, where, waiting)
        page = one.begin()
        map = page.locator(f"{NOW} .review-map")
        assert not map.is_visible()
        page.keyboard.press("m")
        assert map.is_visible()
        page.keyboard.press("s")
        seq = one.press("d")
        assert page.locator(f"{NOW} .review-map").is_visible(), "the switch stays"
        one.labels(1)
        other = Reviewer(browser, where, waiting)
        other.begin("engineer")
        while other.seq != seq:
            other.press("g")
            other.ready()
        shown = other.page.locator(NOW)
        assert "Second opinion" in shown.inner_text()
        assert shown.locator(".review-map, .verdict, [data-do=map], dl").count() == 0
        other.press("g")
        newest = next(label for label in other.labels(1) if label.seq == seq)
        assert (newest.shown_version, newest.shown_label) == ("", None)


def test_two_people_never_get_one_frame(browser: Any, waiting: PageBench) -> None:
    with served(waiting) as where:
        people = [Reviewer(browser, where, waiting), Reviewer(browser, where, waiting)]
        for one, name in zip(people, ("operator", "admin"), strict=True):
            one.begin(name)
        for _ in range(3):
            assert people[0].seq != people[1].seq
            for one in people:
                one.press("g")
                one.ready()
        seqs = [label.seq for one in people for label in one.labels(3)]
        assert len(seqs) == len(set(seqs))


def test_who_was_away_for_long_gets_another_frame_and_is_told(browser: Any, waiting: PageBench) -> None:
    with served(waiting) as where:
        one = Reviewer(browser, where, waiting)
        page = one.begin()
        seq = one.seq
        waiting.tools.review.release("operator")
        waiting.tools.review.take("admin", None, most=1)
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        page.locator("#review-said", has_text="You were away").wait_for()
        assert one.seq != seq


def test_without_a_connection_answers_wait_are_said_and_are_sent_later(
    browser: Any, waiting: PageBench
) -> None:
    with served(waiting) as where:
        one = Reviewer(browser, where, waiting)
        page = one.begin()
        page.context.set_offline(True)
        first = one.press("g")
        one.ready()
        second = one.press("d")
        lost = page.locator("#review-lost")
        lost.wait_for()
        assert "Answers that wait: 2" in " ".join(lost.inner_text().split())
        assert page.get_by_text("The next frame comes as soon as").is_visible()
        page.keyboard.press("u")
        page.locator(f"{NOW}[data-seq='{second}']").wait_for()
        one.ready()
        one.press("n")
        assert one.labels() == []
        page.context.set_offline(False)
        told = {label.seq: label.answer.label for label in one.labels(2)}
        assert told == {first: 0, second: None}
        lost.wait_for(state="hidden")
        page.locator(NOW).wait_for()


def test_an_answer_whose_reply_was_lost_is_kept_once_also_after_a_reload(
    browser: Any, waiting: PageBench
) -> None:
    with served(waiting) as where:
        one = Reviewer(browser, where, waiting)
        page = one.begin()

        def lose(route: Any) -> None:
            route.fetch()
            route.abort()

        page.route("**/page/review/answer", lose)
        seq = one.press("g")
        one.labels(1)
        page.locator("#review-lost").wait_for()
        page.unroute("**/page/review/answer")
        page.reload()
        page.wait_for_function(
            "!Object.keys(localStorage).some(one => one.startsWith('saec.review.operator.'))"
        )
        assert [label.seq for label in one.labels(1)] == [seq]
        assert one.seq != seq


def test_a_session_that_ended_is_said_and_its_answers_are_sent_after_the_log_in(
    browser: Any, waiting: PageBench
) -> None:
    with served(waiting) as where:
        one = Reviewer(browser, where, waiting)
        page = one.begin()
        page.route("**/page/events", lambda route: route.abort())
        page.reload()
        one.ready()
        waiting.tools.sessions.end_all("operator")
        while "/page/login" not in page.request.get(f"{where}/page/help").url:
            page.wait_for_timeout(50)  # the station asks for sessions again after a moment
        seq = one.press("d")
        page.locator("#review-ended").wait_for()
        assert "Answers that wait: 1" in " ".join(page.locator("#review-ended").inner_text().split())
        page.unroute("**/page/events")
        page.locator("#review-ended").get_by_role("link", name="Log in").click()
        page.get_by_label("Name").fill("operator")
        page.get_by_label("Password").fill("correct horse battery")
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/page/review")
        assert [label.seq for label in one.labels(1)] == [seq]


def test_two_tabs_of_one_person_show_and_answer_one_queue(browser: Any, waiting: PageBench) -> None:
    with served(waiting) as where:
        one = Reviewer(browser, where, waiting)
        page = one.begin()
        other = page.context.new_page()
        other.goto(f"{where}/page/review")
        other.locator(NOW).wait_for()
        assert other.locator(NOW).get_attribute("data-seq") == str(one.seq)
        seq = one.press("g")
        other.locator(f"{NOW}[data-seq='{one.seq}']").wait_for()
        assert len(one.labels(1)) == 1
        assert other.locator(f"[data-seq='{seq}']").count() == 0


def test_a_line_is_chosen_and_an_empty_queue_says_what_fills_it(browser: Any, waiting: PageBench) -> None:
    with served(waiting) as where:
        one = Reviewer(browser, where, waiting)
        page = one.begin()
        page.get_by_label("Line", exact=True).select_option("leather")
        page.wait_for_url("**line=leather")
        for _ in range(3):
            one.ready()
            assert "leather" in page.locator(NOW).inner_text()
            one.press("g")
        page.get_by_role("heading", name="No frame waits for an answer.").wait_for()
        assert "drawn at random" in page.locator("main").inner_text()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_review_has_no_serious_finding(browser: Any, waiting: PageBench, width: int, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with served(waiting) as where:
        one = Reviewer(browser, where, waiting, width, color_scheme=scheme, bypass_csp=True)
        page = one.begin("engineer")
        page.keyboard.press("k")
        page.keyboard.type("hole")
        page.keyboard.press("Enter")
        one.labels(1)
        one.ready()
        page.keyboard.press("p")
        drag(page, (0.3, 0.3), (0.6, 0.6))
        assert_sound(page, Axe())
        waiting.tools.review.answer("admin", one.labels(1)[0].seq, one.labels(1)[0].answer)
        for view in ("review/labels?which=all", f"frames/{one.labels(1)[0].frame}", "review?line=leather"):
            page.goto(f"{where}/page/{view}")
            page.locator(".beat:not(:empty)").wait_for()
            assert_sound(page, Axe())
        assert one.errors == []


@pytest.mark.parametrize("width", WIDTHS)
def test_everything_of_the_review_is_reached_by_tab(browser: Any, waiting: PageBench, width: int) -> None:
    with served(waiting) as where:
        one = Reviewer(browser, where, waiting, width)
        page = one.begin()
        one.press("g")
        one.labels(1)
        one.ready()
        page.locator("body").focus()
        seen = []
        for _ in range(60):
            page.keyboard.press("Tab")
            at = page.evaluate(FOCUSED)
            if at["tag"] == "BODY":
                break
            seen.append(at["name"].split("\n")[0])
            assert at["outline"], at
        for name in ("Box around the defect", "Heat map", "Good", "Defect", "Not sure", "Take back the last"):
            assert any(name in one for one in seen), (name, seen)


def test_without_scripts_answers_are_forms(browser: Any, waiting: PageBench) -> None:
    with served(waiting) as where:
        one = Reviewer(browser, where, waiting)
        state = one.begin().context.storage_state()
        plain = browser.new_context(java_script_enabled=False, storage_state=state).new_page()
        plain.goto(f"{where}/page/review?line=bottle")
        plain.locator("[value=good]").first.click()
        plain.wait_for_url("**/page/review?line=bottle")
        assert one.labels(1)[0].answer.label == 0
        plain.get_by_role("button", name="Take back the last").click()
        plain.wait_for_url("**/page/review?line=bottle")
        assert one.labels(1)[0].withdrawn is not None


def test_an_engineer_sees_where_people_disagree_and_asks_one_more(browser: Any, waiting: PageBench) -> None:
    with served(waiting) as where:
        one = Reviewer(browser, where, waiting)
        page = one.begin()
        page.keyboard.press("s")
        seq = one.press("d")
        one.labels(1)
        other = Reviewer(browser, where, waiting)
        page = other.begin("engineer")
        while other.seq != seq:
            other.press("g")
            other.ready()
        other.press("g")
        other.labels(1)
        page.get_by_role("link", name="All labels").click()
        row = page.locator(".review-list li", has_text=f"{seq:010d}")
        row.wait_for()
        assert "operator" in row.inner_text()
        assert "engineer" in row.inner_text()
        assert page.locator(".review-list > li").count() == 1
        row.get_by_role("button", name="Ask one more person").click()
        page.get_by_text("One more person is asked.").wait_for()
        assert other.errors == []
