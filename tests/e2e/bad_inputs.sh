#!/usr/bin/env bash
# Bad input is normal: wrong programs, corrupt data and weights, unwritable
# output, a full disk, a missing CPU feature. Each case states the exit code and
# a word of the message it must get; the table of what was said is printed. No
# case may crash, hang or leave a partial file.
. "$(dirname "$0")/lib.sh"
count=0

# case NAME EXIT PATTERN COMMAND...: runs it, checks code and message.
case_() {
    local name=$1 want=$2 pattern=$3 got line
    shift 3
    timeout 60 "$@" >out.txt 2>err.txt
    got=$?
    line=$(grep -vE '^ *[0-9]* \||^$' err.txt | head -1)
    count=$((count + 1))
    printf '%3d  %-26s %3d  %s\n' "$count" "$name" "$got" "${line:-(no message)}" | cut -c1-150
    [ "$got" -eq "$want" ] || fail "$name: exit $got, not $want: $(head -c 600 err.txt)"
    grep -qiE -- "$pattern" err.txt || fail "$name: the message lacks \"$pattern\": $(head -c 600 err.txt)"
    grep -qE 'AddressSanitizer|runtime error:|core dumped|internal error' err.txt && fail "$name crashed"
}
# program NAME PATTERN [EXIT]: a wrong program on standard input.
program() {
    cat >"p_$1.rnn"
    case_ "program: $1" "${3:-1}" "$2" "$RNNC" build "p_$1.rnn" -o "p_$1.exe"
    [ -e "p_$1.exe" ] && fail "$1 left an executable"
}
head_='use nn
data d = idx("fashion-mnist") : x real[1, 28, 28] in [0, 1], y class[10]
'
echo "  #  case                       exit message"

# --- wrong programs ----------------------------------------------------------
program syntax "missing|expected" <<<"net f(x: real[3]) -> real[2] { return dense(x, 2 }"
program missing_brace "\}" <<<"net f(x: real[3]) -> real[2] { return x"
program stray_character "character" <<<'fn f(x) = x $ 2'
program open_string "string" <<<'data d = idx("fashion : x real[1]'
program empty_file "entry|nothing|train" </dev/null
program binary_file "UTF-8|NUL|text" 2 < <(printf 'net f\0(x)')
program bad_utf8 "UTF-8" 2 < <(printf '# \xff\xfe\nfn f(x) = x\n')
program deep_nesting "nest|deep" < <(printf 'const a = '; printf '(%.0s' $(seq 100000); echo 1)
program unknown_name "relux" <<<"$head_ net f(x: real[4]) -> real[4] { return relux(x) }"
program unknown_module "module|attakcs" <<<"use attakcs
$head_"
program unknown_type "type|rael" <<<"net f(x: rael[4]) -> real[4] { return x }"
program wrong_arity "argument" <<<"$head_ net f(x: real[4]) -> real[2] { return dense(x) }"
program unknown_argument "kernle" <<<"$head_ net f(x: real[1,8,8]) -> real[2, 8, 8] { return conv(x, 2, kernle: 3) }"
program result_shape "\[10\]" <<<"use nn
net f(x: real[4]) -> real[10] { return dense(x, 12) }"
program matmul_inner "784|256" <<<"net f(x: real[256]) -> real[128] { param w: real[128, 784] = 0
 return w @ x }"
program elementwise_shapes "shape|\[3\]" <<<"fn g(a: real[3], b: real[4]) = a + b
net f(x: real[3]) -> real[3] { param b: real[4] = 0
 return g(x, b) }"
program shape_variable "N|size" <<<"fn g(a: real[N], b: real[N]) = a + b
net f(x: real[3]) -> real[3] { param b: real[4] = 0
 return g(x, b) }"
program reshape_size "reshape|element" <<<"net f(x: real[6]) -> real[5] { return reshape(x, [5]) }"
program negative_dim "negative|size|dim" <<<"net f(x: real[-3]) -> real[3] { return x }"
program huge_shape "large|element|2\^31" <<<"net f(x: real[4]) -> real[4] { param w: real[100000, 100000, 100000] = 0
 return x + w[0, 0, 0] }"
program index_range "index|range|out" <<<"net f(x: real[4]) -> real[1] { return reshape(x[7], [1]) }"
program recursion "recurs|deep|calls" <<<"fn g(x) = g(x)
net f(x: real[4]) -> real[4] { return g(x) }"
program duplicate "already|twice|duplicate" <<<"const a = 1
const a = 2"
program const_cycle "itself|before|unknown|cycle|not known" <<<"const a = b, b = a
net f(x: real[4]) -> real[4] { return x * a }"
program division_by_zero "zero" <<<"const a = 1 / 0
net f(x: real[4]) -> real[4] { return x * a }"
program int_overflow "overflow|large|range" <<<"const a = 9223372036854775807 + 1
net f(x: real[4]) -> real[4] { return x * a }"
program option_default "range|outside|between|\[0, 1\]" <<<"option eps: real in [0, 1] = 3
net f(x: real[4]) -> real[4] { return x * eps }"
program grad_of_vector "scalar" <<<"$head_ net f(x: real[4]) -> real[4] { return grad(x * x, x) }"
program grad_shared "batch" <<<"$head_
net f(x: real[1, 28, 28]) -> real[10] { return dense(x, 10) }
evaluate e on d.test { w = grad(cross_entropy(f(x), y), f)
 n = sum(w) }"
program no_minimize "minimize" <<<"$head_ train on d.train batch 8 epochs 1 { watch sum(x) }"
program unknown_data "data|dd" <<<"$head_ evaluate e on dd.test { a = sum(x) }"
program unknown_split "split|tset|train, test" <<<"$head_ evaluate e on d.tset { a = sum(x) }"
program batch_zero "batch" <<<"use nn
$head_ net f(x: real[1, 28, 28]) -> real[10] { return dense(x, 10) }
train on d.train batch 0 epochs 1 { minimize cross_entropy(f(x), y) using sgd(lr: 0.1) }"
program runtime_if "if" <<<"$head_ evaluate e on d.test { s = sum(x)
 if s > 3 { a = 1 } else { a = 2 }
 b = a + s }"
program unknown_reader "idxx" <<<'data d = idxx("fashion") : x real[1, 28, 28] in [0, 1], y class[10]
evaluate e on d.test { a = sum(x) }'
program endless_for "unroll|steps|iterations|many" <<<"net f(x: real[4]) -> real[4] { h = x
 for i in 0 .. 1000000000 { h = h + i }
 return h }"
program reserved_word "for|reserved|keyword|expected" <<<"net for(x: real[4]) -> real[4] { return x }"
program param_conflict "weight|param" <<<"net f(x: real[4]) -> real[4] { param w: real[4] = 0
 param w: real[5] = 0
 return x + w }"
program class_as_real "class|int|label|real" <<<"$head_ evaluate e on d.test { a = sum(x) + y }"

# --- the compiler's surroundings ---------------------------------------------
printf 'use nn\nnet f(x: real[4]) -> real[2] { return dense(x, 2) }\n' >ok.rnn
case_ "rnnc: no such file" 2 "no_such|No such" "$RNNC" build no_such.rnn -o x
case_ "rnnc: a folder" 2 "directory|folder" "$RNNC" build . -o x
case_ "rnnc: unknown command" 2 "bulid|build" "$RNNC" bulid ok.rnn
case_ "rnnc: unknown flag" 2 "precison|precision" "$RNNC" build ok.rnn --precison f64 -o x
case_ "rnnc: bad precision" 2 "f16" "$RNNC" build ok.rnn --precision f16 -o x
case_ "rnnc: bad cpu" 2 "zen99" "$RNNC" build ok.rnn --cpu zen99 -o x
case_ "rnnc: bad -D" 1 "nothing|const" "$RNNC" build ok.rnn -D nothing=1 -o x
case_ "rnnc: output folder missing" 2 "nowhere" "$RNNC" build ok.rnn -o nowhere/x
case_ "rnnc: no file given" 2 "file" "$RNNC" build
CC=/no/such/cc case_ "rnnc: no linker" 2 "cc|linker" env CC=/no/such/cc "$RNNC" build ok.rnn -o x
[ -e x ] && fail "a failed build left its output"
full=
if [ "$(id -u)" -eq 0 ] && mkdir small && mount -t tmpfs -o size=64k tmpfs small 2>/dev/null; then
    full=small
    trap 'umount "$tmp/small"; rm -rf "$tmp"' EXIT
    case_ "rnnc: full disk" 2 "space|full|write" "$RNNC" build ok.rnn -o small/x
    [ -z "$(ls small)" ] || fail "a full disk kept $(ls small)"
else
    echo "     (full-disk cases skipped: no right to mount a tmpfs)"
fi

# --- the executable's flags and files ----------------------------------------
must "$RNNC" build "$SRC/tests/e2e/small.rnn" -o exe
must ./exe train --quiet --limit 256 --epochs 1 --out w.safetensors
eval_="./exe evaluate robustness --quiet --limit 32 --weights w.safetensors"
case_ "exe: unknown command" 1 "trian|train" ./exe trian
case_ "exe: unknown flag" 1 "esp|eps" $eval_ --esp 0.1
case_ "exe: option not a number" 1 "eps" $eval_ --eps abc
case_ "exe: option out of range" 1 "eps" $eval_ --eps 7
case_ "exe: flag without value" 1 "eps|value" $eval_ --eps
case_ "exe: negative limit" 1 "limit" $eval_ --limit -5
case_ "exe: batch 0" 1 "batch" $eval_ --batch 0
case_ "exe: absurd threads" 1 "threads" $eval_ --threads 100000000
case_ "exe: unknown entry" 1 "robustnes" ./exe evaluate robustnes --weights w.safetensors
case_ "exe: no weights file" 1 "none.safetensors" ./exe evaluate robustness --weights none.safetensors
case_ "exe: unwritable json" 2 "nowhere" $eval_ --json nowhere/x.json
case_ "exe: batch over data" 1 "batch" ./exe train --limit 8 --epochs 1 --out z.safetensors
cp w.safetensors short.safetensors; truncate -s 1000 short.safetensors
case_ "weights: truncated" 1 "short.safetensors" ./exe evaluate robustness --weights short.safetensors
head -c 4096 /dev/urandom >noise.safetensors
case_ "weights: noise" 1 "noise.safetensors" ./exe evaluate robustness --weights noise.safetensors
printf '\377\377\377\377\377\377\377\177{}' >absurd.safetensors
case_ "weights: absurd header" 1 "absurd" ./exe evaluate robustness --weights absurd.safetensors
: >empty.npz
case_ "weights: empty file" 1 "empty" ./exe evaluate robustness --weights empty.npz
must "$RNNC" build "$SRC/tests/parity/cnn.rnn" -o other
case_ "weights: another net's" 1 "f.conv" ./exe evaluate robustness --weights "$SRC/tests/parity/cnn_weights.npz"
case_ "infer: wrong shape" 1 "shape|28" ./exe infer --weights w.safetensors --in "$SRC/tests/parity/resnet_data.npz" --out l.npy
case_ "infer: no input" 1 "in" ./exe infer --weights w.safetensors --out l.npy
case_ "attack: no output" 1 "out" ./exe attack pgd --weights w.safetensors

# --- data ---------------------------------------------------------------------
fm=/usr/share/datasets/fashion-mnist
dset() { rm -rf bad; mkdir -p bad/fashion-mnist; cp $fm/t10k* $fm/train* bad/fashion-mnist/ 2>/dev/null; }
run_="./exe evaluate robustness --quiet --weights w.safetensors --data bad"
img=bad/fashion-mnist/t10k-images-idx3-ubyte lab=bad/fashion-mnist/t10k-labels-idx1-ubyte
dset; truncate -s 100000 $img.gz
case_ "data: truncated gzip" 1 "t10k-images" $run_
dset; printf 'XXXX' | dd of=$img.gz bs=1 seek=200000 conv=notrunc status=none
case_ "data: corrupt gzip" 1 "t10k-images" $run_
dset; gunzip $img.gz; truncate -s 5000000 $img
case_ "data: truncated idx" 1 "t10k-images" $run_
dset; gunzip $img.gz; printf '\1\2\3\4' | dd of=$img bs=1 conv=notrunc status=none
case_ "data: wrong magic" 1 "magic|idx|IDX" $run_
dset; rm $img.gz; cp $fm/t10k-labels-idx1-ubyte.gz $img.gz
case_ "data: labels as images" 1 "no IDX file of images" $run_
dset; cp $fm/train-labels-idx1-ubyte.gz $lab.gz
case_ "data: counts disagree" 1 "60000|10000" $run_
dset; gunzip $lab.gz; printf '\177' | dd of=$lab bs=1 seek=20 conv=notrunc status=none
case_ "data: label out of range" 1 "127|label|class" $run_
dset; rm $lab.gz
case_ "data: labels missing" 1 "labels" $run_
case_ "data: no such folder" 1 "nowhere" ./exe evaluate robustness --quiet --weights w.safetensors --data nowhere
if [ -n "$full" ]; then
    case_ "full disk: train" 2 "space|write" ./exe train --quiet --limit 256 --epochs 1 --out small/w.safetensors
    case_ "full disk: attack" 2 "space|write" ./exe attack pgd --quiet --limit 256 --weights w.safetensors --out small/a.npz
    [ -z "$(ls small)" ] || fail "a full disk kept $(ls small)"
fi
# The check reads the CPU; RNN_CPU_HIDE makes it overlook a feature.
case_ "missing CPU feature" 2 "sse4.2" env RNN_CPU_HIDE=sse4.2 ./exe info
echo "$count bad inputs"
[ "$count" -ge 60 ] || fail "only $count cases"
find . -name '*.tmp*' | grep . && fail "temporary files were left"
finish
