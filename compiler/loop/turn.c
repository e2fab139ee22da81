/*
 * turn.c -- transposes that put neighbours far apart, as squares.
 *
 * Vectors along one side of such a transpose would gather from all over the
 * other. As squares of as many rows as a vector has lanes, whole vectors are
 * loaded on one side, turned in registers and stored on the other. After dims
 * that stay neighbours are joined, one dim is contiguous on one side (`one`)
 * and the dims behind its place there make a contiguous run on the other
 * (`flat`); the dims before it are loops outside.
 */
#include "loop/loop.h"

enum { LEAST_SQUARE = 4, LEAST_SIZE = 1024 };

typedef struct Joined { // dims of the result with their strides on both sides
    int n;
    TurnAxis at[RANK_MAX];
    int place[RANK_MAX]; // in the source: 0 is outermost
} Joined;

static Joined join_dims(Val v)
{
    Shape from = v->src[0]->type.shape, to = v->type.shape;
    int64_t stride[RANK_MAX], s = 1;
    int last = -2, place = 0;
    Joined j = {0};

    for (int d = from.rank; d-- > 0; s *= from.dim[d])
        stride[d] = s;
    for (int k = 0; k < to.rank; k++) {
        int d = (int)v->attr.i[k], next = last + 1;

        if (to.dim[k] == 1)
            continue;
        while (last >= 0 && next < d && from.dim[next] == 1)
            next++;
        if (last >= 0 && d == next) {
            j.at[j.n - 1].extent *= to.dim[k];
            j.at[j.n - 1].from = stride[d];
        } else {
            j.at[j.n++] = (TurnAxis){to.dim[k], stride[d], 0};
        }
        last = d;
    }
    s = 1;
    for (int k = j.n; k-- > 0; s *= j.at[k].extent)
        j.at[k].to = s;
    for (int k = 0; k < j.n; k++) {
        place = 0;
        for (int i = 0; i < j.n; i++)
            place += j.at[i].from > j.at[k].from;
        j.place[k] = place;
    }
    return j;
}

/* The dim at place p of the source. */
static int dim_at(const Joined *j, int p)
{
    int k = 0;

    while (j->place[k] != p)
        k++;
    return k;
}

static void add_flat(Turn *t, TurnAxis x)
{
    t->flat[t->nflat++] = x;
    t->run *= x.extent;
}

/* `one` contiguous in the source, the run in the result. */
static Turn store_run(const Joined *j)
{
    Turn t = {.run = 1, .stores_run = true};
    int k = dim_at(j, j->n - 1);

    t.one = j->at[k];
    for (int i = 0; i < k; i++)
        t.outer[t.nouter++] = j->at[i];
    for (int i = k + 1; i < j->n; i++)
        add_flat(&t, j->at[i]);
    return t;
}

/* `one` contiguous in the result, the run in the source. */
static Turn load_run(const Joined *j)
{
    Turn t = {.run = 1};
    int place = j->place[j->n - 1];

    t.one = j->at[j->n - 1];
    for (int p = 0; p < place; p++)
        t.outer[t.nouter++] = j->at[dim_at(j, p)];
    for (int p = place + 1; p < j->n; p++)
        add_flat(&t, j->at[dim_at(j, p)]);
    return t;
}

static int64_t square_of(const Turn *t)
{
    return t->one.extent < t->run ? t->one.extent : t->run;
}

bool turn_of(Val v, Turn *t)
{
    Turn other;
    Joined j;

    if (v->op != OP_transpose || dtype_bytes(v->type.dt) < 4 ||
        shape_size(v->type.shape) < LEAST_SIZE)
        return false;
    j = join_dims(v);
    if (j.n < 2 || j.at[j.n - 1].from == 1)
        return false;
    *t = store_run(&j);
    other = load_run(&j);
    if (square_of(&other) > square_of(t))
        *t = other;
    return square_of(t) >= LEAST_SQUARE;
}
