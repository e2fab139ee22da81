# Sourced by every end-to-end test: paths, a temporary folder, small helpers.
# RNNC, COMPARE and SRC (the source tree) come from ctest.
set -u
: "${RNNC:?}" "${COMPARE:?}" "${SRC:?}"
export XDG_CACHE_HOME
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
XDG_CACHE_HOME=$tmp/cache
cd "$tmp" || exit 2
failed=0

fail() { echo "FAILED: $*"; failed=1; }
# must COMMAND...: it has to succeed.
must() { "$@" || { fail "exit $? from: $*"; exit 1; }; }
same() { "$COMPARE" "$@" || fail "compare $*"; }
finish() { [ "$failed" -eq 0 ] && echo "ok"; exit "$failed"; }
# A JSON value by jq-like path, with the python that is everywhere absent:
# rows are printed one per line, so grep suffices.
json_row() { sed -n "s/.*\"name\": *\"$2\".*\"value\": *\([-0-9.e+]*\).*/\1/p" "$1"; }
