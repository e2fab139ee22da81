#!/usr/bin/env python3
"""Makes metrics.npz: scores, and what the metrics of runtime/metrics.h are of
them, by definition, with numpy alone: pairs and thresholds one by one, no
sorting tricks. Heavy ties and saturated probabilities on purpose.

Usage: make_metrics.py [OUTPUT_FOLDER]
"""
import sys
import numpy as np

out = sys.argv[1] if len(sys.argv) > 1 else "."
rng = np.random.default_rng(20)
v = {}


def auroc(p, q):
    d = p[:, None] - q[None, :]
    return np.mean(np.where(p[:, None] == q[None, :], 0.5, d > 0))


def thresholds(p, q):
    for t in sorted(set(p) | set(q), reverse=True):
        yield np.mean(p >= t), np.mean(q >= t), np.sum(p >= t), np.sum(q >= t)


def average_precision(p, q):
    total, last = 0.0, 0.0
    for recall, _, tp, fp in thresholds(p, q):
        total += (recall - last) * tp / (tp + fp)
        last = recall
    return total


def fpr_at(p, q, tpr):
    return next(f for r, f, _, _ in thresholds(p, q) if r >= tpr)


def gaps(conf, right, bins):
    edge = np.arange(bins + 1) / bins
    for b in range(bins):
        inside = (conf > edge[b]) & (conf <= edge[b + 1])
        if b == 0:
            inside |= conf == 0
        if inside.any():
            yield np.mean(inside), abs(np.mean(right[inside]) - np.mean(conf[inside]))


def calibration(conf, right, bins, norm):
    g = list(gaps(conf, right, bins))
    if norm == np.inf:
        return max(x for _, x in g)
    return sum(s * x**norm for s, x in g) ** (1 / norm)


cases = {
    "plain": (rng.normal(1, 1, 300), rng.normal(0, 1, 200)),
    "ties": (rng.integers(0, 4, 250) / 4, rng.integers(0, 3, 400) / 4),
    "equal": (np.full(30, 0.5), np.full(20, 0.5)),
    "apart": (np.arange(10.0) + 100, np.arange(7.0)),
    "infinite": (np.array([np.inf, 1, 1, 0]), np.array([1, -np.inf, 0.0])),
}
for name, (p, q) in cases.items():
    v[name + ".in"], v[name + ".out"] = p, q
    v[name + ".auroc"] = auroc(p, q)
    v[name + ".ap"] = average_precision(p, q)
    v[name + ".fpr"] = fpr_at(p, q, 0.95)

# Softmax confidences in single precision: many are exactly 1, some bins' edges.
z = rng.normal(0, 40, (500, 10)).astype(np.float32)
e = np.exp(z - z.max(1, keepdims=True))
conf = (e / e.sum(1, keepdims=True)).max(1).astype(np.float64)
conf[:40] = rng.integers(0, 21, 40) / 20
right = rng.uniform(size=500) < 0.3 + 0.6 * conf
assert (conf == 1).sum() > 100 and (conf == 0).any()
v["conf"], v["right"] = conf, right.astype(np.float64)
for bins in (1, 15, 20):
    for norm in (1, 2, np.inf):
        v[f"calibration.{bins}.{norm}"] = calibration(conf, right, bins, norm)
for q in (0, 0.25, 0.5, 0.9, 1):
    v[f"quantile.{q}"] = np.quantile(conf, q)
np.savez(f"{out}/metrics.npz", **v)
