/*
 * test_atomic_file.c -- files are whole or absent, whatever fails.
 */
#include "support/scratch.h"

#include "files.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static RnnArrays two_arrays(void)
{
    static float x[3] = {1, 2, 3};
    static RnnArray a[] = {
        {"x", {.dt = RNN_F32, .rank = 1, .dim = {3}}, false, x},
        {"y", {.dt = RNN_F32}, false, x},
    };

    return (RnnArrays){.n = 2, .array = a};
}

static void formats_are_told_by_their_names(void **state)
{
    RnnArrays a = two_arrays();
    RnnError err;

    (void)state;
    assert_refused(rnn_arrays_write(scratch("a.bin"), &a, &err), &err,
                   RNN_BAD_INPUT, "a.bin", ".safetensors");
    assert_refused(rnn_arrays_write(scratch("a.npy"), &a, &err), &err,
                   RNN_BAD_INPUT, "a.npy", "2 arrays", ".npz");
}

static void nothing_is_left_where_writing_fails(void **state)
{
    RnnArrays a = two_arrays();
    RnnError err;

    (void)state;
    scratch_empty();
    assert_refused(rnn_arrays_write(scratch("no/a.npz"), &a, &err), &err,
                   RNN_SURROUNDINGS, "no/a.npz", "folder does not exist");
    assert_refused(rnn_file_can_write(scratch("no/a.npz"), &err), &err,
                   RNN_SURROUNDINGS, "no/a.npz");
    mkdir(scratch("folder.npz"), 0777);
    assert_refused(rnn_arrays_write(scratch("folder.npz"), &a, &err), &err,
                   RNN_BAD_INPUT, "is a folder");
    assert_refused(rnn_arrays_write("/dev/full/a.npz", &a, &err), &err,
                   RNN_SURROUNDINGS, "folder is a file");
    assert_refused(rnn_file_write("", "x", 1, &err), &err, RNN_BAD_INPUT,
                   "empty name");
    assert_int_equal(scratch_count(), 1);
}

static void a_full_disk_is_reported(void **state)
{
    static char large[1 << 20];
    RnnError err;

    (void)state;
    assert_refused(rnn_file_write("/dev/full", large, sizeof large, &err), &err,
                   RNN_SURROUNDINGS, "/dev/full", "No space left");
    assert_good(rnn_file_write("/dev/null", large, sizeof large, &err), &err);
}

static void writing_replaces_only_as_a_whole(void **state)
{
    unsigned char *bytes;
    size_t n;
    RnnError err;
    struct stat info;

    (void)state;
    scratch_empty();
    assert_good(rnn_file_can_write(scratch("r.json"), &err), &err);
    assert_int_equal(scratch_count(), 0);
    assert_good(rnn_file_write(scratch("r.json"), "one", 3, &err), &err);
    assert_int_equal(chmod(scratch("r.json"), 0640), 0);
    assert_int_equal(symlink("r.json", scratch("link")), 0);
    scratch_file(".r.json.tmp", "left by a killed process", 24);
    assert_good(rnn_file_can_write(scratch("link"), &err), &err);
    assert_good(rnn_file_write(scratch("link"), "second", 6, &err), &err);
    assert_good(rnn_file_read(scratch("r.json"), &bytes, &n, &err), &err);
    assert_int_equal(n, 6);
    assert_memory_equal(bytes, "second", 6);
    free(bytes);
    assert_int_equal(stat(scratch("r.json"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_int_equal(lstat(scratch("link"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(scratch_count(), 2);
}

static void whole_files_are_read_and_inflated(void **state)
{
    unsigned char *bytes;
    size_t n;
    RnnError err;
    static char text[300000];

    (void)state;
    for (size_t k = 0; k < sizeof text; k++)
        text[k] = (char)(k % 251);
    assert_good(rnn_file_read(scratch_gzip("t.gz", text, sizeof text), &bytes,
                              &n, &err), &err);
    assert_int_equal(n, sizeof text);
    assert_memory_equal(bytes, text, n);
    free(bytes);
    assert_refused(rnn_file_read(scratch("none"), &bytes, &n, &err), &err,
                   RNN_BAD_INPUT, "none", "No such file");
    assert_refused(rnn_file_read("/tmp", &bytes, &n, &err), &err,
                   RNN_BAD_INPUT, "/tmp", "directory");
}

/* The limit on a file's size fails a write as a full disk does: in the middle.
 * The old file stands and nothing lies beside it. */
static void a_write_that_fails_half_way_leaves_the_old_file(void **state)
{
    static char large[100000];
    struct rlimit whole, small = {5000, RLIM_INFINITY};
    unsigned char *bytes;
    size_t n;
    RnnError err;
    RnnStatus st;

    (void)state;
    scratch_empty();
    assert_good(rnn_file_write(scratch("w.npz"), "old", 3, &err), &err);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &whole);
    small.rlim_max = whole.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    st = rnn_file_write(scratch("w.npz"), large, sizeof large, &err);
    setrlimit(RLIMIT_FSIZE, &whole);
    assert_refused(st, &err, RNN_SURROUNDINGS, "w.npz", "after 5000 bytes",
                   "nothing of it was left");
    assert_int_equal(scratch_count(), 1);
    assert_good(rnn_file_read(scratch("w.npz"), &bytes, &n, &err), &err);
    assert_int_equal(n, 3);
    assert_memory_equal(bytes, "old", 3);
    free(bytes);
}

/* Two writers of one file: the second takes another temporary name, and the
 * last to finish wins as a whole. */
static void writers_do_not_mix(void **state)
{
    RnnOut a, b;
    unsigned char *bytes;
    size_t n;
    RnnError err;

    (void)state;
    scratch_empty();
    assert_good(rnn_out_open(&a, scratch("r.json"), &err), &err);
    assert_good(rnn_out_open(&b, scratch("r.json"), &err), &err);
    rnn_out_write(&a, "first", 5);
    rnn_out_write(&b, "other", 5);
    rnn_out_write(&a, "!", 1);
    assert_good(rnn_out_close(&b), &err);
    assert_good(rnn_out_close(&a), &err);
    assert_good(rnn_file_read(scratch("r.json"), &bytes, &n, &err), &err);
    assert_int_equal(n, 6);
    assert_memory_equal(bytes, "first!", 6);
    free(bytes);
    assert_int_equal(scratch_count(), 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_are_told_by_their_names),
        cmocka_unit_test(nothing_is_left_where_writing_fails),
        cmocka_unit_test(a_full_disk_is_reported),
        cmocka_unit_test(writing_replaces_only_as_a_whole),
        cmocka_unit_test(whole_files_are_read_and_inflated),
        cmocka_unit_test(a_write_that_fails_half_way_leaves_the_old_file),
        cmocka_unit_test(writers_do_not_mix),
    };

    return cmocka_run_group_tests_name("atomic_file", tests, NULL, NULL);
}
