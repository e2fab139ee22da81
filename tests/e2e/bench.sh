#!/usr/bin/env bash
# What bench says of a compiled program: passes of a loop of run-time length are
# counted, the machine's limits are measured, the chart is drawn.
. "$(dirname "$0")/lib.sh"
must "$RNNC" build "$SRC/tests/e2e/small.rnn" -o small
must ./small bench pgd train --steps 7 --batch 16 --seconds 0.05 --weights init --json b.json --plot roof.svg >out.txt
grep -q '"name": "conv.*"runs": 7,' b.json || fail "no convolution ran 7 times"
grep -q '"peak_gflops": [0-9]*\.[0-9]' b.json || fail "no peak"
grep -q '"memory_gb_s": [0-9]*\.[0-9]' b.json || fail "no bandwidth"
grep -q 'of peak' out.txt || fail "the text has no peak"
grep -q '>the machine<' roof.svg || fail "the chart has no roof"
share=$(sed -n 's/.*"of_peak": \([0-9.]*\),$/\1/p' b.json | sort -g | tail -1)
awk -v s="$share" 'BEGIN { exit !(s > 0) }' || fail "of_peak is $share"
must ./small bench f --brief --seconds 0.01 --weights init --batch 4 --json brief.json >brief.txt
grep -q 'of peak' brief.txt || fail "--brief has no peak"
grep -q '"runs"' brief.json && fail "--brief times kernels"
./small bench --seconds nothing 2>err.txt && fail "--seconds nothing was taken"
grep -q -- '--seconds' err.txt || fail "--seconds was not named"

echo "== kernels of one name and place are one line"
cat >again.rnn <<'END'
use nn
data d = npz("points.npz") : x real[1000], y class[2]
net g(h: real[64]) -> real[64] { return tanh(dense(h, 64)) }
net f(x: real[1000]) -> real[64] {
  h = dense(x, 64)
  for k in 0 .. 6 { h = g(h) }
  return h
}
END
must "$RNNC" build again.rnn -o again
must ./again bench f --weights init --batch 8 --seconds 0.01 --json again.json >again.txt
[ "$(grep -c 'dot 64->64' again.txt)" = 1 ] || fail "not one line: $(cat again.txt)"
grep -q 'dot 64->64 *again.rnn:3:[0-9]* *6 ' again.txt || fail "not 6 runs: $(cat again.txt)"
[ "$(grep -c '"name": "dot 64->64"' again.json)" = 6 ] || fail "JSON does not list each"

echo "== slow kernels are named when compiling"
cat >sorts.rnn <<'END'
data d = npz("points.npz") : x real[1000], y class[2]
evaluate middle on d.test {
  median = mean(sort(x)[499 .. 501])
}
evaluate average on d.test {
  average = mean(x)
}
END
must "$RNNC" build sorts.rnn -o sorts 2>slow.txt
grep -q '^sorts.rnn:3:.*"sort 1000".*of "middle", is slow.*\[slow-kernel\]' slow.txt || fail "sort is not named: $(cat slow.txt)"
[ "$(grep -c slow-kernel slow.txt)" = 1 ] || fail "more than the sort is called slow"
must "$RNNC" build --no-warn slow-kernel sorts.rnn -o sorts 2>quiet.txt
[ -s quiet.txt ] && fail "--no-warn slow-kernel still says: $(cat quiet.txt)"
./sorts bench middle --batch 8 --seconds 0.01 | grep -q 'sort 1000.*slow path' || fail "bench does not mark the sort"
finish
