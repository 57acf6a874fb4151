"""All commands and their options. Imports neither torch nor the commands' code, so that --help is quick."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import eiwflow

from ..files import printable
from ..options import FLOW, SETTINGS, STUDY, STUDY_SHARED, TRAINING, described, option
from ..server_settings import Settings
from ..training.presets import PRESETS

WRONG_INPUT = 2
#: Most letters of an error.
MAX_MESSAGE = 1000
#: The subjects of ``analyse``, also named here so that --help does not wait for torch.
SUBJECTS = ("trace", "levels", "weights", "shuffle", "entropy", "latents", "space", "attributes", "likelihood")


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line that proposes the nearest known word."""

    def parse_args(  # type: ignore[override]  # argparse overloads it by the class of the namespace
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Return the options; the error for an unknown option proposes the nearest option of its command."""
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            command = self._command(getattr(options, "name", None))
            nearest = _nearest(unknown[0].partition("=")[0], command._option_string_actions)
            command.error(f"unrecognized arguments: {' '.join(unknown)}{nearest}")
        return options

    def add(self, words: str, help: str, **more: Any) -> None:  # noqa: ANN401 (what add_argument takes)
        """Add an option by its words, such as ``--out DIR``: its names, and what stands for its value, if stated."""
        names = [word for number, word in enumerate(words.split()) if word.startswith("-") or not number]
        if metavar := words.split()[len(names) :]:
            more["metavar"] = metavar[0]
        self.add_argument(*names, help=help, **more)

    def _command(self, name: str | None) -> argparse.ArgumentParser:
        """Return the parser of a command, or this parser if no command has this name."""
        commands = (action.choices for action in self._actions if isinstance(action, argparse._SubParsersAction))
        return next(commands, {}).get(name or "", self)

    def error(self, message: str) -> NoReturn:
        """Print the error on stderr, without the usage block, and exit with code 2."""
        message = " ".join(message.split())
        if wrong := re.search(r"invalid choice: '(.*?)' \(choose from (.+)\)$", message):
            message += _nearest(wrong[1], re.split(r"'?, '?", wrong[2].strip("'")))
        # A word may be the name of a foreign file, with commands to the terminal.
        self.exit(WRONG_INPUT, f"{self.prog}: {printable(message, MAX_MESSAGE)}\n")


def _nearest(word: str, known: Iterable[str]) -> str:
    """Return the question whether a known word was meant; empty if no known word is near."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.7)
    return f"; did you mean {near[0]}?" if near else ""


class _Completion(argparse.Action):
    """Print the script by which a shell completes commands and options, then end."""

    def __call__(self, parser: argparse.ArgumentParser, _: object, shell: Any, __: object = None) -> NoReturn:  # noqa: ANN401
        import shtab  # imported here, so that other commands do not wait for it

        commands = next(action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))
        for action in (action for command in commands.values() for action in command._actions):
            if action.type is _path or action.dest in ("checkpoint", "data", "pictures", "also"):
                action.complete = shtab.FILE  # as in shtab's manual
        print(shtab.complete(parser, shell))
        parser.exit()


def build_parser() -> Parser:
    """Return the parser of all commands."""
    parser = Parser(
        prog="eiwflow", description="See inside a multi-scale normalizing flow: train one, score it, look at it."
    )
    parser.add_argument("--version", action="version", version=f"eiwflow {eiwflow.__version__}")
    parser.add(
        "--print-completion",
        "print a completion script for this shell; save it in the shell's folder of completions",
        action=_Completion,
        choices=("bash", "zsh", "tcsh"),
    )
    commands = parser.add_subparsers(title="commands", required=True, dest="name", metavar="COMMAND")

    app = _without_json(commands, "app", "Open the app in a browser, for this machine alone or for a class.")
    _app_options(app)

    train = _command(commands, "train", "Train a flow; the last line printed is the run directory.")
    train.add("--preset", "settings for a training of about this time on a CPU", choices=PRESETS)
    train.add("--resume RUN", "continue this run directory, with --iterations to another end", type=_path)
    train.add(
        "--data", "data set's name, an .npz, .npy or .tar file, or a folder of them or of images (default: photos32)"
    )
    _settings(train, *FLOW, "size")
    _settings(train, *TRAINING)
    train.add("--device", "auto, cpu or cuda (default: auto)", default="auto")
    train.add("--threads", "CPU threads (default: half of the cores)", type=_count(1024))
    _scale_options(train)
    train.add("--out", "folder that the run directory is made in (default: runs)", type=_path)

    study = _command(
        commands, "study", "Train every arm with every seed on one budget, each run in a folder of its own."
    )
    study.add("--out DIR", "the study's folder; an existing study is continued or extended", type=_path)
    study.add(
        "--data", "data set's name, an .npz, .npy or .tar file, or a folder of them or of images (default: photos32)"
    )
    combined = (
        "arms are all combinations of the lists (default: the ladder, from Glow's half to partitions by information)"
    )
    for options, field, text in (
        (["--order"], "orders", f"{', '.join(FLOW['order'].words)}; {combined}"),
        (["--weights"], "weights", f"{', '.join(FLOW['weights'].words)} (default: none)"),
        (["--init", "--inits"], "inits", f"{', '.join(FLOW['init'].words)} (default: principal)"),
        (["--partition"], "partitions", f"{', '.join(FLOW['partition'].words)} (default: random)"),
        (["--keep"], "keeps", "fractions passed on: 0.25, 0.5, 0.75, auto, all (default: 0.5)"),
        (["--prior", "--priors"], "priors", "conditional, standard (default: conditional)"),
    ):
        metavar = f"{options[0].removeprefix('--').upper()},…"
        study.add_argument(*options, type=_words, dest=field, metavar=metavar, help=text)
    study.add(
        "--arms ARM,…",
        "further arms, each ORDER+WEIGHTS@KEEP/INIT-PARTITION for every prior, or that with /PRIOR",
        type=_words,
    )
    study.add(
        "--arm NAME=FILE.py:FUNCTION",
        "a flow of your own: FUNCTION(shape, seed) returns a torch module with log_prob(x); the file is run",
        dest="own",
        action="append",
        default=[],
    )
    study.add("--labels FACTOR", "make every density conditional on a factor of the data")
    study.add("--null", "also run the order random against itself: an A/A control", action="store_true", default=None)
    study.add("--seeds", "runs an arm, with the seeds 0 … N-1 (default: 3)", type=int)
    _settings(study, *STUDY, *STUDY_SHARED)
    study.add("--evaluate-on", "validation: images held out from train (default: test)", choices=("test", "validation"))
    study.add(
        "--equal-time --equal-cpu",
        "give every arm the same seconds, of the CPU or GPU: its iterations are divided by its step's cost",
        action="store_true",
        default=None,
    )
    study.add("--jobs", "runs at the same time, one thread each (default: one, or one for every GPU)", type=int)
    _device_option(study)
    study.add("--shard I/N", "run only the I-th of N shares; shares may run at the same time, on any machines")
    study.add(
        "--report",
        "run nothing, print the result of the study in --out, or without --out that of all bundled studies",
        action="store_true",
    )
    study.add("--subject ARM", "the arm that --report compares with the others (default: the adaptive arm)")
    for name, what in (
        ("csv", "a table of arms and leads"),
        ("latex", "booktabs tables"),
        ("figure", "a .svg or .pdf"),
    ):
        study.add_argument(f"--{name}", type=_path, metavar="FILE", help=f"with --report: also write {what}")
    study.add("--pack FILE", "run nothing, write the study in --out as one .zip file", type=_path)
    study.add("--also STUDY", "with --pack: studies of the same recipe to add", type=_path, nargs="+", default=[])

    evaluate = _command(commands, "evaluate", "Bits/dim of a checkpoint on test images, and its exactness.")
    _checkpoint_options(evaluate)
    evaluate.add(
        "--weights STATE",
        "the state dict of FILE.py:FUNCTION, a flow of your own in the checkpoint's place; the file is run",
        type=_path,
    )
    evaluate.add("--size N", "pixels that a flow of your own was trained on", type=int)
    _label_option(evaluate)
    evaluate.add(
        "--limit",
        "only N test images: the first ones of a set by name, evenly spaced ones of others",
        type=_count(1_000_000),
    )
    evaluate.add(
        "--importance N",
        "also the importance-weighted bound of N draws of the dequantisation noise",
        type=_count(10_000),
        default=1,
    )
    _device_option(evaluate)
    _batch_option(evaluate)

    inspect = _command(commands, "inspect", "Describe a checkpoint: config, parts, inversion, orders, entropies.")
    _checkpoint_options(inspect)
    _label_option(inspect)

    verify = _command(
        commands,
        "verify",
        "Check that a checkpoint inverts and states its log-determinants; exit code 1 if a level does not.",
    )
    _checkpoint_options(verify)
    _device_option(verify)
    verify.add("--batch", "images at once, at most (default: 16)", type=_count(4096), default=16)
    _label_option(verify)

    analyse = _command(commands, "analyse", "Print the figures of a page of the app.")
    _checkpoint_options(analyse)
    _label_option(analyse)
    analyse.add("--what", "the page's subject", required=True, choices=SUBJECTS)
    analyse.add(
        "--level",
        "level, from 1 (default: all, or the first); attributes, latents, likelihood and space take none",
        type=_count(6),
    )
    analyse.add("--image", "number of the test image (default: 0)", type=int)
    analyse.add("--seed", "of its dequantisation and of all draws (default: 0)", type=_count(2**63 - 1, least=0))
    analyse.add("--other-image", "number of the test image at the end of space's path (default: 24)", type=int)
    analyse.add("--path", "the path of space (default: spherical)", choices=("linear", "spherical"))
    analyse.add(
        "--also IMAGES",
        "folders of pictures, data sets or .npz files that likelihood also scores",
        nargs="+",
        default=[],
    )
    _device_option(analyse)
    analyse.add("--batch", "images at once, at most (default: by the subject)", type=_count(4096))

    sample = _command(commands, "sample", "Draw images from a checkpoint into one picture, an array or a folder.")
    _flow_argument(sample)
    sample.add("--n", "images (default: 16)", type=_count(1_000_000), default=16)
    _device_option(sample)
    _batch_option(sample)
    sample.add("--temperature", "one number, or one a level separated by commas (default: the flow's own, else 1)")
    _label_option(sample)
    sample.add("--seed", "of the draw (default: 0)", type=_count(2**63 - 1, least=0), default=0)
    sample.add(
        "--out",
        "a .png, .webp or .jpg of all, a .npy file (N×H×W×C), or a new folder of pictures (default: samples.png)",
        type=_path,
        default=Path("samples.png"),
    )
    _force_option(sample)

    _command(commands, "list", "List flows, runs, data sets and studies.")

    compress = _command(commands, "compress", "Compress pictures losslessly, to about −log₂ p bits under a flow.")
    _flow_argument(compress)
    compress.add("pictures PICTURES", "picture files, folders of them, or data sets (their test part)", nargs="+")
    _label_option(compress)
    compress.add("--out FILE", "the archive to write", type=_path, required=True)
    _force_option(compress)

    decompress = _command(commands, "decompress", "Unpack the pictures of an archive made by compress.")
    decompress.add("checkpoint", "the flow that the archive was made with")
    decompress.add("archive", "the archive to read", type=_path)
    _label_option(decompress)
    decompress.add("--out FOLDER", "a new folder for the pictures", type=_path, required=True)

    imported = _command(commands, "import", "Convert a Glow checkpoint of other code into one of ours.")
    imported.add("file", "a state dict of a Glow, saved by torch or as .safetensors", type=_path)
    imported.add("--out FLOW", "the .safetensors file to write", type=_path, required=True)
    _force_option(imported)
    imported.add(
        "--from",
        "the code that wrote the file (default: recognised by its tensors' names)",
        dest="kind",
        choices=("y0ast", "rosinality", "normflows"),
    )
    imported.add("--part NAME", "its state dict to import, if it holds several, such as ema")
    imported.add("--size", "side of its images in pixels, if the file does not state it", type=int)
    imported.add("--bits", "it was trained on 2^BITS grey levels, if the file does not state it", type=int)
    imported.add(
        "--scale-map", "of normflows' couplings, which no file states", choices=("sigmoid", "exp", "sigmoid_inv")
    )
    imported.add(
        "--split-mode",
        "of normflows' couplings; only channel can be imported (default: channel)",
        choices=("channel", "channel_inv", "checkerboard", "checkerboard_inv"),
    )
    imported.add("--leaky", "slope of the ReLUs of normflows' networks below 0 (default: 0)", type=float)
    imported.add("--check-images NPY", "images that the other code's flow was given, (N, C, H, W)", type=_path)
    imported.add(
        "--check-log-prob NPY", "the other code's log p of them in nats; the import is compared with it", type=_path
    )
    imported.add("--check-labels NPY", "their classes (N,), for a flow that is conditional on a class", type=_path)

    export = _command(commands, "export", "Write log_prob, encode and decode of a checkpoint as ONNX files.")
    _flow_argument(export)
    _label_option(export)
    export.add("--out FOLDER", "the folder to write them into", type=_path, required=True)
    _force_option(export)

    lesson = _command(commands, "lesson", "Write the lesson as one HTML file that opens without a network.")
    lesson.add(
        "checkpoint",
        "a .safetensors file, a run directory or a bundled checkpoint's name (default: the bundled flow of faces)",
        nargs="?",
    )
    _label_option(lesson)
    lesson.add("--out", "the file to write (default: lesson.html)", type=_path, default=Path("lesson.html"))
    _force_option(lesson)
    lesson.add("--homework", "write eight questions and an answer sheet into this HTML file instead", type=_path)
    lesson.add(
        "--app",
        "where the homework's links lead: the app's lesson, or a lesson file (default: http://localhost:8501/lesson)",
        default="http://localhost:8501/lesson",
    )
    return parser


def _app_options(app: Parser) -> None:
    app.add("--port", "of the server (default: 8501)", type=_count(65535))
    app.add("--headless", "open no browser; print the address only", action="store_true")
    app.add("--address", "the network interface to listen on; 0.0.0.0 for all (default: 127.0.0.1)")
    mode = app.add_mutually_exclusive_group()
    mode.add_argument(
        "--classroom",
        action="store_true",
        help="a class joins by a QR code and votes in the lesson; the teacher has a link of his own",
    )
    mode.add_argument("--read-only", action="store_true", help="visitors look at everything and change nothing")
    app.add("--join-url", "the address that visitors type, behind a proxy or in a container")
    app.add("--uploads N", f"MiB of all visitors' uploads (default: {Settings.uploads_mib})", type=_count(1_000_000))


def _command(commands: Any, name: str, text: str) -> Parser:  # noqa: ANN401 (argparse's own type is private)
    parser = _without_json(commands, name, text)
    parser.add("--json", "print a JSON object and nothing else", action="store_true")
    return parser


def _without_json(commands: Any, name: str, text: str) -> Parser:  # noqa: ANN401 (see above)
    # No abbreviations: a command line kept in a checkpoint must still mean the same when an option is added.
    return commands.add_parser(name, help=text, description=text, allow_abbrev=False)


def _settings(parser: Parser, *names: str) -> None:
    """Add the options of these settings; the config or the recipe checks their values."""
    usual = STUDY if parser.prog.endswith(" study") else {}
    for name in names:
        default = SETTINGS[name].default
        if not option(name):
            continue
        if isinstance(default, bool):
            kind: dict[str, Any] = {"action": argparse.BooleanOptionalAction, "help": SETTINGS[name].help}
        else:
            kind = {"type": _keep if name == "keep" else type(default), "help": described(name, usual.get(name))}
        parser.add_argument(option(name), dest=name, default=None, **kind)


def _scale_options(train: Parser) -> None:
    train.add("--labels FACTOR", "make the density conditional on a factor of the data, such as letter or glasses")
    train.add("--init-from CHECKPOINT", "start from the flow and parameters of a checkpoint")
    train.add("--compile", "compile the flow; worth it for long trainings on CUDA", action="store_true")
    train.add("--deterministic", "reproduce every bit of a training, also on CUDA; slower", action="store_true")
    train.add("--workers", "processes that read images ahead (default: by the data)", type=_count(64, least=0))
    train.add("--strict", "stop at a picture that cannot be read", action="store_true")
    train.add("--save-every STEPS", "between saves (default: a minute)", type=_count(10**9))
    train.add("--keep-every STEPS", "also keep a checkpoint every STEPS", type=_count(10**9))
    train.add("--log", "log there too", choices=("tensorboard", "wandb", "trackio"))


def _device_option(parser: Parser) -> None:
    parser.add("--device", "auto, cpu or cuda (default: cpu)", default="cpu")


def _batch_option(parser: Parser) -> None:
    parser.add("--batch", "images at once, at most (default: 64)", type=_count(4096), default=64)


def _flow_argument(parser: Parser) -> None:
    parser.add("checkpoint", "a .safetensors file, a run directory or a bundled checkpoint's name")


def _checkpoint_options(parser: Parser) -> None:
    _flow_argument(parser)
    parser.add("--data", "another data set than the checkpoint's own")


def _force_option(parser: Parser) -> None:
    parser.add("--force", "overwrite files that exist", action="store_true")


def _label_option(parser: Parser) -> None:
    parser.add("--label", "the class that a flow with labels is conditioned on, such as A")


def _count(most: int, least: int = 1) -> Callable[[str], int]:
    """Return the type of an option that takes a whole number from ``least``, 1 by default, to ``most``."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = -1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number between {least} and {most}")
        return number

    return read


def _path(text: str) -> Path:
    """Return the path that an option is given; one of no letters would be the working folder."""
    if not text:
        raise argparse.ArgumentTypeError("'' names no file or folder")
    return Path(text)


def _keep(text: str) -> float | str:
    """Return the value of ``--keep``, as a number if it is a number."""
    try:
        return float(text)
    except ValueError:
        return text


def _words(text: str) -> tuple[str, ...]:
    """Return words separated by commas; an empty list is an error, since a shell's variable may be empty."""
    if not (words := tuple(word.strip() for word in text.split(",") if word.strip())):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} holds no word")
    return words
