/*
 * Memory, names and source text: what everything else relies on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"

static int setup(void **state)
{
    *state = arena_new();
    return 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

/* --- arena --------------------------------------------------------------- */

static void arena_memory_is_zero_and_aligned(void **state)
{
    Arena *a = *state;

    for (size_t n = 0; n < 3000; n += 7) {
        unsigned char *p = arena_alloc(a, n);

        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, n);
    }
}

static void arena_memory_is_zero_after_reset(void **state)
{
    Arena *a = *state;

    memset(arena_alloc(a, 10000), 0xff, 10000);
    arena_reset(a);
    assert_int_equal(arena_bytes(a), 0);
    unsigned char *p = arena_alloc(a, 10000);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(p[i], 0);
}

static void arena_holds_blocks_larger_than_a_chunk(void **state)
{
    Arena *a = *state;
    char *small = arena_copy(a, "small", 6);
    char *big = arena_alloc(a, 20u << 20);

    big[(20u << 20) - 1] = 1;
    char *after = arena_copy(a, "after", 6);
    assert_string_equal(small, "small");
    assert_string_equal(after, "after");
    assert_true(arena_bytes(a) >= 20u << 20);
}

static void arena_printf_formats_any_length(void **state)
{
    Arena *a = *state;
    char *long_text = arena_printf(a, "%0*d|", 100000, 7);

    assert_int_equal(strlen(long_text), 100001);
    assert_string_equal(long_text + 99998, "07|");
    assert_string_equal(arena_printf(a, "%s", ""), "");
}

static void vec_keeps_its_elements_while_growing(void **state)
{
    VEC(int) v = {0};

    for (int i = 0; i < 1000; i++)
        VEC_PUSH((Arena *)*state, &v, i * i);
    assert_int_equal(v.n, 1000);
    assert_true(v.cap >= 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(v.at[i], i * i);
}

/* --- intern -------------------------------------------------------------- */

static void equal_spellings_are_one_pointer(void **state)
{
    char other[] = "weight";

    (void)state;
    assert_ptr_equal(intern("weight"), intern(other));
    assert_ptr_equal(intern_n("weights", 6), intern("weight"));
    assert_ptr_equal(internf("%s%d", "conv", 12), intern("conv12"));
    assert_ptr_not_equal(intern("a"), intern("b"));
    assert_string_equal(intern(""), "");
}

static void interned_names_survive_growth(void **state)
{
    const char *name[5000];

    (void)state;
    for (int i = 0; i < 5000; i++)
        name[i] = internf("n%d", i);
    for (int i = 0; i < 5000; i++)
        assert_ptr_equal(name[i], internf("n%d", i));
}

/* --- source -------------------------------------------------------------- */

static void place(const Source *s, uint32_t at, uint32_t line, uint32_t col)
{
    uint32_t got_line, got_col;

    source_place((Span){s, at, at + 1}, &got_line, &got_col);
    assert_int_equal(got_line, line);
    assert_int_equal(got_col, col);
}

static void places_count_lines_and_characters(void **state)
{
    const char *text = "ab\n\n\xc3\xa9x\nlast";
    Source *s = source_text(*state, "t", text, strlen(text));

    assert_int_equal(s->nlines, 4);
    place(s, 0, 1, 1);
    place(s, 1, 1, 2);
    place(s, 2, 1, 3); // the line break belongs to its line
    place(s, 3, 2, 1);
    place(s, 6, 3, 2); // x after a character of two bytes
    place(s, 8, 4, 1);
    place(s, (uint32_t)strlen(text), 4, 5);
    place(s, 1000, 4, 5); // beyond the end: the end
}

static void an_empty_text_has_one_line(void **state)
{
    Source *s = source_text(*state, "t", "", 0);

    assert_int_equal(s->nlines, 1);
    place(s, 0, 1, 1);
}

static void spans_join_and_show_their_text(void **state)
{
    Source *s = source_text(*state, "t", "one two\nthree", 13);
    Span a = {s, 4, 7}, b = {s, 0, 3}, none = {0};
    Span both = span_join(a, b);

    assert_int_equal(both.lo, 0);
    assert_int_equal(both.hi, 7);
    assert_ptr_equal(span_join(none, a).src, s);
    assert_string_equal(span_text(*state, a), "two");
    assert_string_equal(span_text(*state, (Span){s, 4, 13}), "two three");
    assert_string_equal(span_text(*state, none), "");
}

static Source *read_bytes(Arena *a, const void *bytes, size_t n, char *err)
{
    char path[] = "/tmp/rnn_source_XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
    Source *s = source_read(a, path, err, 200);
    unlink(path);
    return s;
}

static void only_utf8_text_is_read(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *err;
    } bad[] = {
        {"a\0b", 3, "byte 0x00 at offset 1, line 1"},
        {"a\n\xff", 3, "byte 0xff at offset 2, line 2"},
        {"\xc0\xaf", 2, "byte 0xc0"},         // overlong
        {"\xed\xa0\x80", 3, "byte 0xed"},     // a surrogate
        {"\xf4\x90\x80\x80", 4, "byte 0xf4"}, // beyond the last character
        {"\xe2\x82", 2, "byte 0xe2"},         // cut off
    };
    char err[200];

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_null(read_bytes(*state, bad[i].bytes, bad[i].n, err));
        assert_non_null(strstr(err, bad[i].err));
    }
    Source *s = read_bytes(*state, "x\xe2\x82\xac\xf0\x9f\x98\x80", 8, err);
    assert_non_null(s);
    assert_int_equal(s->bytes, 8);
    assert_int_equal(s->text[8], 0);
}

static void what_cannot_be_read_has_a_reason(void **state)
{
    char err[200] = "";

    assert_null(source_read(*state, "/no/such/file.rnn", err, sizeof err));
    assert_non_null(strstr(err, "No such file"));
    assert_null(source_read(*state, "/tmp", err, sizeof err));
    assert_non_null(strstr(err, "directory"));
    assert_null(source_read(*state, "/dev/zero", err, sizeof err));
    assert_non_null(strstr(err, "16 MiB"));
}

int main(void)
{
#define WITH_ARENA(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        WITH_ARENA(arena_memory_is_zero_and_aligned),
        WITH_ARENA(arena_memory_is_zero_after_reset),
        WITH_ARENA(arena_holds_blocks_larger_than_a_chunk),
        WITH_ARENA(arena_printf_formats_any_length),
        WITH_ARENA(vec_keeps_its_elements_while_growing),
        cmocka_unit_test(equal_spellings_are_one_pointer),
        cmocka_unit_test(interned_names_survive_growth),
        WITH_ARENA(places_count_lines_and_characters),
        WITH_ARENA(an_empty_text_has_one_line),
        WITH_ARENA(spans_join_and_show_their_text),
        WITH_ARENA(only_utf8_text_is_read),
        WITH_ARENA(what_cannot_be_read_has_a_reason),
    };

    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
