#!/usr/bin/env bash
# Same seed, same bits: with 1 and 2 threads, after kill -9 and resume, and
# evaluations that do not depend on batch size or threads.
. "$(dirname "$0")/lib.sh"
must "$RNNC" build "$SRC/tests/e2e/small.rnn" -o small
train="./small train --quiet --limit 1024 --epochs 3 --seed 7"
must $train --threads 1 --out one.safetensors
must $train --threads 2 --out two.safetensors
echo "== threads"
same one.safetensors two.safetensors --exact
must ./small train --quiet --limit 1024 --epochs 3 --seed 8 --out other.safetensors
"$COMPARE" one.safetensors other.safetensors --exact >/dev/null &&
    fail "another seed gave the same weights"

echo "== kill -9 and resume"
long="./small train --quiet --limit 8192 --epochs 4 --seed 7"
must $long --threads 2 --out whole.safetensors
killed=0
for delay in 0.15 0.4 0.9; do
    rm -f cut.safetensors
    $long --threads 2 --out cut.safetensors --save-every 5 &
    pid=$!
    sleep $delay
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    [ $? -eq 137 ] && killed=$((killed + 1))
    must $long --threads 1 --out cut.safetensors --save-every 5 --resume
    same cut.safetensors whole.safetensors --exact
done
[ "$killed" -gt 0 ] || fail "no run was killed in time"

echo "== evaluation"
for flags in "--threads 1 --batch 100" "--threads 2 --batch 100" "--batch 7" "--batch 1 --threads 2"; do
    # shellcheck disable=SC2086
    must ./small evaluate robustness --weights one.safetensors --limit 200 \
        --quiet --json eval.json $flags
    grep -v -E '"(batch|threads|seconds|date|time)' eval.json >now.json
    [ -f first.json ] || cp now.json first.json
    diff first.json now.json >/dev/null || { fail "evaluation differs with $flags"; diff first.json now.json; }
done
must ./small attack pgd --weights one.safetensors --limit 64 --batch 64 --out a.npz --quiet
must ./small attack pgd --weights one.safetensors --limit 64 --batch 9 --threads 1 --out b.npz --quiet
same a.npz b.npz --exact
finish
