"""A training process keeps the memory that a step frees."""

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from eiwflow.training.memory import give_back_freed_memory, keep_freed_memory
from eiwflow.training.run_directory import peak_memory_mib

PROGRAM = """
import resource
from pathlib import Path
import torch
from eiwflow.training.memory import give_back_freed_memory, keep_freed_memory
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def mib():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) // 2**10
def step(mib):
    return [torch.ones(2**18) for _ in range(mib)]
# As in any process there are small free blocks: a small one at the heap's top would keep all below it.
[torch.ones(1) for _ in range(4096)]
assert keep_freed_memory()
step(32)
before = faults()
for _ in range(10):
    step(32)
fetched = faults() - before
step(256)
kept = mib()
assert give_back_freed_memory()
given_back = mib()
step(256)
print(fetched, kept - given_back, mib() - given_back)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_memory_once_fetched_is_not_fetched_again_until_the_process_goes_on_as_something_else():
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=120)
    fetched, at_once, later = map(int, result.stdout.split())
    # Ten times 32 MiB are 81,920 pages, and without the setting nearly all of them are fetched.
    assert fetched < 8192
    assert at_once > 200 and later < 100  # of 256 MiB


def test_without_glibc_nothing_is_changed(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory() and not give_back_freed_memory()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system has no /proc")
def test_the_peak_is_stated_in_mebibytes():
    def peak_bytes() -> int:
        (kibibytes,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        return 1024 * int(kibibytes)

    before, stated, after = peak_bytes(), peak_memory_mib(), peak_bytes()
    assert before / 1024**2 - 0.1 <= stated <= after / 1024**2 + 0.1
