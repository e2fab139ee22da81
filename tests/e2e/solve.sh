#!/usr/bin/env bash
# Adaptive solves in compiled programs: an example's result is the same bits
# alone, in a batch of 128 and with any number of threads; one that does not
# arrive ends the run with its place, its example and the reason.
. "$(dirname "$0")/lib.sh"
cat > flow.rnn <<'RNN'
use nn

dynamics g(z: real[C, H, W], t) -> real[C, H, W] {
  h = relu(group_norm(conv(concat([t * ones([1, H, W]), 3 * z]), C), 2))
  return conv(h, C)
}

net f(x: real[1, 12, 12]) -> real[10] {
  z = conv(x, 4, padding: 0)
  z = solve g from 4 * z over 0 .. 1 by dopri5(rtol: 1e-4, atol: 1e-4)
  r = solve (dz = g(z, t), dq = sum(z * z)) from (z, 0) over [1, 0.5, 0.4] by bosh3(rtol: 1e-3, control: pid)
  return dense(concat([flatten(r.z[1]), stack([r.q[2]])]), 10)
}

sample images(n: int = 128) { return 3 * real(index % 7) * uniform(0, 1, shape: [1, 12, 12]) }
RNN
must "$RNNC" build flow.rnn -o flow
must ./flow sample images --weights init --out x.npy --quiet
must ./flow infer --weights init --in x.npy --out together.npy --batch 128 --threads 1 --quiet
must ./flow infer --weights init --in x.npy --out threads.npy --batch 128 --threads 2 --quiet
must ./flow infer --weights init --in x.npy --out alone.npy --batch 1 --quiet
cmp together.npy alone.npy || fail "an example alone differs from it in a batch"
cmp together.npy threads.npy || fail "two threads differ from one"

cat > bad.rnn <<'RNN'
sample pole(n: int = 3) {
  r = solve (dz = z * z) from 1.0 * real(index) over 0 .. 2 by dopri5(rtol: 1e-6)
  return r.z
}
sample stiff(n: int = 3) {
  r = solve (dq = 1, dz = -1e6 * (z - cos(t))) from (0, stack([0.1 * real(index), 2])) over 0 .. 2 by tsit5(rtol: 1e-6, max_steps: 100)
  return concat([r.z, stack([r.q])])
}
sample nan(n: int = 3) {
  r = solve (dz = sqrt(0.5 - z)) from 0.4 * real(index) over 0 .. 2 by bosh3(rtol: 1e-6)
  return r.z
}
RNN
must "$RNNC" build bad.rnn -o bad
says() {
    ./bad sample "$1" --out out.npy >out.txt 2>&1
    [ $? -eq 1 ] || fail "$1: not exit 1"
    [ -e out.npy ] && fail "$1: wrote its result"
    grep -q "$2" out.txt || { cat out.txt; fail "$1: does not say $2"; }
}
says pole "bad.rnn:2:7 of example 1 stopped at time 1 with a step of"
says pole "the error stays too large"
says stiff "bad.rnn:6:7 of example 0 stopped at time .* after 100 steps: it has taken all"
says stiff "component 1, element 1 changes fastest"
says nan "bad.rnn:10:7 of example 2 stopped at time 0 .*not finite"

# What is kept instead of computed again is the same; so is a second derivative.
cat > kept.rnn <<'RNN'
use nn
const gradient = "unrolled", slope = 0.1
data d = npz("d.npz", x: "images") : x real[1, 12, 12]
dynamics g(z: real[C, H, W], t) = tanh(conv(relu(conv(z + t, C)), C))
net f(x: real[1, 12, 12]) -> real[10] {
  z = conv(x, 4)
  if gradient == "kept" {
    z = solve g from z over [0, 0.5, 1] by rk4(steps: 3, gradient: kept)
  } else {
    z = solve g from z over [0, 0.5, 1] by rk4(steps: 3)
  }
  return dense(flatten(z[1] + z[2]), 10)
}
train on d.train batch 32 epochs 1 {
  total = logsumexp(f(x))
  if slope > 0 {
    s = grad(logsumexp(f(x)), x)
    total = total + slope * sum(s * s)
  }
  minimize total
  using sgd(lr: 0.01)
}
sample images(n: int = 128) { return uniform(0, 1, shape: [1, 12, 12]) }
RNN
for gradient in unrolled kept; do
    must "$RNNC" build kept.rnn -o $gradient --precision f64 -D gradient=$gradient
    must ./$gradient sample images --weights init --out d.npz --quiet
    must ./$gradient train --out $gradient.safetensors --quiet
done
same kept.safetensors unrolled.safetensors --exact
must ./kept check-grad --weights init --quiet
for gradient in unrolled kept; do
    must "$RNNC" build kept.rnn -o $gradient -D gradient=$gradient -D slope=0
done
flops() { ./$1 info | awk '$1 == "train" && $2 == "train" { print $(NF - 1) * ($NF ~ /G/ ? 1000 : 1) }'; }
awk -v a="$(flops kept)" -v b="$(flops unrolled)" 'BEGIN { exit !(a > 0 && a < b) }' ||
    fail "kept: $(flops kept) Mflop, unrolled: $(flops unrolled)"
finish
