/*
 * data_places.c -- where data sets are looked for.
 *
 * A folder given with --data is the only place: a misspelt one must not end in
 * training on something else. Without it the order is $RNN_DATA, the working
 * directory, the system's data sets; a folder of the data set's name goes
 * before one that merely holds files of the right names.
 */
#include "data.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char system_place[] = "/usr/share/datasets";

bool rnn_is_file(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && !S_ISDIR(info.st_mode);
}

static bool is_folder(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static char *copy_text(const char *s, size_t n)
{
    char *to = rnn_alloc(n + 1);

    memcpy(to, s, n);
    return to;
}

char *rnn_join(const char *folder, const char *name)
{
    size_t nf = strlen(folder), nn = strlen(name);
    char *path;

    if (nn == 0)
        return copy_text(folder, nf);
    if (nf == 0 || !strcmp(folder, "."))
        return copy_text(name, nn);
    path = rnn_alloc(nf + nn + 2);
    snprintf(path, nf + nn + 2, "%s%s%s", folder,
             folder[nf - 1] == '/' ? "" : "/", name);
    return path;
}

static void add_place(RnnOpening *o, const char *path, size_t n, int rank)
{
    if (n == 0)
        return;
    o->place[o->nplace] = copy_text(path, n);
    o->rank[o->nplace++] = rank;
}

/* The parts of a list joined by ":", unless it is itself a folder. */
static void add_list(RnnOpening *o, const char *list, int rank)
{
    if (is_folder(list)) {
        add_place(o, list, strlen(list), rank);
        return;
    }
    for (const char *p = list;;) {
        size_t n = strcspn(p, ":");

        add_place(o, p, n, rank);
        if (!p[n])
            return;
        p += n + 1;
    }
}

static size_t count_parts(const char *list)
{
    size_t n = 1;

    for (; list && *list; list++)
        n += *list == ':';
    return n;
}

RnnStatus rnn_places_open(RnnOpening *o, const char *dir)
{
    const char *env = getenv("RNN_DATA");
    size_t n = count_parts(dir) + count_parts(env) + 2;

    o->place = rnn_alloc(n * sizeof *o->place);
    o->rank = rnn_alloc(n * sizeof *o->rank);
    o->nplace = 0;
    if (dir) {
        add_list(o, dir, 0);
        for (int k = 0; k < o->nplace; k++)
            if (!is_folder(o->place[k]))
                return rnn_bad(o->err, "--data: \"%s\" is not a folder",
                               o->place[k]);
        return o->nplace ? RNN_OK
                         : rnn_bad(o->err, "--data: expected a folder, found "
                                           "\"%s\"", dir);
    }
    if (env)
        add_list(o, env, 1);
    add_place(o, ".", 1, 2);
    add_place(o, system_place, strlen(system_place), 3);
    return RNN_OK;
}

void rnn_places_close(RnnOpening *o)
{
    for (int k = 0; k < o->nplace; k++)
        free(o->place[k]);
    free(o->place);
    free(o->rank);
    o->place = NULL;
    o->rank = NULL;
    o->nplace = 0;
}

/* A list of places tried, for the message: "a", "b", ... */
typedef struct Tried {
    char text[640];
    size_t n;
} Tried;

static void note(Tried *t, const char *path)
{
    size_t room = sizeof t->text - t->n;
    int n = snprintf(t->text + t->n, room, "%s\"%s\"", t->n ? ", " : "", path);

    if ((size_t)n < room)
        t->n += (size_t)n;
    else if (room > 6 && t->n)
        strcpy(t->text + t->n, ", ...");
}

/* `folder`, or a folder `sub` in it, if it holds any of the files. */
static char *holds(const char *folder, const char *const *sub,
                   const char *const *file)
{
    for (int s = -1; s < 0 || (sub && sub[s]); s++) {
        char *at = rnn_join(folder, s < 0 ? "" : sub[s]);

        for (int k = 0; file[k]; k++) {
            char *path = rnn_join(at, file[k]);
            bool found = rnn_is_file(path);

            free(path);
            if (found)
                return at;
        }
        free(at);
    }
    return NULL;
}

/* The places of one rank, each with `name` below it (or without). */
static char *search(RnnOpening *o, int first, int end, const char *name,
                    const char *const *sub, const char *const *file, Tried *t)
{
    for (int k = first; k < end; k++) {
        char *folder = rnn_join(o->place[k], name), *found;

        found = holds(folder, sub, file);
        note(t, folder);
        free(folder);
        if (found)
            return found;
    }
    return NULL;
}

RnnStatus rnn_places_find(RnnOpening *o, const char *name,
                          const char *const *sub, const char *const *file,
                          char **folder)
{
    Tried tried = {.n = 0};
    bool is_fashion = strstr(name, "fashion-mnist") != NULL;

    *folder = NULL;
    if (*name == '/') {
        *folder = holds(name, sub, file);
        note(&tried, name);
    }
    for (int k = 0, end; *name != '/' && k < o->nplace && !*folder; k = end) {
        for (end = k; end < o->nplace && o->rank[end] == o->rank[k]; end++)
            ;
        if (*name)
            *folder = search(o, k, end, name, sub, file, &tried);
        if (!*folder)
            *folder = search(o, k, end, "", sub, file, &tried);
    }
    if (*folder)
        return RNN_OK;
    return rnn_bad(o->err,
                   "could not find \"%s\" of data set \"%s\": looked in %s; "
                   "name the folder that holds it with --data%s", file[0],
                   o->decl->name, tried.text,
                   is_fashion ? ", or install the Debian package "
                                "dataset-fashion-mnist"
                              : "");
}

RnnStatus rnn_places_file(RnnOpening *o, const char *name, char **path)
{
    Tried tried = {.n = 0};

    for (int k = 0; k < o->nplace; k++) {
        *path = *name == '/' ? copy_text(name, strlen(name))
                             : rnn_join(o->place[k], name);
        if (rnn_is_file(*path))
            return RNN_OK;
        note(&tried, *path);
        free(*path);
        *path = NULL;
        if (*name == '/')
            break;
    }
    return rnn_bad(o->err, "could not find \"%s\" of data set \"%s\": there is "
                           "no %s; name its folder with --data", name,
                   o->decl->name, tried.text);
}
