/*
 * tile.h -- private to emit_contract.c and the files of its parts: one
 * contraction in the making.
 *
 * emit_contract.c opens the loops over blocks, tasks, panels and tiles and
 * keeps here where they stand; emit_tile.c, emit_sparse.c and emit_inner.c
 * fill one tile,
 * emit_pack.c one block of B, emit_epilogue.c stores.
 */
#ifndef RNN_TILE_H
#define RNN_TILE_H

#include "codegen/emit.h"

typedef LLVMValueRef V;

typedef struct Range { // of a reduction axis, as far as one tile sums
    V from;            // NULL: 0
    int64_t len;       // 0: known only when running
    V run_len;         // then: this
} Range;

typedef struct Tiler {
    KernelEmit *k;
    Emit *e;
    Contract c;
    const Schedule *s;
    DType dt;
    LLVMTypeRef elem;
    int size;            // bytes of an element
    V a, b, dst;         // base pointers of the operands and the result
    V row[AXIS_MAX];     // where the row loops stand; NULL: 0
    Range range[AXIS_MAX];
    V first, last;       // is this the first, last block? NULL: yes
    V pack;              // a packed block of B
    V task_panel;        // NULL: all; else this task's
    V tile_from, tile_to; // tiles of this task; NULL: all
    V part_from, part_to; // of row axis 1; NULL: all
    V list, list_length; // of the k a sparse row needs
    V sums;              // of some columns of it
    V stage;             // room for one tile, for long epilogues
} Tiler;

/* A tile: mr rows (INNER: of the tiled axis) from m0; nv vectors (INNER:
 * columns) from column n0, the last with `width` valid lanes. */
typedef struct Tile {
    int mr, nv, width;
    V m0, n0;
    bool edge; // some rows reach outside A; m0 is then a constant
} Tile;

enum { ACC_MAX = 32 };

/* emit_contract.c */
V tile_gep(Tiler *t, V base, V index);         // element address
V tile_add(Tiler *t, V x, V y);                // NULL is 0
V tile_scale(Tiler *t, V x, int64_t c);        // NULL is 0
V tile_operand(Tiler *t, const Tile *at, int which); // 'a', 'b', 'c': address
V tile_int(Tiler *t, int64_t x);
/* The line at `at` comes nearer: to the first level, or the second. */
typedef enum { FETCH_READ, FETCH_WRITE, FETCH_SECOND } Fetch;
void tile_fetch(Tiler *t, V at, Fetch how);
V tile_multiply_add(Tiler *t, V x, V y, V z); // x y + z
At tile_index(Tiler *t, V m, V n); // of row m, column n of C (emit_epilogue.c)

/* emit_panels.c: the tasks lo .. hi of a block (or examples, or parts). */
void tile_tasks(Tiler *t);

/* emit_tile.c, emit_inner.c: sum, then store. */
void tile_outer(Tiler *t, const Tile *at);
void tile_inner(Tiler *t, const Tile *at);

/* emit_list.c: the i of from .. to that are picked go to t->list, in order; how
 * many. A pick is an i1, or <16 x i1> for neighbours if `wide`. */
typedef V TilePick(Tiler *t, V i, int lanes);
V tile_list(Tiler *t, V from, V to, TilePick *pick, bool wide);
V tile_listed(Tiler *t, V i); // number i of the list
/* Its last number, again and again, behind n > 0 of them: step - 1 times. */
void tile_list_fill(Tiler *t, V n, int step);

/* emit_sparse.c: all of a batch of one (or tasks lo .. hi of it), leaving zeros
 * of A out; emit_along.c: the same along rows, leaving masked results out. The
 * panels it is about; elements t->list and t->sums need. */
void tile_one_row(Tiler *t);
void tile_one_along(Tiler *t);
void tile_one_panels(Tiler *t, V *from, V *to);
int64_t tile_sums_room(const Tiler *t);
int64_t tile_along_room(const Tiler *t);

/* emit_pack.c: columns of a panel, the block's range of the reduction axes from
 * the blocked one inwards, as rows of nv vectors; a step along axis q there. */
void tile_pack(Tiler *t, const Tile *panel);
/* This tile's share of fetching what the next panel will pack. */
void tile_foresee_panel(Tiler *t, const Tile *at);
int64_t tile_packed_step(const Tiler *t, const Tile *at, int q);

/* emit_epilogue.c: acc[i * nv + j] to C, through the epilogue where this is
 * the last block. */
void tile_store(Tiler *t, const Tile *at, V *acc);
/* The same for `lanes` rows from m of column n (INNER); more than one only if
 * tile_rows_are_lanes: rows are neighbours in C. */
bool tile_rows_are_lanes(Tiler *t);
void tile_store_lanes(Tiler *t, V m, V n, V value, int lanes);
V tile_load_part(Tiler *t, V at, int width, int lanes);
void tile_start(Tiler *t, const Tile *at, V *acc); // zero, or C so far
/* Begins to fetch what tile_store will read and write. */
void tile_foresee(Tiler *t, const Tile *at);

/* emit_border.c: what lies inside A. Of the reduction axis q of row axis i's
 * window: the places that count at i (a number known when running). */
typedef struct Limits {
    V from, to;
} Limits;
int window_row(const Tiler *t, int q); // the row axis, -1: no window
Limits window_limits(Tiler *t, int q);
/* The rows lo .. hi - 1 of an edge tile that place k of axis q counts for. */
void window_rows(Tiler *t, const Tile *at, int q, int64_t k, int *lo, int *hi);
/* Does a tile of mr rows from m0 reach outside? */
bool window_is_edge(const Tiler *t, int64_t m0, int mr);
int64_t window_number(V x); // of a constant; NULL is 0

/* emit_window.c: any convolution, by plain loops with bounds checks. */
void emit_windows(KernelEmit *k);

#endif
