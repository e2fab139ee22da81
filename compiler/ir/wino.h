/*
 * wino.h -- Winograd's minimal filtering: m outputs of a filter of r taps from
 * t = m + r - 1 inputs with t multiplications.
 *
 *     y = A^T [ (G g) . (B^T d) ]
 *
 * and in two dims Y = A^T [ (G g G^T) . (B^T d B) ] A. The matrices are those
 * of Toom and Cook over the points 0, 1, -1, 2, -2 and infinity, so rows that
 * belong to p and -p differ in the sign of every second entry. Source: Lavin
 * and Gray, Fast algorithms for convolutional neural networks, 2015.
 */
#ifndef RNN_IR_WINO_H
#define RNN_IR_WINO_H

#include "ir/ir.h"

enum { WINO_MAX = 6,     // t at most
       WINO_PANEL = 32 }; // output channels that lie together in U

typedef struct Wino {
    int m, r, t;
    double at[WINO_MAX][WINO_MAX]; // A^T, m x t
    double g[WINO_MAX][WINO_MAX];  // t x r
    double bt[WINO_MAX][WINO_MAX]; // B^T, t x t
} Wino;

/* F(m, r), m >= 1, r >= 2; false if it needs more points than there are. */
bool wino_of(int64_t m, int64_t r, Wino *w);

/* The attributes of conv_wino and conv_dw_wino. O counts the outputs. */
typedef struct WinoDims {
    int64_t m, r, ph_lo, ph_hi, pw_lo, pw_hi, O;
} WinoDims;
WinoDims wino_dims(Val v);

/* w [R, R, C, O] -> U [ceil(O / WINO_PANEL), t t, C, WINO_PANEL], the columns
 * past O zero. */
Val ir_wino_w(Graph *g, Val w, int64_t m);
/* x [H, W, C] with a frame, U -> [Ho, Wo, O] */
Val ir_conv_wino(Graph *g, Val x, Val u, WinoDims d);
/* x [H, W, C] with a frame, dy [Ho, Wo, O] -> [r, r, C, O], over examples */
Val ir_conv_dw_wino(Graph *g, Val x, Val dy, WinoDims d);

#endif
