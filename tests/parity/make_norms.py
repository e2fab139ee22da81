#!/usr/bin/env python3
"""Makes norms_*.npz: batch norm and ActNorm in training, with PyTorch, in float64.

Batch norm is torch.nn.BatchNorm2d. ActNorm is written here from Kingma & Dhariwal
2018: the first batch's mean and deviation are kept, scale and shift are learned.

Usage: make_norms.py [OUTPUT_FOLDER]
"""
import sys
import numpy as np
import torch
import torch.nn.functional as F

out = sys.argv[1] if len(sys.argv) > 1 else "."
torch.set_default_dtype(torch.float64)


class ActNorm(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(channels))
        self.bias = torch.nn.Parameter(torch.zeros(channels))
        self.average = self.spread = None

    def forward(self, x):
        rows = x.transpose(0, 1).flatten(1)
        if self.average is None:
            self.average = rows.mean(1).detach()
            self.spread = rows.std(1, unbiased=False).detach() + 1e-6
        n = (rows - self.average[:, None]) / self.spread[:, None]
        n = n * self.weight[:, None] + self.bias[:, None]
        return n.unflatten(1, (x.shape[0],) + x.shape[2:]).transpose(0, 1)


def f32(t):
    return t.detach().numpy().astype(np.float32)


torch.manual_seed(1)
rng = np.random.default_rng(5)
x = torch.tensor(rng.uniform(-1, 1, (12, 2, 8, 8)).astype(np.float32)).double()
y = torch.tensor(rng.integers(0, 3, 12))
conv1, norm1 = torch.nn.Conv2d(2, 4, 3, padding=1), torch.nn.BatchNorm2d(4)
conv2, norm2 = torch.nn.Conv2d(4, 6, 3, 2, padding=1), ActNorm(6)
dense = torch.nn.Linear(6, 3)
named = {"f.conv1": conv1, "f.batch_norm1.affine1": norm1, "f.conv2": conv2,
         "f.act_norm1.affine1": norm2, "f.dense1": dense}
params = {}
for path, m in named.items():
    for name in ("weight", "bias"):
        p = getattr(m, name)
        scale = torch.tensor(rng.uniform(0.8, 1.2, p.shape))
        shift = 0.2 if "norm" in path else 0.0
        p.data = (p.data * scale + shift).float().double()
        params[f"{path}.{name}"] = p
np.savez(f"{out}/norms_data.npz", x=f32(x), y=y.numpy().astype(np.int32))
np.savez(f"{out}/norms_weights.npz", **{k: f32(p) for k, p in params.items()})


def f(x):
    h = F.relu(norm1(conv1(x)))
    h = F.relu(norm2(conv2(h)))
    return dense(h.mean((2, 3)))


sgd = torch.optim.SGD(params.values(), lr=0.5)
for _ in range(3):
    sgd.zero_grad()
    F.cross_entropy(f(x), y).backward()
    sgd.step()
norm1.eval()
np.savez(f"{out}/norms_expect.npz", logits=f32(f(x)),
         **{k: f32(p) for k, p in params.items()},
         **{"f.batch_norm1.average": f32(norm1.running_mean),
            "f.batch_norm1.spread": f32(norm1.running_var),
            "f.act_norm1.average": f32(norm2.average),
            "f.act_norm1.spread": f32(norm2.spread)})
