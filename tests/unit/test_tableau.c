/*
 * The rows of tableau.def against the theory: row sums, order conditions of
 * rooted trees for the solution, the embedded solutions and the dense output,
 * the first-same-as-last property.
 *
 * The trees are made here, all of them up to order 8 (1, 1, 2, 4, 9, 20, 48,
 * 115 of each order). For a tree t with subtrees t_1 .. t_m at its root,
 *
 *   Phi_i(t) = prod_k sum_j a_ij Phi_j(t_k),   gamma(t) = |t| prod gamma(t_k)
 *   order p:  sum_i b_i Phi_i(t) = 1 / gamma(t)      for all |t| <= p
 *   dense:    sum_i b_i(x) Phi_i(t) = x^|t| / gamma(t)
 */
#include "support/check.h"
#include "sema/tableau.h"

#include <math.h>

enum { ORDER_MAX = 9, TREES_MAX = 600 };

typedef struct Tree {
    int size, nkid, kid[ORDER_MAX];
    double gamma;
} Tree;

static Tree tree[TREES_MAX];
static int ntree;

/* All trees of `size` whose root has the kids chosen so far: kids are added
 * in order of their number, so that each multiset is made once. */
static void grow(Tree *t, int size, int from)
{
    int left = size - t->size;

    if (left == 0) {
        assert_true(ntree < TREES_MAX);
        t->gamma = size;
        for (int k = 0; k < t->nkid; k++)
            t->gamma *= tree[t->kid[k]].gamma;
        tree[ntree++] = *t;
        return;
    }
    for (int k = from; k < ntree && tree[k].size <= left; k++) {
        if (tree[k].size >= size)
            break;
        Tree more = *t;
        more.kid[more.nkid++] = k;
        more.size += tree[k].size;
        grow(&more, size, k);
    }
}

static int make_trees(void **state)
{
    (void)state;
    for (int size = 1; size <= ORDER_MAX; size++) {
        Tree root = {.size = 1};
        grow(&root, size, 0);
    }
    return 0;
}

static int all_stages(const Tableau *m)
{
    return m->stages + m->extra;
}

/* Phi_i of a method's trees, and the same of |a_ij|: what rounding the
 * coefficients to 16 digits is measured against. */
static double phi[TREES_MAX][STAGES_MAX], size_of[TREES_MAX][STAGES_MAX];

static void weigh(const Tableau *m)
{
    for (int t = 0; t < ntree; t++)
        for (int i = 0; i < all_stages(m); i++) {
            phi[t][i] = size_of[t][i] = 1;
            for (int k = 0; k < tree[t].nkid; k++) {
                double sum = 0, size = 0;
                for (int j = 0; j < i; j++) {
                    double a = tableau_a(m, i, j);
                    sum += a * phi[tree[t].kid[k]][j];
                    size += fabs(a) * size_of[tree[t].kid[k]][j];
                }
                phi[t][i] *= sum;
                size_of[t][i] *= size;
            }
        }
}

/* The largest violation of the conditions up to `order`, of weights b for the
 * n stages of the method weighed last, over the size of its terms. */
static double violation(const double *b, int n, int order, double x)
{
    double worst = 0;

    for (int t = 0; t < ntree && tree[t].size <= order; t++) {
        double want = pow(x, tree[t].size) / tree[t].gamma;
        double sum = 0, size = 1;
        for (int i = 0; i < n; i++) {
            sum += b[i] * phi[t][i];
            size += fabs(b[i]) * size_of[t][i];
        }
        worst = fmax(worst, fabs(sum - want) / size);
    }
    return worst;
}

static void trees_are_all(void **state)
{
    static const int count[] = {1, 1, 2, 4, 9, 20, 48, 115, 286};
    int n[ORDER_MAX + 1] = {0};

    (void)state;
    for (int t = 0; t < ntree; t++)
        n[tree[t].size]++;
    for (int k = 0; k < ORDER_MAX; k++)
        assert_int_equal(n[k + 1], count[k]);
}

static void rows_sum_to_nodes(void **state)
{
    (void)state;
    for (const Tableau *m = tableau_table; m->name; m++)
        for (int i = 0; i < all_stages(m); i++) {
            double sum = 0, size = 1;
            for (int j = 0; j < i; j++) {
                sum += tableau_a(m, i, j);
                size += fabs(tableau_a(m, i, j));
            }
            if (fabs(sum - m->c[i]) > 1e-15 * size)
                fail_msg("%s: row %d sums to %.17g, not %.17g", m->name, i,
                         sum, m->c[i]);
        }
}

static void solutions_have_their_order(void **state)
{
    (void)state;
    for (const Tableau *m = tableau_table; m->name; m++) {
        weigh(m);
        double v = violation(m->b, m->stages, m->order, 1);
        if (v > 1e-15)
            fail_msg("%s: order %d violated by %g", m->name, m->order, v);
        v = violation(m->b, m->stages, m->order + 1, 1);
        if (v < 1e-8)
            fail_msg("%s is of a higher order than %d", m->name, m->order);
    }
}

static void estimates_have_their_order(void **state)
{
    (void)state;
    for (const Tableau *m = tableau_table; m->name; m++) {
        double hat[STAGES_MAX], v;
        if (!m->lower)
            continue;
        weigh(m);
        // of the pair 8(5,3), the two estimates have the orders 5 and 3
        int lower = m->e2 ? 5 : m->lower;
        for (int pass = 0; pass < (m->e2 ? 2 : 1); pass++) {
            for (int i = 0; i < m->stages; i++)
                hat[i] = m->b[i] - (pass ? m->e2 : m->e)[i];
            lower = pass ? 3 : lower;
            v = violation(hat, m->stages, lower, 1);
            if (v > 1e-15)
                fail_msg("%s: embedded order %d violated by %g", m->name,
                         lower, v);
            v = violation(hat, m->stages, lower + 1, 1);
            if (v < 1e-8)
                fail_msg("%s: the embedded order is above %d", m->name, lower);
        }
    }
}

static void last_stage_is_the_next_first(void **state)
{
    (void)state;
    for (const Tableau *m = tableau_table; m->name; m++)
        for (int j = 0; m->fsal && j < m->stages - 1; j++)
            assert_true(tableau_a(m, m->stages - 1, j) == m->b[j]);
}

/* At x = 1 it is the solution; in between it has at least order - 1, and
 * heun's, quadratic, order 2. */
static void dense_output_has_its_order(void **state)
{
    (void)state;
    for (const Tableau *m = tableau_table; m->name; m++) {
        double b[STAGES_MAX], v;
        int order = m->order == 2 ? 2 : m->order - 1;
        weigh(m);
        for (int step = 0; m->degree && step <= 4; step++) {
            double x = step * 0.25;
            for (int i = 0; i < all_stages(m); i++) {
                b[i] = 0;
                for (int j = m->degree; j-- > 0;)
                    b[i] = (b[i] + m->p[i * m->degree + j]) * x;
                if (step == 4 &&
                    fabs(b[i] - (i < m->stages ? m->b[i] : 0)) > 1e-13)
                    fail_msg("%s: dense output at 1 misses b_%d by %g",
                             m->name, i, b[i] - m->b[i]);
            }
            v = violation(b, all_stages(m), order, x);
            if (v > 1e-14)
                fail_msg("%s: dense order %d violated by %g at %g", m->name,
                         order, v, x);
        }
    }
}

/* Dormand & Prince's and Shampine's weights belong to one solution. */
static void weight_sets_differ_in_the_estimate_only(void **state)
{
    const Tableau *x = tableau_find("dopri5");
    const Tableau *y = tableau_find("dopri5_shampine");
    bool differs = false;

    (void)state;
    for (int i = 0; i < x->stages; i++) {
        assert_true(x->b[i] == y->b[i]);
        differs = differs || fabs(x->e[i] - y->e[i]) > 1e-4;
    }
    assert_true(differs);
    assert_null(tableau_find("rk5"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees_are_all),
        cmocka_unit_test(rows_sum_to_nodes),
        cmocka_unit_test(solutions_have_their_order),
        cmocka_unit_test(estimates_have_their_order),
        cmocka_unit_test(last_stage_is_the_next_first),
        cmocka_unit_test(dense_output_has_its_order),
        cmocka_unit_test(weight_sets_differ_in_the_estimate_only),
    };

    return cmocka_run_group_tests(tests, make_trees, NULL);
}
