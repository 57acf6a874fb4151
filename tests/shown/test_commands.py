"""What every command prints and writes stands on file, and any change of it is seen.

The files say nothing about whether a figure is right: the tests of each command work that out. A change that is meant
rewrites the files.
"""

from __future__ import annotations

import argparse
import dataclasses
import html
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import torch
from PIL import Image

from eiwflow.checkpoint import CheckpointInfo, load, save
from eiwflow.cli import serve
from eiwflow.cli.parser import SUBJECTS, build_parser
from eiwflow.compression.archive import Picture, lossless_sizes
from eiwflow.data.registry import DATASETS, DataSet
from eiwflow.flow import FlowConfig, MultiScaleFlow
from eiwflow.importing import Options
from eiwflow.importing.check import compare
from eiwflow.importing.formats import KINDS, convert, recognise
from eiwflow.study.recipe import Arm
from eiwflow.training.recipe import Recipe
from eiwflow.training.run_directory import RunDirectory

from ..few import use_few_images
from ..importing.models import Normflows, Rosinality, Y0ast
from ..studies import write_begun
from ..test_cli import run_main
from . import kit
from .shown import approved

#: A flow of square images, as the lesson and the trainings here take them.
SQUARE: dict[str, Any] = {"shape": (3, 8, 8), "weights": "none", "order": "random", "prior": "standard"}
TINY = ("--size", 8, "--levels", 2, "--steps-per-level", 2, "--width", 8, "--batch", 16, "--threads", 1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with flows of the data set ``made``, which is known by its name, and with other images."""
    folder = tmp_path_factory.mktemp("place")
    made = kit.data_set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DATASETS, "made", DataSet(lambda _: made))
        patch.setitem(DATASETS, "made-grey", DataSet(lambda _: kit.grey(made)))
        patch.setenv("EIWFLOW_RUNS", str(folder / "runs"))
        use_few_images(patch.setattr)
        other, _ = kit.pictures(30, (8, 12), 77)
        np.savez(folder / "other.npz", train=other[:20], test=255 - other[20:])
        facts: dict[str, Any] = {
            "data": "made",
            "step": 345,
            "seed": 6,
            "metrics": {"test_bits_per_dim": 6.54321, "train_bits_per_dim": 6.4, "cpu_seconds": 12.5},
            "recipe": {"batch": 16, "iterations": 345, "learning_rate": 0.002},
            "command": "python -m eiwflow train --data made",
            "versions": {"eiwflow": "0.2.0"},
            "temperature": 0.85,
        }
        flows = {
            "entropy": kit.flow(),
            "pooled": kit.flow(weights="pooled", keep=0.25, order="variance"),
            "five": kit.flow(bits=5),
            "labels": kit.flow(context=3),
            "grey": kit.flow(images=kit.grey(made), shape=(1, 8, 12), levels=1),
            "square": kit.flow(**SQUARE),
        }
        for name, flow in flows.items():
            more = {"labels": "kind", "classes": kit.KINDS} if flow.config.context else {}
            more |= {"data": "made-grey"} if name == "grey" else {}
            save(folder / f"{name}.safetensors", flow, CheckpointInfo(flow.config, **{**facts, **more}))
        yield folder


def printed(place: Path, *words: object) -> str:
    """Return a command line and what it prints, without the place of its files; fail where it fails."""
    code, out, err = run_main(*words)
    assert code == 0, err
    return f"$ {' '.join(map(str, words))}\n{out}{err}\n".replace(str(place), "PLACE")


def figures(place: Path, *words: object) -> str:
    """Return a command line and the object that it prints with --json, as lines."""
    code, out, err = run_main(*words, "--json")
    assert code == 0, err
    result = json.loads(out)
    for row in result.get("tables", {}).get("file", ()):  # of inspect
        row["value"] = "…" if row["group"] == "software" or row["field"] in ("cpu_seconds", "sha256") else row["value"]
    content = kit.text_of(kit.without_clocks(result))
    return f"$ {' '.join(map(str, words))} --json\n{content}\n".replace(str(place), "PLACE")


def test_helps() -> None:
    # As the parser has it: the layout of --help is Python's own, and differs between its versions.
    parser = build_parser()
    lines = [f"{parser.prog}: {parser.description}", *described(parser)]
    for name, command in next(action.choices for action in parser._actions if action.dest == "name").items():
        lines += [f"\n{name}: {command.description}", *described(command)]
    approved("help", "\n".join(lines))


def described(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield an option or argument a line: its words, values and default, and its help."""
    for action in parser._actions:
        if action.dest not in ("help", "name", "json"):
            words = " ".join([*action.option_strings] or [action.dest])
            kind = [
                str(part)
                for part in (action.metavar, action.nargs, action.choices and "|".join(action.choices))
                if part is not None
            ]
            default = "" if action.default in (None, argparse.SUPPRESS) else f", default {action.default}"
            yield f"  {words} {' '.join(kind)}{default}{', required' if action.required else ''}: {action.help}"


def test_inspect(place: Path) -> None:
    texts = [printed(place, "inspect", place / f"{name}.safetensors") for name in ("entropy", "pooled", "grey")]
    texts.append(printed(place, "inspect", place / "labels.safetensors", "--label", "wild"))
    texts.append(printed(place, "inspect", place / "entropy.safetensors", "--data", place / "other.npz"))
    texts.append(figures(place, "inspect", place / "entropy.safetensors"))
    approved("command-inspect", kit.without_rounding("".join(texts)))


def test_evaluate(place: Path) -> None:
    entropy = place / "entropy.safetensors"
    texts = [
        printed(place, "evaluate", entropy),
        printed(place, "evaluate", entropy, "--limit", 7, "--importance", 3),
        printed(place, "evaluate", entropy, "--data", place / "other.npz"),
        printed(place, "evaluate", place / "five.safetensors"),
        printed(place, "evaluate", place / "grey.safetensors"),
        printed(place, "evaluate", place / "labels.safetensors", "--limit", 21),
        printed(place, "evaluate", place / "labels.safetensors", "--label", "striped"),
        figures(place, "evaluate", entropy, "--importance", 2, "--batch", 3),
        figures(place, "evaluate", place / "labels.safetensors"),
    ]
    approved("command-evaluate", kit.without_rounding("".join(texts)))


@pytest.mark.parametrize("what", SUBJECTS)
def test_analyse(place: Path, what: str) -> None:
    entropy, pooled, square = (place / f"{name}.safetensors" for name in ("entropy", "pooled", "square"))
    asked: list[tuple[object, ...]] = [(entropy,)]
    if what in ("trace", "levels", "weights", "shuffle", "entropy"):
        asked += [(entropy, "--level", 1, "--image", 3, "--seed", 4), (pooled, "--level", 1)]
    if what == "trace":
        asked.append((place / "labels.safetensors", "--label", "striped", "--level", 2))
    if what == "space":
        asked.append((entropy, "--path", "linear", "--image", 2, "--other-image", 9))
    if what == "latents":
        asked.append((square, "--image", 5))
    if what == "likelihood":
        asked = [(entropy, "--also", place / "other.npz")]
    texts = [figures(place, "analyse", *words, "--what", what) for words in asked]
    code, out, _ = run_main("analyse", *asked[-1], "--what", what)
    whole = json.loads(out)
    assert code == 0 and whole == json.loads(run_main("analyse", *asked[-1], "--what", what, "--json")[1])
    approved(f"analyse-{what}", "".join(texts))


def pixels(path: Path) -> str:
    """Return what a picture, an array or a folder of pictures holds, by its sums."""
    if path.is_dir():
        return "\n".join(f"{picture.name}  {pixels(picture)}" for picture in sorted(path.iterdir()))
    return kit.summed(np.load(path) if path.suffix == ".npy" else np.asarray(Image.open(path)))


def test_sample(place: Path) -> None:
    texts = []
    for number, words in enumerate(
        (
            ("entropy", "--n", 5, "--out", "a.png"),
            ("entropy", "--n", 5, "--out", "b.npy", "--seed", 9, "--batch", 2),
            ("entropy", "--n", 3, "--out", "c", "--temperature", "0.6,1.1"),
            ("five", "--n", 4, "--out", "d.webp", "--temperature", 0.7),
            ("grey", "--n", 2, "--out", "e.png", "--temperature", 0),
            ("labels", "--n", 3, "--out", "f.png", "--label", "wild"),
        )
    ):
        out = place / words[words.index("--out") + 1]
        words = (
            "sample",
            place / f"{words[0]}.safetensors",
            *(out if word == out.name else word for word in words[1:]),
        )
        text = printed(place, *words) if number else figures(place, *words)
        texts.append(f"{text}{pixels(out)}\n")
    approved("command-sample", "\n".join(texts))


def write_runs(folder: Path) -> None:
    """Write a flow, a study, runs in several states, and a folder that is no run."""
    write_begun(folder / "studies" / "begun", {Arm("random"): [4.1, 4.2], Arm("variance"): [4.0, 4.3]}, done=3)
    recipe = Recipe(flow=FlowConfig(shape=(3, 8, 8), levels=2, steps=1, width=8), data="made", batch=8, iterations=50)
    for name, state, step in (("a-done", "finished", 50), ("b-stopped", "stopped", 17), ("c-failed", "failed", 1204)):
        RunDirectory.create(folder, recipe, "python -m eiwflow train", name).set_status(state, step)
    (folder / "d-broken").mkdir()
    (folder / "d-broken" / "config.json").write_text("{}")
    save(folder / "own.safetensors", kit.flow())


def test_verify_and_list(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EIWFLOW_RUNS", str(tmp_path))
    write_runs(tmp_path)
    texts = [printed(place, "verify", place / "pooled.safetensors", "--batch", 5)]
    texts.append(
        printed(place, "verify", place / "labels.safetensors", "--label", "calm", "--data", place / "other.npz")
    )
    texts.append(figures(place, "verify", place / "entropy.safetensors"))
    # The columns are as wide as the longest path.
    texts.append(re.sub(r" {2,}", "  ", printed(tmp_path, "list")))
    approved("command-verify-list", kit.without_rounding("".join(texts)))


def test_compress(place: Path) -> None:
    folder, archive = place / "pictures", place / "a.eiw"
    folder.mkdir()
    (first, second), _ = kit.pictures(2, (20, 30), 8)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(first).save(folder / "first.png", exif=turned)
    Image.fromarray(second[:9, :13]).save(folder / "second.webp", lossless=True)
    Image.new("RGBA", (8, 8)).save(folder / "third.png")
    texts = [printed(place, "compress", place / "entropy.safetensors", folder, "--out", archive)]
    texts.append(printed(place, "decompress", place / "entropy.safetensors", archive, "--out", place / "unpacked"))
    texts.append(f"{pixels(place / 'unpacked')}\n\n")
    flow = kit.flow(context=3)
    words = (
        "compress",
        place / "labels.safetensors",
        "--label",
        "wild",
        folder / "second.webp",
        "--out",
        archive,
        "--force",
    )
    code, out, err = run_main(*words, "--json")
    assert (code, err, flow.config.context) == (0, "", 3)
    same, _ = kit.pictures(3, (9, 31), 6)
    sizes = lossless_sizes([Picture(str(number), picture) for number, picture in enumerate(same)])
    texts.append(f"three of one size: {kit.written([float(size) for size in sizes.values()])}\n")
    facts = json.loads(out)
    # A float of another machine may move a byte of some hundred.
    texts.append(kit.text_of({**facts, "bytes": float(facts["bytes"])}).replace(str(place), "PLACE"))
    approved("command-compress", re.sub(r"(\d[\d,]*)(?= bytes)", r"\1.0", "".join(texts)))


def test_import(place: Path) -> None:
    model = Rosinality(seed=4, levels=2, side=8)
    torch.save(model.state, place / "foreign.pt")
    x = model.low + torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(6), dtype=torch.double)
    log_prob = model.log_prob(x)[0]
    log_prob[2] += 0.25 * 192 * math.log(2)  # a quarter of a bit
    np.save(place / "x.npy", x.numpy())
    np.save(place / "log_prob.npy", log_prob.numpy())
    words = ("import", place / "foreign.pt", "--size", 8, "--bits", 5, "--out", place / "imported.safetensors")
    check = ("--check-images", place / "x.npy", "--check-log-prob", place / "log_prob.npy")
    code, out, err = run_main(*words, *check)
    assert (code, err) == (1, "")
    difference = compare(load(place / "imported.safetensors").flow, KINDS["rosinality"], *check[1::2])
    texts = [
        f"$ import\n{out}\n".replace(str(place), "PLACE"),
        kit.text_of(dataclasses.asdict(difference)),
        printed(place, "inspect", place / "imported.safetensors"),
    ]
    approved("command-import", kit.without_rounding("".join(texts)))


FOREIGN = {
    "y0ast": (lambda: Y0ast(seed=5, levels=2), Options()),
    "y0ast, additive": (lambda: Y0ast(seed=5, affine=False, lu=False, top=False, levels=2), Options()),
    "rosinality": (lambda: Rosinality(seed=5, levels=2), Options(size=16, bits=5)),
    "normflows": (
        lambda: Normflows(seed=5, leaky=0.2, levels=2),
        Options(scale_map="sigmoid", leaky=0.2),
    ),
    "normflows, classes": (
        lambda: Normflows(seed=5, base="glow", classes=3, levels=2),
        Options(size=16, scale_map="exp"),
    ),
}


@torch.no_grad()
def test_foreign_files() -> None:
    found = {}
    x = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(6)) - 0.5
    for name, (make, options) in FOREIGN.items():
        kind, tensors = recognise(make().state)
        converted = convert(kind, tensors, options)
        flow = MultiScaleFlow(converted.config)
        flow.load_state_dict(converted.state)
        context = {"context": torch.arange(3)} if flow.config.context else {}
        found[name] = {
            "kind": kind,
            **{key: value for key, value in vars(converted).items() if key not in ("config", "state")},
            "config": str(converted.config.to_dict()),
            "log p": flow.log_prob(x, **context).tolist(),
            "noise": {f"level {number}": level for number, level in enumerate(flow.encode(x, **context).levels, 1)},
        }
    approved("import-kinds", kit.text_of(found))


APPS = (
    "app",
    "app --headless --port 8600",
    "app --classroom --address 0.0.0.0",
    "app --read-only --address :: --port 80 --uploads 99",
    "app --read-only --join-url https://flows.example.org --port 9000",
    "app --classroom --address 192.0.2.9 --join-url https://school.example:8443/class",
)


def test_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "own_addresses", lambda: ["192.0.2.7", "2001:db8::7"])
    monkeypatch.setattr(serve.socket, "gethostname", lambda: "Desk")
    monkeypatch.delenv("EIWFLOW_JOIN_URL", raising=False)
    lines = []
    for words in APPS:
        command, environment = serve.server(build_parser().parse_args(words.split()))
        lines += [f"$ {words}", f"  {' '.join(command[1:4])} {' '.join(command[5:])}", f"  {environment}"]
    approved("command-app", "\n".join(lines))


def test_lesson(place: Path) -> None:
    text = printed(place, "lesson", place / "square.safetensors", "--out", place / "lesson.html")
    text += printed(place, "lesson", "--homework", place / "homework.html", "--app", "https://school.example/lesson")
    sheet = (place / "homework.html").read_text()
    words = re.sub(r"<style>.*?</style>", "", sheet, flags=re.DOTALL)
    words = re.sub(r'<a href="(.*?)">', r"(\1) ", words)
    words = re.sub(r"\n+", "\n", re.sub(r"<[^>]+>", "\n", words))
    approved("command-lesson", re.sub(r"[\d,]+ bytes", "… bytes", text) + html.unescape(words))


# ---------------------------------------------------------------------- training


#: What a training prints or keeps of its clock, its machine and its place.
CLOCK = (
    (r"\r[^\n]*(?=\r)", ""),
    (r"\[\d\d:\d\d<.*?(step/s|s/step)", "[…"),
    (r"[\d.]+(?= GiB that are free)", "…"),
    (r"\d\d:\d\d:\d\d", "<time>"),
    (r"\d{8}-\d{6}[-\w]*", "<run>"),
)


def without_clock(text: str, place: Path, *names: str) -> str:
    text = text.replace(str(place), "PLACE")
    for name in names:
        text = text.replace(name, "<run>")
    for pattern, instead in CLOCK:
        text = re.sub(pattern, instead, text)
    return text


def run_folder(run: Path) -> Iterator[str]:
    """Yield every file of a run directory as lines: JSON, log, samples and tensors."""
    for path in sorted(run.rglob("*")):
        if not path.is_file() or path.suffix == ".lock":
            continue
        if path.parent.name == "samples" and path.stem[-1] not in "046":
            continue
        yield f"\n==== {path.relative_to(run)}"
        if path.suffix == ".json":
            yield from kit.lines(kit.without_clocks(json.loads(path.read_text())))
        elif path.suffix == ".jsonl":
            records = [kit.without_clocks(json.loads(line)) for line in path.read_text().splitlines()]
            for record in records:
                step, levels = f"step {record['step']}", record.pop("levels", {})
                yield from kit.lines(record, step)
                if record["step"] in (0, records[-1]["step"]):
                    # Records have four decimals: zeros after them would be digits that nobody knows.
                    yield from (re.sub(r"(\.\d{4})0+\b", r"\1", line) for line in kit.lines(levels, f"{step}.levels"))
        elif path.suffix == ".webp":
            yield pixels(path)
        elif path.suffix == ".safetensors":
            with safetensors.safe_open(path, "pt") as file:
                for key, text in sorted(file.metadata().items()):
                    yield from kit.lines(kit.without_clocks(json.loads(text)) if text[:1] in "{[" else text, key)
                kinds: dict[str, list[Any]] = {}
                for name in sorted(file.keys()):
                    kinds.setdefault(re.sub(r"\.\d+\b", ".*", name), []).append(
                        file.get_tensor(name).double().reshape(-1)
                    )
                for name, tensors in kinds.items():
                    yield f"{name}  {kit.summed(torch.cat(tensors))}"
        else:
            yield from path.read_text().splitlines()


def test_train_and_resume(place: Path) -> None:
    words = ("train", "--data", "made", *TINY, "--iterations", 4, "--validation", "--flip", "--out", place / "runs")
    code, out, err = run_main(*words)
    assert code == 0, err
    run = Path(out.strip())
    texts = [f"$ train\n{out}{err}", *run_folder(run)]
    code, out, err = run_main("train", "--resume", run, "--iterations", 6)
    assert code == 0, err
    texts.append(f"\n$ train --resume\n{out}{err}")
    texts += (
        line
        for line in run_folder(run)
        if not re.match(r"(step [0-4]\b|flow\.|optimiser\.|average\.|recipe\.|eiwflow\.(config|recipe))", line)
    )
    texts.append(figures(place, "analyse", run, "--what", "shuffle"))
    texts.append(figures(place, "analyse", run, "--what", "entropy", "--level", 1))
    approved("command-train", kit.without_rounding(without_clock("\n".join(texts), place, run.name)))


def test_train_of_labels(place: Path) -> None:
    labels = ("--labels", "kind", "--weights", "means", "--bits", 5, "--keep", 0.25)
    settings = ("--optimiser", "adamw", "--accumulate", 2, "--schedule", "constant", "--seed", 3, "--iterations", 4)
    words = ("train", "--data", "made", *TINY, *labels, *settings, "--out", place / "labelled")
    code, out, err = run_main(*words)
    assert code == 0, err
    run = Path(out.strip())
    texts = [f"$ train\n{out}{err}"]
    texts += (line for line in run_folder(run) if not re.match(r"(average|flow|levels|optimiser)\.", line))
    more = (
        "train",
        "--init-from",
        run,
        "--data",
        "made",
        "--batch",
        8,
        "--iterations",
        2,
        "--keep-every",
        1,
        "--threads",
        1,
    )
    code, out, err = run_main(*more, "--out", place / "again")
    assert code == 0, err
    again = Path(out.strip())
    texts += [
        f"\n$ train --init-from\n{out}{err}",
        *(line for line in run_folder(again) if "jsonl" in line or "bits_per_dim" in line),
    ]
    approved("command-train-labels", kit.without_rounding(without_clock("\n".join(texts), place, run.name, again.name)))
