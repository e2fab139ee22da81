/*
 * json_read.h -- private: JSON from a file, as a tree.
 */
#ifndef RNN_JSON_READ_H
#define RNN_JSON_READ_H

#include "rt.h"

typedef enum {
    RNN_JSON_NULL, RNN_JSON_BOOL, RNN_JSON_NUMBER, RNN_JSON_TEXT,
    RNN_JSON_ARRAY, RNN_JSON_OBJECT
} RnnJsonKind;

typedef struct RnnJsonValue {
    RnnJsonKind kind;
    double number;   // BOOL: 0 or 1
    char *text;      // TEXT
    int64_t n, cap;  // ARRAY, OBJECT
    struct RnnJsonValue *item;
    char **key;      // OBJECT
} RnnJsonValue;

/* The whole of a file; to be dropped, also after an error. */
RnnStatus rnn_json_read(const char *path, RnnJsonValue *out, RnnError *err);
void rnn_json_drop_value(RnnJsonValue *v);
/* A member of an object, or NULL. */
const RnnJsonValue *rnn_json_get(const RnnJsonValue *v, const char *key);

#endif
