#!/usr/bin/env bash
# Losses of 1e-5, 1e-882 and 1e-2000: the loss and its gradient equal those of
# extended precision (values and script in tests/parity), and the unit that the
# loss is measured in does not matter. In f32 the logits' rounding is the limit:
# half an ulp of a margin of 4600 is 2.4e-4.
. "$(dirname "$0")/lib.sh"
cp "$SRC"/tests/parity/tiny* .
only="--only f.dense1.weight --only f.dense1.bias --only f.dense2.weight"
for precision in f32 f64; do
    must "$RNNC" build tiny.rnn -o tiny-$precision --precision $precision
    for depth in 5 882 2000; do
        grad=1e-3 loss=1e-6
        [ $precision = f64 ] && grad=1e-11 loss=1e-14
        for frame in 0 -4605 -2030.9 700; do
            must ./tiny-$precision train --weights tiny_weights_$depth.npz \
                --out out.safetensors --frame=$frame --quiet
            echo "== $precision 1e-$depth frame $frame"
            # shellcheck disable=SC2086
            same out.safetensors tiny_expect_$depth.npz --rel $grad $only
            same out.safetensors tiny_expect_$depth.npz --rel $loss --only log_loss
        done
    done
done
finish
