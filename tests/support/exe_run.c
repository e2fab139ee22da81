/*
 * exe_run.c -- fork, rnn_main, and its output read back from files.
 */
#include "support/exe_run.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGS = 64 };

static char folder[64];

static void die(const char *what)
{
    perror(what);
    exit(2);
}

const char *exe_folder(void)
{
    exe_folder_remove();
    snprintf(folder, sizeof folder, "/tmp/rnn_exe_XXXXXX");
    if (!mkdtemp(folder) || chdir(folder))
        die(folder);
    return folder;
}

void exe_folder_remove(void)
{
    char command[128];

    if (!folder[0])
        return;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (chdir("/") || system(command))
        die(command);
    folder[0] = 0;
}

int exe_files(void)
{
    DIR *d = opendir(folder);
    int n = 0;

    if (!d)
        die(folder);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_type == DT_REG;
    closedir(d);
    return n;
}

static char *read_back(FILE *f)
{
    long n;
    char *text;

    fseek(f, 0, SEEK_END);
    n = ftell(f);
    rewind(f);
    text = calloc(1, (size_t)n + 1);
    if (!text || fread(text, 1, (size_t)n, f) != (size_t)n)
        die("output of the child");
    fclose(f);
    return text;
}

const ExeRun *exe_run(const RnnProgram *p, const char *fmt, ...)
{
    static ExeRun run;
    char line[4096], *argv[ARGS] = {"exe"};
    int argc = 1, status;
    va_list ap;
    FILE *out = tmpfile(), *err = tmpfile();

    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    for (char *w = strtok(line, " "); w && argc < ARGS - 1;
         w = strtok(NULL, " "))
        argv[argc++] = w;
    if (!out || !err)
        die("tmpfile");
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        dup2(fileno(out), STDOUT_FILENO);
        dup2(fileno(err), STDERR_FILENO);
        exit(rnn_main(argc, argv, p));
    }
    if (waitpid(pid, &status, 0) < 0)
        die("waitpid");
    free(run.out);
    free(run.err);
    run.code = WIFEXITED(status) ? WEXITSTATUS(status)
                                 : 1000 + WTERMSIG(status);
    run.out = read_back(out);
    run.err = read_back(err);
    return &run;
}
