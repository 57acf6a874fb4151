"""Classroom mode: who is who, who may do what, votes, the queue, and the command that starts it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from eiwflow import cli
from eiwflow.cli import serve
from eiwflow.cli.parser import build_parser
from eiwflow.lesson.bundle import ASSETS
from eiwflow.project import ROOT
from eiwflow.server_settings import Settings, settings, teacher_token
from eiwflow.training import worker
from eiwflow.training.run import train
from eiwflow.training.run_directory import DeviceTaken, RunDirectory, RunError
from eiwflow.ui import access
from eiwflow.ui.access import navigation, roles
from eiwflow.ui.access.address import address
from eiwflow.ui.classroom import join
from eiwflow.ui.classroom.board import ABSENT_S, MOST_VISITORS, MOST_VOTES, SCENES, Board
from eiwflow.ui.jobs import control, presets, runs
from eiwflow.ui.jobs import queue as queues
from eiwflow.ui.jobs.queue import MOST_WAITING, Queue, Ticket

from ..lesson.test_flow_js import NODE, needs_node
from ..made.queues import close_queue
from ..made.server import start_server
from ..training.tiny import tiny_data, tiny_recipe, tiny_run
from .conftest import PATIENCE_S, visit_page

Come = Callable[..., str]


@pytest.fixture
def come(monkeypatch: pytest.MonkeyPatch) -> Come:
    """Return a function that makes the session one of a new browser, of a student's unless it says teacher."""
    monkeypatch.setenv("EIWFLOW_MODE", "classroom")

    def as_one(*kinds: str) -> str:
        cookies = {roles.cookie_name(kind): roles.new_cookie(kind) for kind in (roles.VISITOR, *kinds)}
        monkeypatch.setattr(roles, "_cookies", lambda: cookies)
        return roles.visitor_of(cookies)

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
    assert access.role() is access.Role.ANYONE
    access.check_start()
    access.check_change(tmp_path)
    assert join.announcement() == ""


def test_a_token_of_ones_own_is_long_and_leaves_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher_token.cache_clear()
    monkeypatch.setenv("EIWFLOW_TEACHER_TOKEN", "short")
    with pytest.raises(ValueError, match="at least 16"):
        teacher_token()
    monkeypatch.setenv("EIWFLOW_TEACHER_TOKEN", "a-token-of-one-s-own")
    assert teacher_token() == "a-token-of-one-s-own"
    assert "EIWFLOW_TEACHER_TOKEN" not in os.environ
    teacher_token.cache_clear()
    assert len(teacher_token()) >= 32 and teacher_token() == teacher_token()
    teacher_token.cache_clear()


# ---------------------------------------------------------------------- who is who


def test_a_cookie_is_known_again_and_cannot_be_made_up(come: Come) -> None:
    cookie = roles.new_cookie(roles.VISITOR)
    name = roles.cookie_name(roles.VISITOR)
    visitor = roles.visitor_of({name: cookie})
    assert visitor and visitor == roles.visitor_of({name: cookie}) and visitor not in cookie
    token, signature = cookie.split(".")
    changed = token[:-1] + ("1" if token[-1] == "0" else "0")
    forgeries = ["", token, f"{token}.", f"{changed}.{signature}", f"{token}.{signature[:-1]}é", f".{signature}"]
    assert [roles.visitor_of({name: forged}) for forged in forgeries] == [""] * len(forgeries)


def test_two_classes_of_one_host_have_cookies_of_their_own(come: Come, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their containers have the same port inside: the second teacher's cookie took the place of the first's."""
    names = set()
    for url, base in (("http://10.0.0.1:8501", ""), ("http://10.0.0.1:8502", ""), ("", "/a"), ("", "/b"), ("", "")):
        monkeypatch.setattr(roles, "settings", lambda url=url: Settings(join_url=url))
        monkeypatch.setattr(roles, "base_path", lambda base=base: base)
        names |= {roles.cookie_name(kind) for kind in (roles.VISITOR, roles.TEACHER) for _ in range(2)}
    assert len(names) == 10


def test_a_students_cookie_is_not_a_teachers(come: Come) -> None:
    assert not roles.is_teacher({roles.cookie_name(roles.TEACHER): roles.new_cookie(roles.VISITOR)})
    assert roles.is_teacher({roles.cookie_name(roles.TEACHER): roles.new_cookie(roles.TEACHER)})


def test_a_run_is_changed_by_who_started_it_and_by_the_teacher(come: Come, tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    roles.own(theirs, come())
    roles.own(mine, come())
    access.check_change(mine)
    for run in (theirs, tmp_path / "of-the-command-line"):
        with pytest.raises(RunError, match="Only the student who started it or the teacher may do that"):
            access.check_change(run)
    with pytest.raises(RunError, match="Only the teacher may do that"):
        access.check_change(None)  # a study
    come(roles.TEACHER)
    for run in (mine, theirs, None):
        access.check_change(run)


def test_a_browser_without_cookies_owns_nothing(come: Come, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "_cookies", dict)
    roles.own(tmp_path / "run", "")
    assert not access.may_change(tmp_path / "run")


def test_where_everything_is_read_only_nobody_changes_anything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EIWFLOW_MODE", "read-only")
    with pytest.raises(RunError, match="read-only"):
        access.check_start()
    with pytest.raises(RunError, match="read-only"):
        access.check_change(tmp_path)


# ---------------------------------------------------------------------- votes


def test_a_visitor_has_one_vote_in_each_scene() -> None:
    board = Board()
    assert board.vote("a", "5", "half") and board.vote("b", "5", "half") and board.vote("a", "5", "full")
    assert board.vote("a", "11", "behind")
    assert board.tally("5") == {"full": 1, "half": 1} and board.tally("11") == {"behind": 1}
    board.clear("5")
    assert board.tally("5") == {} and board.tally("11") == {"behind": 1}


def test_channels_of_another_flow_than_the_lecturers_are_not_counted() -> None:
    board = Board()
    assert board.show("6", "letters", "run of May") and not board.tally("6")
    state = board.of("b", teacher=False)
    assert (state["flow"], state["name"]) == ("letters", "run of May")
    assert board.vote("a", "6", "m3", flow="letters") and board.vote("b", "6", "mc", flow="faces")
    assert board.vote("a", "5", "less", flow="letters") and board.vote("b", "5", "less", flow="faces")
    assert (board.tally("6"), board.tally("5")) == ({"m3": 1}, {"less": 2})
    for flow, own in (("letters", {"6": "m3", "5": "less"}), ("faces", {"5": "less"}), ("", {"5": "less"})):
        assert board.of("a", teacher=False, flow=flow)["votes"] == own
    assert board.show("6", "faces") and board.tally("6") == {"mc": 1}
    assert board.show("6", "x" * 999, "y" * 999) and not board.tally("6")
    assert [len(board.of("b", teacher=False)[said]) for said in ("flow", "name")] == [200, 200]
    assert board.show("6", None, ["n"]) and board.of("b", teacher=False)["name"] == ""


@pytest.mark.parametrize("bad", ["", "a b", "<b>", "x" * 25, None, 3, ["a"], "é", "a\n"])
def test_what_is_no_word_is_no_vote(bad: object) -> None:
    board = Board()
    assert not board.vote("a", bad, "half") and not board.vote("a", "5", bad) and not board.show(bad)
    assert not board.vote("", "5", "half")
    assert board.tally("5") == {} and board.scene == ""


@needs_node
def test_votes_are_taken_for_the_scenes_of_the_lesson_that_ask_for_one() -> None:
    script = f'import {{ scenes }} from "{(ASSETS / "scenes.js").as_uri()}"; console.log(JSON.stringify('
    script += "scenes.filter(({ votes, ballot }) => votes || ballot).map(({ number }) => String(number))))"
    command = [NODE or "node", "--input-type=module", "--eval", script]
    asking = json.loads(subprocess.run(command, capture_output=True, timeout=60, check=True).stdout)
    assert tuple(asking) == SCENES
    board = Board()
    assert [board.vote("a", scene, "x") for scene in SCENES] == [True] * len(SCENES)
    assert not board.vote("a", "1", "x") and not board.vote("a", "zz", "x")


def test_a_machine_with_many_cookies_keeps_no_student_from_voting() -> None:
    """520 cookies of one client took all places: every student without an earlier vote was refused, in all scenes."""
    board = Board()
    early = [board.vote(f"early {number}", "5", "less", "10.0.0.9") for number in range(30)]
    many = [board.vote(f"cookie {number}", scene, "more", "10.0.0.1") for scene in SCENES for number in range(520)]
    late = [board.vote(f"late {number}", "5", "same", f"10.0.1.{number}") for number in range(60)]
    behind_a_router = [board.vote(f"other {number}", "5", "less", "10.0.0.9") for number in range(60)]
    assert all(early) and all(late) and all(behind_a_router) and many.count(False) == 20 * len(SCENES) + 30
    assert board.tally("5") == {"less": 90, "more": MOST_VOTES - 150, "same": 60}
    assert not board.vote("one more", "5", "more", "10.0.0.1")
    assert board.vote("early 0", "5", "same", "10.0.0.9") and board.tally("5")["same"] == 61  # changed
    board.clear("5")
    assert board.tally("5") == {} and board.vote("one more", "5", "more", "10.0.0.1")


def test_a_class_behind_one_address_votes_until_a_scene_is_full() -> None:
    board = Board()
    assert all(board.vote(f"student {number}", "5", "less", "10.0.0.9") for number in range(MOST_VOTES))
    assert not board.vote("one more", "5", "less", "10.0.0.9") and board.tally("5") == {"less": MOST_VOTES}


def test_no_more_visitors_are_present_than_a_class_has(monkeypatch: pytest.MonkeyPatch) -> None:
    board, now = Board(), time.monotonic()
    monkeypatch.setattr("eiwflow.ui.classroom.board.time.monotonic", lambda: now)
    for number in range(MOST_VISITORS + 50):
        board.here(f"v{number}")
    assert board.present() == MOST_VISITORS
    now += ABSENT_S + 1
    board.here("another")
    assert board.present() == board.of("a teacher", teacher=True)["present"] == 1
    now += ABSENT_S + 1
    assert board.present() == board.of("a teacher", teacher=True)["present"] == 0


def test_only_the_teacher_is_told_the_tally() -> None:
    board = Board()
    board.show("5")
    board.vote("a", "5", "half")
    shown = {"scene": "5", "flow": "", "name": ""}
    assert board.of("a", teacher=False) == {**shown, "votes": {"5": "half"}}
    assert board.of("t", teacher=True) == {**shown, "votes": {}, "present": 0, "tally": {"half": 1}}


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
    made: list[Queue] = []
    begin = Queue.__init__
    monkeypatch.setattr(Queue, "__init__", lambda queue: made.append(queue) or begin(queue))
    yield device
    for queue in made:
        close_queue(queue)


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def ticket(device: Device, visitor: str, **recipe: object) -> Ticket:
    return Ticket(visitor, tiny_recipe(**recipe), device.start)


@pytest.mark.slow
def test_trainings_start_one_after_the_other_in_their_order(device: Device) -> None:
    queue = Queue()
    first, second, third = (queue.ask(ticket(device, visitor)) for visitor in "abc")
    until(lambda: queue.running() is first)
    assert queue.waiting() == [second, third] and len(device.started) == 1
    queue.leave(second)
    device.end()
    until(lambda: queue.running() is third)
    assert first.state == "ended" and second.run is None and third.run == device.started[1]
    assert roles._OWNERS[first.run.path.name] == "a" and roles._OWNERS[third.run.path.name] == "c"
    device.end()
    until(lambda: queue.running() is None)


def test_a_training_waits_while_another_has_the_device(device: Device) -> None:
    queue, device.busy = Queue(), True
    asked = queue.ask(ticket(device, "a"))
    time.sleep(0.2)
    assert asked.state == "waiting"
    device.busy = False
    until(lambda: asked.state == "running")


@pytest.mark.parametrize("is_free", [True, False])
def test_who_leaves_while_the_training_is_being_started_has_no_training(device: Device, is_free: bool) -> None:
    queue, starting, goes_on = Queue(), threading.Event(), threading.Event()

    def start() -> RunDirectory:
        starting.set()
        assert goes_on.wait(30)
        if not is_free:
            raise DeviceTaken("busy")
        return device.start()

    asked = queue.ask(Ticket("a", tiny_recipe(), start))
    assert starting.wait(30)
    queue.leave(asked)
    with pytest.raises(RunError, match="You have a training in the queue"):
        queue.ask(ticket(device, "a"))
    goes_on.set()
    if is_free:
        until(lambda: asked.run is not None and asked.run.asked() == "stop")
    else:
        until(lambda: asked.state == "ended")
        assert not device.started


@pytest.mark.slow
def test_a_student_has_one_training_at_a_time(device: Device) -> None:
    queue = Queue()
    queue.ask(ticket(device, "a"))
    with pytest.raises(RunError, match="You have a training in the queue or under way"):
        queue.ask(ticket(device, "a"))
    until(lambda: device.started)
    device.end()
    until(lambda: queue.of("a") is None)
    queue.ask(ticket(device, "a"))


def test_the_cookies_of_one_client_do_not_go_before_other_addresses(device: Device) -> None:
    """Sixty cookies filled the queue, and all others of the class were refused."""
    queue, device.busy = Queue(), True

    def ask(visitor: str, address: str) -> Ticket:
        return queue.ask(Ticket(visitor, tiny_recipe(), device.start, address=address))

    many = [ask(f"cookie {number}", "10.0.0.1") for number in range(MOST_WAITING)]
    with pytest.raises(RunError, match=f"{MOST_WAITING} trainings are waiting"):
        ask("one more", "10.0.0.1")
    other = ask("other", "10.0.0.2")
    assert queue.waiting() == [many[0], other, *many[1:-1]]
    assert many[-1].state == "ended" and f"{MOST_WAITING} trainings are waiting" in many[-1].refusal
    teachers = queue.ask(Ticket(roles.TEACHER, tiny_recipe(), device.start, teacher=True))
    assert queue.waiting()[0] is teachers and many[-2].state == "waiting"
    for waiting in queue.waiting():
        queue.leave(waiting)


def test_a_long_training_and_a_full_allowance_are_refused(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue()
    with pytest.raises(RunError, match="The training has 2,001 steps; a student's has at most 2,000"):
        queue.ask(ticket(device, "a", iterations=2001))
    with pytest.raises(RunError, match="sends no cookie"):
        queue.ask(ticket(device, ""))
    run = tiny_run(device.root)
    roles.own(run.path, "a")
    with open(run.path / "large", "wb") as file:
        file.truncate(201 * 2**20)
    with pytest.raises(RunError, match="Your runs take 201 MiB, and this one takes about 1 MiB; 200 MiB are allowed"):
        queue.ask(ticket(device, "a"))
    monkeypatch.setattr(queues, "MOST_WAITING", 1)
    device.busy = True
    queue.ask(ticket(device, "b"))
    with pytest.raises(RunError, match="1 trainings are waiting"):
        queue.ask(ticket(device, "c"))
    teachers = queue.ask(Ticket(roles.TEACHER, tiny_recipe(), device.start, teacher=True))
    assert queue.waiting()[0] is teachers
    device.busy = False


def test_a_run_whose_files_exceed_a_students_disk_is_refused_before_it_starts(device: Device) -> None:
    """A run of one step wrote 381 MiB, and each new cookie had another."""
    with pytest.raises(RunError, match=r"^This run takes about \d+ MiB; 200 MiB are allowed. Choose a smaller flow.$"):
        Queue().ask(ticket(device, "a", steps=32, width=512))


@pytest.mark.slow
def test_all_students_together_have_half_of_the_free_disk(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 10 * 2**20
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free, total=2**40))
    queue, device.busy = Queue(), True
    first, second = queue.ask(ticket(device, "a")), queue.ask(ticket(device, "b"))
    monkeypatch.setattr("eiwflow.training.run_directory.check_disk", lambda *_: None)
    device.busy = False
    until(lambda: queue.running() is first)
    with open(device.started[0].path / "large", "wb") as file:
        file.truncate(6 * 2**20)
    free -= 6 * 2**20
    device.end()
    until(lambda: second.state == "ended")  # it was asked for while there was room
    sentence = "The runs of all students take 6 MiB, and this one takes about 1 MiB; 5 MiB are allowed"
    assert second.refusal.startswith(sentence) and len(device.started) == 1
    with pytest.raises(RunError, match=sentence):
        queue.ask(ticket(device, "c"))
    queue.ask(Ticket(roles.TEACHER, tiny_recipe(), device.start, teacher=True))
    until(lambda: len(device.started) == 2)


@pytest.mark.parametrize(
    ("error", "said"),
    [(RunError("The disk is full."), "The disk is full."), (KeyError("x"), "An unexpected error: KeyError.")],
)
def test_what_cannot_be_started_says_why_and_makes_room(device: Device, error: Exception, said: str) -> None:
    queue = Queue()

    def refuse() -> RunDirectory:
        raise error

    first = queue.ask(Ticket("a", tiny_recipe(), refuse))
    second = queue.ask(ticket(device, "b"))
    until(lambda: queue.running() is second)
    assert first.state == "ended" and first.refusal == said and queue.last_of("a") is first


def test_a_training_beyond_its_minutes_is_asked_to_stop(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eiwflow.training.process.kill", lambda process: None)  # the test's own process
    queue = Queue()
    asked = queue.ask(ticket(device, "a"))
    until(lambda: asked.state == "running")
    assert asked.run.asked() == ""
    asked.began -= 60 * settings().minutes - 5
    time.sleep(0.1)
    assert asked.run.asked() == ""
    asked.began -= 6
    until(lambda: asked.run.asked() == "stop")


def test_a_training_that_does_not_stop_in_time_is_ended(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[object] = []
    monkeypatch.setattr("eiwflow.training.process.kill", ended.append)
    queue = Queue()
    asked = queue.ask(ticket(device, "a"))
    until(lambda: asked.state == "running")
    asked.began -= 60 * settings().minutes + queues.PATIENCE_S - 5
    until(lambda: asked.run.asked() == "stop")
    assert not ended
    asked.began -= 6
    until(lambda: ended)
    assert ended[0] == asked.run.status()["process"]


def test_a_students_training_waits_until_its_time_is_known(
    come: Come, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor, started = come(), list[str]()
    monkeypatch.setattr(worker, "start", lambda recipe, root, device, *_: started.append(device))
    monkeypatch.setattr(presets, "timings", lambda device: None)
    monkeypatch.setattr(presets, "seconds", lambda recipe, device: None)
    monkeypatch.setattr(queue, "_serve", lambda: None)
    assert runs.begin(tiny_recipe(), "cpu") is None
    asked = queue.last_of(visitor)
    with pytest.raises(DeviceTaken, match="cpu is being timed"):
        asked.start()
    chosen = asked.recipe
    monkeypatch.setattr(presets, "timings", lambda device: {"minute": None})
    monkeypatch.setattr(
        presets, "seconds", lambda recipe, device: 301.0 if (recipe, device) == (chosen, "cpu") else 0.0
    )
    with pytest.raises(RunError, match="a student's training has 5 minutes"):
        asked.start()
    monkeypatch.setattr(presets, "seconds", lambda recipe, device: 299.0)
    asked.start()
    assert started == ["cpu"]


@pytest.mark.parametrize(("mib", "is_refused"), [(1999, True), (2001, False)])
def test_a_students_training_has_a_bound_of_memory(
    come: Come, queue: Queue, monkeypatch: pytest.MonkeyPatch, mib: int, is_refused: bool
) -> None:
    come()
    monkeypatch.setenv("EIWFLOW_STUDENT_MEMORY_MIB", str(mib))
    monkeypatch.setattr(presets, "timings", lambda device: {})
    monkeypatch.setattr(presets, "memory", lambda recipe, device: 2000 * 2**20)
    if is_refused:
        with pytest.raises(RunError, match="This takes about 2,000 MiB of memory; a student's training has 1,999 MiB"):
            runs.begin(tiny_recipe(), "cpu")
    else:
        runs.begin(tiny_recipe(), "cpu")
    assert len(queue.waiting()) == (not is_refused)


# ---------------------------------------------------------------------- how it is started


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """Return the environments of the servers that a test's commands start; none is started."""
    started: list[dict[str, str]] = []

    def execve(path: str, command: list[str], environment: dict[str, str]) -> None:
        started.append(dict(environment))
        raise OSError("no process takes the place of the test's")

    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    return started


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("EIWFLOW_MODE", "Classroom", "EIWFLOW_MODE is 'Classroom'; choose classroom, read-only or leave it out."),
        ("EIWFLOW_STUDENT_STEPS", "0", "choose a whole number from 1 to 1,000,000"),
        ("EIWFLOW_UPLOADS_MIB", "-1", "EIWFLOW_UPLOADS_MIB is '-1'; choose a whole number"),
        ("EIWFLOW_JOIN_URL", "http://[", "EIWFLOW_JOIN_URL is 'http://['; it must be an address such as"),
        ("EIWFLOW_JOIN_URL", "http://a:99999", "it must be an address such as"),
        ("EIWFLOW_TEACHER_TOKEN", "short", "EIWFLOW_TEACHER_TOKEN must have at least 16 letters"),
        ("EIWFLOW_FRAME_ANCESTORS", "x", "EIWFLOW_FRAME_ANCESTORS holds 'x'; it must be origins"),
        ("EIWFLOW_DATA_ROOTS", "/no/such/folder", "names '/no/such/folder', which is no folder"),
        ("EIWFLOW_DATA_ROOTS", "/" + "a" * 5000, "which is no folder; leave it out."),
        ("EIWFLOW_RUNS", __file__, "EIWFLOW_RUNS is"),
        ("EIWFLOW_DATA", __file__, "EIWFLOW_DATA is"),
        ("STREAMLIT_SERVER_ADDRESS", "192.0.2.1", "The address is '192.0.2.1', which this machine does not have"),
        ("STREAMLIT_SERVER_ADDRESS", "no such name", "choose 127.0.0.1 for this machine alone, or 0.0.0.0"),
    ],
)
def test_a_wrong_setting_ends_the_command_before_the_server_is_started(
    starts: list[dict[str, str]], capsys: pytest.CaptureFixture[str], variable: str, value: str, sentence: str
) -> None:
    os.environ |= {"EIWFLOW_MODE": "classroom", variable: value}
    assert cli.main(["app"]) == cli.WRONG_INPUT and not starts
    said = capsys.readouterr().err
    assert said.startswith("eiwflow app: ") and sentence in said and said.count("\n") == 1


def test_right_settings_start_the_server(starts: list[dict[str, str]]) -> None:
    os.environ["EIWFLOW_TEACHER_TOKEN"] = "a-token-of-one-s-own"
    cli.main(["app", "--classroom", "--address", "127.0.0.1", "--uploads", "300"])
    assert starts[0]["EIWFLOW_MODE"] == "classroom" and starts[0]["EIWFLOW_UPLOADS_MIB"] == "300"
    assert starts[0]["EIWFLOW_TEACHER_TOKEN"] == "a-token-of-one-s-own"


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


def test_every_limit_has_one_option_and_the_default_that_help_and_documentation_state(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["app", "--help"])
    helped = " ".join(capsys.readouterr().out.split())
    documented = (ROOT / "docs" / "deployment.md").read_text()
    limits = {
        "--student-steps": "steps", "--student-minutes": "minutes", "--student-memory": "memory_mib",
        "--student-disk": "disk_mib", "--student-uploads": "uploads_mib", "--uploads": "all_uploads_mib",
    }  # fmt: skip
    for option, name in limits.items():
        _, environment = told(option, "77")
        ((variable, value),) = environment.items()
        with monkeypatch.context() as patched:
            patched.setenv(variable, value)
            assert settings() == Settings(**{name: 77})
        default = getattr(Settings(), name)
        assert re.search(rf" {option} N [^()]+ \(default: {default}\)", helped)
        assert re.search(rf"^\|.*`{variable}` \| {default} \|", documented, re.MULTILINE)


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
    assert teacher_token() not in join.qr_code(address())


def test_the_qr_code_holds_the_address_and_nothing_else() -> None:
    import segno

    code = segno.make("http://192.168.1.20:8501", micro=False, error="m")
    assert code.version == 2 and join.qr_code("http://192.168.1.20:8501").startswith("<svg")


# ---------------------------------------------------------------------- pages

TRAIN, CLASS, COMPARE = "pages/9_train.py", "pages/11_class.py", "pages/6_compare.py"


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    """Return the server's queue, empty, while another training has the device."""

    def taken(*_: object) -> RunDirectory:
        raise DeviceTaken("busy")

    monkeypatch.setattr(worker, "start", taken)
    monkeypatch.setattr(queues, "LOOK_S", 0.01)
    yield queues.QUEUE
    close_queue(queues.QUEUE)


def shown(at: AppTest) -> str:
    return " ".join(element.value for kind in (at.info, at.error, at.markdown, at.success) for element in kind)


@pytest.mark.slow
def test_a_students_training_waits_where_everyone_sees_it_and_can_be_left(
    bundle: Path, come: Come, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    student = come()
    at = visit_page(TRAIN)
    at.button(key="start-minute").click().run()
    assert not at.exception and "Yours is the next training." in shown(at)
    assert queue.of(student).recipe.iterations == 1400
    at.button(key="start-minute").click().run()
    assert "You have a training in the queue or under way" in shown(at)
    of_class = shown(visit_page(CLASS))
    assert "1 waits" in of_class
    assert "at most 2,000 steps and 5 minutes, 200 MiB of runs and 64 MiB of uploads for each of you" in of_class
    come()
    second = visit_page(TRAIN)
    second.button(key="start-minute").click().run()
    assert "1 training comes before yours." in shown(second)
    with monkeypatch.context() as patched:
        patched.setattr(queue, "running", object)
        said = [queues.place_in_words(ticket) for ticket in queue.waiting()]
    assert said == ["1 training comes before yours.", "2 trainings come before yours."]
    second.button(key="leave-queue").click().run()
    until(lambda: len(queue.waiting()) == 1)  # one that is just being tried leaves in a moment
    assert "before yours" not in shown(second.run())
    queues.own().refusal = "The disk is full."
    assert "Your training was not started: The disk is full." in shown(second.run())
    assert "not started" not in shown(second.run())  # once is enough
    come(roles.TEACHER)
    teacher = visit_page(CLASS)
    assert "entropy on faces16, 1,400 steps" in shown(teacher)
    next(button for button in teacher.button if button.label == "Remove").click().run()
    until(lambda: queue.waiting() == [])


def test_a_long_training_is_refused_to_a_student(bundle: Path, come: Come, queue: Queue) -> None:
    come()
    at = visit_page(TRAIN)
    at.button(key="start-five-minutes").click().run()
    assert "a student's" in shown(at).replace("’", "'") and queue.waiting() == []


@pytest.mark.slow
def test_a_student_sees_no_buttons_for_anothers_run_and_pressing_them_changes_nothing(
    bundle: Path, come: Come, queue: Queue
) -> None:
    root = Path(os.environ["EIWFLOW_RUNS"])
    run = tiny_run(root)
    train(run, images=tiny_data())
    owner = come()
    roles.own(run.path, owner)
    labels = {"Export as one ZIP", "Delete it for good"}

    def offered(at: AppTest) -> set[str]:
        links = {element.proto.label for element in at.get("link_button")}
        return labels & ({button.label for button in at.button} | links)

    assert offered(visit_page(TRAIN)) == labels
    come()
    at = visit_page(TRAIN)
    assert offered(at) == set() and not at.exception
    for act in (
        runs.delete,
        lambda run: runs.rename(run, "name"),
        lambda run: control.click(lambda: pytest.fail("it was done"), changes=run.path),
    ):
        presets.st.session_state.pop("_refused", None)
        act(run)
        assert "Only the student who started it" in presets.st.session_state["_refused"][1]
    assert run.path.is_dir()
    come(roles.TEACHER)
    assert offered(visit_page(TRAIN)) == labels


@pytest.mark.slow
def test_studies_are_the_teachers(bundle: Path, come: Come) -> None:
    come()
    at = visit_page(COMPARE)
    assert "only the teacher runs studies" in shown(at)
    assert not [button for button in at.button if button.label == "Start the study"]
    control.click(lambda: pytest.fail("it was done"), control.STUDIES)
    come(roles.TEACHER)
    assert [button for button in visit_page(COMPARE).button if button.label == "Start the study"]


def test_a_read_only_app_offers_no_training(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EIWFLOW_MODE", "read-only")
    at = visit_page(TRAIN)
    assert "read-only" in shown(at) and not [button for button in at.button if button.label == "Start"]
    assert "On this server nobody starts a study." in shown(visit_page(COMPARE))
    assert "teacher" not in shown(visit_page(COMPARE))


def test_the_class_has_a_page_only_where_there_is_one(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, come: Come
) -> None:
    monkeypatch.delenv("EIWFLOW_MODE")
    assert "Class" not in [entry.label for entry in navigation.pages()]
    assert "No class is running here" in shown(visit_page(CLASS))
    monkeypatch.setenv("EIWFLOW_MODE", "classroom")
    come()
    assert "Class" in [entry.label for entry in navigation.pages()]
    at = visit_page(CLASS)
    assert not at.exception and "teacher’s" not in shown(at) and "are in the lesson" not in shown(at)
    limits = "at most 2,000 steps and 5 minutes, 200 MiB of runs and 64 MiB of uploads for each of you."
    assert limits in shown(at)
    come(roles.TEACHER)
    assert "This browser is the teacher’s" in shown(visit_page(CLASS))


# ---------------------------------------------------------------------- over HTTP


@pytest.fixture(scope="module")
def runs_of_server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def server(runs_of_server: Path) -> Iterator[str]:
    settings = {"EIWFLOW_MODE": "classroom", "EIWFLOW_TEACHER_TOKEN": TOKEN}
    with start_server(runs_of_server, **settings) as address:
        yield address


TOKEN = "a-token-for-the-tests"


class Browser:
    """Keeps cookies, and asks."""

    def __init__(self, address: str) -> None:
        self.at, self.cookies = urlsplit(address), dict[str, str]()

    def ask(self, path: str, said: object = None, **headers: str) -> HTTPResponse:
        line = HTTPConnection(self.at.hostname, self.at.port, timeout=60)
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        content = said if isinstance(said, bytes) else None if said is None else json.dumps(said).encode()
        line.request("GET" if said is None else "POST", path, content, {"Cookie": cookie, **headers})
        answer = line.getresponse()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie" and value.startswith("eiwflow-"):
                assert "HttpOnly" in value and "SameSite=Lax" in value
                self.cookies.update([value.partition(";")[0].split("=", 1)])
        return answer

    def open(self) -> Browser:
        assert self.ask("/", Accept="text/html").status == 200
        return self

    def state(self) -> dict[str, object]:
        return json.loads(self.ask("/_class/state").read())


@pytest.mark.slow
def test_a_browser_becomes_the_teachers_by_the_token_alone(server: str) -> None:
    for wrong in ("x", TOKEN[:-1], TOKEN + "x", "%C3%A9"):
        browser = Browser(server)
        assert browser.ask(f"/_class/teacher/{wrong}").status == 403 and not browser.cookies
    teacher = Browser(server)
    answer = teacher.ask(f"/_class/teacher/{TOKEN}")
    assert (answer.status, answer.getheader("Location")) == (303, "/class") and len(teacher.cookies) == 2
    assert answer.getheader("Referrer-Policy") == "no-referrer" and answer.getheader("Cache-Control") == "no-store"
    assert "tally" in teacher.state() and "tally" not in Browser(server).open().state()


def test_a_browser_is_known_again_after_a_reload(server: str) -> None:
    browser = Browser(server).open()
    before = dict(browser.cookies)
    browser.open()
    assert before and browser.cookies == before


def test_votes_are_counted_and_only_the_teacher_leads(server: str) -> None:
    students, teacher = [Browser(server).open() for _ in range(3)], Browser(server)
    teacher.ask(f"/_class/teacher/{TOKEN}")
    assert teacher.ask("/_class/scene", {"scene": "5"}).status == 204
    for student, choice in zip(students, ("half", "full", "half"), strict=True):
        assert student.state()["scene"] == "5"
        assert student.ask("/_class/vote", {"scene": "5", "choice": choice}).status == 204
    assert teacher.state()["tally"] == {"half": 2, "full": 1} and teacher.state()["present"] >= 3
    assert students[0].ask("/_class/scene", {"scene": "1"}).status == 403
    assert students[0].ask("/_class/clear", {"scene": "5"}).status == 403
    assert students[0].state() == {"scene": "5", "flow": "", "name": "", "votes": {"5": "half"}}
    assert teacher.ask("/_class/clear", {"scene": "5"}).status == 204 and teacher.state()["tally"] == {}
    assert Browser(server).ask("/_class/vote", {"scene": "5", "choice": "half"}).status == 403  # no cookie


def test_students_are_counted_and_the_teacher_is_not(server: str) -> None:
    teacher = Browser(server)
    teacher.ask(f"/_class/teacher/{TOKEN}")
    before = teacher.state()["present"]
    second = Browser(server)
    second.ask(f"/_class/teacher/{TOKEN}")
    assert second.state()["present"] == teacher.state()["present"] == before
    for number, student in enumerate([Browser(server).open() for _ in range(3)], start=1):
        student.state()
        student.state()
        assert teacher.state()["present"] == before + number


def test_a_page_that_is_open_across_a_restart_votes_again(server: str) -> None:
    student, before = Browser(server).open(), {}
    for name, value in student.cookies.items():
        before[name] = student.cookies[name] = value[:-4] + "0000"  # signed by the server before
    assert student.ask("/_class/vote", {"scene": "11", "choice": "half"}).status == 403
    assert student.state()["votes"] == {} and student.cookies.keys() == before.keys() and student.cookies != before
    assert student.ask("/_class/vote", {"scene": "11", "choice": "half"}).status == 204
    assert student.state()["votes"] == {"11": "half"}


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"", 400), (b"[]", 400), (b"{", 400), (b"\xff", 400), (b"[" * 900, 400), (b"x" * 2000, 413),
        (b'{"scene":"5","choice":"<img src=x>"}', 403), (b'{"scene":8,"choice":"a"}', 403), (b"{}", 403),
    ],
)  # fmt: skip
def test_a_vote_that_is_none_is_refused(server: str, said: bytes, status: int) -> None:
    assert Browser(server).open().ask("/_class/vote", said).status == status


def test_a_vote_that_stops_half_way_leaves_no_traceback(server: str, runs_of_server: Path) -> None:
    student = Browser(server).open()
    with socket.create_connection((student.at.hostname, student.at.port)) as line:
        line.sendall(f"POST /_class/vote HTTP/1.1\r\nHost: {student.at.netloc}\r\nContent-Length: 9\r\n\r\n{{".encode())
        time.sleep(0.5)
    for _ in range(10):
        student.state()
        time.sleep(0.05)
    assert "ClientDisconnect" not in (runs_of_server / "server.log").read_text()


def test_a_foreign_page_cannot_vote_for_a_student(server: str) -> None:
    student = Browser(server).open()
    for origin in ("https://evil.example", f"http://{student.at.hostname}:1", "http://[", "null"):
        assert student.ask("/_class/vote", {"scene": "5", "choice": "a"}, Origin=origin).status == 403
    own = f"http://{student.at.netloc}"
    assert student.ask("/_class/vote", {"scene": "5", "choice": "a"}, Origin=own).status == 204


def test_a_run_is_exported_for_the_teacher_and_not_for_a_student(server: str, runs_of_server: Path) -> None:
    run = tiny_run(runs_of_server)
    student, teacher = Browser(server).open(), Browser(server)
    teacher.ask(f"/_class/teacher/{TOKEN}")
    assert student.ask(f"/_export/{run.path.name}.zip").status == 403
    assert teacher.ask(f"/_export/{run.path.name}.zip").read()[:2] == b"PK"
