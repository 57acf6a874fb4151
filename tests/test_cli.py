"""The command line: what it prints, what it leaves, and how it refuses."""

import contextlib
import dataclasses
import inspect
import io
import json
import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from eiwflow import cli, data
from eiwflow.analysis.analyse import analyse
from eiwflow.checkpoint import CheckpointInfo, load, save
from eiwflow.cli import train as train_module
from eiwflow.cli.arguments import find_checkpoint
from eiwflow.cli.parser import build_parser
from eiwflow.data import labels_of
from eiwflow.flow import quantise
from eiwflow.flow.bijection import generator_for
from eiwflow.study.recipe import StudyRecipe
from eiwflow.training import trainer as trainer_module
from eiwflow.training.failures import TrainingFailed
from eiwflow.training.recipe import Recipe
from eiwflow.training.run_directory import RunDirectory, all_runs
from tests import crossed
from tests.training.tiny import (
    labelled_data,
    numbers,
    same_tensors,
    tiny_data,
    tiny_flow,
    tiny_info,
    write_npz,
)

ROOT = Path(__file__).resolve().parents[1]
BUNDLED = sorted((ROOT / "assets" / "checkpoints").glob("*.safetensors"))
TINY = shlex.split("--levels 2 --steps-per-level 1 --width 8 --size 8 --batch 8 --threads 1")


def run_main(*arguments):
    """Return (exit code, stdout, stderr) of the command line, run in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as exit:
            code = exit.code
    return code, out.getvalue(), err.getvalue()


def printed(*arguments):
    """Return what a command that goes well prints."""
    code, out, err = run_main(*arguments)
    assert code == 0
    # A training without a terminal says its size, and at the end its speed.
    first = r".*, images of \d+×\d+×\d+, batch .+ GiB that are free\n"
    note = r".+: validation: .+\n" if {"--validation", "validation"} & {*arguments} else ""
    lines = rf"{first}{note}(\r[^\r\n]+)+ \d\.\d{{3}} bits/dim\]\n"
    in_words = arguments[0] == "train" and not {"--json", "--help"} & {*arguments}
    assert re.fullmatch(lines if in_words else note, err), err
    return out


def no_constant(name):
    raise AssertionError(f"{name} is not JSON")


def json_of(*arguments):
    """Return the one JSON object that a command prints with --json."""
    out = printed(*arguments, "--json")
    assert out.count("\n") == 1
    found = json.loads(out, parse_constant=no_constant)
    assert isinstance(found, dict)
    return found


def refused(*arguments):
    """Return the one line with which arguments are refused."""
    code, out, err = run_main(*arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert err.startswith("eiwflow")
    assert len(err) > len("eiwflow train: ") + 5
    return err


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with data sets, a checkpoint and files that are neither."""
    folder = tmp_path_factory.mktemp("place")
    write_npz(folder / "planes.npz")
    write_npz(folder / "grey.npz", channels=1)
    write_npz(folder / "large.npz", size=12)
    flow = tiny_flow(weights="pooled")
    save(folder / "good.safetensors", flow, tiny_info(flow, data="planes"))
    save(folder / "gone.safetensors", flow, tiny_info(flow, data=str(folder / "gone.npz")))
    grey = tiny_flow(shape=(1, 8, 8), split="variance-reversed")
    save(folder / "grey.safetensors", grey, tiny_info(grey, data=str(folder / "grey.npz")))
    (folder / "garbage.npz").write_bytes(b"PK\x03\x04" + bytes(range(256)))
    (folder / "garbage.safetensors").write_bytes(bytes(range(256)))
    (folder / "empty").mkdir()
    (folder / "file").write_text("")
    # A checkpoint's data are found by the name of a data set alone.
    planes = data.registry.DataSet(lambda _: data.load(folder / "planes.npz"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(data.DATASETS, "planes", planes)
        yield folder


@pytest.fixture(scope="module")
def trained(place):
    """The run directory of a training by the command line, and what that printed."""
    out = printed("train", *TINY, "--data", place / "planes.npz", "--iterations", 3, "--out", place / "runs")
    return Path(out.strip()), out


# ---------------------------------------------------------------------- train


def test_trains_last_line_is_the_run_directory_and_nothing_else(trained, place):
    run, out = trained
    assert out == f"{run}\n"
    assert run.parent == place / "runs"
    assert load(run / "checkpoints" / "last.safetensors").info.step == 3
    assert RunDirectory.open(run).status()["state"] == "finished"


def test_train_with_json_prints_one_object(place):
    arguments = ["train", *TINY, "--data", place / "planes.npz", "--iterations", 1, "--out", place / "runs"]
    result = json_of(*arguments)
    assert result.keys() == {"run", "step", "metrics"}
    assert result["step"] == 1
    scores = {"bits_per_dim", "test_bits_per_dim", "train_bits_per_dim"}
    assert result["metrics"].keys() >= scores | {"cpu_seconds"}
    assert (Path(result["run"]) / "checkpoints" / "last.safetensors").is_file()


@pytest.mark.slow
def test_the_command_line_stands_in_the_checkpoint_and_makes_it_again(trained, place):
    info = load(trained[0] / "checkpoints" / "last.safetensors").info
    words = shlex.split(info.command)
    assert words[:4] == ["python", "-m", "eiwflow", "train"]
    assert str(trained[0].parent) not in info.command, "a checkpoint that is passed on says where its maker keeps runs"
    again = Path(printed(*words[3:], "--out", place / "again").strip())
    ours, theirs = (load(run / "checkpoints" / "last.safetensors") for run in (trained[0], again))
    assert same_tensors(ours.flow.state_dict(), theirs.flow.state_dict())
    assert numbers([ours.info.metrics]) == numbers([theirs.info.metrics])


def test_sigterm_saves_and_leaves_with_0(place, monkeypatch):
    advance = trainer_module.Trainer.advance

    def asked(trainer):
        if trainer.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return advance(trainer)

    monkeypatch.setattr(trainer_module.Trainer, "advance", asked)
    words = ("train", *TINY, "--data", place / "planes.npz", "--iterations", 1_000_000, "--out", place / "stopped")
    code, out, err = run_main(*words)
    assert code == 0 and err.count("\n") == 2
    run = RunDirectory.open(out.splitlines()[-1])
    assert run.status()["state"] == "stopped"
    assert load(run.last_checkpoint).info.step == run.status()["step"] == 3


# ---------------------------------------------------------------------- evaluate


def test_evaluate_agrees_with_the_score_that_training_gave(trained, place):
    run, _ = trained
    metrics = load(run / "checkpoints" / "last.safetensors").info.metrics
    found = json_of("evaluate", run, "--data", place / "planes.npz")
    assert found["bits_per_dim"] == pytest.approx(metrics["test_bits_per_dim"], abs=1e-5)


@crossed(
    command=[("evaluate",), ("analyse", "--what", "levels"), ("train", "--iterations", 1, "--init-from")],
    stated=["planes.npz", "pictures", "~/planes.npz", "\x1b[31m", "/"],
)
def test_a_path_in_a_checkpoint_is_not_followed(place, tmp_path, monkeypatch, command, stated):
    # Whatever is there is neither read nor told of: a checkpoint may come from a stranger.
    flow = tiny_flow()
    save(tmp_path / "foreign.safetensors", flow, tiny_info(flow, data=stated))
    shutil.copy(place / "planes.npz", tmp_path)
    (tmp_path / "pictures").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    line = refused(*command, "foreign.safetensors")
    stated = stated.replace("\x1b", "�")
    assert f"foreign.safetensors was trained on '{stated}', which is not the name of a data set" in line
    assert line.endswith("is not followed: name the images with --data.\n")


# ---------------------------------------------------------------------- verify


def test_verify_says_that_a_sound_checkpoint_holds_also_where_its_data_set_is_gone(place):
    result = json_of("verify", place / "gone.safetensors")
    assert result["holds"] is True and "noise" in result["images"]
    assert {check["level"] for check in result["checks"]} == {1, 2}


def test_verify_names_the_level_at_fault_with_exit_code_1(place, tmp_path):
    tensors = safetensors.torch.load_file(place / "good.safetensors")
    tensors["levels.1.steps.0.coupling.network.0.weight"][0] = math.nan
    with safetensors.safe_open(place / "good.safetensors", "pt") as file:
        safetensors.torch.save_file(tensors, tmp_path / "bad.safetensors", file.metadata())
    code, out, err = run_main("verify", tmp_path / "bad.safetensors")
    assert (code, err) == (1, "")
    assert "level 2" in out
    code, out, err = run_main("verify", tmp_path / "bad.safetensors", "--json")
    assert (code, err) == (1, "")
    assert json.loads(out, parse_constant=no_constant)["levels_at_fault"] == [2]


# ---------------------------------------------------------------------- sample


def sampled(place, name, *arguments):
    """Return the pixels of the PNG that ``sample`` writes."""
    out = place / f"{name}.png"
    assert printed("sample", *arguments, "--out", out, "--force") == f"{out}\n"
    with Image.open(out) as picture:
        assert picture.format == "PNG"
        return np.array(picture.convert("RGB"))


def test_sample_writes_the_flows_images_as_a_grid(place):
    grid = sampled(place, "grid", place / "good.safetensors", "--n", 5, "--seed", 3, "--temperature", 0.5)
    flow = load(place / "good.safetensors").flow
    images = quantise(flow.sample(5, 0.5, torch.Generator().manual_seed(3))).permute(0, 2, 3, 1).numpy()
    assert grid.shape == (2 * 10 + 2, 3 * 10 + 2, 3)
    for number, image in enumerate(images):
        row, column = divmod(number, 3)
        assert np.array_equal(grid[10 * row + 2 : 10 * row + 10, 10 * column + 2 : 10 * column + 10], image)
    assert (grid[12:, 22:] == 255).all()
    assert (grid[:2] == 255).all()


def test_the_default_temperature_is_the_flows_own(place):
    opened = load(place / "good.safetensors")
    warm = place / "warm.safetensors"
    save(warm, opened.flow, dataclasses.replace(opened.info, temperature=0.65))
    said = json_of("sample", warm, "--n", 4, "--out", place / "warm.png")
    assert said["temperature"] == [0.65] and json_of("inspect", warm)["temperature"] == 0.65
    again = sampled(place, "again", place / "good.safetensors", "--n", 4, "--temperature", 0.65)
    assert (np.asarray(Image.open(place / "warm.png").convert("RGB")) == again).all()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.png", "PNG"), ("a.PNG", "PNG"), ("a.jpg", "JPEG"), ("a.jpeg", "JPEG"), ("a.webp", "WEBP")],
)
def test_sample_writes_the_format_of_the_files_name(place, tmp_path, name, kind):
    out = tmp_path / name
    printed("sample", place / "good.safetensors", "--n", 4, "--out", out)
    with Image.open(out) as picture:
        assert picture.format == kind
        pixels = np.asarray(picture.convert("RGB"), dtype=int)
    exact = sampled(place, "exact", place / "good.safetensors", "--n", 4)
    assert np.abs(pixels - exact).mean() < (40 if kind == "JPEG" else 0.001)


def test_samples_of_an_array_and_of_a_folder_are_the_same_whatever_the_batch(place, tmp_path):
    def drawn(out, *words):
        printed("sample", place / "good.safetensors", "--seed", 3, "--out", out, *words)
        return (
            np.load(out) if out.suffix else np.stack([np.asarray(Image.open(path)) for path in sorted(out.iterdir())])
        )

    array = drawn(tmp_path / "a.npy", "--n", 40)
    assert array.shape == (40, 8, 8, 3) and array.dtype == np.uint8
    folder, ones, fewer = (
        drawn(tmp_path / name, "--n", n, "--batch", batch)
        for name, n, batch in (("folder", 40, 16), ("ones.npy", 40, 1), ("fewer.npy", 9, 4))
    )
    for other in (folder, ones, fewer):
        # A batch of another size may round a value to the next grey level.
        difference = np.abs(array[: len(other)].astype(int) - other)
        assert difference.max() <= 1 and (difference > 0).mean() < 0.01
    assert (array != drawn(tmp_path / "others.npy", "--n", 40, "--temperature", 0.5)).mean() > 0.5
    # Latents drawn by hand from the seed and the number of a sample.
    flow = load(place / "good.safetensors").flow
    last = quantise(flow.sample(1, 1.0, generator_for(3, "sample 39")))[0].permute(1, 2, 0).numpy()
    assert np.abs(array[39].astype(int) - last).max() <= 1


# ---------------------------------------------------------------------- where a checkpoint is found


def test_a_checkpoint_is_a_file_a_run_or_a_bundled_name(trained, place, monkeypatch):
    monkeypatch.chdir(place)
    assert find_checkpoint("good.safetensors") == Path("good.safetensors")
    assert find_checkpoint(str(trained[0])) == trained[0] / "checkpoints" / "last.safetensors"
    for bundled in BUNDLED:
        assert find_checkpoint(bundled.stem) == bundled
    assert find_checkpoint("../../assets/data/photos32") == Path("../../assets/data/photos32")


@pytest.mark.parametrize("path", BUNDLED, ids=[path.stem for path in BUNDLED])
def test_the_command_of_a_bundled_flow_trains_its_recipe(path, tmp_path, monkeypatch):
    info, asked = load(path).info, []

    def train(run, **_):
        asked.append(run.config()[0])
        raise TrainingFailed("Seen.")

    def images(recipe, *_):
        return tiny_data(size=recipe.flow.shape[1], channels=info.config.shape[0])

    monkeypatch.setattr(train_module, "load_data", images)
    monkeypatch.setattr(train_module, "train", train)
    code, _, _ = run_main(*shlex.split(info.command)[3:], "--out", tmp_path)
    recipe = asked[0].to_dict()
    assert code == 1
    assert (recipe.pop("flow"), recipe) == (info.config.to_dict(), info.recipe)


# ---------------------------------------------------------------------- wrong input

#: arguments -> the value that the line must name. {} is the folder of the fixture ``place``.
WRONG = {
    "": "COMMAND",
    "dance": "dance",
    "train --colour red": "--colour",
    "train --iter 5": "--iter",  # abbreviations of options are not options
    "train --order best": "best",
    "train --size 33": "33",
    "train --seed 99999999999999999999999999999999": "seed",
    "train --learning-rate nan": "nan",
    "train --threads 0": "'0'",
    "train --device tpu": "tpu",
    "train --data nowhere": "nowhere",
    "train --data {}/garbage.npz": "garbage.npz",
    "train --resume {}/empty": "empty",
    "train --resume {}/empty --batch 9": "batch",
    "train --resume ''": "''",
    "train --levels 1 --order random": "--order",
    "train --divergence 0.1": "--divergence",
    "train --coupling exp --scale-bound 2": "--scale-bound",
    "train --init random --partition information": "--partition",
    "evaluate {}/none.safetensors": "none.safetensors",
    "evaluate photos33-weighted": "photos33-weighted",
    "evaluate {}/garbage.safetensors": "garbage.safetensors",
    "evaluate {}/good.safetensors --limit 1.5": "'1.5'",
    "evaluate {}/good.safetensors --data {}/grey.npz": "grey.npz",
    "analyse {}/good.safetensors --what space --level 1": "--level",
    "sample {}/good.safetensors --n 4097": "4097",
    "sample {}/good.safetensors --temperature 0.7,0.7,0.7": "0.7,0.7,0.7",
    "sample {}/good.safetensors --out {}": "exists",
    "sample {}/good.safetensors --out {}/none/a.png": "none",
    "sample {}/good.safetensors --out {}/a.tiff": "a.tiff",
    "list \x1b[31m": "�[31m",
}


@pytest.mark.parametrize("line", WRONG, ids=lambda line: line[:70] or "nothing")
def test_wrong_input_is_refused_in_one_line_that_names_it(place, line):
    arguments = [word.replace("{}", str(place)) for word in shlex.split(line)]
    assert WRONG[line] in refused(*arguments)


def test_files_that_exist_are_overwritten_by_force_alone_and_what_is_read_never(place, tmp_path):
    flow, picture = tmp_path / "flow.safetensors", tmp_path / "a.png"
    shutil.copy(place / "good.safetensors", flow)
    Image.new("RGB", (8, 8)).save(picture)
    read = {flow: flow.read_bytes(), picture: picture.read_bytes()}
    for out, words in {
        "b.eiw": ("compress", flow, picture),
        "b.png": ("sample", flow, "--n", 1),
        "b.npy": ("sample", flow, "--n", 1),
        "b.html": ("lesson",),
    }.items():
        (tmp_path / out).write_text("mine")
        assert out in refused(*words, "--out", tmp_path / out)
        assert (tmp_path / out).read_text() == "mine"
        printed(*words, "--out", tmp_path / out, "--force")
        assert (tmp_path / out).read_bytes() != b"mine"
    for words in (("compress", flow, picture, "--out", picture), ("import", flow, "--out", flow)):
        assert str(words[-1]) in refused(*words, "--force")
    assert {path: path.read_bytes() for path in read} == read


def test_a_finished_run_that_is_resumed_says_that_nothing_was_done(trained):
    run, _ = trained
    before = (run / "checkpoints" / "last.safetensors").read_bytes()
    code, out, err = run_main("train", "--resume", run)
    assert (code, out.strip()) == (0, str(run)) and "nothing was done" in err
    assert (run / "checkpoints" / "last.safetensors").read_bytes() == before


def test_ctrl_c_saves_and_leaves_with_130(place, tmp_path):
    command = [sys.executable, "-m", "eiwflow", "train", *TINY, "--data", str(place / "planes.npz"), "--iterations"]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a program in the background ignores it
    words = [*command, "1000000", "--out", str(tmp_path)]
    with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, preexec_fn=heard) as process:
        end = time.monotonic() + 200
        while not any(run.state().name == "running" for run in all_runs(tmp_path)):
            assert time.monotonic() < end
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=200)
    (run,) = all_runs(tmp_path)
    assert process.returncode == cli.INTERRUPTED and run.state().name == "stopped"
    assert f"--resume {run.path}".encode() in err


def test_nothing_is_left_of_a_run_that_was_refused(place, tmp_path):
    refused("train", "--data", place / "planes.npz", "--size", 16, "--levels", 2, "--out", tmp_path)
    assert not list(tmp_path.iterdir())


#: Options whose help says in words what is chosen where none is named, or what a command decides by itself.
IN_WORDS = {"init", "partition", "level", "device", "threads", "out", "subject", "jobs"}


@pytest.mark.parametrize("command", ["train", "study", "analyse"])
def test_help_states_the_defaults_of_what_the_command_calls(command):
    recipe = Recipe()
    defaults = {
        "train": {**vars(recipe.flow), **vars(recipe), "size": recipe.flow.shape[1]},
        "study": vars(StudyRecipe()),
        "analyse": {name: one.default for name, one in inspect.signature(analyse).parameters.items()},
    }[command]
    commands = next(action.choices for action in build_parser()._actions if action.dest == "name")
    stated = {
        action.dest: found[1]
        for action in commands[command]._actions
        if (found := re.search(r"\(default: ([^);:]+)", action.help or "")) and action.dest not in IN_WORDS
    }
    expected = {name: value for name, value in defaults.items() if name in stated}
    assert len(expected) >= 4
    assert {name: stated[name] for name in expected} == {
        name: f"{value:g}" if isinstance(value, (int, float)) else value for name, value in expected.items()
    }


@pytest.mark.parametrize("command", ["inspect", "evaluate"])
def test_text_of_a_foreign_file_gives_no_orders_to_the_terminal(tmp_path, capsys, command):
    flow = tiny_flow()
    path = tmp_path / "\x1b]0;title\x07.safetensors"
    save(path, flow, CheckpointInfo(config=flow.config, data="\x1b[2J\x9bhidden\u202e"))
    cli.main([command, str(path)])
    said = capsys.readouterr()
    assert "hidden" in said.out + said.err
    assert not set("\x1b\x07\x9b\u202e") & set(said.out + said.err)


# ---------------------------------------------------------------------- labels


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Return a folder with a run of planes whose labels say where they are light."""
    place = tmp_path_factory.mktemp("labelled")
    images = labelled_data(train=80, test=24)
    numbered = labels_of(images, "side")
    np.savez(
        place / "planes.npz", train=images.train, test=images.test,
        train_labels=numbered.train, test_labels=numbered.test,
    )  # fmt: skip
    train = ("train", "--data", place / "planes.npz", "--labels", "label", "--iterations", 3, "--out", place)
    (place / "run").symlink_to(json_of(*train, *TINY)["run"])
    return place


@pytest.mark.slow
def test_a_flow_of_labels_is_trained_scored_and_asked_for_one(labelled):
    run, planes = labelled / "run", ("--data", labelled / "planes.npz")
    found = json_of("evaluate", run, *planes)
    assert found["bits_per_dim_given_label"] == pytest.approx(load(run / "checkpoints/last.safetensors").info.metrics[
        "test_bits_per_dim_given_label"], abs=1e-4)  # fmt: skip
    assert found["label_accuracy"] * 24 == pytest.approx(round(found["label_accuracy"] * 24))
    assert json_of("inspect", run)["classes"] == ["0", "1", "2"]
    pictures = [labelled / f"{label}.png" for label in (0, 2)]
    for label, picture in zip((0, 2), pictures, strict=True):
        assert json_of("sample", run, "--label", label, "--n", 4, "--out", picture)["label"] == str(label)
    flow = load(run / "checkpoints/last.safetensors")
    x = flow.flow.sample(
        4, flow.info.temperature, torch.Generator().manual_seed(0), torch.full((4,), 2)
    )  # fmt: skip
    first = np.asarray(Image.open(pictures[1]))[2:10, 2:10].transpose(2, 0, 1)
    assert np.abs(first.astype(int) - quantise(x)[0].numpy()).max() <= 1
    printed("verify", run, "--label", 1)
    assert json_of("analyse", run, *planes, "--what", "levels", "--label", 1)


def test_a_flow_of_ones_own_loop_is_scored_on_data_of_ones_own(labelled):
    run, data = labelled / "run", labelled / "planes.npz"
    loaded = load(run / "checkpoints/last.safetensors")
    own = labelled / "own.safetensors"
    info = CheckpointInfo(loaded.flow.config, "flats", labels="label", classes=("left", "middle", "right"))
    save(own, loaded.flow, info)
    assert "own.safetensors was trained on 'flats', which is not the name of a data set" in refused("evaluate", own)
    # Its file has names where the data have numbers.
    named, numbered = json_of("evaluate", own, "--data", data), json_of("evaluate", run, "--data", data)
    assert named["label_accuracy"] == numbered["label_accuracy"]
    assert json_of("evaluate", own, "--data", data, "--label", "right")["n"] < numbered["n"]
    from_one, arrays = labelled / "from-one.npz", dict(np.load(data))
    np.savez(from_one, **arrays | {name: arrays[name] + 1 for name in ("train_labels", "test_labels")})
    for words in (["evaluate"], ["inspect"], ["analyse", "--what", "likelihood"]):
        said = refused(*words, own, "--data", from_one, "--label", "middle")
        assert "label of from-one.npz is a number from 1 to 3, and the 3 classes left, middle, right are the " in said
