/*
 * files.h -- private to the readers and writers of files: sources of bytes,
 * elements as files hold them, the three array formats, whole-file writing.
 *
 * The rule of all readers: a size from a file is compared with the bytes that
 * are there before it is multiplied or allocated.
 */
#ifndef RNN_FILES_H
#define RNN_FILES_H

#include "rt.h"

#define RNN_HEADER_MAX (100u << 20) // of a safetensors file, as published

/* A message about a file of bad content, as opposed to one that cannot be
 * read: `return rnn_bad(err, "\"%s\" ...", path);` */
#define rnn_bad(err, ...) rnn_fail(err, RNN_BAD_INPUT, __VA_ARGS__)

/* malloc, but a failure is a status: sizes come from files. bytes may be 0. */
RnnStatus rnn_get(size_t bytes, void **at, const char *path, RnnError *err);
/* "3.2 MB"; returns buf. */
const char *rnn_bytes_text(uint64_t bytes, char *buf, size_t n);

/* source.c: bytes at offsets. A regular file is read where asked; a pipe or a
 * gzip file is held in memory, inflated. */
typedef struct RnnSource {
    const char *path; // borrowed
    int fd;           // -1: all in `bytes`
    unsigned char *bytes;
    size_t n; // length of the (inflated) content
} RnnSource;
RnnStatus rnn_source_open(RnnSource *s, const char *path, RnnError *err);
RnnStatus rnn_source_read(const RnnSource *s, size_t at, void *to, size_t n,
                          RnnError *err); // at + n <= s->n
void rnn_source_close(RnnSource *s);

/* stream.c: the bytes of a plain or gzip file in order, for large data. */
typedef struct RnnStream {
    const char *path; // borrowed
    void *gz;
    uint64_t most; // bytes it can hold at most, by its size on the disk
    bool is_gzip;
} RnnStream;
RnnStatus rnn_stream_open(RnnStream *s, const char *path, RnnError *err);
/* Reads up to n bytes; *got < n only at the end. */
RnnStatus rnn_stream_read(RnnStream *s, void *to, size_t n, size_t *got,
                          RnnError *err);
void rnn_stream_close(RnnStream *s);

/* element.c: elements as files hold them. */
typedef enum {
    RNN_EL_BOOL, RNN_EL_U8, RNN_EL_I8, RNN_EL_U16, RNN_EL_I16, RNN_EL_U32,
    RNN_EL_I32, RNN_EL_U64, RNN_EL_I64, RNN_EL_F16, RNN_EL_BF16, RNN_EL_F32,
    RNN_EL_F64, RNN_NEL
} RnnElem;
typedef struct RnnElemInfo {
    const char *name;        // "f16"
    const char *npy;         // "f2"; NULL: npy has none
    const char *safetensors; // "F16"
    int32_t bytes;
    int32_t dt; // what it becomes
} RnnElemInfo;
extern const RnnElemInfo rnn_elem_info[RNN_NEL];
/* n elements at src (byte order swapped if `swap`) into dst of their dt; src
 * may be unaligned. Returns the first that does not fit i32, or -1. */
int64_t rnn_elem_convert(RnnElem from, bool swap, const void *src, int64_t n,
                         void *dst);

/* npy.c. In messages the array is named by `what`, quotes included:
 * "x.npy" or array "x" of "adv.npz". */
typedef struct RnnNpy {
    RnnElem elem;
    bool swap;      // elements are in the other byte order
    bool fortran;   // first dimension fastest
    RnnType type;   // dt: what the element becomes
    size_t data_at; // offset of the first element
} RnnNpy;
/* Reads the header; the elements it promises are exactly the rest. */
RnnStatus rnn_npy_open(const RnnSource *s, const char *what, RnnNpy *h,
                       RnnError *err);
/* The first `rows` along dim 0 (all if rank is 0) as raw elements in C order,
 * into dst. */
RnnStatus rnn_npy_rows(const RnnSource *s, const RnnNpy *h, int64_t rows,
                       void *dst, RnnError *err);
/* The whole array, into a->type and a->at. */
RnnStatus rnn_npy_array(const RnnSource *s, const char *what, RnnArray *a,
                        RnnError *err);
/* What rnn_elem_convert refused: element i of src does not fit. */
RnnStatus rnn_elem_misfit(RnnElem from, bool swap, const void *src, int64_t i,
                          const char *what, RnnError *err);
enum { RNN_NPY_HEADER = 256 };
/* The header for an array into buf; returns its length. */
size_t rnn_npy_write_header(const RnnType *t, char buf[RNN_NPY_HEADER]);

/* zip.c: members of a .zip file by name. */
typedef struct RnnZipMember {
    char *name;
    uint64_t packed, bytes, at; // at: of the local header
    uint32_t crc;
    int method;
} RnnZipMember;
typedef struct RnnZip {
    const RnnSource *source;
    int n;
    RnnZipMember *member;
} RnnZip;
RnnStatus rnn_zip_open(RnnZip *z, const RnnSource *s, RnnError *err);
RnnStatus rnn_zip_read(const RnnZip *z, const RnnZipMember *m,
                       unsigned char **bytes, RnnError *err); // returned
void rnn_zip_close(RnnZip *z);

/* atomic_file.c: a file that is whole or absent. The first failure is kept;
 * writing after it does nothing. */
typedef struct RnnOut {
    const char *path; // borrowed
    char *target, *tmp; // tmp NULL: written in place (a device or pipe)
    int fd;
    uint64_t written;
    RnnStatus status;
    RnnError *err;
} RnnOut;
RnnStatus rnn_out_open(RnnOut *o, const char *path, RnnError *err);
void rnn_out_write(RnnOut *o, const void *bytes, size_t n);
/* Syncs and renames, or removes the temporary file if anything failed. */
RnnStatus rnn_out_close(RnnOut *o);

/* The formats. Readers add to `out`, which the caller frees also on failure. */
RnnStatus rnn_npz_read(const RnnSource *s, RnnArrays *out, RnnError *err);
RnnStatus rnn_safetensors_read(const RnnSource *s, RnnArrays *out,
                               RnnError *err);
void rnn_npz_write(RnnOut *o, const RnnArrays *a);
void rnn_safetensors_write(RnnOut *o, const RnnArrays *a);
/* A new array at the end of `out`; its name is copied. */
RnnArray *rnn_arrays_add(RnnArrays *out, const char *name, size_t n);
void rnn_arrays_add_meta(RnnArrays *out, const char *key, const char *value);
/* Elements of the type from a buffer, moved or converted into a->at. */
RnnStatus rnn_array_fill(RnnArray *a, RnnElem elem, bool swap, void *raw,
                         const char *what, RnnError *err);

#endif
