/*
 * layout.h -- private to passes/: the order in which dims are stored.
 *
 * A value v is stored as transpose(v, p): dim k of what is stored is dim p[k]
 * of v. Assigning orders is layout_order.c, rebuilding with them layout.c.
 */
#ifndef RNN_PASSES_LAYOUT_H
#define RNN_PASSES_LAYOUT_H

#include "passes/rewrite.h"

typedef struct Order {
    signed char p[RANK_MAX];
    bool fixed; // else whatever a reader asks for
    int chain;  // length of the longest chain of such values it is made of
} Order;

typedef struct Orders {
    Arena *tmp;
    uint32_t n;
    Order *at; // by id
} Orders;

/* Orders for everything the function needs, loop bodies included. */
Orders orders_assign(Arena *tmp, const Func *f);
Order order_plain(int rank, bool fixed);
bool order_eq(Order a, Order b, int rank);

/* Dims of v as dims of its source (of the value moved), for ops
 * that keep each dim as it is. -1: a dim the op adds. */
bool dims_kept(Val v, int *source, int *from);
bool is_ones_reshape(Val v); // only adds or drops dims of size 1

#endif
