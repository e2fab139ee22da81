"""What the peers share: the workloads' parameters by the paths that rnnc gives
them, reading of its files, and the protocol with the driver.

A peer is started as
    PEER.py '{"workload": .., "batch": .., "steps": .., "variant": .., ...}'
prepares, warms up, prints one JSON line {"settings": ..., "check": [numbers]} and
then answers every line on its standard input with the seconds of one call.
"""
import json
import struct
import sys
import time

import numpy as np


def safetensors(path):
    """The arrays of a .safetensors file by name."""
    with open(path, "rb") as f:
        (n,) = struct.unpack("<Q", f.read(8))
        head = json.loads(f.read(n))
        data = f.read()
    kinds = {"F32": np.float32, "F64": np.float64, "I32": np.int32,
             "I64": np.int64, "U8": np.uint8, "BOOL": np.bool_}
    out = {}
    for name, t in head.items():
        if name == "__metadata__":
            continue
        lo, hi = t["data_offsets"]
        a = np.frombuffer(data[lo:hi], kinds[t["dtype"]])
        out[name] = a.reshape(t["shape"]).copy()
    return out


def weights(task):
    """The network's parameters: those of rnnc's own run, f32 by path."""
    nets = ("f.", "features.", "g.", "head.")
    return {k: v for k, v in safetensors(task["weights"]).items()
            if k.startswith(nets) and v.dtype == np.float32}


def examples(task, n):
    """x in [0, 1] as f32 and labels, the first n of the test set."""
    x = np.load(task["images"])[:n].astype(np.float32) / 255
    y = np.load(task["labels"])[:n].astype(np.int64)
    return x, y


def blocks(depth, width):
    """(name, out, stride) of a Wide-ResNet's residual blocks, in order."""
    k = 0
    for group in range(3):
        for i in range((depth - 4) // 6):
            k += 1
            yield (f"f.block{k}", 16 * width * 2 ** group,
                   2 if i == 0 and group > 0 else 1)


def serve(settings, check, call):
    """Tells the driver what was prepared; then a timed call for each line."""
    print(json.dumps({"settings": settings, "check": check}), flush=True)
    for _ in sys.stdin:
        t = time.perf_counter()
        call()
        print(time.perf_counter() - t, flush=True)
