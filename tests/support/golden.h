/*
 * golden.h -- folders of files that carry their expected output.
 *
 * A golden file begins with `# test: STAGE FLAG ...` and ends with lines that
 * start with `#>`: what the compiler prints, after `exit N` if its status is
 * not 0. STAGE is `diag` (rnnc check) or a stage of rnnc dump; `parse` is
 * another word for `ast`. Files without the first line are only there to be
 * used by others. RNN_UPDATE=1 writes the tails anew.
 */
#ifndef TEST_GOLDEN_H
#define TEST_GOLDEN_H

/* Runs every golden file of tests/<folder> (relative to the working
 * directory) as a cmocka group; returns the number of failures. */
int golden_folder(const char *folder);

#endif
