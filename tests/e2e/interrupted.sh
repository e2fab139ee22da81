#!/usr/bin/env bash
# A run that goes wrong says where: a loss that becomes NaN names step, kernel
# and place; Ctrl-C finishes the step, keeps a checkpoint and can be resumed to
# the same bits; `stop if` ends a run with its reason.
. "$(dirname "$0")/lib.sh"

# the square root of a negative number, in the fourth step
sed 's/  minimize \(.*\)/  minimize \1 + sqrt(2.5 - real(step))/' \
    "$SRC/tests/e2e/small.rnn" >wild.rnn
must "$RNNC" build wild.rnn -o wild
./wild train --quiet --limit 2048 --epochs 5 --out wild.safetensors 2>err.txt
[ $? -eq 1 ] || fail "a diverged run exits with 1"
cat err.txt
grep -qE 'step 4 ' err.txt || fail "the step is not named"
grep -qE 'wild\.rnn:17' err.txt || fail "the place is not named"

sed 's/  watch accuracy.*/  stop if step >= 7 "seven steps are enough"/' "$SRC/tests/e2e/small.rnn" >stop.rnn
must "$RNNC" build stop.rnn -o stop
./stop train --limit 2048 --epochs 5 --out stop.safetensors >out.txt 2>&1
grep -q "seven steps are enough" out.txt || { fail "the reason to stop is not given"; cat out.txt; }

must "$RNNC" build "$SRC/tests/e2e/small.rnn" -o small
must ./small train --quiet --limit 16384 --epochs 4 --seed 3 --out whole.safetensors
./small train --limit 16384 --epochs 4 --seed 3 --out cut.safetensors >out.txt 2>&1 &
pid=$!
for _ in $(seq 100); do [ -s cut.safetensors ] && break; sleep 0.05; done
sleep 0.1
kill -INT $pid; wait $pid
code=$?
tail -3 out.txt
[ $code -eq 130 ] || fail "Ctrl-C exits with 130, not $code"
grep -q -- --resume out.txt || fail "it does not say how to resume"
must ./small train --quiet --limit 16384 --epochs 4 --seed 3 --out cut.safetensors --resume
same cut.safetensors whole.safetensors --exact

echo "== gradients"
must ./small check-grad --weights whole.safetensors --limit 16
finish
