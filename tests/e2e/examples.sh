#!/usr/bin/env bash
# Every example compiles, and checks in f64 too;
# every code block of docs/language.md compiles. The papers' networks have as many
# parameters as the papers' own, and the homogeneous ones their orders.
. "$(dirname "$0")/lib.sh"
declare -A parameters=([jem]=36,471,338 [margin]=3,240,768 [margin_vgg]=14,715,648
    [cnn_baseline]=141,130 [odenet]=142,410 [tisode]=141,130)
declare -A order=([margin]=4 [margin_vgg]=14)
for f in "$SRC"/examples/*.rnn; do
    name=$(basename "$f" .rnn)
    grep -q "^train\|^evaluate" "$f" || continue # a module of others
    must "$RNNC" build "$f" -o "$name"
    must "./$name" info >info.txt
    want=${parameters[$name]:-}
    [ -z "$want" ] || grep -q "^parameters: $want in" info.txt ||
        fail "$name has not $want parameters: $(grep "^parameters" info.txt)"
    want=${order[$name]:-}
    [ -z "$want" ] || grep -q "homogeneous of order $want in its parameters" info.txt ||
        fail "$name is not of order $want: $(grep "^net" info.txt)"
    must "$RNNC" check --precision f64 "$f"
    echo "ok $name"
done
awk -v dir="$tmp" '/^```rnn/{n++; on=1; next} /^```/{on=0} on{print > (dir "/block" n ".rnn")}' \
    "$SRC/docs/language.md"
n=0
for f in block*.rnn; do
    [ -f "$f" ] || continue
    must "$RNNC" check "$f"
    n=$((n + 1))
done
echo "$n code blocks of docs/language.md"
[ "$n" -gt 0 ] || fail "docs/language.md has no \`\`\`rnn block"
finish
