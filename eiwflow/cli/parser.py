"""All commands and their options. Imports neither torch nor the commands' code, so that --help is quick."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import eiwflow

from ..files import printable
from ..options import FLOW, SETTINGS, STUDY, STUDY_SHARED, TRAINING, described, option
from ..server_settings import Settings
from ..training.presets import PRESETS
from ..training.process import WRONG_INPUT

#: The subjects of ``analyse``, also named here so that --help does not wait for torch.
SUBJECTS = ("trace", "levels", "weights", "shuffle", "entropy", "latents", "space", "attributes", "likelihood")
#: Fields of :class:`.Execution`: how ``train`` computes.
EXECUTION = ("compiled", "deterministic", "workers", "strict", "save_every", "keep_every", "log")
#: ``--data`` of commands that train.
_TRAINED_ON = "data set's name, an .npz, .npy or .tar file, or a folder of them or of images (default: photos32)"


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    #: The parsers of the commands, by name.
    commands: dict[str, Parser]

    def add(self, words: str, help: str, **more: Any) -> None:  # noqa: ANN401 (what add_argument takes)
        """Add an option by its words, such as ``--out DIR``: its names, and what stands for its value, if stated."""
        names = [word for number, word in enumerate(words.split()) if word.startswith("-") or not number]
        if metavar := words.split()[len(names) :]:
            more["metavar"] = metavar[0]
        self.add_argument(*names, help=help, **more)

    def flag(self, words: str, help: str, **more: Any) -> None:  # noqa: ANN401 (see above)
        """Add an option without a value."""
        self.add(words, help, action="store_true", **more)

    def settings(self, *names: str) -> None:
        """Add the options of these settings; the config or the recipe checks their values."""
        usual = STUDY if self.prog.endswith(" study") else {}
        for name in filter(option, names):
            default, more = SETTINGS[name].default, {"dest": name, "default": None}
            if isinstance(default, bool):
                self.add(option(name), SETTINGS[name].help, action=argparse.BooleanOptionalAction, **more)
            else:
                kind = _number_or_word if name == "keep" else type(default)
                self.add(option(name), described(name, usual.get(name)), type=kind, **more)

    def error(self, message: str) -> NoReturn:
        """Print the error on stderr, without the usage block, and exit with code 2."""
        message = " ".join(message.split())
        # A word may be the name of a foreign file, with commands to the terminal.
        self.exit(WRONG_INPUT, f"{self.prog}: {printable(message, 1000)}\n")


class _Completion(argparse.Action):
    """Print the script by which a shell completes commands and options, then end."""

    def __call__(self, parser: Any, _: object, shell: Any, __: object = None) -> None:  # noqa: ANN401 (argparse's)
        import shtab  # imported here, so that other commands do not wait for it

        for action in (action for command in parser.commands.values() for action in command._actions):
            if action.type is _path or action.dest in ("checkpoint", "data", "pictures", "also"):
                action.complete = shtab.FILE  # as in shtab's manual
        print(shtab.complete(parser, shell))
        parser.exit()


def _count(most: int, least: int = 1) -> Callable[[str], int]:
    """Return the type of an option that takes a whole number from ``least``, 1 by default, to ``most``."""

    def whole_number(text: str) -> int:
        number = int(text)  # of another text argparse says that it is an invalid whole_number
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not between {least} and {most}")
        return number

    return whole_number


def _path(text: str) -> Path:
    """Return the path that an option is given; one of no letters would be the working folder."""
    if not text:
        raise argparse.ArgumentTypeError("'' names no file or folder")
    return Path(text)


def _number_or_word(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _words(text: str) -> tuple[str, ...]:
    """Return words separated by commas; an empty list is an error, since a shell's variable may be empty."""
    if not (words := tuple(word.strip() for word in text.split(",") if word.strip())):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} holds no word")
    return words


#: Options of several commands: name -> words, help, and what argparse is told beside them.
SHARED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "flow": ("checkpoint", "a .safetensors file, a run directory or a bundled checkpoint's name", {}),
    "data": ("--data", "another data set than the checkpoint's own", {}),
    "label": ("--label", "the class that a flow with labels is conditioned on, such as A", {}),
    "device": ("--device", "auto, cpu or cuda (default: cpu)", {"default": "cpu"}),
    "batch": ("--batch", "images at once, at most (default: 64)", {"type": _count(4096), "default": 64}),
    "force": ("--force", "overwrite files that exist", {"action": "store_true"}),
}


def build_parser() -> Parser:
    """Return the parser of all commands."""
    parser = Parser(
        prog="eiwflow", description="See inside a multi-scale normalizing flow: train one, score it, look at it."
    )
    parser.add("--version", "show the version and exit", action="version", version=f"eiwflow {eiwflow.__version__}")
    completion = "print a completion script for this shell; save it in the shell's folder of completions"
    parser.add("--print-completion", completion, action=_Completion, choices=("bash", "zsh", "tcsh"))
    commands = parser.add_subparsers(title="commands", required=True, dest="name", metavar="COMMAND")
    parser.commands = commands.choices  # argparse fills it

    def command(name: str, text: str, *shared: str) -> Parser:
        # No abbreviations: a command line kept in a checkpoint must still mean the same when an option is added.
        added = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        for words, help, more in map(SHARED.__getitem__, shared):
            added.add(words, help, **more)
        if name != "app":
            added.flag("--json", "print a JSON object and nothing else")
        return added

    app = command("app", "Open the app in a browser, for this machine alone or for a class.")
    app.add("--port", "of the server (default: 8501)", type=_count(65535))
    app.flag("--headless", "open no browser; print the address only")
    app.add("--address", "the network interface to listen on; 0.0.0.0 for all (default: 127.0.0.1)")
    mode = app.add_mutually_exclusive_group()
    votes = "a class joins by a QR code and votes in the lesson; the teacher has a link of his own"
    mode.add_argument("--classroom", help=votes, action="store_true")
    mode.add_argument("--read-only", help="visitors look at everything and change nothing", action="store_true")
    app.add("--join-url", "the address that visitors type, behind a proxy or in a container")
    app.add("--uploads N", f"MiB of all visitors' uploads (default: {Settings.uploads_mib})", type=_count(1_000_000))

    train = command("train", "Train a flow; the last line printed is the run directory.")
    train.add("--preset", "settings for a training of about this time on a CPU", choices=PRESETS)
    train.add("--resume RUN", "continue this run directory, with --iterations to another end", type=_path)
    train.add("--data", _TRAINED_ON)
    train.settings(*FLOW, "size", *TRAINING)
    train.add("--device", "auto, cpu or cuda (default: auto)", default="auto")
    train.add("--threads", "CPU threads (default: half of the cores)", type=_count(1024))
    train.add("--labels FACTOR", "make the density conditional on a factor of the data, such as letter or glasses")
    train.add("--init-from CHECKPOINT", "start from the flow and parameters of a checkpoint")
    train.flag("--compile", "compile the flow; worth it for long trainings on CUDA", dest="compiled")
    train.flag("--deterministic", "reproduce every bit of a training, also on CUDA; slower")
    train.add("--workers", "processes that read images ahead (default: by the data)", type=_count(64, least=0))
    train.flag("--strict", "stop at a picture that cannot be read")
    train.add("--save-every STEPS", "between saves (default: a minute)", type=_count(10**9), default=0)
    train.add("--keep-every STEPS", "also keep a checkpoint every STEPS", type=_count(10**9), default=0)
    train.add("--log", "log there too", choices=("tensorboard", "wandb", "trackio"), default="")
    train.add("--out", "folder that the run directory is made in (default: runs)", type=_path)

    study = command("study", "Train every arm with every seed on one budget, each run in a folder of its own.", "force")
    study.add("--out DIR", "the study's folder; an existing study is continued or extended", type=_path)
    study.add("--data", _TRAINED_ON)
    combined = "arms are all combinations of the lists (default: the ladder, up to partitions by information)"
    for words, field, text in (
        ("--order ORDER,…", "orders", f"{', '.join(FLOW['order'].words)}; {combined}"),
        ("--weights WEIGHTS,…", "weights", f"{', '.join(FLOW['weights'].words)} (default: none)"),
        ("--init --inits INIT,…", "inits", f"{', '.join(FLOW['init'].words)} (default: principal)"),
        ("--partition PARTITION,…", "partitions", f"{', '.join(FLOW['partition'].words)} (default: random)"),
        ("--keep KEEP,…", "keeps", "fractions passed on: 0.25, 0.5, 0.75, auto, all (default: 0.5)"),
        ("--prior --priors PRIOR,…", "priors", "conditional, standard (default: conditional)"),
    ):
        study.add(words, text, type=_words, dest=field)
    arms = "further arms, each ORDER+WEIGHTS@KEEP/INIT-PARTITION for every prior, or that with /PRIOR"
    study.add("--arms ARM,…", arms, type=_words)
    own = "a flow of your own: FUNCTION(shape, seed) returns a torch module with log_prob(x); the file is run"
    study.add("--arm NAME=FILE.py:FUNCTION", own, dest="own", action="append", default=[])
    study.add("--labels FACTOR", "make every density conditional on a factor of the data")
    study.flag("--null", "also run the order random against itself: an A/A control", default=None)
    study.add("--seeds", "runs an arm, with the seeds 0 … N-1 (default: 3)", type=int)
    study.settings(*STUDY, *STUDY_SHARED)
    study.add("--evaluate-on", "validation: images held out from train (default: test)", choices=("test", "validation"))
    equal = "give every arm the same seconds, of the CPU or GPU: its iterations are divided by its step's cost"
    study.flag("--equal-time --equal-cpu", equal, default=None)
    jobs = "runs at the same time, one thread each (default: one, or one for every GPU)"
    study.add("--jobs", jobs, type=_count(1024))
    study.add("--device", "auto, cpu or cuda (default: cpu)", default="cpu")
    study.add("--shard I/N", "run only the I-th of N shares; shares may run at the same time, on any machines")
    study.flag("--report", "run nothing, print the result of the study in --out, or without it of all bundled studies")
    study.add("--subject ARM", "the arm that --report compares with the others (default: the adaptive arm)")
    study.add("--csv FILE", "with --report: also write a table of arms and leads", type=_path)
    study.add("--latex FILE", "with --report: also write booktabs tables", type=_path)
    study.add("--figure FILE", "with --report: also write a .svg or .pdf", type=_path)
    study.add("--pack FILE", "run nothing, write the study in --out as one .zip file", type=_path)
    study.add("--also STUDY", "with --pack: studies of the same recipe to add", type=_path, nargs="+", default=[])

    flow_and_data = ("flow", "data", "label")
    text = "Bits/dim of a checkpoint on test images, and its exactness."
    evaluate = command("evaluate", text, *flow_and_data, "device", "batch")
    own = "the state dict of FILE.py:FUNCTION, a flow of your own in the checkpoint's place; the file is run"
    evaluate.add("--weights STATE", own, type=_path)
    evaluate.add("--size N", "pixels that a flow of your own was trained on", type=int)
    first = "only N test images: the first ones of a set by name, evenly spaced ones of others"
    evaluate.add("--limit", first, type=_count(1_000_000))
    bound = "also the importance-weighted bound of N draws of the dequantisation noise"
    evaluate.add("--importance N", bound, type=_count(10_000), default=1)

    command("inspect", "Describe a checkpoint: config, parts, inversion, orders, entropies.", *flow_and_data)

    text = "Check that a checkpoint inverts and states its log-determinants; exit code 1 if a level does not."
    verify = command("verify", text, *flow_and_data, "device")
    verify.add("--batch", "images at once, at most (default: 16)", type=_count(4096), default=16)

    analyse = command("analyse", "Print the figures of a page of the app.", *flow_and_data, "device")
    analyse.add("--what", "the page's subject", required=True, choices=SUBJECTS)
    level = "level, from 1 (default: all, or the first); attributes, latents, likelihood and space take none"
    analyse.add("--level", level, type=_count(6))
    analyse.add("--image", "number of the test image (default: 0)", type=int)
    analyse.add("--seed", "of its dequantisation and of all draws (default: 0)", type=_count(2**63 - 1, least=0))
    analyse.add("--other-image", "number of the test image at the end of space's path (default: 27)", type=int)
    analyse.add("--path", "the path of space (default: spherical)", choices=("linear", "spherical"))
    also = "folders of pictures, data sets or .npz files that likelihood also scores"
    analyse.add("--also IMAGES", also, nargs="+", default=[])
    analyse.add("--batch", "images at once, at most (default: by the subject)", type=_count(4096))

    text = "Draw images from a checkpoint into one picture, an array or a folder."
    sample = command("sample", text, "flow", "label", "device", "batch", "force")
    sample.add("--n", "images (default: 16)", type=_count(1_000_000), default=16)
    sample.add("--temperature", "one number, or one a level separated by commas (default: the flow's own, else 1)")
    sample.add("--seed", "of the draw (default: 0)", type=_count(2**63 - 1, least=0), default=0)
    out = "a .png, .webp or .jpg of all, a .npy file (N×H×W×C), or a new folder of pictures (default: samples.png)"
    sample.add("--out", out, type=_path, default=Path("samples.png"))

    command("list", "List flows, runs, data sets and studies.")

    text = "Compress pictures losslessly, to about −log₂ p bits under a flow."
    compress = command("compress", text, "flow", "label", "force")
    compress.add("pictures PICTURES", "picture files, folders of them, or data sets (their test part)", nargs="+")
    compress.add("--out FILE", "the archive to write", type=_path, required=True)

    decompress = command("decompress", "Unpack the pictures of an archive made by compress.", "flow", "label")
    decompress.add("archive", "the archive to read", type=_path)
    decompress.add("--out FOLDER", "a new folder for the pictures", type=_path, required=True)

    imported = command("import", "Convert a Glow checkpoint of other code into one of ours.", "force")
    imported.add("file", "a state dict of a Glow, saved by torch or as .safetensors", type=_path)
    imported.add("--out FLOW", "the .safetensors file to write", type=_path, required=True)
    kinds = ("y0ast", "rosinality", "normflows")
    written_by = "the code that wrote the file (default: recognised by its tensors' names)"
    imported.add("--from", written_by, dest="kind", choices=kinds)
    imported.add("--part NAME", "its state dict to import, if it holds several, such as ema")
    imported.add("--size", "side of its images in pixels, if the file does not state it", type=int)
    imported.add("--bits", "it was trained on 2^BITS grey levels, if the file does not state it", type=int)
    maps = ("sigmoid", "exp", "sigmoid_inv")
    imported.add("--scale-map", "of normflows' couplings, which no file states", choices=maps)
    imported.add("--leaky", "slope of the ReLUs of normflows' networks below 0 (default: 0)", type=float)
    imported.add("--check-images NPY", "images that the other code's flow was given, (N, C, H, W)", type=_path)
    imported.add("--check-log-prob NPY", "the other code's log p of them in nats, to compare", type=_path)
    imported.add("--check-labels NPY", "their classes (N,), for a flow that is conditional on a class", type=_path)

    text = "Write log_prob, encode and decode of a checkpoint as ONNX files."
    export = command("export", text, "flow", "label", "force")
    export.add("--out FOLDER", "the folder to write them into", type=_path, required=True)

    lesson = command("lesson", "Write the lesson as one HTML file that opens without a network.", "label", "force")
    lesson.add("checkpoint", f"{SHARED['flow'][1]} (default: the bundled flow of faces)", nargs="?")
    lesson.add("--out", "the file to write (default: lesson.html)", type=_path, default=Path("lesson.html"))
    lesson.add("--homework", "write eight questions and an answer sheet into this HTML file instead", type=_path)
    app_at = "http://localhost:8501/lesson"
    leads_to = f"where the homework's links lead: the app's lesson, or a lesson file (default: {app_at})"
    lesson.add("--app", leads_to, default=app_at)
    return parser
