/*
 * job.c -- what a job is called.
 */
#include "driver/job.h"

#include <string.h>

const char *job_program_name(const Job *job)
{
    const char *slash = strrchr(job->o->file, '/');
    const char *name = slash ? slash + 1 : job->o->file;
    size_t n = strlen(name);

    if (n > 4 && strcmp(name + n - 4, ".rnn") == 0)
        n -= 4;
    return arena_printf(job->a, "%.*s", (int)n, name);
}
