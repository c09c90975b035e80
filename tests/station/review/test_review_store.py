"""Two people never get one frame, no answer is lost or doubled, and what is known adds up."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from saec.errors import ReviewError
from saec.station.review.random_draw import RandomDraw, draw_secret
from saec.station.review.review_database import FILE
from saec.station.review.review_records import ReviewAnswer, ReviewFrame, Why
from saec.station.review.review_settings import ReviewSettings
from saec.station.review.review_store import ReviewStore
from saec.station.review.settled_answers import settled_label

PEOPLE = ("anna", "ben", "cleo")
GOOD, DEFECT = ReviewAnswer(label=0), ReviewAnswer(label=1, kind="scratch")
NOT_SURE = ReviewAnswer(label=None)


def frame(
    seq: int, *, why: Why = "gate", worth: float = 1.0, label: int = 0, line: str = "cell", part: str = ""
) -> ReviewFrame:
    drawn = why == "random"
    return ReviewFrame(
        seq=seq,
        frame=f"{line}-{seq:010d}",
        line=line,
        sha256=f"{seq:064x}",
        image=f"images/{seq}.png",
        part=part,
        version="1",
        label=label,
        decided_by="edge",
        accepted=float(seq),
        why=why,
        probability=0.1 if drawn else None,
        worth=worth,
        use="prove" if drawn else "teach",
    )


def store(folder: Path, clock: list[float] | None = None, **given: float) -> ReviewStore:
    times = clock or [1000.0]
    review = msgspec.convert({"second": 0.0, "lease_s": 60.0, **given}, ReviewSettings)
    return ReviewStore(folder, review, clock=lambda: times[0])


def test_the_order_of_worth_and_random_frames_by_turns(tmp_path: Path) -> None:
    made = store(tmp_path)
    for one in (frame(1, worth=0.2), frame(2, worth=0.9), frame(3, why="random"), frame(4, why="random")):
        made.put(one)
    shown = []
    for _ in range(4):
        (task,) = made.take("anna", most=1)
        shown.append(task.frame.seq)
        made.answer("anna", task.frame.seq, GOOD)
    by_turns = [{3, 4} & {seq} != set() for seq in shown]
    assert by_turns == [True, False, True, False]  # random ones among them in an order by chance
    assert [seq for seq in shown if seq < 3] == [2, 1]
    assert made.take("anna") == []
    assert made.counts() == {}


def test_a_frame_is_one_person_s_until_the_lease_ends(tmp_path: Path) -> None:
    clock = [1000.0]
    made = store(tmp_path, clock)
    made.put(frame(1))
    (task,) = made.take("anna")
    assert (task.frame.seq, task.until) == (1, 1060.0)
    assert made.take("ben") == []
    with pytest.raises(ReviewError, match="somebody else has"):
        made.answer("ben", 1, GOOD)
    assert [one.frame.seq for one in made.take("anna")] == [1]
    clock[0] = 1061.0
    assert [one.frame.seq for one in made.take("ben")] == [1]
    with pytest.raises(ReviewError, match="somebody else has"):
        made.answer("anna", 1, GOOD)
    made.release("ben")
    assert made.answer("anna", 1, GOOD).shown_version == "1"


def test_the_same_answer_again_is_the_same_record_and_another_is_refused(tmp_path: Path) -> None:
    made = store(tmp_path)
    made.put(frame(1))
    first = made.answer("anna", 1, msgspec.structs.replace(GOOD, seconds=2.0))
    assert made.answer("anna", 1, msgspec.structs.replace(GOOD, seconds=9.0)) == first
    with pytest.raises(ReviewError, match="take that answer back first"):
        made.answer("anna", 1, DEFECT)
    assert len(made.labels()) == 1


def test_undo_takes_the_newest_back_and_hands_the_frame_back(tmp_path: Path) -> None:
    clock = [1000.0]
    made = store(tmp_path, clock)
    made.put(frame(1))
    made.put(frame(2))
    made.answer("anna", 1, GOOD)
    made.answer("anna", 2, DEFECT)
    clock[0] = 1001.0
    back = made.undo("anna")
    assert back is not None
    assert (back.frame.seq, back.second) == (2, False)
    assert made.take("ben", most=5) == []
    assert [label.withdrawn for label in made.labels(withdrawn=True)] == [1001.0, None]
    assert made.answer("anna", 2, GOOD).n == 3
    assert made.undo("ben") is None


def test_a_random_frame_that_contradicts_its_verdict_is_asked_about_twice_and_blind(tmp_path: Path) -> None:
    made = store(tmp_path)
    made.put(frame(1, why="random", label=0))
    made.put(frame(2, why="gate", label=0))
    made.answer("anna", 1, DEFECT)
    made.answer("anna", 2, DEFECT)
    assert made.counts() == {"second": 1}
    assert made.take("anna") == []
    (task,) = made.take("ben")
    assert (task.frame.seq, task.second) == (1, True)
    label = made.answer("ben", 1, GOOD)
    assert (label.shown_version, label.shown_label) == ("", None)
    found = made.reviewed_frame(1)
    assert found is not None
    assert found.settled is None
    (third,) = made.take("cleo")
    assert third.second
    made.answer("cleo", 1, DEFECT)
    found = made.reviewed_frame(1)
    assert found is not None
    assert (found.settled, found.kind, len(found.labels)) == (1, "scratch", 3)
    assert made.take("dora") == []
    assert [one.frame.seq for one in made.reviewed("cell", settled_only=True, use="prove")] == [1]


def test_a_second_opinion_by_wish_and_by_chance(tmp_path: Path) -> None:
    made = store(tmp_path, second=1.0)
    made.put(frame(1, why="random"))
    made.put(frame(2))
    made.put(frame(3))
    made.answer("anna", 1, GOOD)
    made.answer("anna", 2, msgspec.structs.replace(GOOD, second=True))
    made.answer("anna", 3, GOOD)
    made.ask_second(3)
    assert made.counts() == {"second": 3}
    for seq in (1, 2, 3):
        made.answer("ben", seq, GOOD)
    assert made.counts() == {}


@pytest.mark.parametrize(
    ("answers", "settled"),
    [
        ([], None),
        ([1], 1),
        ([None], None),
        ([0, 0], 0),
        ([0, 1], None),
        ([0, None], None),
        ([0, 1, 1], 1),
        ([1, None, 1], 1),
        ([None, None, 1], None),
        ([0, 1, None], None),
    ],
)
def test_what_people_agree_on(answers: list[int | None], settled: int | None) -> None:
    assert settled_label(answers) == settled


def test_a_use_is_stated_once_for_the_picture_and_its_part(tmp_path: Path) -> None:
    made = store(tmp_path)
    assert made.put(frame(1, why="random", part="P1")).use == "prove"
    assert made.put(frame(2, part="P1")).use == "prove"  # another picture of a part that proves
    assert made.put(frame(3, part="P2")).use == "teach"
    assert made.claim_use("cell", f"{3:064x}", "", "challenge") == "teach"
    assert made.claim_use("cell", "ff" * 32, "P9", "challenge") == "challenge"
    assert made.put(frame(4, why="random", part="P9")).use == "challenge"
    assert made.use_of("other", "ee" * 32, "P9") is None


def test_the_draw_is_the_same_everywhere_and_as_frequent_as_stated(tmp_path: Path) -> None:
    secret = draw_secret(tmp_path)
    assert draw_secret(tmp_path) == secret
    draw = RandomDraw(secret)
    drawn = [seq for seq in range(20_000) if draw.draws("cell", seq, 0.1)]
    assert drawn == [seq for seq in range(20_000) if RandomDraw(secret).draws("cell", seq, 0.1)]
    assert set(drawn) <= {seq for seq in range(20_000) if draw.draws("cell", seq, 0.2)}
    fixed = RandomDraw(b"fixed")  # 6 standard deviations of a binomial share
    share = sum(fixed.draws("cell", seq, 0.1) for seq in range(20_000)) / 20_000
    assert abs(share - 0.1) < 6 * (0.1 * 0.9 / 20_000) ** 0.5
    assert not any(fixed.draws("cell", seq, 0.0) for seq in range(1000))
    assert all(fixed.draws("cell", seq, 1.0) for seq in range(1000))
    (tmp_path / "secret").write_bytes(b"short")
    with pytest.raises(ReviewError, match="is damaged"):
        draw_secret(tmp_path)


def test_a_damaged_file_names_itself_and_the_remedy(tmp_path: Path) -> None:
    made = store(tmp_path)
    assert made.counts() == {}
    made.close()
    for file in (tmp_path / "review").glob(f"{FILE}*"):
        file.write_bytes(b"no database at all" * 500)
    with pytest.raises(ReviewError, match=r"review\.sqlite is damaged"):
        store(tmp_path).take("anna")


def test_people_at_once_never_get_one_frame(tmp_path: Path) -> None:
    made = store(tmp_path)
    for seq in range(1, 41):
        made.put(frame(seq))
    shown: dict[str, list[int]] = {}

    def work(person: str) -> None:
        own = store(tmp_path)  # as another process has it
        shown[person] = []
        while tasks := own.take(person):
            for task in tasks:
                shown[person].append(task.frame.seq)
                own.answer(person, task.frame.seq, GOOD)
        own.close()

    threads = [threading.Thread(target=work, args=(person,)) for person in PEOPLE]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seq for seqs in shown.values() for seq in seqs) == list(range(1, 41))
    assert len(made.labels(most=100)) == 40


class Review(RuleBasedStateMachine):
    """Any people doing anything, with connections that come and go."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        secret = Path(self.folder.name) / "review" / "secret"
        secret.parent.mkdir()
        secret.write_bytes(bytes(32))  # a secret of its own for each run would make the runs differ
        self.clock = [1000.0]
        self.open()
        self.frames: dict[int, ReviewFrame] = {}
        self.model: dict[tuple[int, str], int | None] = {}

    def open(self) -> None:
        self.store = store(Path(self.folder.name), self.clock, second=0.5)

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @rule(why=st.sampled_from(["random", "gate", "value"]), label=st.integers(0, 1))
    def comes(self, why: Why, label: int) -> None:
        seq = len(self.frames) + 1
        self.frames[seq] = self.store.put(frame(seq, why=why, label=label))

    @rule(person=st.sampled_from(PEOPLE), label=st.sampled_from([0, 1, None]))
    def takes_and_answers(self, person: str, label: int | None) -> None:
        for task in self.store.take(person, most=1):
            assert (task.frame.seq, person) not in self.model
            self.store.answer(person, task.frame.seq, ReviewAnswer(label=label))
            self.model[task.frame.seq, person] = label

    @rule(person=st.sampled_from(PEOPLE))
    def only_takes(self, person: str) -> None:
        mine = {task.frame.seq for task in self.store.take(person)}
        others = {task.frame.seq for other in PEOPLE if other != person for task in self.store.take(other)}
        assert not mine & others

    @precondition(lambda self: self.model)
    @rule(person=st.sampled_from(PEOPLE))
    def undoes(self, person: str) -> None:
        back = self.store.undo(person)
        mine = [seq for seq, who in self.model if who == person]
        assert (back is None) == (not mine)
        if back is not None:
            del self.model[back.frame.seq, person]

    @rule(seconds=st.sampled_from([1.0, 30.0, 61.0]))
    def passes(self, seconds: float) -> None:
        self.clock[0] += seconds

    @rule()
    def restarts(self) -> None:
        self.store.close()
        self.open()

    @invariant()
    def adds_up(self) -> None:
        known = {(label.seq, label.person): label.answer.label for label in self.store.labels(most=10_000)}
        assert known == self.model
        for seq, one in self.frames.items():
            assert self.store.frame(seq) == one
        asked = sum(self.store.counts().values())
        assert asked <= len(self.frames)


Review.TestCase.settings = settings(
    max_examples=25, stateful_step_count=25, suppress_health_check=[HealthCheck.too_slow], deadline=None
)
TestReview = Review.TestCase
