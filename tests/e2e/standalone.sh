#!/usr/bin/env bash
# The executable needs nothing but libc and libm, starts in an empty
# environment, and an installed rnnc works from any folder.
. "$(dirname "$0")/lib.sh"
start=$(date +%s.%N)
must "$RNNC" build "$SRC/examples/fashion.rnn" -o fashion
echo "fashion.rnn compiled in $(echo "$(date +%s.%N) - $start" | bc 2>/dev/null || echo '?') s"
ldd fashion | sed 's/ (.*//'
ldd fashion | grep -vE 'linux-vdso|libc\.so|libm\.so|libpthread|ld-linux' && fail "needs more than libc and libm"
must env -i ./fashion --help >/dev/null
must env -i ./fashion info >/dev/null

echo "== installed"
must cmake --install "$BUILD" --prefix "$tmp/prefix" >/dev/null
for f in bin/rnnc share/man/man1/rnnc.1 share/rnnc/nn.rnn; do
    [ -f "$tmp/prefix/$f" ] || fail "not installed: $f"
done
mkdir away && cd away || exit 2
cp "$SRC/examples/fashion.rnn" .
must env -i PATH=/usr/bin:/bin HOME="$tmp" "$tmp/prefix/bin/rnnc" build fashion.rnn -o fashion
must ./fashion info >/dev/null
finish
