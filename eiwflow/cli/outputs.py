"""The commands that write files: sample, compress, decompress, import, export, lesson."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import math
from pathlib import Path
from typing import Any

import torch

from ..analysis.samples import draw, write_array, write_pictures
from ..analysis.words.numbers import counted
from ..checkpoint import MAX_TEMPERATURE
from ..compression import archive
from ..data import montage, picture_file
from ..files import missing, printable, write_atomically
from ..flow import ConfigError, Latents, MultiScaleFlow, quantise
from ..flow.score import batch_size
from .arguments import check_out, find_checkpoint, open_flow, size_of
from .progress import Result, bar

#: Samples that one picture holds.
MOST_IN_ONE = 4096
#: Suffix -> Pillow's name of the format, and how it is saved.
PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".webp": ("WEBP", {"lossless": True}),
    ".jpg": ("JPEG", {"quality": 95}),
    ".jpeg": ("JPEG", {"quality": 95}),
}
#: Largest allowed differences in onnxruntime, of a value of an image and of bits/dim; a grey level is 0.004.
MOST_DIFFERENCE = 1e-3


def sample_command(options: argparse.Namespace) -> Result:
    """Draw images into one picture, one array, or a folder of pictures, also in several processes of torchrun."""
    out, n, team, suffix = options.out, options.n, options.team, options.out.suffix.lower()
    if team.first:  # checked before the first process writes files that another would refuse
        _check_samples_out(options)
    loaded = open_flow(options)
    flow, config = loaded.flow, loaded.info.config
    text = str(loaded.info.temperature) if options.temperature is None else options.temperature
    temperatures = _temperatures(text, config.levels)
    temperature = temperatures[0] if len(temperatures) == 1 else temperatures
    facts = {"out": str(out), "n": n, "temperature": temperatures, "seed": options.seed}
    facts |= {} if options.label is None else {"label": options.label}
    if suffix in PICTURES:
        if team.first:  # one picture is drawn by one process
            images = _images_of_one_draw(flow, n, temperature, options.seed, options.batch)
            grid = montage(images.permute(0, 2, 3, 1).numpy(), math.ceil(math.sqrt(n)), gap=2 if n > 1 else 0)
            kind, settings = PICTURES[suffix]
            write_atomically(out, picture_file(grid, kind, **settings))
        return facts, str(out)
    with bar("image", shown=team.first) as move:
        arrays = draw(flow, n, temperature, options.seed, options.batch, lambda count: move(count, n), team)
        if not team.first:
            for _ in arrays:
                pass
        elif suffix == ".npy":
            write_array(out, arrays, (n, *config.shape[1:], config.shape[0]))
        else:
            write_pictures(out, arrays)
    return facts, str(out)


def _check_samples_out(options: argparse.Namespace) -> None:
    """Refuse an output that samples cannot be written to, before any sample is drawn."""
    out, suffix = options.out, options.out.suffix.lower()
    is_file = suffix in PICTURES or suffix == ".npy"
    if (suffix and not is_file) or (is_file and out.is_dir()) or not out.absolute().parent.is_dir():
        raise ConfigError(
            f"--out is {str(out)[:200]!r}; name a file {', '.join(PICTURES)} or .npy or a new folder, in a folder that "
            "exists."
        )
    if suffix in PICTURES and options.n > MOST_IN_ONE:
        raise ConfigError(f"--n is {options.n}; one picture holds at most {MOST_IN_ONE}: choose .npy or a folder.")
    if is_file or not out.is_dir() or any(out.iterdir()):
        check_out(options, out)


def _temperatures(text: str, levels: int) -> list[float]:
    try:
        temperatures = [float(part) for part in text.split(",")]
        if len(temperatures) in (1, levels) and all(0 <= t <= MAX_TEMPERATURE for t in temperatures):
            return temperatures
    except ValueError:
        pass
    allowed = f"1 or {levels} numbers between 0 and {MAX_TEMPERATURE:g}"
    raise ConfigError(f"--temperature is {text[:40]!r}; it must be {allowed}.")


@torch.no_grad()
def _images_of_one_draw(
    flow: MultiScaleFlow, n: int, temperature: float | list[float], seed: int, batch: int
) -> torch.Tensor:
    """Return n samples (n, C, H, W) uint8 of one draw, as ``flow.sample`` has them, decoded part by part."""
    latents = flow.sample_latents(n, temperature, torch.Generator().manual_seed(seed))
    parts = zip(*(level.split(batch_size(flow, batch)) for level in latents.levels), strict=True)
    return torch.cat([quantise(flow.decode(Latents([*part])), flow.config.bits).cpu() for part in parts])


def compress_command(options: argparse.Namespace) -> Result:
    """Compress pictures into one archive."""
    check_out(options, options.out, find_checkpoint(options.checkpoint), *map(Path, options.pictures))
    flow = open_flow(options).flow
    pictures, left_out = archive.gather(options.pictures)
    others = archive.lossless_sizes(pictures)
    content, summary = archive.compress(flow, pictures)
    write_atomically(options.out, content)
    stated = 8 * summary.stated_bytes / summary.values
    facts = {
        "path": str(options.out),
        **dataclasses.asdict(summary),
        "bits_per_dim": summary.bits_per_dim,
        "stated_bits_per_dim": stated,
        **{f"{name}_bytes": size for name, size in others.items()},
        "left_out": left_out,
    }
    what = counted(summary.pictures, "picture")
    lines = [
        f"{options.out}: {what} in {summary.bytes:,} bytes, {summary.bits_per_dim:.3f} bits/dim",
        f"the flow states {summary.stated_bytes:,.0f} bytes, {stated:.3f} bits/dim; "
        f"{summary.start_bytes:,} bytes of the file are the digits that the first tile starts from",
        *(f"lossless {name.upper():<4} {size:,} bytes" for name, size in others.items()),
        "It was decoded again: every pixel is the same.",
        *(f"left out: {printable(sentence, 300)}" for sentence in left_out),
    ]
    return facts, "\n".join(lines)


def decompress_command(options: argparse.Namespace) -> Result:
    """Write the pictures of an archive into a new folder."""
    if options.out.exists():
        raise ConfigError(f"{str(options.out)[:200]!r} exists; name a new folder.")
    flow = open_flow(options).flow
    pictures = archive.decompress(flow, options.archive.read_bytes())
    paths = archive.write_pictures(pictures, options.out)
    return {"out": str(options.out), "pictures": len(paths)}, f"{counted(len(paths), 'picture')} in {options.out}"


def import_command(options: argparse.Namespace) -> Result:
    """Convert a Glow checkpoint of other code."""
    from ..importing import GlowError, Options, import_flow
    from ..importing.check import MOST, compare

    if (options.check_images is None) != (options.check_log_prob is None):
        raise GlowError("--check-images and --check-log-prob belong together; give both or neither.")
    check_out(options, options.out, options.file)
    stated = Options(**{entry.name: getattr(options, entry.name) for entry in dataclasses.fields(Options)})
    loaded = import_flow(options.file, options.out, stated)
    config, facts = loaded.info.config, loaded.info.imported
    parameters, size = loaded.flow.parameter_count(), "×".join(map(str, config.shape))
    lines = [
        f"{options.out}: {parameters:,} parameters, {size_of(config)}, width {config.width}, {config.coupling} "
        f"couplings, images of {size} with {config.bits} bits",
        f"imported from {facts['file']}, a checkpoint of {facts['kind']}",
    ]
    if facts["assumed"]:
        lines.append(f"assumed: {facts['assumed']}")
    result = {"out": str(options.out), "parameters": parameters, "config": config.to_dict(), "imported": facts}
    if options.check_images is not None:
        difference = compare(
            loaded.flow, facts["kind"], options.check_images, options.check_log_prob, options.check_labels
        )
        result |= {"check": dataclasses.asdict(difference), "holds": difference.holds}
        lines.append(
            f"log p of {counted(difference.images, 'image')} differs by at most {abs(difference.bits_per_dim):.1e} "
            f"bits/dim (image {difference.worst}); at most {MOST:g} is rounding."
        )
        if not difference.holds:
            lines.append("A stated or assumed setting is wrong: try another scale map, leaky or bits.")
    return result, "\n".join(lines)


def export_command(options: argparse.Namespace) -> Result:
    """Write a checkpoint's methods as ONNX files, and compare them in onnxruntime."""
    if absent := missing("onnx", "onnxscript", "onnxruntime"):
        raise ConfigError(f"The export needs {', '.join(absent)}, not installed here: pip install {' '.join(absent)}.")
    from ..export import EXPORTS, differences, export_onnx

    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    flow = open_flow(options).flow
    for name in EXPORTS:
        check_out(options, options.out / f"{name}.onnx")
    options.out.mkdir(exist_ok=True)
    paths = export_onnx(flow, options.out)
    gaps = differences(flow, paths)
    lines = []
    for name, path in paths.items():
        gap = f"{gaps[name]:.1e}{' bits/dim' if name == 'log_prob' else ''}"
        lines.append(f"{path}: {path.stat().st_size:,} bytes; values in onnxruntime differ by at most {gap}")
    holds, bits = max(gaps.values()) < MOST_DIFFERENCE, flow.config.bits
    lines.append(f"The flow takes images dequantised to {bits} bits.")
    return {"out": str(options.out), "bits": bits, "max_difference": gaps, "holds": holds}, "\n".join(lines)


def lesson_command(options: argparse.Namespace) -> Result:
    """Write the lesson as one file, or its homework."""
    from ..lesson import bundle, default, homework
    from ..lesson.build import build_for

    if options.homework is not None and options.checkpoint is not None:
        raise ConfigError(f"checkpoint is {options.checkpoint!r}; the homework is on the bundled flow: leave it out.")
    if options.homework is not None:
        check_out(options, options.homework)
        page = homework.page(options.app).encode()
        write_atomically(options.homework, page)
        facts = {"path": str(options.homework), "bytes": len(page), "questions": len(homework.QUESTIONS)}
        return facts, f"{options.homework}: {len(homework.QUESTIONS)} questions, and an answer sheet for the teacher."
    read = [] if options.checkpoint is None else [find_checkpoint(options.checkpoint)]
    check_out(options, options.out, *read)
    page = bundle.page(build_for(open_flow(options)).to_bytes() if read else default.pack()).encode()
    write_atomically(options.out, page)
    facts = {"path": str(options.out), "bytes": len(page)}
    return facts, f"{options.out}: {len(page):,} bytes; it opens in any browser, without a network."
