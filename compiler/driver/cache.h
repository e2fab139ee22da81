/*
 * cache.h -- private to driver/: executables kept for `rnnc run`.
 */
#ifndef RNN_CACHE_H
#define RNN_CACHE_H

#include "driver/job.h"

/*
 * Where the executable of this job is or is to be kept: a name made from a
 * hash of everything that decides what it is. Creates the folder. NULL with a
 * message in err. Needs job->target.
 */
const char *cache_path(Job *job, char *err, size_t n);

/* Is it there? Its time of use becomes now; else those not used for a month
 * are removed to make room. */
bool cache_hit(const char *path);

#endif
