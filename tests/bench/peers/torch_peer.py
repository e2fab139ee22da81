"""PyTorch: eager (contiguous or channels_last) and torch.compile."""
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F

from common import blocks, examples, serve, weights

task = json.loads(sys.argv[1])
torch.set_num_threads(task["threads"])
torch.manual_seed(0)
layout = (torch.channels_last if task["variant"] == "channels_last"
          else torch.contiguous_format)


def tensor(a):
    t = torch.from_numpy(a)
    return t.contiguous(memory_format=layout) if t.dim() == 4 else t


P = {k: tensor(v) for k, v in weights(task).items()}


def conv(x, name, stride=1, padding=None):
    w = P[name + ".weight"]
    pad = w.shape[-1] // 2 if padding is None else padding
    return F.conv2d(x, w, P.get(name + ".bias"), stride, pad)


def dense(x, name):
    return F.linear(x, P[name + ".weight"], P.get(name + ".bias"))


def cnn(x):
    h = F.max_pool2d(F.relu(conv(x, "f.conv1")), 2)
    h = F.max_pool2d(F.relu(conv(h, "f.conv2")), 2)
    return dense(F.relu(dense(h.flatten(1), "f.dense1")), "f.dense2")


def unit(x, net, k, t, padding=None, stride=1):
    if t is not None:
        x = torch.cat([torch.full_like(x[:, :1], t), x], 1)
    conv_name = f"{net}.conv{k}" if net == "features" else f"{net}.unit{k}.conv1"
    norm = (f"{net}.group_norm{k}" if net == "features"
            else f"{net}.unit{k}.group_norm1")
    h = conv(x, conv_name, stride, padding)
    return F.relu(F.group_norm(h, 32, P[norm + ".weight"], P[norm + ".bias"]))


def features(x):
    return unit(unit(x, "features", 1, None, 0), "features", 2, None, 1, 2)


def dynamics(z, t):
    return unit(unit(z, "g", 1, t), "g", 2, t)


def euler(z, steps, count, tis):
    for k in range(steps):
        z = z + dynamics(z, None if tis else k / count) / count
    return z


def head(z):
    return dense(z.mean((2, 3)), "head.dense1")


def ode(x):
    tis = task["tis"]
    n = 20 if tis else 10
    return head(euler(features(x), n, n, tis))


def ode_loss(x, y):
    if not task["tis"]:
        return F.cross_entropy(ode(x), y)
    a = euler(features(x), 18, 20, True)
    z = euler(a, 2, 20, True)
    s = torch.zeros_like(a)
    for _ in range(12):
        d = dynamics(a, None)
        s = s + d.abs() / 20
        a = a + d / 20
    return F.cross_entropy(head(z), y) + 0.01 * s.mean()


def wrn(x):
    h = conv(x, "f.conv1")
    for name, out, stride in blocks(task["depth"], task["width"]):
        a = conv(F.leaky_relu(h, 0.2), name + ".conv1")
        a = conv(F.leaky_relu(a, 0.2), name + ".conv2", stride)
        same = stride == 1 and h.shape[1] == out
        h = a + (h if same else conv(h, name + ".conv3", stride, 0))
    return dense(F.leaky_relu(h, 0.2).mean((2, 3)), "f.dense1")


def compiled(f):
    return torch.compile(f) if task["variant"] == "compile" else f


def infer():
    import torch._inductor.config as inductor
    inductor.freezing = True
    x, _ = examples(task, task["batch"])
    x = tensor(x)
    f = compiled({"cnn": cnn, "ode": ode}[task["net"]])

    def call():
        with torch.no_grad():
            return f(x)
    return call, lambda: [call().double().sum().item()]


def pgd():
    x, y = examples(task, task["batch"])
    x, y = tensor(x), torch.from_numpy(y)
    loss = compiled(lambda a: F.cross_entropy(cnn(a), y, reduction="sum"))
    eps, size = 0.1, 0.01

    def call(start=0.1):
        lo, hi = (x - eps).clamp(min=0), (x + eps).clamp(max=1)
        a = x + start * (2 * torch.rand_like(x) - 1)
        a.clamp_(0, 1)
        for _ in range(task["steps"]):
            a.requires_grad_(True)
            g, = torch.autograd.grad(loss(a), a)
            with torch.no_grad():
                a = torch.clamp(a.detach() + size * g.sign(), lo, hi)
        with torch.no_grad():
            return F.cross_entropy(cnn(a), y).item()
    return call, lambda: [call(0.0)]


def trained(loss, optimizer):
    """A training step: loss(), its gradients in all parameters, the update."""
    params = list(P.values())
    for p in params:
        p.requires_grad_(True)
    opt = optimizer(params)

    def call():
        opt.zero_grad(set_to_none=True)
        v = loss()
        v.backward()
        opt.step()
        return v.item()
    return call


def train():
    x, y = examples(task, task["batch"])
    x, y = tensor(x), torch.from_numpy(y)
    if task["net"] == "cnn":
        f = compiled(lambda: F.cross_entropy(cnn(x), y))
        make = lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, fused=True)
    else:
        f = compiled(lambda: ode_loss(x, y))
        make = lambda p: torch.optim.Adam(p, 1e-3, weight_decay=5e-4, fused=True)
    call = trained(f, make)
    return call, lambda: [f().item(), (call(), f().item())[1]]


def jem():
    n = task["batch"]
    x, y = examples(task, n)
    x, y = tensor(2 * x - 1), torch.from_numpy(y)
    replay = tensor(np.random.default_rng(0).uniform(
        -1, 1, (10000, 3, 32, 32)).astype(np.float32))
    f = compiled(wrn)
    params = list(P.values())

    def sgld(a):
        for p in params:
            p.requires_grad_(False)
        for _ in range(task["steps"]):
            a.requires_grad_(True)
            g, = torch.autograd.grad(torch.logsumexp(f(a), 1).sum(), a)
            with torch.no_grad():
                a = a.detach() + g + 0.01 * torch.randn_like(a)
        for p in params:
            p.requires_grad_(True)
        return a

    def loss():
        slot = torch.randint(0, 10000, (n,))
        fresh = torch.empty(n, 3, 32, 32).uniform_(-1, 1)
        new = (torch.rand(n) < 0.05).view(-1, 1, 1, 1)
        fake = sgld(torch.where(new, fresh, replay[slot]))
        replay[slot] = fake
        z = f(x + 0.03 * torch.randn_like(x))
        return (F.cross_entropy(z, y) - torch.logsumexp(z, 1).mean()
                + torch.logsumexp(f(fake), 1).mean())

    make = lambda p: torch.optim.Adam(p, 1e-4, fused=True)
    call = trained(loss, make)

    def check():
        with torch.no_grad():
            return [wrn(x).double().sum().item()]
    return call, check


def main():
    call, check = {"infer": infer, "pgd": pgd, "train": train,
                   "jem": jem}[task["workload"]]()
    value = check()
    for _ in range(task["warmup"]):
        call()
    serve(f"PyTorch {torch.__version__} {task['variant']}", value, call)


main()
