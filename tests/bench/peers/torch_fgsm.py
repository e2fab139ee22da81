"""FGSM over the 10,000 test images as a whole process, in PyTorch.

    torch_fgsm.py WEIGHTS.safetensors FOLDER THREADS
"""
import gzip
import sys

import numpy as np
import torch
import torch.nn.functional as F

from common import safetensors

torch.set_num_threads(int(sys.argv[3]))
P = {k: torch.from_numpy(v) for k, v in safetensors(sys.argv[1]).items()}


def read(name, skip):
    with gzip.open(f"{sys.argv[2]}/{name}") as f:
        return np.frombuffer(f.read(), np.uint8)[skip:]


def net(x):
    for k in (1, 2):
        w, b = P[f"f.conv{k}.weight"], P[f"f.conv{k}.bias"]
        x = F.max_pool2d(F.relu(F.conv2d(x, w, b, padding=w.shape[-1] // 2)), 2)
    x = F.relu(F.linear(x.flatten(1), P["f.dense1.weight"], P["f.dense1.bias"]))
    return F.linear(x, P["f.dense2.weight"], P["f.dense2.bias"])


images = read("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
labels = torch.from_numpy(read("t10k-labels-idx1-ubyte.gz", 8).astype(np.int64))
right = 0
for i in range(0, len(labels), 500):
    x = torch.from_numpy(images[i:i + 500].astype(np.float32) / 255)
    y = labels[i:i + 500]
    x.requires_grad_(True)
    g, = torch.autograd.grad(F.cross_entropy(net(x), y, reduction="sum"), x)
    with torch.no_grad():
        z = net((x.detach() + 0.1 * g.sign()).clamp(0, 1))
        right += (z.argmax(1) == y).sum().item()
print(f"robust accuracy {right / len(labels):.4f}")
