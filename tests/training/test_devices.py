"""What a flow computes on another device than the CPU, without one: on a device that only refuses to mix tensors."""

import json

import pytest
import torch
from torch.utils import backend_registration

from eiwflow.analysis.analyse import SUBJECTS

from .pretended import ARMS, IMPORTED, differences
from .processes import begun, ended

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"),
        reason="this torch cannot pretend a device",
    ),
]
NAMES = [*(f"step: {name}" for name in ARMS), *(f"imported: {name}" for name in IMPORTED)]
NAMES += [*(f"analyse: {what}" for what in SUBJECTS), "analyse: pooled weights", "fault"]
NAMES += ["run", "evaluate", "evaluate by label", "verify", "score", "sample"]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    out = tmp_path_factory.mktemp("pretended") / "differences.json"
    assert ended(begun(differences, str(out))) == 0
    return json.loads(out.read_text())


def test_the_device_refuses_what_a_gpu_refuses(found):
    assert list(found) == [*NAMES, "mixed"] and not hasattr(torch, "pretended")
    assert "add takes tensors of the device and of the CPU, the latter of shapes [(2,)]" in found["mixed"]


@pytest.mark.parametrize("name", NAMES)
def test_a_result_of_the_device_is_that_of_the_cpu(found, name):
    assert isinstance(found[name], float), found[name]
    assert found[name] < 1e-4
