/*
 * link.h -- private to driver/: from object files to an executable.
 */
#ifndef RNN_LINK_H
#define RNN_LINK_H

#include "base/base.h"

/* The folder of the runtime's archives: $RNNC_RUNTIME, or found from the
 * place of this executable. NULL with a reason in err. */
const char *link_runtime(Arena *a, char *err, size_t n);

/* Links the objects with the runtime into `output` by cc (or $CC), without a
 * shell. false with a reason in err; what cc said went to stderr. */
bool link_executable(Arena *a, const char *const *object, int nobject,
                     const char *output, bool blas, char *err, size_t n);

#endif
