#!/usr/bin/env bash
# The smallest radius that fools, in both norms, equals the closed form for a
# linear classifier; 0 for what is wrong already, infinity for what was not
# found.
. "$(dirname "$0")/lib.sh"
must "$RNNC" build "$SRC/tests/e2e/distance.rnn" -o distance
must ./distance sample points --out d.npz --weights init --quiet
must ./distance evaluate --weights init --json got.json
for row in off_linf off_l2; do
    awk -v a="$(json_row got.json $row)" 'BEGIN { exit !(a != "" && a < 1e-3) }' ||
        fail "$row: $(json_row got.json $row)"
done
[ "$(json_row got.json wrong)" = 0 ] || fail "what is wrong has a radius"
awk -v a="$(json_row got.json far)" 'BEGIN { exit !(a > 0.5) }' || fail "nothing is far"
finish
