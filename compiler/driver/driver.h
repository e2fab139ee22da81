/*
 * driver.h -- the command line of rnnc and the straight line behind it.
 */
#ifndef RNN_DRIVER_H
#define RNN_DRIVER_H

#include "base/base.h"

/* Runs a command line; returns the exit status: 0 done, 1 the program's
 * fault, 2 the surroundings', 70 ours. */
int driver_main(int argc, char **argv);

#endif
