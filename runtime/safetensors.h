/*
 * safetensors.h -- what a safetensors header says; private to the two files
 * that read and write the format.
 */
#ifndef RNN_SAFETENSORS_H
#define RNN_SAFETENSORS_H

#include "files.h"

typedef struct StEntry {
    char *name; // owned
    RnnElem elem;
    RnnType type;
    uint64_t lo, hi; // offsets among the elements, as written: not checked
} StEntry;

typedef struct StHeader {
    StEntry *entry;
    int n, cap;
} StHeader;

/* Reads the n bytes of JSON; metadata goes to `out`. The header is to be freed
 * also after a failure. */
RnnStatus rnn_st_header(const char *text, size_t n, const char *path,
                        StHeader *h, RnnArrays *out, RnnError *err);
void rnn_st_free(StHeader *h);

#endif
