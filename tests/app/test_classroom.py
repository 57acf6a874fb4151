"""Classroom mode: who is who, who may do what, votes, the queue, and the command that starts it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eiwflow.cli import serve
from eiwflow.cli.parser import build_parser
from eiwflow.training.loop import train
from eiwflow.training.run import DeviceTaken, RunDirectory, RunError
from eiwflow.ui import classroom
from eiwflow.ui.classroom import join, people
from eiwflow.ui.classroom import queue as queues
from eiwflow.ui.classroom.board import MOST_SCENES, MOST_VISITORS, Board
from eiwflow.ui.classroom.queue import Queue, Ticket
from eiwflow.ui.classroom.settings import Settings, settings, teacher_token

from ..training.tiny import tiny_data, tiny_recipe, tiny_run

Come = Callable[..., str]


@pytest.fixture
def come(monkeypatch: pytest.MonkeyPatch) -> Come:
    """Return a function that makes the session one of a new browser, of a student's unless it says teacher."""
    monkeypatch.setenv("EIWFLOW_MODE", "classroom")

    def as_one(*kinds: str) -> str:
        cookies = {people.cookie_name(kind): people.new_cookie(kind) for kind in (people.VISITOR, *kinds)}
        monkeypatch.setattr(people, "_cookies", lambda: cookies)
        return people.visitor_of(cookies)

    return as_one


# ---------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("EIWFLOW_MODE", "open", "EIWFLOW_MODE is 'open'; choose classroom, read-only or leave it out."),
        ("EIWFLOW_JOIN_URL", "javascript:alert(1)", "must be an address such as http://192.168.1.20:8501"),
        ("EIWFLOW_JOIN_URL", "http://a/?b", "must be an address"),
        ("EIWFLOW_STUDENT_STEPS", "0", "EIWFLOW_STUDENT_STEPS is '0'; choose a whole number from 1 to 1,000,000."),
        ("EIWFLOW_STUDENT_DISK_MIB", "1e3", "choose a whole number"),
        ("EIWFLOW_STUDENT_MINUTES", "9" * 99, "choose a whole number"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=sentence.replace("(", r"\(")):
        settings()


def test_without_a_setting_everything_is_as_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EIWFLOW_MODE", raising=False)
    assert settings() == Settings()
    assert classroom.role() is classroom.Role.ANYONE
    classroom.check_start()
    classroom.check_change(tmp_path)
    assert join.announcement() == ""


def test_a_token_of_ones_own_is_long_and_leaves_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher_token.cache_clear()
    monkeypatch.setenv("EIWFLOW_TEACHER_TOKEN", "short")
    with pytest.raises(ValueError, match="at least 16"):
        teacher_token()
    monkeypatch.setenv("EIWFLOW_TEACHER_TOKEN", "a-token-of-one-s-own")
    assert teacher_token() == "a-token-of-one-s-own"
    import os

    assert "EIWFLOW_TEACHER_TOKEN" not in os.environ
    teacher_token.cache_clear()
    assert len(teacher_token()) >= 32 and teacher_token() == teacher_token()
    teacher_token.cache_clear()


# ---------------------------------------------------------------------- who is who


def test_a_cookie_is_known_again_and_cannot_be_made_up(come: Come) -> None:
    cookie = people.new_cookie(people.VISITOR)
    name = people.cookie_name(people.VISITOR)
    visitor = people.visitor_of({name: cookie})
    assert visitor and visitor == people.visitor_of({name: cookie}) and visitor not in cookie
    token, signature = cookie.split(".")
    changed = token[:-1] + ("1" if token[-1] == "0" else "0")
    forgeries = ["", token, f"{token}.", f"{changed}.{signature}", f"{token}.{signature[:-1]}é", f".{signature}"]
    assert [people.visitor_of({name: forged}) for forged in forgeries] == [""] * len(forgeries)


def test_a_students_cookie_is_not_a_teachers(come: Come) -> None:
    assert not people.is_teacher({people.cookie_name(people.TEACHER): people.new_cookie(people.VISITOR)})
    assert people.is_teacher({people.cookie_name(people.TEACHER): people.new_cookie(people.TEACHER)})


def test_a_run_is_changed_by_who_started_it_and_by_the_teacher(come: Come, tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    people.own(theirs, come())
    people.own(mine, come())
    classroom.check_change(mine)
    for run in (theirs, tmp_path / "of-the-command-line"):
        with pytest.raises(RunError, match="Only the student who started it or the teacher may do that"):
            classroom.check_change(run)
    with pytest.raises(RunError, match="Only the teacher may do that"):
        classroom.check_change(None)  # a study
    come(people.TEACHER)
    for run in (mine, theirs, None):
        classroom.check_change(run)


def test_a_browser_without_cookies_owns_nothing(come: Come, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "_cookies", dict)
    people.own(tmp_path / "run", "")
    assert not classroom.may_change(tmp_path / "run")


def test_where_everything_is_read_only_nobody_changes_anything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EIWFLOW_MODE", "read-only")
    with pytest.raises(RunError, match="read-only"):
        classroom.check_start()
    with pytest.raises(RunError, match="read-only"):
        classroom.check_change(tmp_path)


# ---------------------------------------------------------------------- votes


def test_a_visitor_has_one_vote_in_each_scene() -> None:
    board = Board()
    assert board.vote("a", "7", "half") and board.vote("b", "7", "half") and board.vote("a", "7", "full")
    assert board.vote("a", "11", "gone")
    assert board.tally("7") == {"full": 1, "half": 1} and board.tally("11") == {"gone": 1}
    board.clear("7")
    assert board.tally("7") == {} and board.tally("11") == {"gone": 1}


@pytest.mark.parametrize("bad", ["", "a b", "<b>", "x" * 25, None, 3, ["a"], "é", "a\n"])
def test_what_is_no_word_is_no_vote(bad: object) -> None:
    board = Board()
    assert not board.vote("a", bad, "half") and not board.vote("a", "7", bad) and not board.show(bad)
    assert not board.vote("", "7", "half")
    assert board.tally("7") == {} and board.scene == ""


def test_the_board_stays_small() -> None:
    board = Board()
    for number in range(MOST_VISITORS + 50):
        board.vote(f"v{number}", "7", "half")
        board.here(f"v{number}")
    assert board.tally("7") == {"half": MOST_VISITORS} and board.present() == MOST_VISITORS
    assert sum(board.vote("v549", f"s{number}", "x") for number in range(100)) == MOST_SCENES - 1


def test_only_the_teacher_is_told_the_tally() -> None:
    board = Board()
    board.show("7")
    board.vote("a", "7", "half")
    assert board.of("a", teacher=False) == {"scene": "7", "votes": {"7": "half"}}
    assert board.of("t", teacher=True) == {"scene": "7", "votes": {}, "present": 0, "tally": {"half": 1}}


# ---------------------------------------------------------------------- the queue


class Device:
    """Stands for a device that one training has at a time; a training ends when it is told to."""

    def __init__(self, root: Path) -> None:
        self.root, self.busy, self.started = root, False, list[RunDirectory]()

    def start(self) -> RunDirectory:
        if self.busy:
            raise DeviceTaken("busy")
        self.started.append(tiny_run(self.root, seed=len(self.started)))
        return self.started[-1]

    def end(self) -> None:
        train(self.started[-1], images=tiny_data())


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    monkeypatch.setenv("EIWFLOW_MODE", "classroom")
    monkeypatch.setenv("EIWFLOW_RUNS", str(tmp_path))
    monkeypatch.setattr(queues, "LOOK_S", 0.01)
    alive: dict[Path, bool] = {}
    device = Device(tmp_path)
    state = RunDirectory.state

    def of(run: RunDirectory) -> object:  # no process has it: the test says whether it is at work
        found = state(run)
        return found if found.name == "finished" else type("State", (), {"alive": alive.get(run.path, True)})()

    monkeypatch.setattr(RunDirectory, "state", of)
    yield device


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def ticket(device: Device, visitor: str, **recipe: object) -> Ticket:
    return Ticket(visitor, tiny_recipe(**recipe), device.start)


def test_trainings_start_one_after_the_other_in_their_order(device: Device) -> None:
    queue = Queue()
    first, second, third = (queue.ask(ticket(device, visitor)) for visitor in "abc")
    until(lambda: queue.running() is first)
    assert queue.waiting() == [second, third] and len(device.started) == 1
    queue.leave(second)
    device.end()
    until(lambda: queue.running() is third)
    assert first.state == "ended" and second.run is None and third.run == device.started[1]
    assert people._OWNERS[first.run.path.name] == "a" and people._OWNERS[third.run.path.name] == "c"
    device.end()
    until(lambda: queue.running() is None)


def test_a_training_waits_while_another_has_the_device(device: Device) -> None:
    queue, device.busy = Queue(), True
    asked = queue.ask(ticket(device, "a"))
    time.sleep(0.2)
    assert asked.state == "waiting"
    device.busy = False
    until(lambda: asked.state == "running")


def test_a_student_has_one_training_at_a_time(device: Device) -> None:
    queue = Queue()
    queue.ask(ticket(device, "a"))
    with pytest.raises(RunError, match="You have a training in the queue or under way"):
        queue.ask(ticket(device, "a"))
    until(lambda: device.started)
    device.end()
    until(lambda: queue.of("a") is None)
    queue.ask(ticket(device, "a"))


def test_a_long_training_and_a_full_allowance_are_refused(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue()
    with pytest.raises(RunError, match="The training has 2,001 steps; a student's has at most 2,000"):
        queue.ask(ticket(device, "a", iterations=2001))
    with pytest.raises(RunError, match="sends no cookie"):
        queue.ask(ticket(device, ""))
    run = tiny_run(device.root)
    people.own(run.path, "a")
    with open(run.path / "large", "wb") as file:
        file.truncate(201 * 2**20)
    with pytest.raises(RunError, match="Your runs take 201 MiB; 200 MiB are allowed"):
        queue.ask(ticket(device, "a"))
    monkeypatch.setattr(queues, "MOST_WAITING", 1)
    device.busy = True
    queue.ask(ticket(device, "b"))
    with pytest.raises(RunError, match="1 trainings are waiting"):
        queue.ask(ticket(device, "c"))
    device.busy = False


def test_what_cannot_be_started_says_why_and_makes_room(device: Device) -> None:
    queue = Queue()

    def refuse() -> RunDirectory:
        raise RunError("The disk is full.")

    first = queue.ask(Ticket("a", tiny_recipe(), refuse))
    second = queue.ask(ticket(device, "b"))
    until(lambda: queue.running() is second)
    assert first.state == "ended" and first.refusal == "The disk is full." and queue.last_of("a") is first


def test_a_training_beyond_its_minutes_is_asked_to_stop(device: Device) -> None:
    queue = Queue()
    asked = queue.ask(ticket(device, "a"))
    until(lambda: asked.state == "running")
    assert asked.run.asked() == ""
    asked.began -= 60 * settings().minutes + 1
    until(lambda: asked.run.asked() == "stop")


# ---------------------------------------------------------------------- how it is started


def told(*arguments: str) -> tuple[list[str], dict[str, str]]:
    return serve.server(build_parser().parse_args(["app", *arguments]))


def test_the_plain_app_is_told_nothing_of_others() -> None:
    command, environment = told()
    assert command[-1].endswith("app.py") and environment == {}


def test_a_class_is_told_one_port_and_reaches_this_machine_by_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "own_addresses", lambda: ["192.168.1.20", "fd00::7"])
    command, environment = told("--classroom", "--address", "0.0.0.0", "--student-steps", "500")
    line = " ".join(command)
    assert "--server.port 8501 --server.headless true --server.address 0.0.0.0" in line
    for name in ("localhost", "127.0.0.1", "192.168.1.20", "fd00::7"):
        assert f"--server.allowedHosts {name}" in line
    assert environment == {
        "EIWFLOW_MODE": "classroom",
        "EIWFLOW_JOIN_URL": "http://192.168.1.20:8501",
        "EIWFLOW_STUDENT_STEPS": "500",
    }
    assert "EIWFLOW_TEACHER_TOKEN" not in line


def test_a_class_behind_a_proxy_joins_at_its_address() -> None:
    command, environment = told("--read-only", "--join-url", "https://flows.example.org", "--port", "9000")
    assert "--server.allowedHosts flows.example.org" in " ".join(command)
    assert "--server.address" not in command
    assert environment == {"EIWFLOW_MODE": "read-only", "EIWFLOW_JOIN_URL": "https://flows.example.org"}


def test_the_announcement_shows_the_address_its_code_and_the_teachers_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EIWFLOW_MODE", "classroom")
    monkeypatch.setenv("EIWFLOW_JOIN_URL", "http://192.168.1.20:8501")
    said = join.announcement()
    assert "Students join at   http://192.168.1.20:8501\n" in said and "█▀" in said
    assert f"http://192.168.1.20:8501/_class/teacher/{teacher_token()}" in said
    assert teacher_token() not in join.qr_code(join.address())


def test_the_qr_code_holds_the_address_and_nothing_else() -> None:
    import segno

    code = segno.make("http://192.168.1.20:8501", micro=False, error="m")
    assert code.version == 2 and join.qr_code("http://192.168.1.20:8501").startswith("<svg")
