#!/usr/bin/env bash
# An energy-based classifier: a killed run goes on to the same bits, replay
# buffer included; results over whole data sets depend neither on the batch nor
# on the threads; pictures are written; a weight of 0 leaves no branch.
. "$(dirname "$0")/lib.sh"
must "$RNNC" build "$SRC/tests/e2e/jem.rnn" -o jem
must ./jem sample points --out d.npz --weights init --quiet
must ./jem sample others --out e.npz --weights init --quiet
must ./jem train --out whole.safetensors --json whole.json
must ./jem train --out one.safetensors --threads 1 --quiet
same one.safetensors whole.safetensors --exact
"$COMPARE" whole.safetensors whole.safetensors | grep -q "replay" || fail "the buffer is not saved"
for stop in 0.0 0.05 0.11; do
    rm -f cut.safetensors
    ./jem train --save-every 3 --out cut.safetensors --threads 1 >cut.txt 2>&1 &
    pid=$!
    for _ in $(seq 200); do [ -s cut.safetensors ] && break; sleep 0.01; done
    sleep $stop
    kill -KILL $pid 2>/dev/null; wait $pid 2>/dev/null
    must ./jem train --out cut.safetensors --resume --quiet
    same cut.safetensors whole.safetensors --exact
done

echo "== over the whole set"
for batch in 7 320; do
    mkdir -p p$batch
    must ./jem evaluate all --weights whole.safetensors --batch $batch \
        --threads $((batch % 2 + 1)) --json $batch.json --plots p$batch
done
grep -v '"threads"\|"file"\|"batch"' 7.json >a.json
grep -v '"threads"\|"file"\|"batch"' 320.json >b.json
diff a.json b.json >/dev/null || fail "results differ: $(diff a.json b.json)"
for kind in histogram.svg reliability_of.svg survival.svg points.svg lines.svg images.png; do
    cmp -s p7/jem-all-$kind p320/jem-all-$kind || fail "$kind is missing or differs"
done
[ "$(grep -c '"against"' 7.json)" = 15 ] || fail "not every score met every rival"
awk -v a="$(json_row 7.json all_of_them)" -v b="$(json_row 7.json other)" \
    'BEGIN { exit !(a * a < 1e-6 && b == 1) }' || fail "another example is not every example once"
awk -v r="$(json_row 7.json right)" 'BEGIN { exit !(r > 0.9) }' || fail "it has not learned"
must ./jem evaluate refined --weights whole.safetensors --json refined.json
awk -v a="$(json_row refined.json off)" -v b="$(json_row refined.json steep)" \
    'BEGIN { exit !(a != "" && a < 1e-5 && b > 0.01) }' || fail "the gradient does not go straight through"
must ./jem sample grid --weights whole.safetensors --plots p7
[ -s p7/jem-grid-images.png ] || fail "there is no grid"
# of ten times six points a side and two around them: 622 x 250 in rows of a class
[ "$(od -An -tu1 -j16 -N8 p7/jem-grid-images.png | xargs)" = "0 0 2 110 0 0 0 250" ] || fail "a row is not a class"
for entry in classes counted; do
    must ./jem sample $entry --weights init --out $entry.npy --quiet
done
cmp -s classes.npy counted.npy || fail "the classes are not one after the other"

./jem evaluate all --weights whole.safetensors --plots nowhere >out.txt 2>&1
[ $? = 2 ] && grep -q "nowhere" out.txt || fail "a folder that is not there: $(cat out.txt)"

echo "== some of the examples"
must ./jem sample thirds --weights init --out thirds.npy --quiet
must ./jem sample thirds --weights init --n 300 --out beyond.npy --quiet
must ./jem evaluate refined --weights whole.safetensors --examples thirds.npy --json part.json
must ./jem evaluate refined --weights whole.safetensors --examples thirds.npy --limit 1 --json first.json --quiet
must ./jem evaluate refined --weights whole.safetensors --limit 1 --json alone.json --quiet
grep -q '"n": *100' part.json && grep -q '"examples": "thirds.npy"' part.json || fail "not the examples listed"
[ "$(json_row first.json steep)" = "$(json_row alone.json steep)" ] || fail "the first of the list is not example 0"
./jem evaluate refined --weights init --examples beyond.npy >out.txt 2>&1
[ $? = 1 ] && grep -q 'element 214 of "beyond.npy" is example 642, and there are 0 to 639' out.txt ||
    fail "an example that is not there: $(cat out.txt)"
./jem evaluate refined --weights init --examples counted.npy >out.txt 2>&1
[ $? = 1 ] && grep -q 'should list numbers of examples' out.txt || fail "reals as a list: $(cat out.txt)"

echo "== without p(x)"

sed '/^sample grid/,$d' "$SRC/tests/e2e/jem.rnn" >plain.rnn
must "$RNNC" build plain.rnn -o plain -D px=0
./plain info | grep -q replay && fail "the branch was compiled"
finish
