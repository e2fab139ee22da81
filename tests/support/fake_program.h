/*
 * fake_program.h -- a compiled program written by hand, so that the runtime's
 * face is tested without the compiler: softmax regression with momentum on
 * 4x4 images of 3 classes.
 */
#ifndef RNN_FAKE_PROGRAM_H
#define RNN_FAKE_PROGRAM_H

#include "rnn_rt.h"

enum {
    FAKE_PIXELS = 16, FAKE_CLASSES = 3,
    FAKE_TRAIN = 230, FAKE_TEST = 101 // examples
};

/* Options that make things happen in a step of training: see fake_program.c. */
extern const RnnProgram fake_program;
extern const RnnProgram fake_wrong;    // its check entry has a wrong gradient
extern const RnnProgram fake_needs_xop; // needs a feature no machine has
extern const RnnProgram fake_renamed;  // the same under the name "other"

/* Writes the data set "toy" (IDX) under dir; the same bytes every time. */
void fake_data_write(const char *dir);

#endif
