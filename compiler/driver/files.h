/*
 * files.h -- private to driver/: files that appear whole or not at all.
 *
 * What is made is made under a temporary name and then renamed. Temporary
 * files are removed however the process ends, short of SIGKILL.
 */
#ifndef RNN_FILES_H
#define RNN_FILES_H

#include "base/base.h"

/* Creates an empty file named after `path`, beside it. NULL with a reason. */
const char *files_temporary(Arena *a, const char *path, const char *suffix,
                            char *err, size_t n);
/* Renames a temporary file to path; false with a reason. */
bool files_keep(const char *temporary, const char *path, char *err, size_t n);
void files_remove(const char *temporary);

/* Creates a folder and those above it, for the user alone. */
bool files_make_folder(Arena *a, const char *path, char *err, size_t n);
bool files_exist(const char *path);
bool files_are_same(const char *a, const char *b); // both there, one file
bool files_may_replace(const char *path); // not there, or a regular file
/* Absolute path of the running executable's folder; NULL if unknown. */
const char *files_own_folder(Arena *a, const char **exe);

/* On SIGINT and the like: remove what is temporary. On SIGSEGV and the like:
 * say that it is our fault and end with status 70. */
void files_watch_signals(void);

#endif
