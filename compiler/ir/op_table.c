/*
 * op_table.c -- the columns of ops.def as data: op_info[OP_<name>].
 */
#include "ir/ir.h"

#define NODOM {DOM_NONE, 0, 0, 0}
#define IN(lo, hi) {DOM_IN, lo, hi, 0}
#define AWAY(p, lo, hi) {DOM_AWAY, lo, hi, p}
#define APART(lo, hi) {DOM_APART, lo, hi, 0}
#define COMM OP_COMM
#define TIE OP_TIE
#define ASSOC OP_ASSOC
#define IDEM OP_IDEM
#define LIN OP_LIN

const OpInfo op_info[OP_COUNT] = {
#define OP(name, arity, attr, shape, grad, lower, props, domain, doc)         \
    [OP_##name] = {#name,         arity, ATTR_##attr, GRAD_##grad,            \
                   LOWER_##lower, props, domain,      doc},
#include "ir/ops.def"
#undef OP
};
