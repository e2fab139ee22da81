"""What the benchmarks run: rows of the table, images, our executables."""
import argparse
import array
import gzip
import json
import os
import platform
import random
import struct
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PLACES = [Path("/usr/share/datasets")]
IDX = [("train-images-idx3-ubyte.gz", 60000), ("train-labels-idx1-ubyte.gz", 0),
       ("t10k-images-idx3-ubyte.gz", 10000), ("t10k-labels-idx1-ubyte.gz", 0)]


class Work:
    """One row: a program with its defines, an entry point, a batch."""

    def __init__(self, name, program, entry, workload, batch, slow=False,
                 **task):
        self.name, self.program, self.entry = name, program, entry
        self.workload, self.batch, self.slow, self.task = (workload, batch,
                                                           slow, task)
        self.define = task.pop("define", {})


def works(quick):
    out = []
    margin = {"kernel": 3, "biases": "false"}
    for label, define in (("Fashion CNN", {}), ("margin CNN", margin)):
        for batch in (1, 128) if quick else (1, 32, 128, 512):
            steps = 10 if quick and batch > 32 else 40
            out.append(Work(f"{label}: PGD-{steps}, batch {batch}", "cnn",
                            "pgd", "pgd", batch, batch == 512, net="cnn",
                            steps=steps, define={**define, "steps": steps}))
        out.append(Work(f"{label}: training step, batch 128", "cnn", "train",
                        "train", 128, net="cnn", define=define))
        for batch in (1, 128):
            out.append(Work(f"{label}: inference, batch {batch}", "cnn", "f",
                            "infer", batch, net="cnn", define=define))
    for label, tis in (("ODENet", False), ("TisODE", True)):
        define, batch = {"tis": str(tis).lower()}, 32 if quick else 128
        out.append(Work(f"{label}: forward, batch {batch}", "ode", "f",
                        "infer", batch, net="ode", tis=tis, define=define))
        out.append(Work(f"{label}: training step, batch {batch}", "ode",
                        "train", "train", batch, True, net="ode", tis=tis,
                        define=define))
    for depth, width, batch in ((16, 2, 64), (28, 10, 4)):
        steps = 2 if quick else 20
        define = {"depth": depth, "width": width, "steps": steps}
        out.append(Work(f"JEM WRN-{depth}-{width}: iteration of {steps} SGLD "
                        f"steps, batch {batch}", "jem", "train", "jem", batch,
                        True, net="jem", steps=steps, define=define,
                        depth=depth, width=width))
    return out


# --- data ---------------------------------------------------------------------

def write_npy(path, kind, shape, data):
    head = repr({"descr": kind, "fortran_order": False, "shape": shape})
    head += " " * (63 - (len(head) + 10) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) +
                     head.encode() + data)


def sum_npy(path):
    raw = path.read_bytes()
    at = 10 + struct.unpack("<H", raw[8:10])[0]
    return sum(array.array("f", raw[at:]))


class Images:
    """The first examples of a test set, as the peers and `infer` read them."""

    def __init__(self, folder, name, shape, pixels, labels, scale):
        n = len(labels)
        self.x, self.y = folder / f"{name}-x.npy", folder / f"{name}-y.npy"
        write_npy(self.x, "|u1", (n, *shape), pixels)
        write_npy(self.y, "|u1", (n,), labels)
        self.shape, self.pixels, self.scale = shape, pixels, scale

    def as_reals(self, path, n):
        size = n * self.shape[0] * self.shape[1] * self.shape[2]
        table = [self.scale(v / 255) for v in range(256)]
        data = array.array("f", (table[v] for v in self.pixels[:size]))
        write_npy(path, "<f4", (n, *self.shape), data.tobytes())


def idx_folder(data):
    """Where MNIST or one of its relatives is, or None."""
    for place in [Path(data)] if data else PLACES:
        for name in ("mnist", "fashion-mnist", "."):
            if all((place / name / f).exists() for f, _ in IDX):
                return (place / name).resolve()
    return None


def make_up_idx(to):
    """Random images in the four files, for machines without the data."""
    rng = random.Random(0)
    for (images, n), (labels, _) in (IDX[:2], IDX[2:]):
        with gzip.open(to / images, "wb", 1) as f:
            f.write(struct.pack(">4i", 2051, n, 28, 28) + rng.randbytes(784) * n)
        with gzip.open(to / labels, "wb", 1) as f:
            f.write(struct.pack(">2i", 2049, n) + rng.randbytes(n).translate(
                bytes(i % 10 for i in range(256))))


def fashion(folder, data):
    """Images for the programs, under the name they ask for, and the peers."""
    source, here = idx_folder(data), folder / "data" / "fashion-mnist"
    here.parent.mkdir()
    if source:
        here.symlink_to(source)
    else:
        here.mkdir()
        make_up_idx(here)

    def read(part, skip):
        with gzip.open(here / part) as f:
            return f.read()[skip:]
    x = read("t10k-images-idx3-ubyte.gz", 16)[:512 * 784]
    y = read("t10k-labels-idx1-ubyte.gz", 8)[:512]
    images = Images(folder, "fashion", (1, 28, 28), x, y, lambda v: v)
    images.folder, images.files = here.parent, here
    images.source = str(source) if source else "random"
    return images


def cifar(folder, data):
    """A CIFAR-10 of the user's, or one of random pixels."""
    source = Path(data or folder) / "cifar10"
    if not (source / "test_batch.bin").exists():
        source = folder / "cifar10"
        source.mkdir()
        rng = random.Random(0)
        for name in [f"data_batch_{k}.bin" for k in range(1, 6)] + \
                ["test_batch.bin"]:
            rows = (bytes([i % 10]) + rng.randbytes(3072) for i in range(200))
            (source / name).write_bytes(b"".join(rows))
    raw = (source / "test_batch.bin").read_bytes()[:64 * 3073]
    rows = [raw[i:i + 3073] for i in range(0, len(raw), 3073)]
    images = Images(folder, "cifar", (3, 32, 32),
                    b"".join(r[1:] for r in rows),
                    bytes(r[0] for r in rows), lambda v: 2 * v - 1)
    images.folder = source.parent
    images.source = "random" if source.parent == folder else str(source)
    return images


# --- ours ---------------------------------------------------------------------

def pin(threads):
    """One thread: one core. Called in the child."""
    cores = sorted(os.sched_getaffinity(0))
    return lambda: os.sched_setaffinity(0, cores[-threads:])


def output(command, threads=None):
    p = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True,
                       preexec_fn=pin(threads) if threads else None)
    if p.returncode:
        raise RuntimeError(" ".join(map(str, command)) + "\n" + p.stderr)
    return p.stdout


class Ours:
    def __init__(self, bench, work):
        self.bench, self.work = bench, work
        tag = "-".join([work.program, *(f"{k}{v}" for k, v in
                                        work.define.items())])
        self.exe = bench.tmp / tag
        self.weights = bench.tmp / (tag + ".safetensors")
        self.data = ["--data", (bench.cifar if work.program == "jem"
                                else bench.fashion).folder]
        if not self.exe.exists():
            define = [a for k, v in work.define.items()
                      for a in ("-D", f"{k}={v}")]
            output([bench.args.rnnc, "build",
                    HERE / (work.program + ".rnn"), "-o", self.exe, *define])
            output([self.exe, "train", "--epochs", 0, "--quiet", "--out",
                    self.weights, *self.data])

    def loss(self, weights, *entry):
        n = self.work.batch
        return find_value(json.loads(output(
            [self.exe, "evaluate", *entry, "--limit", n, "--batch", n,
             "--weights", weights, "--quiet", "--json", "-", *self.data])),
            "loss")

    def check(self):
        w, n = self.work, self.work.batch
        if w.workload == "pgd":
            return [self.loss(self.weights, "pgd", "--start", 0)]
        if w.workload == "train":
            stepped = self.bench.tmp / "stepped.safetensors"
            output([self.exe, "train", "--epochs", 1, "--limit", n, "--batch",
                    n, "--weights", self.weights, "--quiet", "--out", stepped,
                    *self.data])
            return [self.loss(self.weights, "check"),
                    self.loss(stepped, "check")]
        x, z = self.bench.tmp / "in.npy", self.bench.tmp / "out.npy"
        images = self.bench.cifar if w.workload == "jem" else self.bench.fashion
        images.as_reals(x, n)
        output([self.exe, "infer", "f", "--in", x, "--out", z, "--batch", n,
                "--weights", self.weights, "--quiet"])
        return [sum_npy(z)]

    def sample(self, threads, reps):
        """The entry of `bench --json`: median_s of a call, peak_gflops, ..."""
        j = json.loads(output(
            [self.exe, "bench", self.work.entry, "--batch", self.work.batch,
             "--threads", threads, "--reps", reps, "--weights", self.weights,
             "--brief", "--seconds", 0.1, "--json", "-", "--quiet",
             *self.data], threads))
        return j["entries"][0]


def find_value(node, name):
    """The number beside "name": name, anywhere in a JSON tree."""
    if isinstance(node, dict):
        if node.get("name") == name and "value" in node:
            return node["value"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            v = find_value(child, name)
            if v is not None:
                return v
    return None


# --- what a benchmark is asked ------------------------------------------------

class Bench:
    """The options, a folder for files, the images."""

    def __init__(self, args, tmp):
        self.args, self.tmp = args, Path(tmp)
        self.fashion = fashion(self.tmp, args.data)
        self.cifar = cifar(self.tmp, args.data)

    def machine(self):
        model = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo")
                      if l.startswith("model name")), "")
        return (f"{model}, {len(os.sched_getaffinity(0))} cores, "
                f"{platform.system()} {platform.release()}; images: "
                f"{self.fashion.source}, {self.cifar.source}\n"
                f"rnnc: {output([self.args.rnnc, '--version']).strip()}")


def options(doc):
    a = argparse.ArgumentParser(description=doc.splitlines()[0])
    a.add_argument("--quick", action="store_true",
                   help="fewer rows, and fewer steps in the long ones")
    a.add_argument("--list", action="store_true", help="name the rows and end")
    a.add_argument("--only", action="append", default=[],
                   help="rows whose name contains this")
    a.add_argument("--rnnc", default=HERE.parents[1] / "build/bin/rnnc")
    a.add_argument("--data", help="folder that holds mnist/ and cifar10/")
    a.add_argument("--json", help="all samples as JSON")
    return a


def chosen(args):
    """The rows asked for; names them and ends if that is what was asked."""
    rows = [w for w in works(args.quick)
            if not args.only or any(t in w.name for t in args.only)]
    if args.list:
        print("\n".join(w.name for w in rows))
        sys.exit()
    try:
        output([args.rnnc, "--version"])
    except (OSError, RuntimeError):
        sys.exit(f"there is no rnnc at {args.rnnc}: build it, or say --rnnc EXE")
    return rows


def save(args, done):
    """After each row, so that a run cut short has its rows."""
    if args.json:
        Path(args.json).write_text(json.dumps(done, indent=1) + "\n")


def milliseconds(s):
    return f"{s * 1e3:.3g}" if s < 1 else f"{s * 1e3:,.0f}"
