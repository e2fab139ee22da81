/*
 * suggest.c -- the name someone may have meant: Levenshtein distance with
 * swapped neighbours as one edit, '-' and '_' the same letter.
 */
#include "face.h"

#include <string.h>

enum { LONGEST = 63 };

static char plain(char c)
{
    return c == '-' ? '_' : c;
}

bool rnn_same_name(const char *a, const char *b)
{
    while (*a && plain(*a) == plain(*b))
        a++, b++;
    return !*a && !*b;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int distance(const char *a, const char *b)
{
    int na = (int)strlen(a), nb = (int)strlen(b);
    int row[3][LONGEST + 1];
    int *two = row[0], *one = row[1], *now = row[2];

    for (int j = 0; j <= nb; j++)
        one[j] = j;
    for (int i = 1; i <= na; i++) {
        now[0] = i;
        for (int j = 1; j <= nb; j++) {
            int same = plain(a[i - 1]) == plain(b[j - 1]);

            now[j] = least(one[j - 1] + !same, least(one[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], two[j - 2] + 1);
        }
        int *old = two;
        two = one, one = now, now = old;
    }
    return one[nb];
}

const char *rnn_closest(const char *name, const char *const *cand, int n)
{
    const char *best = NULL;
    int len = (int)strlen(name);
    int limit = len < 3 ? 1 : len / 3 + 1;

    if (len > LONGEST)
        return NULL;
    for (int i = 0; i < n; i++) {
        if (!cand[i] || strlen(cand[i]) > LONGEST)
            continue;
        int d = distance(name, cand[i]);
        if (d < limit || (d == limit && !best))
            best = cand[i], limit = d;
    }
    return best;
}
