/*
 * order.c -- the order of the examples in an epoch of training: a permutation
 * that is a function of the seed and the epoch alone, so that a resumed run
 * finds its place by counting.
 */
#include "face.h"
#include "rng.h"

/* No draw of a program has this stream: theirs count up from 0. */
#define SHUFFLE_STREAM (-1)

void rnn_epoch_order(uint64_t seed, int64_t epoch, int64_t n, int32_t *out)
{
    int32_t key = (int32_t)epoch;

    rnn_permutation(seed, SHUFFLE_STREAM, RNN_SHARED_EXAMPLE,
                    rnn_fold_keys(&key, 1), n, out);
}
