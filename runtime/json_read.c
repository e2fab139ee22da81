/*
 * json_read.c -- JSON (RFC 8259) from a file, as a tree.
 *
 * By recursive descent over the bytes, with a bound on the depth. Numbers are
 * doubles; a text keeps its escapes for control characters resolved and
 * \u escapes beyond Latin as they are written.
 */
#include "json_read.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH = 64 };

typedef struct Reader {
    const char *at, *end;
    const char *why; // the first thing wrong, NULL: nothing so far
} Reader;

static void blank(Reader *r)
{
    while (r->at < r->end && strchr(" \t\r\n", *r->at))
        r->at++;
}

static bool wrong(Reader *r, const char *why)
{
    if (!r->why)
        r->why = why;
    return false;
}

static bool eat(Reader *r, char c)
{
    blank(r);
    if (r->at >= r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static void *grow(void *at, int64_t n, int64_t *cap, size_t each)
{
    if (n < *cap)
        return at;
    *cap = *cap ? 2 * *cap : 8;
    at = realloc(at, (size_t)*cap * each);
    if (!at) {
        fprintf(stderr, "error: out of memory for a JSON file\n");
        exit(RNN_SURROUNDINGS);
    }
    return at;
}

static char *read_text(Reader *r)
{
    char *out = NULL;
    int64_t n = 0, cap = 0;

    if (!eat(r, '"'))
        return wrong(r, "a text is expected"), NULL;
    for (;; r->at++) {
        char c = r->at < r->end ? *r->at : 0;

        out = grow(out, n + 1, &cap, 1);
        if (c == '"' || !c)
            break;
        if (c == '\\' && r->at + 1 < r->end && r->at[1] != 'u') {
            static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
            const char *k = strchr(from, *++r->at);
            c = k && *k ? to[k - from] : *r->at;
        }
        out[n++] = c;
    }
    out[n] = 0;
    if (!eat(r, '"'))
        wrong(r, "a text does not end");
    return out;
}

static bool read_value(Reader *r, RnnJsonValue *v, int depth);

static bool read_items(Reader *r, RnnJsonValue *v, int depth)
{
    bool object = v->kind == RNN_JSON_OBJECT;
    char close = object ? '}' : ']';
    int64_t keys = 0;

    if (eat(r, close))
        return true;
    do {
        if (object) {
            v->key = grow(v->key, v->n, &keys, sizeof *v->key);
            v->key[v->n] = NULL;
        }
        v->item = grow(v->item, v->n, &v->cap, sizeof *v->item);
        v->item[v->n++] = (RnnJsonValue){0};
        if (object) {
            v->key[v->n - 1] = read_text(r);
            if (r->why || !eat(r, ':'))
                return wrong(r, "\":\" is expected after a key");
        }
        if (!read_value(r, &v->item[v->n - 1], depth + 1))
            return false;
    } while (eat(r, ','));
    return eat(r, close) || wrong(r, "a bracket is not closed");
}

static bool read_word(Reader *r, RnnJsonValue *v)
{
    static const char *const word[] = {"null", "false", "true"};

    for (int k = 0; k < 3; k++) {
        size_t n = strlen(word[k]);
        if ((size_t)(r->end - r->at) < n || memcmp(r->at, word[k], n))
            continue;
        r->at += n;
        v->kind = k ? RNN_JSON_BOOL : RNN_JSON_NULL;
        v->number = k == 2;
        return true;
    }
    char *end;
    v->kind = RNN_JSON_NUMBER;
    v->number = strtod(r->at, &end);
    if (end == r->at)
        return wrong(r, "a value is expected");
    r->at = end;
    return true;
}

static bool read_value(Reader *r, RnnJsonValue *v, int depth)
{
    if (depth > DEPTH)
        return wrong(r, "it is nested too deep");
    blank(r);
    if (r->at < r->end && *r->at == '"') {
        v->kind = RNN_JSON_TEXT;
        v->text = read_text(r);
        return !r->why;
    }
    if (eat(r, '{')) {
        v->kind = RNN_JSON_OBJECT;
        return read_items(r, v, depth);
    }
    if (eat(r, '[')) {
        v->kind = RNN_JSON_ARRAY;
        return read_items(r, v, depth);
    }
    return read_word(r, v);
}

RnnStatus rnn_json_read(const char *path, RnnJsonValue *out, RnnError *err)
{
    unsigned char *bytes = NULL;
    size_t n = 0;
    RnnStatus st = rnn_file_read(path, &bytes, &n, err);

    *out = (RnnJsonValue){0};
    if (st != RNN_OK)
        return st;
    char *text = rnn_alloc(n + 1); // ends with a 0 for strtod
    memcpy(text, bytes, n);
    free(bytes);
    Reader r = {.at = text, .end = text + n};
    if (read_value(&r, out, 0)) {
        blank(&r);
        if (r.at < r.end)
            wrong(&r, "something follows the value");
    }
    if (r.why)
        st = rnn_fail(err, RNN_BAD_INPUT, "\"%s\" is no JSON: %s at byte %lld",
                      path, r.why, (long long)(r.at - text));
    free(text);
    return st;
}

void rnn_json_drop_value(RnnJsonValue *v)
{
    for (int64_t i = 0; i < v->n; i++) {
        rnn_json_drop_value(&v->item[i]);
        if (v->key)
            free(v->key[i]);
    }
    free(v->item);
    free(v->key);
    free(v->text);
    *v = (RnnJsonValue){0};
}

const RnnJsonValue *rnn_json_get(const RnnJsonValue *v, const char *key)
{
    for (int64_t i = 0; v && v->kind == RNN_JSON_OBJECT && i < v->n; i++)
        if (v->key[i] && !strcmp(v->key[i], key))
            return &v->item[i];
    return NULL;
}
