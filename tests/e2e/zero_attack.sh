#!/usr/bin/env bash
# An attack of radius 0, or of no steps with no start, leaves exactly the clean
# accuracy and exactly the clean images.
. "$(dirname "$0")/lib.sh"
must "$RNNC" build "$SRC/tests/e2e/small.rnn" -o small
must ./small train --quiet --limit 2048 --epochs 1 --out w.safetensors
must ./small evaluate robustness --weights w.safetensors --limit 500 --eps 0 --json zero.json --quiet
clean=$(json_row zero.json clean)
for row in pgd10 none; do
    [ -n "$clean" ] && [ "$(json_row zero.json $row)" = "$clean" ] ||
        fail "eps 0: $row is $(json_row zero.json $row), clean is $clean"
done
must ./small attack pgd --weights w.safetensors --limit 64 --eps 0 --out e.npz --quiet
same e.npz e.npz --exact --only x_adv=x
must ./small attack pgd --weights w.safetensors --limit 64 --eps 0 --steps 0 --out s.npz --quiet
same s.npz s.npz --exact --only x_adv=x
must ./small attack pgd --weights w.safetensors --limit 64 --eps 0.2 --out a.npz --quiet
"$COMPARE" a.npz a.npz --exact --only x_adv=x >/dev/null && fail "the attack did nothing"
finish
