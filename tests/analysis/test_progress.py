"""How far a measure is: what it counts is what it said it would."""

import pytest
import torch

from eiwflow.analysis import progress, subjects
from eiwflow.analysis.subjects import Look
from eiwflow.checkpoint import Checkpoint, CheckpointInfo

from ..flow.flows import ready_flow

AVERAGES = {
    "kept_fit": 6,
    "latents_survey": 6 * (1 + 2),
    "test_trace": 6,
    "verification": 6,
    "score": 2 * 6,
    "likelihood": None,
}


@pytest.mark.parametrize(("name", "images"), AVERAGES.items())
def test_a_measure_ends_with_as_many_images_as_it_announced(monkeypatch, name, images):
    monkeypatch.setattr("eiwflow.flow.score.BATCH_WORK", 0)  # one image at a time
    flow = ready_flow(shape=(3, 16, 16), split="entropy+pooled").float()
    pixels = torch.randint(0, 256, (6, 3, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    checkpoint = Checkpoint("small", flow, CheckpointInfo(flow.config, data="photos32"), "0" * 64)
    seen = []
    watched = progress.Progress(changed=lambda now: seen.append((now.done, now.total)))
    look = Look(checkpoint, "photos32", pixels, pixels, None, pixels[:1], 1, 0, large=True)
    with progress.watched(watched):
        getattr(subjects, name)(look, **({"limit": 100} if name == "score" else {}))
    assert watched.done == watched.total and (images is None or watched.total == images)
    assert len(seen) > 1 and len({total for _, total in seen}) == 1
