#include "driver/driver.h"

#include <string.h>

int driver_main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("rnnc " RNN_VERSION);
        return 0;
    }
    fputs("usage: rnnc COMMAND FILE [OPTION ...]\n", stderr);
    return 2;
}
