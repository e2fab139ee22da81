/*
 * json_valid.c -- a recursive descent over RFC 8259, written apart from the
 * writer it checks.
 */
#include "support/json_valid.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *value(const char *s, int depth);

static const char *space(const char *s)
{
    return s + strspn(s, " \t\r\n");
}

static const char *digits(const char *s)
{
    const char *from = s;

    while (isdigit((unsigned char)*s))
        s++;
    return s > from ? s : NULL;
}

static const char *number(const char *s)
{
    s += *s == '-';
    if (s[0] == '0' && isdigit((unsigned char)s[1]))
        return NULL;
    if (!(s = digits(s)))
        return NULL;
    if (*s == '.' && !(s = digits(s + 1)))
        return NULL;
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '+' || *s == '-';
        s = digits(s);
    }
    return s;
}

static const char *string(const char *s)
{
    for (s++; *s != '"'; s++) {
        if ((unsigned char)*s < 0x20)
            return NULL;
        if (*s != '\\')
            continue;
        s++;
        if (*s == 'u') {
            for (int k = 0; k < 4; k++)
                if (!isxdigit((unsigned char)*++s))
                    return NULL;
        } else if (!*s || !strchr("\"\\/bfnrt", *s)) {
            return NULL;
        }
    }
    return s + 1;
}

/* Members or elements up to the closing bracket. */
static const char *list(const char *s, char close, int depth)
{
    s = space(s + 1);
    if (*s == close)
        return s + 1;
    for (;;) {
        if (close == '}') {
            if (*s != '"' || !(s = string(s)))
                return NULL;
            s = space(s);
            if (*s++ != ':')
                return NULL;
        }
        if (!(s = value(s, depth + 1)))
            return NULL;
        if (*s == close)
            return s + 1;
        if (*s++ != ',')
            return NULL;
        s = space(s);
    }
}

static const char *value(const char *s, int depth)
{
    static const char *const word[] = {"true", "false", "null"};

    s = space(s);
    if (depth > 50)
        return NULL;
    if (*s == '{' || *s == '[')
        s = list(s, *s == '{' ? '}' : ']', depth);
    else if (*s == '"')
        s = string(s);
    else if (*s == '-' || isdigit((unsigned char)*s))
        s = number(s);
    else {
        for (int k = 0; k < 3; k++)
            if (!strncmp(s, word[k], strlen(word[k])))
                return space(s + strlen(word[k]));
        return NULL;
    }
    return s ? space(s) : NULL;
}

bool json_valid(const char *text)
{
    const char *end = value(text, 0);

    return end && !*end;
}

double json_number(const char *text, const char *name, const char *key)
{
    char want[256];

    if (name) {
        snprintf(want, sizeof want, "\"name\": \"%s\"", name);
        text = strstr(text, want);
    }
    snprintf(want, sizeof want, "\"%s\": ", key);
    text = text ? strstr(text, want) : NULL;
    return text ? strtod(text + strlen(want), NULL) : NAN;
}
