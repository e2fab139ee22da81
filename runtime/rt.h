/*
 * rt.h -- private to runtime/: what its files share. See STYLE.md.
 *
 * Every function that can fail returns RnnStatus; the reason stands in the
 * RnnError given to it: one sentence that names the file or flag and says what
 * to do. Ownership words: borrowed, written, returned (the caller frees).
 */
#ifndef RNN_RT_PRIVATE_H
#define RNN_RT_PRIVATE_H

#include "rnn_rt.h"

#include <stdbool.h>
#include <stdio.h>

typedef enum {
    RNN_OK = 0,
    RNN_BAD_INPUT,   // a wrong flag or file: exit 1
    RNN_SURROUNDINGS // disk, memory, permissions, CPU: exit 2
} RnnStatus;
typedef struct RnnError {
    char text[1024];
} RnnError;
RnnStatus rnn_fail(RnnError *err, RnnStatus s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* type.c */
/* false if a * b does not fit a signed size. */
bool rnn_mul_size(size_t a, size_t b, size_t *product);
int64_t rnn_type_count(const RnnType *t); // elements, without the batch
size_t rnn_dtype_bytes(int32_t dt);
const char *rnn_dtype_name(int32_t dt);   // "f32"
/* "f32[3, 5]" into buf; returns buf. */
const char *rnn_type_text(const RnnType *t, char *buf, size_t n);
void *rnn_alloc(size_t bytes);            // RNN_ALIGN aligned, zeroed; or exits 2
void *rnn_alloc_unset(size_t bytes);      // the same, contents undefined

/* pool.c: a persistent pool, spin then park, static partition. */
RnnPool *rnn_pool_new(int threads); // 1: no threads are made
int rnn_pool_threads(const RnnPool *p);
void rnn_pool_free(RnnPool *p);

/* tensor_file.c: arrays in files. */
typedef struct RnnArray {
    char *name;
    RnnType type;   // dt and dims; batched = 0
    bool big_endian_source;
    void *at;       // owned, native order, dt as in type; NULL: left unread
} RnnArray;
typedef struct RnnArrays {
    int n;
    RnnArray *array;
    int nmeta;               // safetensors __metadata__
    char **meta_key, **meta_value;
    bool (*wanted)(const void *env, const char *name); // NULL: all
    const void *env;         // of `wanted`
} RnnArrays;
/* .npy, .npz (stored or deflated), .safetensors by content; f16 bf16 f32 f64
 * i8 u8 i16 i32 i64 bool are converted to `f32 f64 i32 bool` (i64 must fit). */
RnnStatus rnn_arrays_read(const char *path, RnnArrays *out, RnnError *err);
/* The same, reading the elements of the wanted arrays only where the format
 * allows to pass over others (.safetensors). */
RnnStatus rnn_arrays_read_some(const char *path,
                               bool (*wanted)(const void *, const char *name),
                               const void *env, RnnArrays *out, RnnError *err);
void rnn_arrays_free(RnnArrays *a);
const RnnArray *rnn_arrays_find(const RnnArrays *a, const char *name);
/* Written to a temporary file beside `path`, synced, then renamed; nothing is
 * left behind on failure. Format by extension: .npy (one array), .npz,
 * .safetensors. */
RnnStatus rnn_arrays_write(const char *path, const RnnArrays *a, RnnError *err);
/* Any text file with the same guarantee (--json, reports, plots). */
RnnStatus rnn_file_write(const char *path, const void *bytes, size_t n,
                         RnnError *err);
/* Whether rnn_file_write could begin: the folder exists and a file can be made
 * there. To be asked before a long run, not after it. */
RnnStatus rnn_file_can_write(const char *path, RnnError *err);
/* Whether the extension is one rnn_arrays_write knows. */
RnnStatus rnn_arrays_check_path(const char *path, RnnError *err);
/* A whole file, gunzipped if it is gzip; returned. */
RnnStatus rnn_file_read(const char *path, unsigned char **bytes, size_t *n,
                        RnnError *err);

/* data.c: data sets. */
typedef struct RnnDataset {
    const RnnData *decl;
    const char *split;
    bool picked;     // some of the examples: rnn_data_pick
    int64_t n;       // examples
    char path[1024]; // where the first file was found
    /* Per field: [n, dims] as stored (u8 is kept as u8 and scaled when
     * gathered, so 60,000 images take 47 MB). */
    struct RnnColumn *column;
} RnnDataset;
/* Finds and reads the files of a split; "" is read as "train".
 *
 * Where: the folders of `dir` (--data, several joined by ":"), and only those
 * if it is given; else $RNN_DATA (likewise), the working directory,
 * /usr/share/datasets. In each, the folder of the data set's name goes before
 * the place itself. The error lists all places tried; `path` of the result says
 * where it was found (and, for people, that files of a split are missing).
 *
 * Readers and their arguments (fields with classes or of a single int are
 * labels, all others images):
 *   idx("NAME")       IDX files, plain or .gz, named as MNIST's are
 *   cifar10("NAME"), cifar100("NAME", labels: "fine" or "coarse")
 *                     binary version; training files that are missing are left
 *                     out, but one must be there
 *   npy(x: "FILE", train_y: "FILE", ...)
 *                     by field: FIELD for all splits, SPLIT_FIELD for one
 *   npz("FILE", train: "FILE", x: "ARRAY", ...)
 *                     by split, else the positional one; arrays are named
 *                     SPLIT_FIELD, FIELD_SPLIT or FIELD, or renamed by FIELD:
 *
 * Checked: magic numbers, sizes, checksums, agreement of counts, shapes (as
 * many elements in the same order of dimensions other than 1, or flat), labels
 * against nclass, finite values, declared ranges (a value outside is an error
 * naming the example; u8 is mapped affinely from 0..255 onto [lo, hi]). `limit`
 * > 0 keeps, and as far as it can reads, the first examples only. */
RnnStatus rnn_data_open(const RnnData *decl, const char *split, const char *dir,
                        int64_t limit, RnnDataset *out, RnnError *err);
/* Copies examples index[0..n) of a field into dst [n, dims] of type real
 * (RNN_F32 or RNN_F64) or i32. */
void rnn_data_gather(const RnnDataset *d, int field, const int32_t *index,
                     int64_t n, int32_t dt, void *dst);
/* subset.c: the examples that the .npy file lists, in its order, take the place
 * of all; of those the first `limit`, if it is > 0. */
RnnStatus rnn_data_pick(RnnDataset *d, const char *path, int64_t limit,
                        RnnError *err);
void rnn_data_close(RnnDataset *d);

#endif
