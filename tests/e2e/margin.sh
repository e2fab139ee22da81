#!/usr/bin/env bash
# Homogeneity and margins, by what must hold: doubling all parameters multiplies
# the logits by 2^L to the last bit; Euler's theorem; the smoothed margin is
# never above the least one, and never falls where steps follow the gradient
# flow; training passes 1e-882 and 1e-2000 with the margin still rising.
. "$(dirname "$0")/lib.sh"
cp "$SRC"/tests/parity/tiny_data.npz .

echo "== doubling"
must "$RNNC" build "$SRC/tests/e2e/homogeneous.rnn" -o phi
must ./phi info >info.txt
grep "^net" info.txt
grep -q "net phi: homogeneous of order 4 in its parameters" info.txt ||
    fail "the order is not 4"
printf '%s\n' 'data d = idx("fashion-mnist") : x real[1, 28, 28] in [0, 1], y class[10]' \
    'sample images(n: int = 32) { return uniform(0, 1, shape: [1, 28, 28]) }' >images.rnn
must "$RNNC" build images.rnn -o images
must ./images sample images --out in.npy --quiet
must ./phi infer --weights init --seed 3 --in in.npy --out once.npz --quiet
must ./phi infer --weights init --seed 3 --scale 2 --unit 16 --in in.npy --out twice.npz --quiet
same twice.npz once.npz --exact
must ./phi infer --weights init --seed 3 --scale 0.25 --unit 0.00390625 --in in.npy --out less.npz --quiet
same less.npz once.npz --exact

echo "== Euler"
must ./phi evaluate euler --weights init --seed 3 --limit 64 --json euler.json
for k in 0 3 9; do
    off=$(json_row euler.json "off\[k=$k\]")
    awk -v a="$off" 'BEGIN { exit !(a != "" && a < 1e-5) }' ||
        fail "<theta, d phi_$k / d theta> is off L phi_$k by $off"
done

echo "== past 1e-2000"
must "$RNNC" build "$SRC/tests/e2e/separable.rnn" -o deep
must ./deep train --seed 1 --epochs 4000 --out deep.safetensors --json deep.json >deep.txt
tail -2 deep.txt
grep -q "1e-2000 is reached" deep.txt || fail "1e-2000 is not reached"
must ./deep evaluate margins --weights deep-early.safetensors --json early.json
must ./deep evaluate margins --weights deep.safetensors --json late.json
awk -v l="$(json_row early.json normalized)" -v n="$(json_row late.json normalized)" \
    -v s="$(json_row late.json smoothed)" \
    'BEGIN { exit !(l > 0 && n > l && s <= n && s > 0.99 * n) }' ||
    fail "the margin does not rise, or the smoothed one is above it"

echo "== following the gradient flow"
must "$RNNC" build "$SRC/tests/e2e/separable.rnn" -o gentle -D gentle=true --precision f64
must ./gentle train --seed 1 --epochs 1000 --out gentle.safetensors --json gentle.json >gentle.txt
tail -2 gentle.txt
# once the summed loss is below log 2, that is from log10 of the mean -1.54 on
sed -n 's/.*"log10_loss": \([^,]*\), "normalized": \([^,]*\), "smoothed": \([^,]*\),.*/\1 \2 \3/p' gentle.json |
    awk '$1 < -1.54 { n++; if ($3 < last) { bad++; print "falls:", last, $3 }
                      if ($3 > $2) { over++ } last = $3 }
         END { print n " epochs after all is fitted"; exit !(n > 500 && !bad && !over) }' ||
    fail "the smoothed margin falls, or is above the least one"
finish
