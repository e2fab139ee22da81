#!/usr/bin/env bash
# The DETEST problems end where an independent solver ends (values and script in
# tests/detest), by two methods at a tolerance of 1e-9.
. "$(dirname "$0")/lib.sh"
for method in dopri5 dopri8; do
    must "$RNNC" build "$SRC/tests/detest/detest.rnn" -o detest \
        --precision f64 -D method=$method -D tol=1e-9
    must ./detest sample ends --out ends.npz --quiet
    echo "== $method"
    same ends.npz "$SRC/tests/detest/ends.npz" --rel 1e-5
done
finish
