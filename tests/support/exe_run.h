/*
 * exe_run.h -- runs a compiled program's command line in a child process and
 * keeps what it said, so that exits, signals and crashes are results too.
 */
#ifndef RNN_EXE_RUN_H
#define RNN_EXE_RUN_H

#include "rnn_rt.h"

typedef struct ExeRun {
    int code;  // exit code, or 1000 + signal
    char *out, *err; // what it printed; freed by the next exe_run
} ExeRun;

/* argv after the name, split at spaces. The working directory of the child is
 * the caller's. */
const ExeRun *exe_run(const RnnProgram *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A new empty folder, made the working directory; the last one is removed. */
const char *exe_folder(void);
void exe_folder_remove(void);
int exe_files(void); // how many files the folder holds, data left out

#endif
