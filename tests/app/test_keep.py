"""Every command takes a flow, however many channels its levels pass on and by whatever order; labels on a page."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
from pathlib import Path

import pytest

from eiwflow import cli, project
from eiwflow.cli.parser import SUBJECTS
from eiwflow.data import load as load_data
from eiwflow.ui import shell as ui

from .. import LONG
from .conftest import sentences, url, visit_page, write_checkpoint
from .test_command_line import printed_somewhere, tables_in
from .test_every_page import FACTS, FLOWS, every_other, flow_of

#: Options of commands on a flow.
OPTIONS = {"labelled": ("--label", "none")}


@pytest.mark.slow
def test_a_page_shows_a_flow_with_labels_for_the_class_that_is_chosen(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = flow_of("labelled")
    write_checkpoint(bundle / "one.safetensors", flow, data="faces16", **FACTS["labelled"])
    at = visit_page("pages/1_levels.py", ck="one", label="variant01")
    hat, values = at.selectbox(key="label"), load_data("faces16").factors["hat"].test
    assert (hat.label, hat.value, hat.options) == ("Given hat", "variant01", ["none", "variant01", "variant02"])
    assert at.session_state["image"] < (values == "variant01").sum()
    monkeypatch.setattr(project, "CHECKPOINTS", bundle)
    exec(compile(at.code[1].value, "levels", "exec"), names := {})
    assert names["loaded"].name == "one, hat variant01" and names["images"].name == "faces16, hat variant01"
    assert "evaluate one --data faces16 --limit 64 --json --label variant01" in at.code[0].value
    hat.set_value("none").run()
    assert url(at)["label"] == "none" and not at.exception and not at.error
    # Another data set has no hats: its images are shown given the class.
    at.selectbox(key="data").set_value("letters32").run()
    assert url(at)["label"] == "none" and not at.exception and not at.error
    # No page knows what to give a flow whose context has no names.
    write_checkpoint(bundle / "two.safetensors", flow, data="faces16")
    at = visit_page("pages/1_levels.py", ck="two")
    assert "the context is 3 values without names" in at.error[0].value and not at.exception


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [("labelled", "plain"), ("plain", "labelled")])
def test_two_flows_of_which_one_has_labels_are_shown_on_images_of_its_class(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    """A column's command prints its figures; the flow without labels is measured elsewhere by its own, so has none."""
    write_checkpoint(bundle / "labelled.safetensors", flow_of("labelled"), data="faces16", **FACTS["labelled"])
    write_checkpoint(bundle / "plain.safetensors", flow_of("random"), data="faces16")
    monkeypatch.setattr(project, "CHECKPOINTS", bundle)
    exported: list[dict] = []
    monkeypatch.setattr(ui, "exports", lambda page, tables: exported.append(tables))
    at = visit_page("pages/2_latents.py", ck=first, vs=second, label="variant01", image="3", b="4")
    assert not at.exception and not at.error and url(at)["label"] == "variant01"
    assert "<b>labelled</b> given hat variant01, " in sentences(at) and "<b>plain</b> given" not in sentences(at)
    (command,) = (line for line in at.code[0].value.splitlines() if "--what space" in line)
    assert "analyse labelled " in command and command.endswith(" --label variant01")
    result = json.loads(printed(*shlex.split(command)[3:]))
    assert printed_somewhere(exported[first == "plain"]["moved"], tables_in(result))
    # Images without the factor are the same for both.
    at = visit_page("pages/2_latents.py", ck=first, vs=second, data="letters32")
    assert not at.exception and not at.error


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the file of every flow."""
    folder = tmp_path_factory.mktemp("flows")
    return {
        name: write_checkpoint(folder / f"{name}.safetensors", flow_of(name), "faces16", **FACTS.get(name, {}))
        for name in FLOWS
    }


def printed(*words: object) -> str:
    """Return what a command prints that goes well."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert cli.main([str(word) for word in words]) in (0, None)
    return out.getvalue()


#: Subjects that tell the parts of a split apart.
OF_PARTS = ("levels", "shuffle", "entropy", "latents", "attributes")


@pytest.mark.parametrize("what", OF_PARTS)
def test_a_subject_that_tells_parts_apart_refuses_a_flow_that_splits_nothing(
    files: dict[str, Path], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["analyse", str(files["all"]), "--what", what]) == 2
    assert "This flow passes on all channels (keep all)" in capsys.readouterr().err


@every_other("what", list(SUBJECTS), FLOWS)
def test_every_subject_takes_the_flow(files: dict[str, Path], what: str, flow: str) -> None:
    if flow == "all" and what in OF_PARTS:
        return
    assert json.loads(printed("analyse", files[flow], "--what", what, "--json", *OPTIONS.get(flow, ())))


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOWS if LONG else ["released"])
def test_every_command_takes_the_flow(files: dict[str, Path], name: str, tmp_path: Path) -> None:
    file, label = files[name], OPTIONS.get(name, ())
    assert json.loads(printed("evaluate", file, "--limit", 8, "--json", *label))["bits_per_dim"] > 0
    assert json.loads(printed("inspect", file, "--json", *label))["parameters"] > 0
    assert json.loads(printed("verify", file, "--json", *label))
    printed("sample", file, "--n", 4, "--out", tmp_path / "it.png", *label)
    assert (tmp_path / "it.png").stat().st_size > 0
    printed("lesson", file, "--out", tmp_path / "lesson.html", *label)
    assert "<html" in (tmp_path / "lesson.html").read_text(encoding="utf-8")[:2000]
