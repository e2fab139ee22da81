/*
 * scratch.h -- for tests of the runtime: a folder that lasts as long as the
 * program, and what a refusal must say. Needs nothing of the compiler.
 */
#ifndef TEST_SCRATCH_H
#define TEST_SCRATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rt.h"

/* FOLDER/name; good for eight further calls. The folder is removed with all it
 * holds when the program ends. */
const char *scratch(const char *name);
/* Writes the file; returns its path, as scratch does. */
const char *scratch_file(const char *name, const void *bytes, size_t n);
const char *scratch_gzip(const char *name, const void *bytes, size_t n);
int scratch_count(void); // files in the folder, hidden ones too
void scratch_empty(void);

/* The status is `want` and the reason holds each of the texts (ends with
 * NULL). Prints the reason: the log shows what each bad input was told. */
#define assert_refused(status, err, want, ...)                                \
    check_refused(__FILE__, __LINE__, (status), (err), (want),                \
                  (const char *const[]){__VA_ARGS__, NULL})
void check_refused(const char *file, int line, RnnStatus got,
                   const RnnError *err, RnnStatus want,
                   const char *const *texts);
/* RNN_OK, or fails with the reason. */
#define assert_good(status, err)                                              \
    check_good(__FILE__, __LINE__, (status), (err))
void check_good(const char *file, int line, RnnStatus got, const RnnError *err);

#endif
