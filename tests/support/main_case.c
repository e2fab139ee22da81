/*
 * main_case.c -- see main_case.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/main_case.h"

int main_set_up(void **state)
{
    (void)state;
    fake_data_write(exe_folder());
    return 0;
}

int main_tear_down(void **state)
{
    (void)state;
    exe_folder_remove();
    return 0;
}

const ExeRun *must(int code, const char *args)
{
    const ExeRun *r = exe_run(&fake_program, "%s", args);

    if (r->code != code)
        fail_msg("\"%s\" gave %d: %s%s", args, r->code, r->out, r->err);
    return r;
}
