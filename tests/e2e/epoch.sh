#!/usr/bin/env bash
# An epoch block: results over the whole data set, epochs that are undone, a
# copy saved on the way, and a run killed in mid-epoch that goes on to the
# same bits, whatever the number of threads. A guard that undoes epochs.
. "$(dirname "$0")/lib.sh"

must "$RNNC" build "$SRC/tests/e2e/epoch.rnn" -o epoch
run="train --limit 4096 --seed 5"
must ./epoch $run --out whole.safetensors --json whole.json >out.txt
cat out.txt
grep -q "rolled back" out.txt || fail "no epoch was rolled back: nothing is tested"
[ -s whole-third.safetensors ] || fail "the copy of the third epoch is missing"
must ./epoch $run --quiet --threads 1 --out one.safetensors
same one.safetensors whole.safetensors --exact
same one-third.safetensors whole-third.safetensors --exact

echo "== killed and resumed"
for delay in 0.0 0.13 0.29; do
    rm -f cut.safetensors
    ./epoch $run --save-every 7 --epochs 8 --out cut.safetensors >cut.txt 2>&1 &
    pid=$!
    for _ in $(seq 100); do [ -s cut.safetensors ] && break; sleep 0.02; done
    sleep $delay
    signal=KILL; [ $delay = 0.13 ] && signal=INT
    kill -$signal $pid 2>/dev/null; wait $pid 2>/dev/null
    must ./epoch $run --quiet --epochs 8 --out cut.safetensors --resume
    same cut.safetensors whole.safetensors --exact
done

echo "== over the whole set"
for batch in 7 1000; do
    must ./epoch evaluate all --weights whole.safetensors --limit 4096 \
        --batch $batch --threads $((batch % 2 + 1)) --json $batch.json
done
for row in q least most share at_least same loss plain mean_loss; do
    a=$(json_row 7.json $row); b=$(json_row 1000.json $row)
    [ -n "$a" ] && [ "$a" = "$b" ] || fail "$row: $a with batches of 7, $b of 1000"
done
[ "$(json_row 7.json same)" = 0 ] || fail "data_argmin is not where data_min is"
[ "$(json_row 7.json at_least)" = 1 ] || fail "data_argmin names no example"
awk -v a="$(json_row 7.json loss)" -v b="$(json_row 7.json mean_loss)" \
    'BEGIN { exit !(a - b < 1e-5 * b && b - a < 1e-5 * b) }' ||
    fail "the log-domain mean is another than the plain one"

echo "== charts of saved results"
must ./epoch chart whole.json 7.json --rows loss_of_all,alpha,loss_of_all+alpha --out curve.svg
for row in loss_of_all alpha loss_of_all+alpha; do
    grep -q "</svg>" curve-$row.svg || fail "there is no chart of $row"
done
cp 7.json again.json; echo "}" >>again.json
./epoch chart again.json --rows share --out no.svg 2>err.txt && fail "what is no JSON is drawn"
grep -q 'no JSON: something follows' err.txt || { fail "it is not said what is wrong"; cat err.txt; }
[ ! -e no.svg ] || fail "a picture of nothing is there"

echo "== a guard"
sed -e 's/  minimize \(.*\)/  minimize \1 + where(bernoulli(0.01, shared: true), sqrt(-real(step) - 1), 0)/' \
    -e 's/  watch accuracy.*/  rollback if loss > 1e8 "it diverged"/' \
    "$SRC/tests/e2e/small.rnn" >guard.rnn
must "$RNNC" build guard.rnn -o guard --no-warn division-by-zero
must ./guard train --limit 2048 --epochs 3 --out guard.safetensors >guard.txt
cat guard.txt
grep -q "rolled back after step .*not finite" guard.txt || fail "the guard did not tell"
finish
