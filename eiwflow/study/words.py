"""Titles of studies, what they cannot show, and sentences that pages and reports share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..analysis.words.numbers import counted, listed
from .file import Study
from .recipe import StudyRecipe
from .statistics import Effect, usual_partition

CAVEAT = (
    "an interval is about other seeds, on these test images, at this size and budget. It does not cover other images."
)
#: The meaning of a lead's sign.
LEAD = "A lead is bits/dim that the first arm needs less than the second: above 0 the first is better."
#: The families of Holm's correction.
CORRECTED = (
    "Holm's correction is over each group by itself: what was written down before the runs; the ladder with its leads; "
    "one arm over all others; what each choice adds."
)
OWN_WEIGHTS = "Own weights are computed from each picture's entropies."
#: Settings that distinguish studies of the same title, in this order.
_DIFFERENCES: tuple[Callable[[StudyRecipe], str], ...] = (
    lambda recipe: {"muon": "Muon", "adamw": "AdamW"}.get(recipe.optimiser, recipe.optimiser),
    lambda recipe: f"weight decay {recipe.weight_decay:g}",
    lambda recipe: "mirrored" if recipe.flip else "not mirrored",
    lambda recipe: f"{usual_partition(recipe)} partitions",
    lambda recipe: f"init {', '.join(sorted({arm.init for arm in recipe.arms if arm.init}))}",
    lambda recipe: f"batches of {recipe.batch}",
    lambda recipe: f"{recipe.levels} levels of {recipe.steps} steps, width {recipe.width}",
    lambda recipe: f"{recipe.learning_rate:g} learning rate",
    lambda recipe: counted(len(recipe.arms), "arm"),
)


def titles(studies: Mapping[str, Study]) -> dict[str, str]:
    """Return key -> unique title: equal titles are extended by the settings that differ, or else by the key."""
    alike: dict[str, list[str]] = {}
    for key, study in studies.items():
        alike.setdefault(study.title, []).append(key)
    titled = {}
    for shared, keys in alike.items():
        longer = dict.fromkeys(keys, shared)
        for ask in _DIFFERENCES:
            more = {key: ask(studies[key].recipe) for key in keys}
            if len({*longer.values()}) < len(keys) and len({*more.values()}) > 1:
                longer = {key: f"{longer[key]}, {more[key]}" for key in keys}
        for key, text in longer.items():
            titled[key] = text if list(longer.values()).count(text) == 1 else f"{text} ({key})"
    return {key: titled[key] for key in studies}


#: Images that a run of the shortest bundled studies saw.
SHORT = 16_000


def too_short(study: Study) -> str:
    """Return why a study is too short to judge; empty if it is as long as the bundled studies."""
    if study.recipe.seeds == 1:
        return "Too short to judge: one seed says nothing about other seeds."
    if study.recipe.budget >= SHORT:
        return ""
    seen = f"a run saw {study.recipe.budget:,} images, in the bundled studies at least {SHORT:,}"
    return f"Too short to judge: {seen}. Leads may be smaller after more training."


def limits(study: Study) -> list[str]:
    """Return what a study cannot show, and how it was done, a sentence each."""
    said = ["Leads are means over seeds of paired differences: arms of one seed share its batches and noise."]
    if short := too_short(study):
        said.append(short)
    if 1 < study.recipe.seeds < 4:
        said.append(f"{study.recipe.seeds} seeds cannot show small differences: more seeds narrow intervals.")
    if any(arm.source for arm in study.arms):
        ours = "AdamW" if study.recipe.optimiser == "adamw" else "Muon and AdamW"
        said.append(f"Optimisers: {ours} for flows of eiwflow, AdamW without weight decay for flows of one's own.")
    if any(arm.weights == "entropy" for arm in study.arms):
        said.append(OWN_WEIGHTS)
    return said


def control(effects: Sequence[Effect]) -> str:
    """Return the sentence on an A/A control: the random order against itself, with other permutations."""
    leads = listed([effect.figures for effect in effects])
    claims = {effect.claim for effect in effects}
    if "interim" in claims:
        return f"A/A control, interim: the lead of the random order over itself is {leads} bits/dim so far."
    end = "no difference, as it should" if claims == {"not shown"} else "a difference, though there is none"
    return f"A/A control: the lead of the random order over itself is {leads} bits/dim. It claims {end}."


def rows(table: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with headings that wrap; small p and CPU seconds are texts, since a table has three places."""
    printed = []
    for row in table:
        small = {key: "< 0.001" for key in ("p", "p_corrected") if (p := row.get(key)) is not None and p < 0.001}
        seconds = {key: f"{row[key]:.1f}" for key in ("cpu_s",) if key in row}
        printed.append({key.replace("_", " "): value for key, value in {**row, **small, **seconds}.items()})
    return printed
