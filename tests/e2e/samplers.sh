#!/usr/bin/env bash
# Samplers reach the moments known in closed form (Gaussian) and by quadrature
# (double well) within four standard errors, MALA balances in detail, and
# gradients through SGLD equal central differences in f64.
. "$(dirname "$0")/lib.sh"
must "$RNNC" build "$SRC/tests/e2e/samplers.rnn" -o samplers
must ./samplers sample uniform_start --out from.npz --weights init --quiet
must ./samplers sample grid --out pairs.npz --weights init --quiet
must ./samplers evaluate gaussian well balance flows --weights init --json got.json

near() { # ROW VALUE: within four standard errors of a mean
    got=$(json_row got.json "$1")
    err=$(sed -n "s/.*\"name\": *\"$1\".*\"error\": *\([-0-9.e+]*\).*/\1/p" got.json)
    awk -v a="$got" -v b="$2" -v e="$err" \
        'BEGIN { d = a - b; exit !(e > 0 && d < 4 * e && -d < 4 * e) }' ||
        fail "$1 is $got +- $err, not $2"
}
near sgld_variance 0.140625    # 0.3^2 / (1 - (1 - 0.1 * 4)^2)
near ula_variance 0.3125       # 1 / (4 (1 - 0.1 * 4 / 2))
near mala_variance 0.25
near hmc_variance 0.25
near total_mean 0
near mala_2 0.8892940155872647 # the integral of x^2 exp(-3 (x^2 - 1)^2), scaled
near mala_4 0.9726273489205981
near hmc_2 0.8892940155872647
near hmc_4 0.9726273489205981

echo "== detailed balance"
awk -v w="$(json_row got.json worst)" 'BEGIN { exit !(w < 1e-3) }' ||
    fail "log flows differ by $(json_row got.json worst)"
[ "$(json_row got.json without)" = 0 ] || fail "the exact draws are incomplete"
grep '"name": *"flow\[' got.json | sed 's/.*"value": *\([-0-9.e+]*\).*/\1/' >z.txt
[ "$(wc -l <z.txt)" = 6 ] || fail "there are $(wc -l <z.txt) flows, not 6"
awk '$1 > 4 || $1 < -4 { bad = 1 } END { exit bad }' z.txt || fail "flows do not balance: $(cat z.txt)"
grep '"name": *"moves\[' got.json | sed 's/.*"value": *\([-0-9.e+]*\).*/\1/' >moves.txt
awk '$1 > 100 { n++ } END { exit !(n >= 2) }' moves.txt || fail "hardly anything moves: nothing is tested"

echo "== gradients through the sampler"
must ./samplers sample small_data --out small.npz --weights init --quiet
must ./samplers check-grad through_1 through_3 --weights init
finish
