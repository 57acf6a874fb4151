"""A training process keeps the memory that a step frees."""

import platform
import subprocess
import sys

import pytest

from eiwflow.training.memory import keep_freed_memory

PROGRAM = """
import resource
import torch
from eiwflow.training.memory import keep_freed_memory
assert keep_freed_memory()
def step():
    return [torch.ones(2**18) for _ in range(32)]
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_memory_once_fetched_is_not_fetched_again():
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=120)
    # Ten times 32 MiB are 81,920 pages, and without the setting nearly all of them are fetched.
    assert int(result.stdout) < 8192


def test_without_glibc_nothing_is_changed(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()
