#!/usr/bin/env bash
# Logits, input gradients and parameter gradients of four networks equal an
# independent library's (values and script in tests/parity) to 1e-5 in f32 and
# 1e-6 in f64 (the values are stored as f32).
. "$(dirname "$0")/lib.sh"
cp "$SRC"/tests/parity/* .
for net in cnn resnet odenet tisode; do
    for precision in f32 f64; do
        tol=1e-5; [ $precision = f64 ] && tol=1e-6
        exe=./$net-$precision
        must "$RNNC" build $net.rnn -o $exe --precision $precision
        must $exe infer --weights ${net}_weights.npz --in ${net}_data.npz \
            --out logits.npz --quiet
        must $exe attack input_gradient --weights ${net}_weights.npz \
            --out dx.npz --quiet
        must $exe train --weights ${net}_weights.npz --out dp.safetensors \
            --epochs 1 --quiet
        echo "== $net $precision"
        same logits.npz ${net}_expect.npz --rel $tol --only f=logits
        same dx.npz ${net}_expect.npz --rel $tol --only x_adv
        paths=$("$COMPARE" ${net}_weights.npz ${net}_weights.npz | awk '{print "--only", $1}')
        # shellcheck disable=SC2086
        same dp.safetensors ${net}_expect.npz --rel $tol $paths
    done
done
finish
