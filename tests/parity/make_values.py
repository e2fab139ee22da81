#!/usr/bin/env python3
"""Makes the committed values of tests/parity with PyTorch, in float64.

Debian: apt-get install python3-torch; or pip install torch numpy.
Usage: make_values.py [OUTPUT_FOLDER]

For each program NAME.rnn: NAME_data.npz (x, y), NAME_weights.npz (parameters by
path, f32), NAME_expect.npz (logits, x_adv = gradient of the summed cross
entropy in x, and d loss / d parameter by path), all as float32.
"""
import sys
import numpy as np
import torch
import torch.nn.functional as F

out = sys.argv[1] if len(sys.argv) > 1 else "."
torch.set_default_dtype(torch.float64)


def parameters(rng, shapes):
    """f32-representable parameters, scaled like a usual initialization."""
    p = {}
    for path, shape in shapes.items():
        fan = int(np.prod(shape[1:])) if len(shape) > 1 else 16
        w = rng.uniform(-1, 1, shape) / np.sqrt(fan)
        if "norm" in path and path.endswith("weight"):
            w = 1 + 0.2 * w
        p[path] = torch.tensor(w.astype(np.float32).astype(np.float64),
                               requires_grad=True)
    return p


def save(name, p, x, y, f, loss):
    x.requires_grad_(True)
    logits = f(p, x)
    dx, = torch.autograd.grad(F.cross_entropy(logits, y, reduction="sum"), x)
    dp = torch.autograd.grad(loss(p, x, y), list(p.values()))
    f32 = lambda t: t.detach().numpy().astype(np.float32)
    np.savez(f"{out}/{name}_data.npz", x=f32(x), y=y.numpy().astype(np.int32))
    np.savez(f"{out}/{name}_weights.npz", **{k: f32(v) for k, v in p.items()})
    np.savez(f"{out}/{name}_expect.npz", logits=f32(logits), x_adv=f32(dx),
             **{k: f32(g) for k, g in zip(p, dp)})


def cnn():
    rng = np.random.default_rng(1)
    c, hidden = 4, 32
    p = parameters(rng, {
        "f.conv1.weight": (c, 1, 5, 5), "f.conv1.bias": (c,),
        "f.conv2.weight": (2 * c, c, 5, 5), "f.conv2.bias": (2 * c,),
        "f.dense1.weight": (hidden, 2 * c * 49), "f.dense1.bias": (hidden,),
        "f.dense2.weight": (10, hidden), "f.dense2.bias": (10,)})

    def f(p, x):
        h = F.conv2d(x, p["f.conv1.weight"], p["f.conv1.bias"], padding=2)
        h = F.max_pool2d(F.relu(h), 2)
        h = F.conv2d(h, p["f.conv2.weight"], p["f.conv2.bias"], padding=2)
        h = F.max_pool2d(F.relu(h), 2).flatten(1)
        h = F.relu(F.linear(h, p["f.dense1.weight"], p["f.dense1.bias"]))
        return F.linear(h, p["f.dense2.weight"], p["f.dense2.bias"])

    x = torch.tensor(rng.uniform(0, 1, (8, 1, 28, 28)).astype(np.float32)
                     .astype(np.float64))
    y = torch.tensor(rng.integers(0, 10, 8))
    save("cnn", p, x, y, f, lambda p, x, y: F.cross_entropy(f(p, x), y))


def resnet():
    rng = np.random.default_rng(2)
    w = 4
    shapes = {"f.conv1.weight": (w, 3, 3, 3), "f.conv1.bias": (w,)}
    for b, (cin, cout) in (("1", (w, w)), ("2", (w, 2 * w))):
        k = f"f.block{b}."
        shapes[k + "group_norm1.weight"] = shapes[k + "group_norm1.bias"] = (cin,)
        shapes[k + "conv1.weight"] = (cout, cin, 3, 3)
        shapes[k + "conv1.bias"] = (cout,)
        shapes[k + "group_norm2.weight"] = shapes[k + "group_norm2.bias"] = (cout,)
        shapes[k + "conv2.weight"] = (cout, cout, 3, 3)
        shapes[k + "conv2.bias"] = (cout,)
        if cin != cout:
            shapes[k + "conv3.weight"] = (cout, cin, 1, 1)
            shapes[k + "conv3.bias"] = (cout,)
    shapes["f.dense1.weight"] = (5, 2 * w)
    shapes["f.dense1.bias"] = (5,)
    p = parameters(rng, shapes)

    def block(p, k, x, stride):
        act = lambda t: F.leaky_relu(t, 0.2)
        norm = lambda t, i: F.group_norm(t, 2, p[f"{k}group_norm{i}.weight"],
                                         p[f"{k}group_norm{i}.bias"])
        conv = lambda t, i, **o: F.conv2d(t, p[f"{k}conv{i}.weight"],
                                          p[f"{k}conv{i}.bias"], **o)
        h = conv(act(norm(x, 1)), 1, padding=1)
        h = conv(act(norm(h, 2)), 2, padding=1, stride=stride)
        return h + (conv(x, 3, stride=stride) if f"{k}conv3.weight" in p else x)

    def f(p, x):
        h = F.conv2d(x, p["f.conv1.weight"], p["f.conv1.bias"], padding=1)
        h = block(p, "f.block1.", h, 1)
        h = block(p, "f.block2.", h, 2)
        h = F.avg_pool2d(F.leaky_relu(h, 0.2), 8).flatten(1)
        return F.linear(h, p["f.dense1.weight"], p["f.dense1.bias"])

    def loss(p, x, y):
        z = f(p, x)
        g, = torch.autograd.grad(torch.logsumexp(z, 1).sum(), x, create_graph=True)
        return (F.cross_entropy(z, y, reduction="none")
                + 0.5 * (g * g).flatten(1).sum(1)).mean()

    x = torch.tensor(rng.uniform(-1, 1, (6, 3, 16, 16)).astype(np.float32)
                     .astype(np.float64))
    y = torch.tensor(rng.integers(0, 5, 6))
    save("resnet", p, x, y, f, loss)


def norm(p, k, x, groups):
    return F.group_norm(x, groups, p[k + ".weight"], p[k + ".bias"])


def ode_shapes(w, conv, time):
    """The networks of Yan et al. 2020 at width w; conv: paths of the block's."""
    c = w + time
    shapes = {"f.features1.conv1.weight": (w, 1, 3, 3),
              "f.features1.conv1.bias": (w,),
              "f.features1.conv2.weight": (w, w, 4, 4),
              "f.features1.conv2.bias": (w,)}
    for i in (1, 2):
        shapes[f"f.features1.group_norm{i}.weight"] = (w,)
        shapes[f"f.features1.group_norm{i}.bias"] = (w,)
        shapes[f"g.{conv}{i}{'.conv1' if time else ''}.weight"] = (w, c, 3, 3)
        if time:
            shapes[f"g.{conv}{i}.conv1.bias"] = (w,)
        shapes[f"g.group_norm{i}.weight"] = (w,)
        shapes[f"g.group_norm{i}.bias"] = (w,)
    return shapes


def features(p, x, groups):
    h = F.conv2d(x, p["f.features1.conv1.weight"], p["f.features1.conv1.bias"])
    h = F.relu(norm(p, "f.features1.group_norm1", h, groups))
    h = F.conv2d(h, p["f.features1.conv2.weight"], p["f.features1.conv2.bias"],
                 stride=2, padding=1)
    return F.relu(norm(p, "f.features1.group_norm2", h, groups))


def images(rng, n):
    x = torch.tensor(rng.uniform(0, 1, (n, 1, 28, 28)).astype(np.float32)
                     .astype(np.float64))
    return x, torch.tensor(rng.integers(0, 10, n))


def odenet(w=8, n=4):
    """Ten steps of Euler of a block whose convolutions see the time."""
    rng = np.random.default_rng(3)
    shapes = ode_shapes(w, "time_conv", 1)
    shapes["f.dense1.weight"] = (10, w)
    shapes["f.dense1.bias"] = (10,)
    p = parameters(rng, shapes)
    groups = w // 2

    def conv(p, i, z, t):
        plane = torch.full_like(z[:, :1], t)
        k = f"g.time_conv{i}.conv1"
        return F.conv2d(torch.cat([plane, z], 1), p[k + ".weight"],
                        p[k + ".bias"], padding=1)

    def f(p, x):
        z = features(p, x, groups)
        for k in range(10):
            t = k / 10
            h = F.relu(norm(p, "g.group_norm1", conv(p, 1, z, t), groups))
            z = z + 0.1 * F.relu(norm(p, "g.group_norm2", conv(p, 2, h, t),
                                      groups))
        return F.linear(z.mean((2, 3)), p["f.dense1.weight"], p["f.dense1.bias"])

    x, y = images(rng, n)
    save("odenet", p, x, y, f, lambda p, x, y: F.cross_entropy(f(p, x), y))


def tisode(w=8, n=4):
    """Twenty steps of Euler; trained with the released steady-state loss."""
    rng = np.random.default_rng(4)
    shapes = ode_shapes(w, "conv", 0)
    shapes["f.classify1.dense1.weight"] = (10, w)
    shapes["f.classify1.dense1.bias"] = (10,)
    p = parameters(rng, shapes)
    groups = w // 2

    def g(p, z):
        h = F.conv2d(z, p["g.conv1.weight"], padding=1)
        h = F.relu(norm(p, "g.group_norm1", h, groups))
        h = F.conv2d(h, p["g.conv2.weight"], padding=1)
        return F.relu(norm(p, "g.group_norm2", h, groups))

    def classify(p, z):
        return F.linear(z.mean((2, 3)), p["f.classify1.dense1.weight"],
                        p["f.classify1.dense1.bias"])

    def f(p, x):
        z = features(p, x, groups)
        for _ in range(20):
            z = z + 0.05 * g(p, z)
        return classify(p, z)

    def loss(p, x, y):
        z = features(p, x, groups)
        s = 0
        for k in range(30):
            if k == 20:
                logits = classify(p, z)
            r = g(p, z)
            s = s + (0.05 * r.abs() if k >= 18 else 0)
            z = z + 0.05 * r
        return F.cross_entropy(logits, y) + 0.01 * s.mean()

    x, y = images(rng, n)
    save("tisode", p, x, y, f, loss)


print("torch", torch.__version__, "numpy", np.__version__)
cnn()
resnet()
odenet()
tisode()
