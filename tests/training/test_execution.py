"""How a process computes: what it sets on a GPU and says of it, and how many threads it takes."""

import pytest
import torch

from eiwflow.training.execution import default_threads, set_arithmetic


@pytest.fixture
def settings():
    """Put torch's settings back as they were."""
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = (cuda.fp32_precision, cudnn.conv.fp32_precision, cudnn.benchmark, cudnn.deterministic)
    deterministic = torch.are_deterministic_algorithms_enabled()
    yield
    cuda.fp32_precision, cudnn.conv.fp32_precision, cudnn.benchmark, cudnn.deterministic = before
    torch.use_deterministic_algorithms(deterministic)


@pytest.mark.parametrize("deterministic", [False, True])
def test_what_is_said_of_a_gpus_arithmetic_is_set(settings, monkeypatch, deterministic):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    words = set_arithmetic(torch.device("cuda"), deterministic)
    end = "deterministic" if deterministic else "cuDNN's fastest algorithms"
    assert words == f"TF32 convolutions, float32 products, channels last, {end}"
    assert torch.backends.cudnn.conv.fp32_precision == "tf32"
    assert torch.backends.cuda.matmul.fp32_precision == "ieee"
    assert torch.backends.cudnn.deterministic is deterministic
    assert torch.backends.cudnn.benchmark is not deterministic
    assert torch.are_deterministic_algorithms_enabled() is deterministic


def test_a_training_takes_half_of_the_cores_or_what_the_environment_says(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for cores, threads in ((1, 1), (2, 1), (9, 4)):
        monkeypatch.setattr("os.sched_getaffinity", lambda _, cores=cores: range(cores), raising=False)
        assert default_threads() == threads
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert default_threads() == torch.get_num_threads()
