/*
 * rng.h -- counter-based random numbers, shared with the compiler's reference
 * interpreter so that both draw the same values.
 *
 * Philox4x32-10 (Salmon et al., SC 2011): key = seed, counter = (block of the
 * element, example, stream, folded keys).
 */
#ifndef RNN_RNG_H
#define RNN_RNG_H

#include <stdint.h>

enum { RNN_SHARED_EXAMPLE = -1 }; // `example` of a shared draw

uint32_t rnn_fold_keys(const int32_t *key, int nkey);
/* Element `i` of the draw named by the other arguments. */
double rnn_uniform_at(uint64_t seed, int64_t stream, int32_t example,
                      uint32_t keys, int64_t i); // k * 2^-24, in [0, 1)
double rnn_normal_at(uint64_t seed, int64_t stream, int32_t example,
                     uint32_t keys, int64_t i);
/* Phi^-1((word + 1/2) * 2^-32), what normals are made with. */
double rnn_normal_of(uint32_t word);
/* A random order of 0 .. n - 1 (Fisher-Yates on the same counters). */
void rnn_permutation(uint64_t seed, int64_t stream, int32_t example,
                     uint32_t keys, int64_t n, int32_t *out);

#endif
