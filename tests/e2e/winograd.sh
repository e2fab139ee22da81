#!/usr/bin/env bash
# Winograd's convolutions in a whole program: wide layers keep their tiles on the
# stack, whatever its limit is; --no-winograd and --exact-math leave them out.
. "$(dirname "$0")/lib.sh"
cat >wide.rnn <<'END'
use nn
data fashion = idx("fashion-mnist") : x real[1, 28, 28] in [0, 1], y class[10]
net f(x: real[1, 28, 28]) -> real[10] {
  h = max_pool(max_pool(conv(x, 640), 2), 2)
  h = conv(relu(h), 640)
  return dense(global_avg_pool(h), 10)
}
train on fashion.train batch 4 epochs 1 {
  minimize cross_entropy(f(x), y)
  using sgd(lr: 0.01)
}
END
must "$RNNC" build wide.rnn -o wide
"$RNNC" dump wide.rnn --stage loop | grep -q "F(4,3)" || fail "not chosen"
for flag in --no-winograd --exact-math; do
    "$RNNC" dump wide.rnn --stage loop $flag | grep -q "F(" && fail "$flag"
done
(
    ulimit -S -s 512
    must ./wide bench f --weights init --batch 8 --reps 1 --threads 2 --quiet
    must ./wide bench train --weights init --reps 1 --threads 1 --quiet
) || fail "a small stack"
finish
