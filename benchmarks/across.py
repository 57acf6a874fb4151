"""The lead of an arm of one study over an arm of another: for choices that a study holds fixed, as width and levels.

    python benchmarks/across.py wide@entropy/principal-alternating assets/studies/x.zip@entropy/principal-alternating

Each side is a study (a folder or a packed .zip), an @, and an arm without its prior, which is the conditional one. Both
studies must share data, steps, batch and images of evaluation. Runs are paired by seed: batches and noise are the same,
initial parameters are not where widths differ.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from eiwflow.study.file import Study, read_study
from eiwflow.study.recipe import Arm
from eiwflow.study.statistics import effect

#: Fields of the recipe that must be the same for a comparison.
SHARED = ("data", "size", "batch", "iterations", "flip", "evaluate_on")


def side(text: str) -> tuple[Study, Arm]:
    """Return the study and the arm that an argument names."""
    path, at, arm = text.partition("@")
    if not at:
        sys.exit(f"{text} names no arm; write STUDY@ARM, as runs/a@entropy/principal-alternating.")
    return read_study(Path(path)), Arm.parse(arm, prior="conditional")


def main() -> None:
    """Print the lead over seeds, and both means."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sides = [side(text) for text in sys.argv[1:]]
    (ours, our_arm), (theirs, their_arm) = sides
    if other := [name for name in SHARED if getattr(ours.recipe, name) != getattr(theirs.recipe, name)]:
        sys.exit(f"The studies differ in {', '.join(other)}, so their arms cannot be compared.")
    seeds = sorted(set(ours.seeds([our_arm])) & set(theirs.seeds([their_arm])))
    if not seeds:
        sys.exit("The two arms share no seed.")
    bits = np.array([[study.runs[arm, seed].bits_per_dim for study, arm in sides] for seed in seeds])
    seconds = [np.mean([study.runs[arm, seed].cpu_s for seed in seeds]) for study, arm in sides]
    lead = effect("first", "second", {}, np.array(seeds), bits[:, 1] - bits[:, 0])
    first, second = bits.mean(axis=0)
    print(f"means {first:.3f} and {second:.3f} bits/dim; {seconds[0]:.0f} and {seconds[1]:.0f} CPU seconds a run")
    print(f"lead {lead.figures} bits/dim over {len(seeds)} seeds")


if __name__ == "__main__":
    main()
