/*
 * data.h -- private to the readers of data sets: where to look for files, and
 * the columns they fill.
 */
#ifndef RNN_DATA_H
#define RNN_DATA_H

#include "files.h"

/* The examples of one field. Bytes stay bytes; reals and other integers are
 * kept as f32, f64 or i32. */
typedef struct RnnColumn {
    RnnElem elem;     // RNN_EL_U8, _BOOL, _I32, _F32 or _F64
    int64_t size;     // elements of one example
    int64_t total;    // examples the file holds; `limit` may have kept fewer
    void *at;         // owned
    char *path;       // owned: the file, for messages
    float as_f32[256]; // what a byte means in a real field
    double as_f64[256];
} RnnColumn;

/* One data set being opened. */
typedef struct RnnOpening {
    const RnnData *decl;
    const char *split;
    int64_t limit; // > 0: keep at most so many
    RnnDataset *out;
    RnnError *err;
    char **place;  // folders to look in, by falling rank: owned
    int *rank;     // of each place
    int nplace;
} RnnOpening;

/* data_places.c. The folders of --data alone if it is given (several may be
 * joined by ":"), else those of $RNN_DATA, the working directory and the
 * system's. */
RnnStatus rnn_places_open(RnnOpening *o, const char *dir);
void rnn_places_close(RnnOpening *o);
/* The folder (returned) that holds any of the files (lists end with NULL) of
 * the data set `name`: in each rank PLACE/name, then PLACE, or below either in
 * one of the folders `sub`. */
RnnStatus rnn_places_find(RnnOpening *o, const char *name,
                          const char *const *sub, const char *const *file,
                          char **folder);
/* The path (returned) of a file named in the program. */
RnnStatus rnn_places_file(RnnOpening *o, const char *name, char **path);
bool rnn_is_file(const char *path);
char *rnn_join(const char *folder, const char *name); // returned

/* data.c. The string of the argument, or NULL; "" is the positional one. */
const char *rnn_data_arg(const RnnData *d, const char *name);
/* Is the field a class label (or another whole number) of each example? */
bool rnn_field_is_label(const RnnField *f);
/* Whether examples of this shape can fill the field: as many elements, in the
 * same order of dimensions unless either is flat. */
RnnStatus rnn_field_fits(const RnnField *f, int rank, const int64_t *dim,
                         const char *path, RnnError *err);
int64_t rnn_opening_keeps(const RnnOpening *o, int64_t total);
/* Room for the examples kept; 0 is the column's element on. */
RnnStatus rnn_column_new(RnnColumn *c, const RnnField *f, RnnElem elem,
                         int64_t total, int64_t kept, const char *path,
                         RnnError *err);

/* The readers: fill out->column and out->path. */
RnnStatus rnn_data_idx(RnnOpening *o);
RnnStatus rnn_data_cifar10(RnnOpening *o);
RnnStatus rnn_data_cifar100(RnnOpening *o);
RnnStatus rnn_data_npy(RnnOpening *o);
RnnStatus rnn_data_npz(RnnOpening *o);

#endif
