#!/usr/bin/env bash
# The table of Yan et al. 2020 at a width that two cores train in hours: CNN,
# ODENet and TisODE, noise-trained on MNIST with several seeds each, under noise,
# the attack the paper used and stronger ones.
#
#   tisode_table.sh RNNC DATA [WIDTH] [EPOCHS] [SEEDS]
#   TRAINED=fgsm tisode_table.sh ...     adversarial training instead, "clean" none
#
# DATA is where the MNIST files are. Everything is made in the current folder;
# what is there already is not made again, so a run can be interrupted. The last
# lines are the table: mean and, over more than one seed, standard deviation.
set -eu
rnnc=$1 data=$2 width=${3:-16} epochs=${4:-10} seeds=${5:-"1 2 3"}
here=$(cd "$(dirname "$0")" && pwd)
nets="cnn_baseline odenet tisode"

for net in $nets; do
    [ -x "./$net" ] || "$rnnc" build "$here/$net.rnn" -o "$net" \
        -D width="$width" -D trained_on="${TRAINED:-noise}"
    for seed in $seeds; do
        weights=$net-$seed.safetensors
        [ -f "$weights" ] || "./$net" train --data "$data" --seed "$seed" \
            --epochs "$epochs" --out "$weights"
        for entry in noise released honest; do
            out=$net-$seed-$entry.json
            [ -f "$out" ] || "./$net" evaluate "$entry" --data "$data" \
                --weights "$weights" --limit 1000 --json "$out" --quiet
        done
    done
done

# name value, one line a row of every evaluation
rows() {
    { tr -d '\n' <"$1"; echo; } | tr '{' '\n' |
        sed -n 's/.*"name": *"\([^"]*\)".*"value": *\([-0-9.e+]*\).*/\1 \2/p'
}
for net in $nets; do
    for seed in $seeds; do
        for entry in noise released honest; do
            rows "$net-$seed-$entry.json" | sed "s/^/$net $entry /"
        done
    done
done | awk '
    { key = $2 " " $3; if (!(key in seen)) { seen[key] = 1; order[++n] = key }
      c = $1 SUBSEP key; k[c]++; sum[c] += $4; sq[c] += $4 * $4
      if (!($1 in net)) { net[$1] = 1; name[++m] = $1 } }
    function cell(c,   a, v) {
        a = sum[c] / k[c]; v = sq[c] / k[c] - a * a
        return k[c] > 1 ? sprintf("%.1f ± %.1f", 100 * a, 100 * sqrt(v > 0 ? v : 0)) \
                        : sprintf("%.1f", 100 * a)
    }
    END {
        printf "| |"; for (i = 1; i <= m; i++) printf " %s |", name[i]
        printf "\n|---|"; for (i = 1; i <= m; i++) printf "---|"; printf "\n"
        for (j = 1; j <= n; j++) {
            printf "| %s |", order[j]
            for (i = 1; i <= m; i++) printf " %s |", cell(name[i] SUBSEP order[j])
            printf "\n"
        }
    }'
