/*
 * data_cifar.c -- CIFAR-10 and CIFAR-100 in the binary version: records of one
 * label byte (CIFAR-100: coarse, then fine) and 3072 bytes of a 3 x 32 x 32
 * image, in one or several files.
 */
#include "data.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { IMAGE = 3072, AT_ONCE = 64, FILES_MOST = 5 };

typedef struct Format {
    const char *train[FILES_MOST + 1], *test[2];
    const char *sub[2]; // the folder that the archive unpacks to
    int labels;         // bytes in front of the image
} Format;

static const Format cifar10 = {
    {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
     "data_batch_4.bin", "data_batch_5.bin", NULL},
    {"test_batch.bin", NULL},
    {"cifar-10-batches-bin", NULL},
    1};
static const Format cifar100 = {
    {"train.bin", NULL}, {"test.bin", NULL}, {"cifar-100-binary", NULL}, 2};

typedef struct Reading {
    RnnOpening *o;
    const Format *format;
    char *path[FILES_MOST];
    int64_t examples[FILES_MOST];
    int nfile, label; // label: which byte of the record
    int64_t total, done, kept;
} Reading;

/* The files of the split that are there, and how many records each holds. */
static RnnStatus find_files(Reading *r, const char *folder,
                            const char *const *file)
{
    int64_t record = r->format->labels + IMAGE;
    struct stat info;

    for (int k = 0; file[k]; k++) {
        char *path = rnn_join(folder, file[k]);

        if (stat(path, &info)) {
            free(path);
            continue;
        }
        r->path[r->nfile++] = path;
        if (info.st_size % record)
            return rnn_bad(r->o->err,
                           "\"%s\" is cut short or no file of this kind: its "
                           "%lld bytes are not a number of records of %lld",
                           path, (long long)info.st_size, (long long)record);
        r->examples[r->nfile - 1] = info.st_size / record;
        r->total += info.st_size / record;
    }
    return RNN_OK;
}

static RnnStatus make_columns(Reading *r, const char *folder)
{
    static const int64_t image[] = {3, 32, 32};
    RnnOpening *o = r->o;
    RnnStatus st = RNN_OK;

    for (int i = 0; i < o->decl->nfield && st == RNN_OK; i++) {
        const RnnField *f = &o->decl->field[i];

        st = rnn_field_fits(f, rnn_field_is_label(f) ? 0 : 3, image, folder,
                            o->err);
        if (st == RNN_OK)
            st = rnn_column_new(&o->out->column[i], f, RNN_EL_U8, r->total,
                                r->kept, folder, o->err);
    }
    return st;
}

/* n records at b go behind the `done` examples of every column. */
static void store(Reading *r, const unsigned char *b, int64_t n)
{
    int64_t record = r->format->labels + IMAGE;
    const RnnData *decl = r->o->decl;

    for (int i = 0; i < decl->nfield; i++) {
        RnnColumn *c = &r->o->out->column[i];
        bool is_label = rnn_field_is_label(&decl->field[i]);
        int from = is_label ? r->label : r->format->labels;

        for (int64_t k = 0; k < n; k++)
            memcpy((char *)c->at + (r->done + k) * c->size,
                   b + k * record + from, (size_t)c->size);
    }
    r->done += n;
}

static RnnStatus read_file(Reading *r, int k)
{
    unsigned char b[AT_ONCE * (IMAGE + 2)];
    size_t record = (size_t)r->format->labels + IMAGE, got;
    int64_t left = r->examples[k];
    RnnStream s;
    RnnStatus st = rnn_stream_open(&s, r->path[k], r->o->err);

    while (st == RNN_OK && left && r->done < r->kept) {
        int64_t n = left < AT_ONCE ? left : AT_ONCE;

        if (n > r->kept - r->done)
            n = r->kept - r->done;
        st = rnn_stream_read(&s, b, (size_t)n * record, &got, r->o->err);
        if (st == RNN_OK && got < (size_t)n * record)
            st = rnn_bad(r->o->err, "\"%s\" became shorter while it was read",
                         r->path[k]);
        if (st == RNN_OK)
            store(r, b, n);
        left -= n;
    }
    rnn_stream_close(&s);
    return st;
}

static RnnStatus read_all(RnnOpening *o, const Format *format, int label)
{
    Reading r = {.o = o, .format = format, .label = label};
    const char *name = rnn_data_arg(o->decl, "");
    const char *const *file =
        strcmp(o->split, "test") ? format->train : format->test;
    char *folder = NULL;
    int want = 0;
    RnnStatus st = rnn_places_find(o, name ? name : "", format->sub, file,
                                   &folder);

    if (st == RNN_OK)
        st = find_files(&r, folder, file);
    r.kept = rnn_opening_keeps(o, r.total);
    if (st == RNN_OK)
        st = make_columns(&r, folder);
    for (int k = 0; k < r.nfile && st == RNN_OK; k++)
        st = read_file(&r, k);
    while (file[want])
        want++;
    if (st == RNN_OK && r.nfile < want)
        snprintf(o->out->path, sizeof o->out->path, "%s (%d of %d files)",
                 folder, r.nfile, want);
    else if (st == RNN_OK)
        snprintf(o->out->path, sizeof o->out->path, "%s", folder);
    for (int k = 0; k < r.nfile; k++)
        free(r.path[k]);
    free(folder);
    return st;
}

RnnStatus rnn_data_cifar10(RnnOpening *o)
{
    return read_all(o, &cifar10, 0);
}

RnnStatus rnn_data_cifar100(RnnOpening *o)
{
    const char *labels = rnn_data_arg(o->decl, "labels");

    if (labels && strcmp(labels, "fine") && strcmp(labels, "coarse"))
        return rnn_bad(o->err, "labels of data set \"%s\" must be \"fine\" or "
                               "\"coarse\", not \"%s\"", o->decl->name, labels);
    return read_all(o, &cifar100, !labels || strcmp(labels, "coarse"));
}
