"""One thread and no deadlines: the tests share a small machine."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("eiwflow", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("eiwflow")
