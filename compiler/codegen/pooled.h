/*
 * pooled.h -- private to emit_pooled*.c: convolutions of an unpooled value.
 *
 * The value has at most one element that is not zero in each window and
 * channel. What is not zero is listed once per block of channels, as a number
 * and an offset into the other operand, and the loops that multiply run over
 * these lists alone.
 */
#ifndef RNN_POOLED_H
#define RNN_POOLED_H

#include "codegen/nest.h"

typedef struct Pooled {
    Nest *n;
    Emit *e;
    UnpoolDims u;
    Val dy, place, other;
    int64_t Ho, Wo, O; // windows and their channels
    int64_t C;         // of the other operand
    DType dt;
    LLVMTypeRef elem;
    int size;          // bytes of an element
    int lanes;         // of vectors along the contiguous dims
    int most;          // accumulators that fit
    V example;         // of dy, place and other
    V values, offsets; // the list, in the frame of the function
} Pooled;

/* Is a part of the row-major dims of a vector wide? */
typedef struct Panel {
    V from;    // first element
    int nv;    // vectors
    int width; // elements of the last one
} Panel;

Pooled pooled_begin(Nest *n, int dy, int place, int other);
/* An aligned array in the frame of the function. */
V pooled_room(Pooled *p, LLVMTypeRef t, int64_t n);
/* Element i of a value at base; of `other` for the example at hand. */
V pooled_at(Pooled *p, LLVMTypeRef t, V base, V i);
V pooled_base(Pooled *p, Val v);
/* Vector j of a panel at p: the last one may be a part. */
V pooled_load(Pooled *p, const Panel *of, V at, int j);
void pooled_store(Pooled *p, const Panel *of, V at, int j, V x);
V pooled_multiply_add(Pooled *p, V x, V y, V z);
/* Element i of the list, in all lanes, and where in b its offset leads. */
void pooled_spot(Pooled *p, V i, V b, V *x, V *at);
/* Elements of the list from .. to, each times a row of `rows` x of->nv
 * vectors of b, rows `stride` elements apart, added to acc. */
void pooled_sum(Pooled *p, const Panel *of, V from, V to, V b, int rows,
                int64_t stride, V *acc);
/* Panels of at most `most` vectors along n elements. */
void pooled_panels(Pooled *p, int64_t n, int most,
                   void (*run)(Pooled *p, Panel of, void *user), void *user);

/* emit_pooled_list.c. Channels o .. o + lanes - 1 (those below O) of all
 * windows: the list of all that lie in column j of the unpooled value, rows
 * ascending; starts[j (Ho kh + 1) + i] is where its row i begins. An offset is
 * channel * `channel` - row * `row`. */
int pooled_list_lanes(const Pooled *p);
void pooled_list(Pooled *p, V o, V starts, int64_t channel, int64_t row);
/* All channels of window w; an offset is tap * `tap` + channel * `channel`.
 * How many they are. */
V pooled_list_window(Pooled *p, V w, int64_t tap, int64_t channel);

/* Channels o .. o + lanes - 1 (those below O), a list for each: that of channel
 * o + c begins at element c * pooled_room_of_channel() and has counts[c] (i64)
 * elements, windows ascending. An offset is that of the window, from the table
 * `windows`, and row * `row` + column * C of the tap. */
void pooled_channel_lists(Pooled *p, V o, V windows, int64_t row, V counts);
int64_t pooled_room_of_channel(const Pooled *p);

/* emit_pooled_patch.c: conv_dx_pooled for few channels, and where it pays. */
bool pooled_patch_pays(const Pooled *p);
void pooled_patches(Pooled *p);

#endif
