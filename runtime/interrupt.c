/*
 * interrupt.c -- the first SIGINT or SIGTERM is noted and obeyed between two
 * steps; the second ends the process at once, but never while a file is being
 * written: then it waits for the rename.
 */
#include "face.h"

#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t nsignals, holding;

static void note(int sig)
{
    (void)sig;
    if (++nsignals > 1 && !holding)
        _exit(RNN_INTERRUPTED);
}

void rnn_interrupt_catch(void)
{
    struct sigaction a = {.sa_handler = note, .sa_flags = SA_RESTART};

    nsignals = holding = 0;
    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

bool rnn_interrupted(void)
{
    return nsignals > 0;
}

void rnn_interrupt_hold(bool on)
{
    holding = on;
    if (!on && nsignals > 1)
        _exit(RNN_INTERRUPTED);
}
