/*
 * made_file.h -- files put together byte by byte, for readers to refuse.
 */
#ifndef TEST_MADE_FILE_H
#define TEST_MADE_FILE_H

#include "support/scratch.h"

extern unsigned char made[1 << 16];
extern size_t nmade;

void made_put(const void *bytes, size_t n);
/* Beyond 8 bytes: zeros. */
void made_number(uint64_t x, int bytes, bool big);
uint64_t bits_of_f32(float x);
uint64_t bits_of_f64(double x);

/* Starts over with the head of a .npy file; the elements are to follow. */
void made_npy(int version, const char *dict);
#define NPY_DICT(descr, shape)                                                \
    "{'descr': '" descr "', 'fortran_order': False, 'shape': " shape "}"

RnnStatus made_read(const char *name, RnnArrays *a, RnnError *err);
/* Element i of an array of any type. */
double number_at(const RnnArray *a, int64_t i);
/* Cut anywhere (at every step-th byte), the file made is refused; with any byte
 * changed it may be read or not, but never crashes the reader. */
void made_damage(const char *name, size_t step);

#endif
