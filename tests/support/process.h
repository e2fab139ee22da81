/*
 * process.h -- run a program and keep what it said.
 */
#ifndef TEST_PROCESS_H
#define TEST_PROCESS_H

#include <stddef.h>

typedef struct Process {
    int status;   // exit status; 128 + signal number if killed
    char *output; // stdout and stderr as they came, NUL at the end; free it
    size_t bytes;
} Process;

/* Runs argv (ends with NULL) in `folder` (NULL: here) for at most `seconds`. */
Process process_run(const char *folder, const char *const *argv, int seconds);

/* The compiler under test: $RNNC, or bin/rnnc of the build tree that holds
 * the running program. Absolute; lives as long as the process. */
const char *process_rnnc(void);

#endif
