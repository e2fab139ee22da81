/*
 * Every golden folder: the text of each stage, and every message.
 */
#include "support/golden.h"

int main(void)
{
    static const char *const folder[] = {"parse", "diag", "ir",
                                         "grad",  "opt",  "loop"};
    int failed = 0;

    for (int i = 0; i < 6; i++)
        failed += golden_folder(folder[i]);
    return failed;
}
