/*
 * main_case.h -- what every test of a compiled program's command line begins
 * with: the hand-written program in a folder of its own, and what it printed.
 * Include cmocka first.
 */
#ifndef RNN_MAIN_CASE_H
#define RNN_MAIN_CASE_H

#include "support/exe_run.h"
#include "support/fake_program.h"

#include <string.h>

#define assert_holds(text, part)                                             \
    do {                                                                     \
        if (!strstr(text, part))                                             \
            fail_msg("\"%s\" is not in: %s", part, text);                    \
    } while (0)
#define assert_lacks(text, part)                                             \
    do {                                                                     \
        if (strstr(text, part))                                              \
            fail_msg("\"%s\" is in: %s", part, text);                        \
    } while (0)

/* A group's fixtures: an empty working folder with the data set, and its end.
 * Both return 0. */
int main_set_up(void **state);
int main_tear_down(void **state);

/* Runs the hand-written program; another exit code than this fails the test
 * with what was printed. The result lives until the next run. */
const ExeRun *must(int code, const char *args);

#endif
