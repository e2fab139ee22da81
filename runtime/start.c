/*
 * start.c -- main() of compiled programs, in an archive of its own so that
 * the rest of the runtime can be linked into tests and the compiler.
 */
#include "rnn_rt.h"

int main(int argc, char **argv)
{
    return rnn_main(argc, argv, &rnn_program);
}
