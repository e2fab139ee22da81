#!/usr/bin/env bash
# Every example compiles in both precisions and passes its own gradient check;
# every code block of docs/language.md compiles.
. "$(dirname "$0")/lib.sh"
for f in "$SRC"/examples/*.rnn; do
    name=$(basename "$f" .rnn)
    grep -q "^train\|^evaluate" "$f" || continue # a module of others
    must "$RNNC" build "$f" -o "$name"
    must "./$name" info >/dev/null
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
