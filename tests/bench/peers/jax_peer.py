"""JAX: everything under one jit, images channels-last."""
import json
import os
import sys

task = json.loads(sys.argv[1])
if task["threads"] == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
from jax import lax

from common import blocks, examples, serve, weights


def layout(a):
    return jnp.asarray(a.transpose(2, 3, 1, 0) if a.ndim == 4 else a)


P = {k: layout(v) for k, v in weights(task).items()}


def conv(p, x, name, stride=1, padding=None):
    w = p[name + ".weight"]
    pad = w.shape[0] // 2 if padding is None else padding
    h = lax.conv_general_dilated(x, w, (stride, stride), [(pad, pad)] * 2,
                                 dimension_numbers=("NHWC", "HWIO", "NHWC"))
    b = p.get(name + ".bias")
    return h if b is None else h + b


def dense(p, x, name):
    h = x @ p[name + ".weight"].T
    b = p.get(name + ".bias")
    return h if b is None else h + b


def pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1),
                             "VALID")


def cnn(p, x):
    h = pool(jax.nn.relu(conv(p, x, "f.conv1")))
    h = pool(jax.nn.relu(conv(p, h, "f.conv2")))
    h = h.transpose(0, 3, 1, 2).reshape(h.shape[0], -1)
    return dense(p, jax.nn.relu(dense(p, h, "f.dense1")), "f.dense2")


def group_norm(p, x, name):
    n, h, w, c = x.shape
    g = x.reshape(n, h, w, 32, c // 32)
    m = g.mean((1, 2, 4), keepdims=True)
    v = g.var((1, 2, 4), keepdims=True)
    g = ((g - m) * lax.rsqrt(v + 1e-5)).reshape(x.shape)
    return g * p[name + ".weight"] + p[name + ".bias"]


def unit(p, x, net, k, t, padding=None, stride=1):
    if t is not None:
        x = jnp.concatenate([jnp.full_like(x[..., :1], t), x], -1)
    inner = net == "features"
    c = f"{net}.conv{k}" if inner else f"{net}.unit{k}.conv1"
    g = f"{net}.group_norm{k}" if inner else f"{net}.unit{k}.group_norm1"
    return jax.nn.relu(group_norm(p, conv(p, x, c, stride, padding), g))


def features(p, x):
    return unit(p, unit(p, x, "features", 1, None, 0), "features", 2, None, 1, 2)


def dynamics(p, z, t):
    return unit(p, unit(p, z, "g", 1, t), "g", 2, t)


def euler(p, z, steps, count, tis):
    for k in range(steps):
        z = z + dynamics(p, z, None if tis else k / count) / count
    return z


def head(p, z):
    return dense(p, z.mean((1, 2)), "head.dense1")


def ode(p, x):
    tis = task["tis"]
    n = 20 if tis else 10
    return head(p, euler(p, features(p, x), n, n, tis))


def wrn(p, x):
    act = lambda v: jnp.where(v > 0, v, 0.2 * v)
    h = conv(p, x, "f.conv1")
    for name, out, stride in blocks(task["depth"], task["width"]):
        a = conv(p, act(h), name + ".conv1")
        a = conv(p, act(a), name + ".conv2", stride)
        same = stride == 1 and h.shape[-1] == out
        h = a + (h if same else conv(p, h, name + ".conv3", stride, 0))
    return dense(p, act(h).mean((1, 2)), "f.dense1")


def cross_entropy(z, y):
    return (jax.nn.logsumexp(z, 1) - jnp.take_along_axis(z, y[:, None], 1)[:, 0])


def data():
    x, y = examples(task, task["batch"])
    return jnp.asarray(x.transpose(0, 2, 3, 1)), jnp.asarray(y, jnp.int32)


def infer():
    x, _ = data()
    net = {"cnn": cnn, "ode": ode}[task["net"]]
    f = jax.jit(net)
    return (lambda: f(P, x).block_until_ready(),
            lambda: [float(f(P, x).astype(jnp.float32).sum())])


def pgd():
    x, y = data()
    eps, size = 0.1, 0.01

    @jax.jit
    def attack(p, key, start):
        lo, hi = jnp.maximum(x - eps, 0), jnp.minimum(x + eps, 1)
        a = jnp.clip(x + start * jax.random.uniform(key, x.shape, minval=-1), 0, 1)
        g = jax.grad(lambda v: cross_entropy(cnn(p, v), y).sum())
        step = lambda _, v: jnp.clip(v + size * jnp.sign(g(v)), lo, hi)
        a = lax.fori_loop(0, task["steps"], step, a)
        return cross_entropy(cnn(p, a), y).mean()
    key = jax.random.PRNGKey(0)
    return (lambda: attack(P, key, 0.1).block_until_ready(),
            lambda: [float(attack(P, key, 0.0))])


def ode_loss(p, x, y):
    if not task["tis"]:
        return cross_entropy(ode(p, x), y).mean()
    a = euler(p, features(p, x), 18, 20, True)
    z = euler(p, a, 2, 20, True)
    s = jnp.zeros_like(a)
    for _ in range(12):
        d = dynamics(p, a, None)
        s, a = s + jnp.abs(d) / 20, a + d / 20
    return cross_entropy(head(p, z), y).mean() + 0.01 * s.mean()


def adam(p, g, m, v, t, lr, decay):
    tree = jax.tree_util.tree_map
    g = tree(lambda a, b: a + decay * b, g, p)
    m = tree(lambda a, b: 0.9 * a + 0.1 * b, m, g)
    v = tree(lambda a, b: 0.999 * a + 0.001 * b * b, v, g)
    up = lambda a, b, c: a - lr * (b / (1 - 0.9 ** t)) / (
        jnp.sqrt(c / (1 - 0.999 ** t)) + 1e-8)
    return tree(up, p, m, v), m, v


def zeros():
    return jax.tree_util.tree_map(jnp.zeros_like, P)


def train():
    x, y = data()
    if task["net"] == "cnn":
        loss = lambda p: cross_entropy(cnn(p, x), y).mean()

        def step(p, m):
            v, g = jax.value_and_grad(loss)(p)
            m = jax.tree_util.tree_map(lambda a, b: 0.9 * a + b, m, g)
            p = jax.tree_util.tree_map(lambda a, b: a - 0.05 * b, p, m)
            return v, (p, m)
        state = [(P, zeros())]
    else:
        loss = lambda p: ode_loss(p, x, y)

        def step(p, m, v, t):
            l, g = jax.value_and_grad(loss)(p)
            return l, (*adam(p, g, m, v, t, 1e-3, 5e-4), t + 1)
        state = [(P, zeros(), zeros(), jnp.float32(1))]
    before = jax.jit(loss)
    run = jax.jit(step, donate_argnums=tuple(range(len(state[0]))))

    def call():
        l, state[0] = run(*state[0])
        l.block_until_ready()

    def check():
        first = float(before(state[0][0]))
        call()
        return [first, float(before(state[0][0]))]
    return call, check


def jem():
    n = task["batch"]
    x, y = data()
    x = 2 * x - 1
    buffer = jax.random.uniform(jax.random.PRNGKey(1), (10000, 32, 32, 3),
                                minval=-1)
    value = float(jax.jit(wrn)(P, x).sum())
    energy = lambda p, v: jax.nn.logsumexp(wrn(p, v), 1)

    def step(p, m, v, t, replay, key):
        k = jax.random.split(key, 6)
        slot = jax.random.randint(k[0], (n,), 0, 10000)
        fresh = jax.random.uniform(k[1], x.shape, minval=-1)
        new = jax.random.uniform(k[2], (n, 1, 1, 1)) < 0.05
        a = jnp.where(new, fresh, replay[slot])
        g = jax.grad(lambda u: energy(p, u).sum())
        body = lambda i, u: u + g(u) + 0.01 * jax.random.normal(
            jax.random.fold_in(k[3], i), u.shape)
        a = lax.fori_loop(0, task["steps"], body, a)
        replay = replay.at[slot].set(a)
        noisy = x + 0.03 * jax.random.normal(k[4], x.shape)

        def loss(q):
            z = wrn(q, noisy)
            return (cross_entropy(z, y) - jax.nn.logsumexp(z, 1)
                    + energy(q, a)).mean()
        l, grads = jax.value_and_grad(loss)(p)
        return l, (*adam(p, grads, m, v, t, 1e-4, 0), t + 1, replay, k[5])
    run = jax.jit(step, donate_argnums=(0, 1, 2, 3, 4))
    state = [(P, zeros(), zeros(), jnp.float32(1), buffer, jax.random.PRNGKey(0))]

    def call():
        l, state[0] = run(*state[0])
        l.block_until_ready()
    return call, lambda: [value]


def main():
    call, check = {"infer": infer, "pgd": pgd, "train": train,
                   "jem": jem}[task["workload"]]()
    value = check()
    for _ in range(task["warmup"]):
        call()
    serve(f"JAX {jax.__version__} jit", value, call)


main()
