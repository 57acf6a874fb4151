"""Classroom mode: who is who, who may do what, votes, and the command that starts it."""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from eiwflow import cli
from eiwflow.lesson.bundle import ASSETS
from eiwflow.server_settings import Settings, settings, teacher_token
from eiwflow.training.run_directory import RunError
from eiwflow.ui import access
from eiwflow.ui.access import navigation, roles
from eiwflow.ui.classroom import join
from eiwflow.ui.classroom.board import ABSENT_S, CHOICES, SCENES, Board
from eiwflow.ui.jobs import control, presets, runs

from ..lesson.test_flow_js import NODE, needs_node
from ..made.server import start_server
from ..training.tiny import tiny_run
from .conftest import trained_run, visit_page, write_checkpoint

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


def test_without_a_setting_everybody_may_do_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EIWFLOW_MODE", raising=False)
    assert settings() == Settings()
    assert access.role() is access.Role.ANYONE
    access.check_change()
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


def test_only_the_teacher_changes_anything(come: Come) -> None:
    come()
    with pytest.raises(RunError, match="teacher"):
        access.check_change()
    come(roles.TEACHER)
    access.check_change()


def test_where_everything_is_read_only_nobody_changes_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EIWFLOW_MODE", "read-only")
    with pytest.raises(RunError, match="read-only"):
        access.check_change()
    control.click(lambda: pytest.fail("it was done"))
    assert "read-only" in (control.refusal(control.SHOWN) or "")


# ---------------------------------------------------------------------- votes


def test_a_visitor_has_one_vote_in_each_scene() -> None:
    board = Board()
    assert board.vote("a", "5", "half") and board.vote("b", "5", "half") and board.vote("a", "5", "full")
    assert board.vote("a", "11", "behind")
    assert board.tally("5") == {"full": 1, "half": 1} and board.tally("11") == {"behind": 1}
    board.clear("5")
    assert board.tally("5") == {} and board.tally("11") == {"behind": 1}


def test_students_know_an_answer_once_the_teacher_has_shown_it() -> None:
    board = Board()
    assert board.show("5") and board.show("5", answered="yes") and board.of("a", teacher=False)["answered"] == []
    assert board.show("5", answered=True) and board.show("6") and board.of("a", teacher=False)["answered"] == ["5"]
    assert board.clear("5") and board.of("a", teacher=False)["answered"] == []


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
def test_the_scenes_with_votes_and_the_choices_of_the_study_are_those_of_the_lesson() -> None:
    scenes, arms = ((ASSETS / name).as_uri() for name in ("scenes.js", "pair.js"))
    script = f'import {{ scenes }} from "{scenes}"; import {{ ARMS }} from "{arms}"; console.log(JSON.stringify(['
    script += "scenes.filter(({ votes, ballot }) => votes || ballot).map(({ number }) => String(number)),"
    command = [NODE or "node", "--input-type=module", "--eval", script + "Object.keys(ARMS)]))"]
    asking, choices = json.loads(subprocess.run(command, capture_output=True, timeout=60, check=True).stdout)
    assert (tuple(asking), tuple(choices)) == (SCENES, CHOICES)
    board = Board()
    assert [board.vote("a", scene, "x") for scene in (*SCENES, "1", "zz")] == [True] * len(SCENES) + [False] * 2


def test_a_visitor_has_one_seed_and_one_lead_in_each_choice() -> None:
    board = Board()
    assert board.study_of("a", teacher=True) == {} and not board.try_("m3") and board.try_("weights")
    assert [board.begin(visitor, "weights") for visitor in "abca"] == [1, 2, 3, 1]
    assert board.begin("", "weights") == board.begin("a", "m3") == 0
    assert board.lead("b", "weights", 0.25) == board.lead("b", "weights", -1) == ""  # the first one counts
    assert board.lead("c", "weights", 0, light=True) == ""
    leads = [{"seed": 2, "lead": 0.25, "light": False}, {"seed": 3, "lead": 0.0, "light": True}]
    assert board.study_of("t", teacher=True) == {"choice": "weights", "leads": leads, "begun": 3}
    assert board.study_of("b", teacher=False) == {"choice": "weights", "lead": 0.25}
    assert board.study_of("a", teacher=False) == {"choice": "weights", "lead": None}
    # A choice that the class does not try has leads of its own.
    assert board.begin("a", "start") == 1 and board.lead("a", "start", 2) == ""
    assert board.study_of("t", teacher=True)["leads"] == leads
    # Nobody else has the seed of a visitor, whichever choice came first.
    assert [board.begin("d", choice) for choice in ("start", "weights")] == [4, 4]
    assert board.lead("stranger", "weights", 0.1)  # it has no seed


@pytest.mark.parametrize("bad", [math.nan, math.inf, 2.001, -3, 10**400, "0.1", None, True, [0.1], {}])
def test_a_hostile_lead_is_refused_with_one_sentence_that_names_it(bad: object) -> None:
    board = Board()
    board.begin("a", "weights")
    refusal = board.lead("a", "weights", bad)
    assert str(bad)[:40] in refusal and len(refusal) < 120 and board.study["weights"] == {"a": None}
    assert "<b>" in board.lead("a", "<b>", 0.1)


def test_visitors_are_present_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    board, now = Board(), time.monotonic()
    monkeypatch.setattr("eiwflow.ui.classroom.board.time.monotonic", lambda: now)
    for visitor in ("a", "b", "a", ""):
        board.here(visitor)
    assert board.present() == 2
    now += ABSENT_S + 1
    board.here("b")
    assert board.present() == board.of("a teacher", teacher=True)["present"] == 1


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
    ("variable", "value"),
    [
        ("EIWFLOW_MODE", "Classroom"),
        ("EIWFLOW_UPLOADS_MIB", "-1"),
        ("EIWFLOW_UPLOADS_MIB", "9" * 99),
        ("EIWFLOW_JOIN_URL", "http://["),
        ("EIWFLOW_JOIN_URL", "http://a:b"),
        ("EIWFLOW_JOIN_URL", "javascript:alert(1)"),
        ("EIWFLOW_TEACHER_TOKEN", "short"),
        ("EIWFLOW_FRAME_ANCESTORS", "x"),
        ("EIWFLOW_DATA_ROOTS", "/no/such/folder"),
        ("STREAMLIT_SERVER_ADDRESS", "192.0.2.1"),
    ],
)
def test_a_wrong_setting_ends_the_command_before_the_server_is_started(
    starts: list[dict[str, str]], capsys: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    os.environ |= {"EIWFLOW_MODE": "classroom", variable: value}
    assert cli.main(["app"]) == cli.WRONG_INPUT and not starts
    said = capsys.readouterr().err
    assert said.startswith("eiwflow app: ") and said.count("\n") == 1
    named = {"EIWFLOW_TEACHER_TOKEN": variable, "STREAMLIT_SERVER_ADDRESS": value}.get(variable, value[:40])
    assert named in said


def test_right_settings_start_the_server(starts: list[dict[str, str]]) -> None:
    os.environ["EIWFLOW_TEACHER_TOKEN"] = "a-token-of-one-s-own"
    cli.main(["app", "--classroom", "--address", "127.0.0.1", "--uploads", "300"])
    assert starts[0]["EIWFLOW_MODE"] == "classroom" and starts[0]["EIWFLOW_UPLOADS_MIB"] == "300"
    assert starts[0]["EIWFLOW_TEACHER_TOKEN"] == "a-token-of-one-s-own"


# ---------------------------------------------------------------------- pages

TRAIN, CLASS, COMPARE = "pages/9_train.py", "pages/11_class.py", "pages/6_compare.py"


def shown(at: AppTest) -> str:
    return " ".join(element.value for kind in (at.info, at.error, at.markdown, at.success) for element in kind)


@pytest.mark.slow
def test_a_student_looks_at_runs_and_studies_and_changes_none(bundle: Path, come: Come) -> None:
    run = trained_run(2)
    write_checkpoint(bundle / "one.safetensors")

    def offered(path: str) -> set[str]:
        at = visit_page(path)
        assert not at.exception
        offers = {"Export as one ZIP", "Delete it for good", "Start with these settings", "Start the study"}
        return offers & ({button.label for button in at.button} | {each.proto.label for each in at.get("link_button")})

    come()
    assert not offered(TRAIN) and not offered(COMPARE)
    for act in (
        lambda: runs.delete(run),
        lambda: runs.write(run.rename, "name"),
        lambda: runs.start(lambda: pytest.fail("it was made"), "cpu"),
        lambda: control.click(lambda: pytest.fail("it was done"), control.STUDIES),
    ):
        presets.st.session_state.pop("_refused", None)
        act()
        assert "teacher" in presets.st.session_state["_refused"][1]
    assert run.path.is_dir()
    come(roles.TEACHER)
    assert offered(TRAIN) == {"Export as one ZIP", "Delete it for good", "Start with these settings"}
    assert offered(COMPARE) == {"Start the study"}


def test_a_read_only_app_offers_no_training(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EIWFLOW_MODE", "read-only")
    at = visit_page(TRAIN)
    assert "read-only" in shown(at) and not [button for button in at.button if button.label == "Start"]
    assert "read-only" in shown(visit_page(COMPARE)) and "teacher" not in shown(visit_page(COMPARE))


def test_the_class_has_a_page_only_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for mode in ("", "classroom"):
        monkeypatch.setenv("EIWFLOW_MODE", mode)
        assert ("Class" in [entry.label for entry in navigation.pages()]) is bool(mode)


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
        assert self.ask("/levels", Accept="text/html").status == 200
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


def test_who_joins_lands_in_the_lesson_also_the_second_time(server: str) -> None:
    browser = Browser(server)
    for _ in range(2):
        answer = browser.ask("/", Accept="text/html")
        assert (answer.status, answer.getheader("Location")) == (303, "/lesson") and browser.cookies
    assert browser.ask("/levels", Accept="text/html").status == 200


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
    assert students[0].state() == {
        "scene": "5", "flow": "", "name": "", "votes": {"5": "half"}, "study": {}, "answered": [],
    }  # fmt: skip
    assert teacher.ask("/_class/clear", {"scene": "5"}).status == 204 and teacher.state()["tally"] == {}
    assert Browser(server).ask("/_class/vote", {"scene": "5", "choice": "half"}).status == 403  # no cookie


def test_thirty_tabs_send_votes_and_leads_and_the_board_is_right_to_the_digit(server: str) -> None:
    teacher, students = Browser(server), [Browser(server).open() for _ in range(30)]
    teacher.ask(f"/_class/teacher/{TOKEN}")
    assert students[0].ask("/_class/try", {"choice": "start"}).status == 403
    assert teacher.ask("/_class/try", {"choice": "start"}).status == 204
    leads = np.random.default_rng(1).normal(0.1, 0.2, len(students)).tolist()
    took: list[float] = []

    def take_part(student: Browser, lead: float) -> int:
        assert student.ask("/_class/vote", {"scene": "11", "choice": "start"}).status == 204
        seed = json.loads(student.ask("/_class/begin", {"choice": "start"}).read())["seed"]
        for value in (lead, 1.5):  # a second one changes nothing
            began = time.perf_counter()
            assert student.ask("/_class/lead", {"choice": "start", "lead": value, "light": lead > 0.3}).status == 204
            took.append(time.perf_counter() - began)
        assert student.state()["study"] == {"choice": "start", "lead": lead}
        return seed

    with ThreadPoolExecutor(8) as tabs:
        seeds = list(tabs.map(take_part, students, leads))
    late = Browser(server).open()
    refused = late.ask("/_class/lead", b'{"choice": "start", "lead": NaN}')
    assert refused.status == 403 and b"nan" in refused.read()
    late.ask("/_class/begin", {"choice": "start"})  # it closes in mid-study
    study = teacher.state()["study"]
    assert isinstance(study, dict) and study["begun"] == 31
    expected = {
        seed: {"seed": seed, "lead": lead, "light": lead > 0.3} for seed, lead in zip(seeds, leads, strict=True)
    }
    assert {lead["seed"]: lead for lead in study["leads"]} == expected
    second = Browser(server)  # a board that is opened twice
    second.ask(f"/_class/teacher/{TOKEN}")
    assert second.state()["study"] == study
    assert np.median(took) < 1  # 0.1 s on a quiet machine


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
        (b"", 400), (b"[]", 400), (b"{", 400), (b"\xff", 400), (b"[" * 9000, 400),
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
