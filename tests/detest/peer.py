#!/usr/bin/env python3
"""The DETEST problems by SciPy, beside a program made from detest.rnn.

Usage: peer.py RNNC [OUTPUT.npz]

Prints for every problem and tolerance the evaluations and the largest error at
the end, ours and SciPy's, for the methods both have. With OUTPUT.npz it only
writes the reference: the states at 20 at tolerance 1e-13, one after another.
"""
import subprocess
import sys
import tempfile
import numpy as np
from scipy.integrate import solve_ivp

M = np.array([0.000954786104043, 0.000285583733151, 0.0000437273164546,
              0.0000517759138449, 0.00000277777777778])
Q = [3.42947415189, 3.35386959711, 1.35494901715,
     6.64145542550, 5.97156957878, 2.18231499728,
     11.2630437207, 14.6952576794, 6.27960525067,
     -30.1552268759, 1.65699966404, 1.43785752721,
     -21.1238353380, 28.4465098142, 15.3882659679]
V = [-0.557160570446, 0.505696783289, 0.230578543901,
     -0.415570776342, 0.365682722812, 0.169143213293,
     -0.325325669158, 0.189706021964, 0.0877265322780,
     -0.0240476254170, -0.287659532608, -0.117219543175,
     -0.176860753121, -0.216393453025, -0.0148647893090]


def c1(t, y):
    d = np.r_[0, y[:-1]] - y
    d[-1] = y[-2]
    return d


def c2(t, y):
    n = np.arange(1, len(y) + 1)
    d = np.r_[0, (n * y)[:-1]] - n * y
    d[-1] = (n * y)[-2]
    return d


def c3(t, y):
    return np.r_[0, y[:-1]] - 2 * y + np.r_[y[1:], 0]


def c5(t, y):
    q, v = y[:15].reshape(5, 3), y[15:]
    a = np.zeros((5, 3))
    r3 = np.sum(q * q, 1) ** 1.5
    for i in range(5):
        a[i] = -(1.00000597682 + M[i]) * q[i] / r3[i]
        for j in range(5):
            if j != i:
                d = q[j] - q[i]
                a[i] += M[j] * (d / np.sum(d * d) ** 1.5 - q[j] / r3[j])
    return np.r_[v, 2.95912208286 * a.ravel()]


def orbit(t, y):
    r3 = (y[0] ** 2 + y[1] ** 2) ** 1.5
    return np.array([y[2], y[3], -y[0] / r3, -y[1] / r3])


def b4(t, y):
    r = np.hypot(y[0], y[1])
    return np.array([-y[1] - y[0] * y[2] / r, y[0] - y[1] * y[2] / r, y[0] / r])


def unit(n):
    return np.eye(n)[0]


PROBLEMS = [
    ("A1", lambda t, y: -y, [1]),
    ("A2", lambda t, y: -y ** 3 / 2, [1]),
    ("A3", lambda t, y: y * np.cos(t), [1]),
    ("A4", lambda t, y: y / 4 * (1 - y / 20), [1]),
    ("A5", lambda t, y: (y - t) / (y + t), [4]),
    ("B1", lambda t, y: np.array([2 * (y[0] - y[0] * y[1]),
                                  -(y[1] - y[0] * y[1])]), [1, 3]),
    ("B2", lambda t, y: np.array([-y[0] + y[1], y[0] - 2 * y[1] + y[2],
                                  y[1] - y[2]]), [2, 0, 1]),
    ("B3", lambda t, y: np.array([-y[0], y[0] - y[1] ** 2, y[1] ** 2]),
     [1, 0, 0]),
    ("B4", b4, [3, 0, 0]),
    ("B5", lambda t, y: np.array([y[1] * y[2], -y[0] * y[2],
                                  -0.51 * y[0] * y[1]]), [0, 1, 1]),
    ("C1", c1, unit(10)), ("C2", c2, unit(10)), ("C3", c3, unit(10)),
    ("C4", c3, unit(51)), ("C5", c5, Q + V),
] + [
    (f"D{k + 1}", orbit, [1 - e, 0, 0, np.sqrt((1 + e) / (1 - e))])
    for k, e in enumerate((0.1, 0.3, 0.5, 0.7, 0.9))
] + [
    ("E1", lambda t, y: np.array([y[1], -(y[1] / (t + 1) + (
        1 - 0.25 / (t + 1) ** 2) * y[0])]),
     [0.6713967071418030, 0.09540051444747446]),
    ("E2", lambda t, y: np.array([y[1], (1 - y[0] ** 2) * y[1] - y[0]]),
     [2, 0]),
    ("E3", lambda t, y: np.array([y[1], y[0] ** 3 / 6 - y[0]
                                  + 2 * np.sin(2.78535 * t)]), [0, 0]),
    ("E4", lambda t, y: np.array([y[1], 0.032 - 0.4 * y[1] ** 2]), [30, 0]),
    ("E5", lambda t, y: np.array([y[1], np.sqrt(1 + y[1] ** 2) / (25 - t)]),
     [0, 0]),
]


def scipy_ends(method, tol):
    runs = [solve_ivp(f, (0, 20), np.array(y, float), method=method, rtol=tol,
                      atol=tol) for _, f, y in PROBLEMS]
    return [r.y[:, -1] for r in runs], [r.nfev for r in runs]


def our_ends(rnnc, method, tol, folder):
    exe = f"{folder}/detest"
    here = sys.argv[0].rsplit("/", 1)[0] if "/" in sys.argv[0] else "."
    subprocess.run([rnnc, "build", f"{here}/detest.rnn", "-o", exe,
                    "--precision", "f64", "-D", f"method={method}",
                    "-D", f"tol={tol}"], check=True)
    out = []
    for name in ("ends", "counts"):
        subprocess.run([exe, "sample", name, "--out", f"{folder}/{name}.npy",
                        "--quiet"], check=True)
        out.append(np.load(f"{folder}/{name}.npy")[0])
    sizes = np.cumsum([len(y) for _, _, y in PROBLEMS])[:-1]
    return np.split(out[0], sizes), out[1].astype(int)


def main():
    exact, _ = scipy_ends("DOP853", 1e-13)
    if len(sys.argv) > 2:
        np.savez(sys.argv[2], ends=np.concatenate(exact)[None])
        return
    with tempfile.TemporaryDirectory() as folder:
        for ours, theirs in (("bosh3", "RK23"), ("dopri5", "RK45"),
                             ("dopri8", "DOP853")):
            for tol in (1e-3, 1e-6, 1e-9):
                x, nx = our_ends(sys.argv[1], ours, tol, folder)
                y, ny = scipy_ends(theirs, tol)
                print(f"{ours} and SciPy's {theirs}, tolerance {tol:g}: "
                      "evaluations and largest error at the end")
                for k, (name, _, _) in enumerate(PROBLEMS):
                    e = [np.max(np.abs(z[k] - exact[k])) for z in (x, y)]
                    print(f"  {name} {nx[k]:7d} {e[0]:9.2e}   {ny[k]:7d} "
                          f"{e[1]:9.2e}")
                print(f"  all {sum(nx):6d}             {sum(ny):7d}")


if __name__ == "__main__":
    main()
