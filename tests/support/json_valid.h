/*
 * json_valid.h -- is this text one strict JSON value (RFC 8259)?
 */
#ifndef RNN_JSON_VALID_H
#define RNN_JSON_VALID_H

#include <stdbool.h>

bool json_valid(const char *text);
/* The number after "key": in the first object that also holds
 * "name": "NAME" before it (key alone if name is NULL); NAN if absent. */
double json_number(const char *text, const char *name, const char *key);

#endif
