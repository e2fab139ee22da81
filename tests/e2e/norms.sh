#!/usr/bin/env bash
# Normalization by statistics of the data. Running statistics, parameters and
# logits after three steps equal an independent library's; gradients through the
# statistics of a batch equal central differences. The energy-based classifiers
# train with them to finite losses and go on to the same bits.
. "$(dirname "$0")/lib.sh"
cp "$SRC"/tests/parity/norms* "$SRC"/examples/{jem,jempp,wrn}.rnn .
for precision in f32 f64; do
    tol=1e-5; [ $precision = f64 ] && tol=1e-6
    must "$RNNC" build norms.rnn -o norms --precision $precision
    must ./norms train --weights norms_weights.npz --out trained.safetensors --quiet
    must ./norms infer --weights trained.safetensors --in norms_data.npz \
        --out logits.npz --quiet
    same logits.npz norms_expect.npz --rel $tol --only f=logits
    paths=$("$COMPARE" trained.safetensors trained.safetensors | awk '{print "--only", $1}')
    # shellcheck disable=SC2086
    same trained.safetensors norms_expect.npz --rel $tol $paths
done

echo "== gradients: through the batch, and with ActNorm's statistics frozen"
sed 's/act_norm(conv(h, 6, stride: 2))/act_norm(conv(h, 6, stride: 2), fit: false)/' \
    norms.rnn >frozen.rnn
must "$RNNC" build frozen.rnn -o frozen --precision f64
must ./frozen check-grad --weights init --quiet

cat >pictures.rnn <<'END'
sample colour(n: int = 32) { return uniform(-1, 1, shape: [3, 32, 32]) }
sample grey(n: int = 32) { return uniform(-1, 1, shape: [1, 28, 28]) }
sample labels(n: int = 32) { return index % 10 }
END
must "$RNNC" build pictures.rnn -o pictures
for entry in colour grey labels; do
    must ./pictures sample $entry --out $entry.npy --quiet
done
sed -e 's/cifar10() :/npy(x: "colour.npy", y: "labels.npy") :/' -e '/^evaluate calibration/,$d' \
    jem.rnn >small_jem.rnn
sed -e 's/idx("mnist") :/npy(x: "grey.npy", y: "labels.npy") :/' -e '/^data fashion/d' \
    -e '/^evaluate all/,$d' jempp.rnn >small_jempp.rnn
for norm in none group layer instance; do
    must "$RNNC" check small_jem.rnn -D norm=$norm -D depth=10 -D width=1
done
for run in jem-batch jem-act jempp-group; do
    base=${run%-*}
    must "$RNNC" build small_$base.rnn -o $run -D norm=${run#*-} -D examples=8 -D buffer=40 \
        $([ $base = jem ] && echo -D depth=10 -D width=1 -D chain=2 || echo -D outer=1 -D kept=4) 2>warnings
    must ./$run train --epochs 2 --out whole.safetensors --json $run.json --quiet
    must ./$run train --epochs 1 --out part.safetensors --quiet
    must ./$run train --epochs 2 --out part.safetensors --resume --quiet
    same part.safetensors whole.safetensors --exact
    grep -q '"loss": *-\{0,1\}[0-9]' $run.json || fail "$run: no finite loss"
    ! grep -qi '"loss": *\(null\|nan\|"\)' $run.json || fail "$run: a loss is not finite"
    echo "ok $run"
done
finish
