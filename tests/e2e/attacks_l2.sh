#!/usr/bin/env bash
# DeepFool and Carlini & Wagner find the closed-form distance of a linear
# classifier; on a small network Carlini & Wagner is within 1 % of the best of a
# grid of constants; no attack is nearer than the certified radius.
. "$(dirname "$0")/lib.sh"
cp "$SRC"/tests/parity/tiny_data.npz .
must "$RNNC" build "$SRC/tests/e2e/attacks_l2.rnn" -o l2
must ./l2 train --quiet
must ./l2 evaluate --json all.json
below() { # ROW LIMIT
    awk -v v="$(json_row all.json "$1")" -v l="$2" \
        'BEGIN { exit !(v != "" && v < l) }' ||
        fail "$1 is $(json_row all.json "$1"), not below $2"
}
below deepfool_off 1e-3
below stretched 1e-3
below cw_off 0.01
below bound 1
below worst 1.01
below too_small 0
awk -v d="$(json_row all.json mean_cw)" 'BEGIN { exit !(d > 0.1) }' || fail "nothing is far: nothing is tested"
[ "$(json_row all.json bim_reached)" = 1 ] || fail "steps within twice the radius do not fool"
for batch in 1 5; do
    must ./l2 evaluate relu --batch $batch --threads 1 --json b.json --quiet
    for row in mean_cw worst deepfool; do
        [ "$(json_row b.json $row)" = "$(json_row all.json $row)" ] ||
            fail "$row depends on the batch size"
    done
done
finish
