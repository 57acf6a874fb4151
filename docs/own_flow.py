"""Train a flow in a loop of your own, save it, and open it in the app: python docs/own_flow.py 300."""

import subprocess
import sys
from pathlib import Path

import torch

from eiwflow import checkpoint, data
from eiwflow.flow import FlowConfig, MultiScaleFlow, dequantise

steps = int(sys.argv[1])
images = data.to_tensor(data.load("faces16").train)  # uint8 (N, C, H, W): put your own here
flow = MultiScaleFlow(FlowConfig(shape=tuple(images.shape[1:]), levels=3, steps=4, width=48))
flow.initialise(dequantise(images[:256]))  # once, from data
optimiser = torch.optim.Adam(flow.parameters(), lr=2e-3)
for step in range(1, steps + 1):
    batch = images[torch.randint(len(images), (32,))]
    bits = flow.bits_per_dim(batch).mean()  # −log₂ p per value, of freshly dequantised images
    optimiser.zero_grad()
    bits.backward()
    torch.nn.utils.clip_grad_norm_(flow.parameters(), 1.0)
    optimiser.step()
    if step % 50 == 0 or step == steps:
        print(f"step {step}: {bits.item():.2f} bits/dim")
Path("runs").mkdir(exist_ok=True)
info = checkpoint.CheckpointInfo(flow.config, "faces16", steps, metrics={"train_bits_per_dim": bits.item()})
checkpoint.save("runs/own.safetensors", flow, info)  # the app lists what lies in runs
subprocess.run([sys.executable, "-m", "eiwflow", "app"], check=True)  # choose own.safetensors in the side bar
