/*
 * process.c -- run a program and keep what it said.
 */
#include "support/process.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static void become(const char *folder, const char *const *argv, int seconds,
                   int out)
{
    if (folder && chdir(folder))
        die(folder);
    if (dup2(out, 1) < 0 || dup2(out, 2) < 0)
        die("dup2");
    close(out);
    alarm((unsigned)seconds);
    execvp(argv[0], (char *const *)argv);
    die(argv[0]);
}

static void read_all(int in, Process *p)
{
    size_t cap = 4096;
    ssize_t n = 0;

    p->output = malloc(cap + 1);
    while (p->output && (n = read(in, p->output + p->bytes,
                                  cap - p->bytes)) > 0) {
        p->bytes += (size_t)n;
        if (p->bytes == cap)
            p->output = realloc(p->output, (cap *= 2) + 1);
    }
    if (!p->output || n < 0)
        die("read");
    p->output[p->bytes] = 0;
}

Process process_run(const char *folder, const char *const *argv, int seconds)
{
    Process p = {0};
    int end[2], status = 0;

    fflush(NULL);
    if (pipe(end))
        die("pipe");
    pid_t child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        close(end[0]);
        become(folder, argv, seconds, end[1]);
    }
    close(end[1]);
    read_all(end[0], &p);
    close(end[0]);
    if (waitpid(child, &status, 0) < 0)
        die("waitpid");
    p.status = WIFEXITED(status) ? WEXITSTATUS(status)
                                 : 128 + WTERMSIG(status);
    return p;
}

const char *process_rnnc(void)
{
    static char path[PATH_MAX + 32];

    if (path[0])
        return path;
    if (getenv("RNNC")) {
        if (!realpath(getenv("RNNC"), path))
            die(getenv("RNNC"));
        return path;
    }
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
    if (n < 0)
        die("/proc/self/exe");
    path[n] = 0;
    for (char *slash; (slash = strrchr(path, '/'));) {
        strcpy(slash, "/bin/rnnc");
        if (access(path, X_OK) == 0)
            return path;
        *slash = 0;
    }
    fputs("no rnnc beside this test; set RNNC\n", stderr);
    exit(2);
}
