/*
 * chart.c -- saved results of one or more runs in one picture.
 *
 * A file is what --json wrote: of a training, whose epochs have a value for
 * each watched name, drawn over the epochs; or of an evaluation, whose rows
 * NAME[x=0.1], NAME[x=0.2], ... are drawn over x, with their 95 % interval.
 * NAME+OTHER draws both in one picture. A name that begins with log10 is on a logarithmic axis, so losses beyond the
 * range of doubles are drawn as they are.
 */
#include "face.h"
#include "json_read.h"
#include "plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Line {
    int64_t n, cap;
    double *x, *y, *lo, *hi;
    bool band;
    char label[512];
} Line;

static void push(Line *l, double x, double y, double lo, double hi)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 64;
        double **part[] = {&l->x, &l->y, &l->lo, &l->hi};
        for (int k = 0; k < 4; k++) {
            *part[k] = realloc(*part[k], sizeof **part[k] * (size_t)l->cap);
            if (!*part[k]) {
                fprintf(stderr, "error: out of memory for a chart\n");
                exit(RNN_SURROUNDINGS);
            }
        }
    }
    l->x[l->n] = x;
    l->y[l->n] = y;
    l->lo[l->n] = lo;
    l->hi[l->n++] = hi;
}

static double number(const RnnJsonValue *v, const char *key)
{
    const RnnJsonValue *x = rnn_json_get(v, key);

    return x && x->kind == RNN_JSON_NUMBER ? x->number : NAN;
}

static void of_training(Line *l, const RnnJsonValue *epochs, const char *name)
{
    for (int64_t i = 0; i < epochs->n; i++)
        if (rnn_json_get(&epochs->item[i], name))
            push(l, number(&epochs->item[i], "epoch"),
                 number(&epochs->item[i], name), NAN, NAN);
}

/* NAME[x=0.5]: 0.5, and the name of x. */
static bool place_of(const char *row, const char *name, double *x,
                     char *axis, size_t bytes)
{
    size_t n = strlen(name);
    const char *eq = strchr(row, '=');
    char text[64];

    if (strncmp(row, name, n) || row[n] != '[' || !eq || strchr(eq + 1, '['))
        return false;
    snprintf(axis, bytes, "%.*s", (int)(eq - row - (ptrdiff_t)n - 1),
             row + n + 1);
    snprintf(text, sizeof text, "%.*s", (int)strcspn(eq + 1, "]"), eq + 1);
    return rnn_parse_real(text, x);
}

static void of_table(Line *l, const RnnJsonValue *table, const char *name,
                     char *axis, size_t bytes)
{
    const RnnJsonValue *rows = rnn_json_get(table, "rows");
    double x;

    for (int64_t i = 0; rows && i < rows->n; i++) {
        const RnnJsonValue *row = &rows->item[i];
        const RnnJsonValue *is = rnn_json_get(row, "name");

        if (!is || is->kind != RNN_JSON_TEXT ||
            !place_of(is->text, name, &x, axis, bytes))
            continue;
        l->band = l->band || rnn_json_get(row, "lo");
        push(l, x, number(row, "value"), number(row, "lo"),
             number(row, "hi"));
    }
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* The lines that one file gives for a name: at most one for each table.
 * `shared`: other names are in the same picture. */
static RnnStatus of_file(Line **line, int *n, const char *path,
                         const char *name, bool shared, char *axis,
                         size_t bytes, RnnError *err)
{
    RnnJsonValue v;
    RnnStatus st = rnn_json_read(path, &v, err);
    const RnnJsonValue *epochs = rnn_json_get(&v, "epochs");
    const RnnJsonValue *tables = rnn_json_get(&v, "tables");
    bool train = epochs && epochs->kind == RNN_JSON_ARRAY;
    int64_t count = st != RNN_OK ? 0 : train ? 1 : tables ? tables->n : 0;
    const char *base = last_part(path), *dot = strrchr(base, '.');

    for (int64_t i = 0; i < count; i++) {
        Line l = {0};

        if (train) {
            snprintf(axis, bytes, "epoch");
            of_training(&l, epochs, name);
        } else {
            of_table(&l, &tables->item[i], name, axis, bytes);
        }
        if (!l.n)
            continue;
        int stem = (int)(dot ? dot - base : (ptrdiff_t)strlen(base));
        snprintf(l.label, sizeof l.label, "%.*s%s%.128s",
                 stem > 256 ? 256 : stem, base, shared ? ": " : "",
                 shared ? name : "");
        *line = realloc(*line, sizeof **line * (size_t)(*n + 1));
        if (!*line)
            exit(RNN_SURROUNDINGS);
        (*line)[(*n)++] = l;
    }
    rnn_json_drop_value(&v);
    return st;
}

static RnnStatus draw(const Line *line, int n, const char *name,
                      const char *axis, const char *path, RnnError *err)
{
    RnnSeries *s = rnn_alloc(sizeof *s * (size_t)n);
    RnnChart c = {.title = name, .x = {.label = axis}, .y = {.label = name},
                  .nseries = n, .series = s};

    for (int k = 0; k < n; k++)
        s[k] = (RnnSeries){.mark = RNN_MARK_LINE, .label = line[k].label,
                           .n = line[k].n, .x = line[k].x, .y = line[k].y,
                           .lo = line[k].band ? line[k].lo : NULL,
                           .hi = line[k].band ? line[k].hi : NULL,
                           .plain = line[k].n > 50};
    if (!strncmp(name, "log10", 5)) {
        const char *rest = name + 5;
        while (*rest == '_' || *rest == '(')
            rest++;
        c.y.scale = RNN_SCALE_LOG10;
        c.y.label = c.title = *rest ? rest : name;
    }
    RnnStatus st = rnn_chart_write(path, &c, err);
    free(s);
    return st;
}

/* "a.svg" for one name, "a-NAME.svg" for each of several. */
static void picture_path(char *buf, size_t bytes, const char *out,
                         const char *name, bool several)
{
    const char *dot = strrchr(out, '.');

    if (several && dot)
        snprintf(buf, bytes, "%.*s-%s%s", (int)(dot - out), out, name, dot);
    else
        snprintf(buf, bytes, "%s", out);
}

static RnnStatus one_name(const RnnFlags *f, const char *name, bool several,
                          RnnError *err)
{
    char axis[64] = "", path[1200], part[128];
    bool shared = strchr(name, '+') != NULL;
    Line *line = NULL;
    int n = 0;
    RnnStatus st = RNN_OK;

    for (int k = 0; k < f->nfile && st == RNN_OK; k++)
        for (const char *s = name; *s && st == RNN_OK;) {
            size_t len = strcspn(s, "+");
            snprintf(part, sizeof part, "%.*s", (int)len, s);
            st = of_file(&line, &n, f->file[k], part, shared, axis,
                         sizeof axis, err);
            s += len + (s[len] == '+');
        }
    if (st == RNN_OK && !n)
        st = rnn_fail(err, RNN_BAD_INPUT, "no file holds \"%s\": a watched "
                      "value of a training, or rows %s[x=0.1], %s[x=0.2], .. "
                      "of an evaluation", name, name, name);
    picture_path(path, sizeof path, f->out, name, several);
    if (st == RNN_OK)
        st = draw(line, n, name, axis, path, err);
    if (st == RNN_OK && !f->quiet)
        printf("%s: %s, %d line%s\n", path, name, n, n == 1 ? "" : "s");
    for (int k = 0; k < n; k++) {
        free(line[k].x);
        free(line[k].y);
        free(line[k].lo);
        free(line[k].hi);
    }
    free(line);
    return st;
}

RnnStatus rnn_chart(const RnnProgram *p, RnnFlags *f, RnnError *err)
{
    RnnStatus st = RNN_OK;
    char name[128];

    (void)p;
    if (!f->nfile || !f->rows || !f->out)
        return rnn_fail(err, RNN_BAD_INPUT, "chart needs files that --json "
                        "wrote, --rows NAME,... and --out FILE.svg");
    for (const char *s = f->rows; *s && st == RNN_OK;) {
        size_t n = strcspn(s, ",");
        if (n >= sizeof name)
            return rnn_fail(err, RNN_BAD_INPUT, "a name in --rows is longer "
                            "than %zu letters", sizeof name - 1);
        snprintf(name, sizeof name, "%.*s", (int)n, s);
        if (n)
            st = one_name(f, name, strchr(f->rows, ','), err);
        s += n + (s[n] == ',');
    }
    return st;
}
