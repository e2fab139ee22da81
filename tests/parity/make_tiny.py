#!/usr/bin/env python3
"""Makes the committed values for tiny.rnn with mpmath, 60 decimal digits.

pip install mpmath numpy.  Usage: make_tiny.py [OUTPUT_FOLDER]

tiny_data.npz: 24 points of 3 classes. For each depth D in 5, 882, 2000:
tiny_weights_D.npz, parameters that make the mean cross-entropy about 1e-D, and
tiny_expect_D.npz, the logarithm of the loss and d loss / d parameter divided by
the loss, by path.
"""
import sys
import mpmath as mp
import numpy as np

mp.mp.dps = 60
out = sys.argv[1] if len(sys.argv) > 1 else "."
rng = np.random.default_rng(7)
N, D, H, K = 24, 4, 8, 3
y = np.arange(N) % K
centre = np.array([[1.5, 0, 0, .3], [0, 1.5, 0, -.3], [0, 0, 1.5, .1]])
x = (centre[y] + .25 * rng.standard_normal((N, D))).astype(np.float32)


def forward(w1, b1, w2):
    h = x @ w1.T + b1
    return h, np.maximum(h, 0) @ w2.T


def train(steps=4000, lr=0.05):
    """Plain gradient descent until all margins are wide."""
    w1 = rng.standard_normal((H, D)) * .5
    b1 = np.zeros(H)
    w2 = rng.standard_normal((K, H)) * .5
    for _ in range(steps):
        h, z = forward(w1, b1, w2)
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        p[np.arange(N), y] -= 1
        a = np.maximum(h, 0)
        dh = (p @ w2) * (h > 0)
        w2 -= lr * p.T @ a / N
        w1 -= lr * dh.T @ x.astype(float) / N
        b1 -= lr * dh.mean(0)
    return w1, b1, w2


def exact(w1, b1, w2):
    """log of the mean loss and its gradient over the loss, by hand."""
    f = lambda a: [[mp.mpf(float(v)) for v in row] for row in np.atleast_2d(a)]
    W1, B1, W2, X = f(w1), f(b1)[0], f(w2), f(x)
    loss = mp.mpf(0)
    g1 = [[mp.mpf(0)] * D for _ in range(H)]
    gb = [mp.mpf(0)] * H
    g2 = [[mp.mpf(0)] * H for _ in range(K)]
    for n in range(N):
        h = [sum(W1[i][j] * X[n][j] for j in range(D)) + B1[i]
             for i in range(H)]
        a = [v if v > 0 else mp.mpf(0) for v in h]
        z = [sum(W2[k][i] * a[i] for i in range(H)) for k in range(K)]
        e = [mp.exp(z[k] - z[y[n]]) if k != y[n] else mp.mpf(0)
             for k in range(K)]
        s = sum(e)
        loss += mp.log1p(s)
        dz = [v / (1 + s) for v in e]
        dz[y[n]] = -s / (1 + s)
        for i in range(H):
            for k in range(K):
                g2[k][i] += dz[k] * a[i]
            if h[i] > 0:
                d = sum(dz[k] * W2[k][i] for k in range(K))
                gb[i] += d
                for j in range(D):
                    g1[i][j] += d * X[n][j]
    over = lambda rows: np.array([[float(v / loss) for v in r] for r in rows])
    return float(mp.log(loss / N)), over(g1), over([gb])[0], over(g2)


def margins(points):
    z = np.maximum(points @ w1.T + b1, 0) @ w2.T
    own = z[np.arange(N), y].copy()
    z[np.arange(N), y] = -np.inf
    return own - z.max(1)


w1, b1, w2 = train()
m = margins(x.astype(float)).min()
assert m > 0, m
# Moves every other point towards a wrong class until its margin is the least
# one, so that several examples share in the loss at every depth.
start, goal = x.astype(float), centre[(y + 1) % K]
lo, hi = np.zeros(N), np.ones(N)
for _ in range(60):
    t = (lo + hi) / 2
    wide = margins(start + t[:, None] * (goal - start)) > m
    lo, hi = np.where(wide, t, lo), np.where(wide, hi, t)
t = np.where(np.arange(N) % 2 == 0, lo, 0)
x = (start + t[:, None] * (goal - start)).astype(np.float32)
m = margins(x.astype(float)).min()
np.savez(f"{out}/tiny_data.npz", x=x, y=y.astype(np.int32))
for depth in (5, 882, 2000):
    c = np.sqrt(depth * np.log(10) / m)  # margins grow with c^2
    p = [(c * v).astype(np.float32) for v in (w1, b1, w2)]
    log_loss, g1, gb, g2 = exact(*p)
    print(depth, log_loss / np.log(10))
    np.savez(f"{out}/tiny_weights_{depth}.npz",
             **{"f.dense1.weight": p[0], "f.dense1.bias": p[1],
                "f.dense2.weight": p[2]})
    np.savez(f"{out}/tiny_expect_{depth}.npz",
             **{"log_loss": np.array(log_loss), "f.dense1.weight": g1,
                "f.dense1.bias": gb, "f.dense2.weight": g2})
