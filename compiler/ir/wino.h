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
 *
 * At stride 2 a filter of 3 taps falls into phases: taps 0 and 2 meet every
 * second input, tap 1 the others. The first is an F(m, 2), the second a
 * product, so m outputs take 2 m + 1 multiplications for 3 m:
 *
 *     B^T = | B2^T    |    A^T = | A2^T  I |    G = | G2 of g0, g2 |
 *           |       I |                             | g1           |
 *
 * with the inputs of a tile in the order of the phases. Its adjoint in x gives
 * 2 m outputs from m + 1 inputs: the same points, the phases in the outputs.
 * G's last row serves all the points from nu - 1 on.
 */
#ifndef RNN_IR_WINO_H
#define RNN_IR_WINO_H

#include "ir/ir.h"

enum { WINO_MAX = 6,     // t at most, of F(m, r)
       WINO_SIDE = 9,    // of a form with stride, 2 m + 1
       WINO_PANEL = 32 }; // output channels that lie together in U

/* conv at stride 1 and 2, conv_up at stride 2 with an even or odd padding
 * before the first row and column. */
typedef enum WinoForm {
    WINO_SAME, WINO_DOWN, WINO_UP, WINO_UP_ODD, WINO_FORMS
} WinoForm;

typedef struct Wino {
    int m, r, t;          // t: points
    int in, out, nu;      // inputs and outputs of a tile; rows of G
    int hop;              // from the inputs of a tile to the next one's
    int from[WINO_SIDE], to[WINO_SIDE]; // where inputs and outputs lie in it
    double at[WINO_SIDE][WINO_SIDE]; // A^T, out x t
    double g[WINO_SIDE][WINO_SIDE];  // nu x r
    double bt[WINO_SIDE][WINO_SIDE]; // B^T, t x in
} Wino;

/* F(m, r) in this form, m >= 1, r >= 2; false if it needs more points than
 * there are, or has a stride and r != 3. */
bool wino_of(int64_t m, int64_t r, int64_t form, Wino *w);

/* The attributes of conv_wino and conv_dw_wino. O counts the outputs. */
typedef struct WinoDims {
    int64_t m, r, ph_lo, ph_hi, pw_lo, pw_hi, O, form;
} WinoDims;
WinoDims wino_dims(Val v);
/* The inputs of the first tile begin so much before x, with this padding. */
int64_t wino_lead(int64_t form, int64_t pad);

/* How weights stand in memory: as convolutions read them, as a layer keeps
 * them, and as it keeps those of which the adjoint is wanted. */
typedef enum WinoOrder {
    WINO_RRCO, WINO_OCRR, WINO_CORR, WINO_ORDERS
} WinoOrder;

/* The attributes of wino_w; turned: taps run backwards in both dims. */
typedef struct WinoRead {
    int64_t m, form, order, turned;
} WinoRead;
WinoRead wino_read(Val v);
/* Sizes of weights of this shape and order; where element (r, s, c, o) lies is
 * at + the sum of its indices times their strides. */
typedef struct WinoWeights {
    int64_t R, C, O, at, r, s, c, o;
} WinoWeights;
WinoWeights wino_weights(Shape w, WinoRead read);

/* w [R, R, C, O], in its order -> U [ceil(O / WINO_PANEL), nu nu, C,
 * WINO_PANEL], the columns past O zero. */
Val ir_wino_w(Graph *g, Val w, WinoRead read);
/* x [H, W, C] with a frame, U -> [Ho, Wo, O] */
Val ir_conv_wino(Graph *g, Val x, Val u, WinoDims d);
/* x [H, W, C] with a frame, dy [Ho, Wo, O] -> [r, r, C, O], over examples */
Val ir_conv_dw_wino(Graph *g, Val x, Val dy, WinoDims d);

#endif
