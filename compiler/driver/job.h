/*
 * job.h -- private to driver/: one program on its way through the compiler.
 */
#ifndef RNN_JOB_H
#define RNN_JOB_H

#include "codegen/codegen.h"
#include "driver/clock.h"
#include "driver/options.h"
#include "passes/passes.h"

typedef struct Job { // filled step by step; see driver.c
    Options *o;
    Arena *a; // unit
    Diag *d;
    Source *src;
    Ast *tree;
    Unit *unit;
    Target *target;
    Program **program;
    int nprogram;
    Module *module;
    Clock clock;
} Job;

/* The file's name without folder and suffix. */
const char *job_program_name(const Job *job);

#endif
