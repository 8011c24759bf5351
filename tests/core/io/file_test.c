/* SPDX-License-Identifier: MIT */
/*
 * Goal    What is written to a file is there, at its place and nowhere else;
 *         every call tells how far it came, and leaves no descriptor.
 * Method  The engine's own kernel and real files, looked at by plain system
 *         calls as well.
 */
#include "core/io/file_priv.h"
#include "tests/core/io/folder.h"
#include "tests/support/fake_shard.h"

#define BIG ((size_t)3 << 20)
#define FAR ((uint64_t)5 << 30)

static int
what_was_written_is_read_back(void *unused)
{
	const size_t sizes[] = { 1, 511, 4096, 65537, BIG };
	struct torc_file *file =
		file_open(path_of("back"), O_RDWR | O_CREAT | O_EXCL);
	uint8_t *data = copy_of_bytes(0, BIG);
	uint8_t *back = malloc(BIG);

	(void)unused;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t at = i * 1000003;

		memset(back, 0, BIG);
		must_be(torc_file_pwrite_all(file, data, sizes[i], at),
			sizes[i]);
		must_be(torc_file_pread_exact(file, back, sizes[i], at),
			sizes[i]);
		must(is_right(back, 0, sizes[i]));
	}
	torc_file_close(file);
	free(data);
	free(back);
	return 0;
}

static int
a_read_is_short_at_the_end_and_zero_behind_it(void *unused)
{
	struct torc_file *file = file_open(file_of("end", 5000), O_RDONLY);
	uint8_t buf[8192];

	(void)unused;
	must_be(torc_file_pread(file, buf, sizeof(buf), 0), 5000);
	must(is_right(buf, 0, 5000));
	must_be(torc_file_pread(file, buf, 1000, 4999), 1);
	must_be(torc_file_pread_exact(file, buf, sizeof(buf), 4000), 1000);
	must(is_right(buf, 4000, 1000));
	must_be(torc_file_pread(file, buf, 1, 5000), 0);
	must_be(torc_file_pread_exact(file, buf, 1, FAR), 0);
	must_be(torc_file_pread(file, buf, 0, 0), 0);
	torc_file_close(file);
	return 0;
}

static int
a_hole_reads_as_zeros_also_past_4_gib(void *unused)
{
	struct torc_file *file = file_open(path_of("hole"), O_RDWR | O_CREAT);
	uint8_t buf[4096] = { 1 };
	struct torc_stat stat;

	(void)unused;
	must_be(torc_file_pwrite_all(file, bytes_at(9), 100, FAR), 100);
	must_be(torc_file_stat(file, &stat), 0);
	must_be(stat.bytes, FAR + 100);
	must_be_at_most(stat.allocated_bytes, 1 << 20);
	must_be(torc_file_pread_exact(file, buf, sizeof(buf), FAR - 4096),
		sizeof(buf));
	for (unsigned i = 0; i < sizeof(buf); i++)
		must_be(buf[i], 0);
	must_be(torc_file_pread_exact(file, buf, sizeof(buf), FAR), 100);
	must(is_right(buf, 9, 100));
	torc_file_close(file);
	return 0;
}

static int
an_offset_that_no_file_has_is_refused(void *unused)
{
	struct torc_file *file = file_open(file_of("offset", 10), O_RDWR);
	char byte = 0;

	(void)unused;
	must_be(torc_file_pread(file, &byte, 1, UINT64_MAX), -EINVAL);
	must_be(torc_file_pread(file, &byte, 1, (uint64_t)INT64_MAX + 1),
		-EINVAL);
	must_be(torc_file_pwrite_all(file, &byte, 1, UINT64_MAX), -EINVAL);
	must_be(torc_file_truncate(file, UINT64_MAX), -EINVAL);
	/* What was refused moved nothing. */
	must_be(torc_file_position(file), 0);
	torc_file_close(file);
	must_be(size_of(path_of("offset")), 10);
	return 0;
}

static int
the_position_follows_what_was_done(void *unused)
{
	struct torc_file *file =
		file_open(path_of("position"), O_RDWR | O_CREAT);
	uint8_t buf[100];

	(void)unused;
	must_be(torc_file_write(file, bytes_at(0), 30), 30);
	must_be(torc_file_write_all(file, bytes_at(30), 70), 70);
	must_be(torc_file_position(file), 100);
	must_be(torc_file_pwrite_all(file, bytes_at(0), 10, 0), 10);
	must_be(torc_file_position(file), 100);
	torc_file_seek(file, 20);
	must_be(torc_file_read(file, buf, 50), 50);
	must(is_right(buf, 20, 50));
	must_be(torc_file_read(file, buf, 100), 30);
	must(is_right(buf, 70, 30));
	must_be(torc_file_read(file, buf, 100), 0);
	must_be(torc_file_position(file), 100);
	torc_file_close(file);
	return 0;
}

static int
an_append_goes_to_the_end_and_moves_nothing(void *unused)
{
	struct torc_file *file =
		file_open(file_of("append", 50), O_RDWR | O_APPEND);
	uint8_t buf[200];

	(void)unused;
	must_be(torc_file_write_all(file, bytes_at(50), 30), 30);
	must_be(torc_file_pwrite_all(file, bytes_at(80), 20, 0), 20);
	must_be(torc_file_position(file), 0);
	must_be(torc_file_read(file, buf, sizeof(buf)), 100);
	must(is_right(buf, 0, 100));
	torc_file_close(file);
	return 0;
}

static int
what_has_no_position_reads_and_writes_in_order(void *unused)
{
	const char *path = path_of("fifo");
	struct torc_file *file;
	uint8_t buf[100];

	(void)unused;
	must_be(mkfifo(path, 0600), 0);
	file = file_open(path, O_RDWR);
	must_be(torc_file_position(file), UINT64_MAX);
	torc_file_seek(file, 7);
	must_be(torc_file_write_all(file, bytes_at(0), 80), 80);
	must_be(torc_file_read(file, buf, 30), 30);
	must(is_right(buf, 0, 30));
	must_be(torc_file_read(file, buf, 100), 50);
	must(is_right(buf, 30, 50));
	torc_file_close(file);
	return 0;
}

static int
flags_of(struct torc_file *file)
{
	return fcntl(torc__file_fd(file), F_GETFL) &
	       (O_ACCMODE | O_APPEND | O_NONBLOCK | O_NOATIME);
}

/* Nobody has the other end of the FIFO. */
static int
an_open_does_not_wait_and_a_read_does(void *unused)
{
	const char *path = path_of("alone");
	struct torc_deadline deadline;
	struct torc_file *file;
	char byte;

	(void)unused;
	must_be(mkfifo(path, 0600), 0);
	must_be(torc_file_open(&file, path, O_WRONLY, 0), -ENXIO);
	file = file_open(path, O_RDWR);
	torc_deadline_begin(&deadline, 2 * TORC_MS);
	must_be(torc_file_read(file, &byte, 1), -ETIMEDOUT);
	torc_deadline_end(&deadline);
	torc_file_close(file);
	torc_file_close(file_open(path, O_RDONLY));
	return 0;
}

static bool
has_sigpipe_blocked(void)
{
	sigset_t mask;

	must_be(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
	return sigismember(&mask, SIGPIPE);
}

static int
write_to_nobody(void *unused)
{
	int reader = open(path_of("unread"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct torc_file *plain = file_open(file_of("plain", 1), O_RDWR);
	struct torc_file *file;
	sigset_t pending;

	(void)unused;
	must(!has_sigpipe_blocked());
	file = file_open(path_of("unread"), O_WRONLY);
	close(reader);
	for (int i = 0; i < 3; i++)
		must_be(torc_file_write(file, "x", 1), -EPIPE);
	must_be(torc_file_write_all(file, "x", 1), -EPIPE);
	must(has_sigpipe_blocked());
	torc_file_close(file);
	wait_until(!has_sigpipe_blocked());
	must_be(sigpending(&pending), 0);
	must(!sigismember(&pending, SIGPIPE));
	torc_file_close(plain);
	return 0;
}

static int
run_write_to_nobody(void)
{
	signal(SIGPIPE, SIG_DFL);
	return torc_run(
		&(struct torc_options){ .shards = 1 }, write_to_nobody, NULL);
}

static void
a_write_that_nobody_reads_is_an_error_and_no_signal(void **unused)
{
	char text[512] = "";

	(void)unused;
	must_be(mkfifo(path_of("unread"), 0600), 0);
	assert_int_equal(
		run_in_child(run_write_to_nobody, text, sizeof(text)), 0);
}

static int
a_file_has_the_flags_that_were_asked_for(void *unused)
{
	const int wanted[] = { O_RDONLY, O_WRONLY, O_RDWR | O_APPEND,
		O_RDONLY | O_NONBLOCK, O_RDWR | O_NOATIME | O_APPEND };
	const char *path = file_of("flags", 1);

	(void)unused;
	for (unsigned i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		struct torc_file *file = file_open(path, wanted[i]);

		must_be(flags_of(file), wanted[i]);
		torc_file_close(file);
	}
	return 0;
}

static int
pieces_are_gathered_and_scattered(void *unused)
{
	struct torc_file *file = file_open(path_of("pieces"), O_RDWR | O_CREAT);
	uint8_t data[300], back[300];
	const struct iovec out[] = { { data, 100 }, { data + 100, 1 },
		{ data + 101, 199 } };
	const struct iovec in[] = { { back + 250, 50 }, { back, 250 } };
	struct iovec many[1025];

	(void)unused;
	memcpy(data, bytes_at(0), sizeof(data));
	must_be(torc_file_pwritev(file, out, 3, 7), 300);
	must_be(torc_file_preadv(file, in, 2, 7), 300);
	must(is_right(back + 250, 0, 50));
	must(is_right(back, 50, 250));
	must_be(torc_file_preadv(file, in, 2, 207), 100);
	for (unsigned i = 0; i < 1025; i++)
		many[i] = (struct iovec){ back, 1 };
	must_be(torc_file_preadv(file, many, 1024, 0), 307);
	must_be(torc_file_preadv(file, many, 1025, 0), -EINVAL);
	torc_file_close(file);
	return 0;
}

static int
it_is_cut_filled_up_and_flushed(void *unused)
{
	const char *path = file_of("cut", 10000);
	struct torc_file *file = file_open(path, O_RDWR);
	struct torc_stat stat;
	uint8_t buf[10];

	(void)unused;
	must_be(torc_file_truncate(file, 99), 0);
	must_be(torc_file_stat(file, &stat), 0);
	must_be(stat.bytes, 99);
	must(S_ISREG(stat.mode) && (stat.mode & 0777) == 0644);
	must_be(stat.links_count, 1);
	must(stat.modified_ns > INT64_C(1600000000) * 1000000000);
	must_be(torc_file_truncate(file, 20000), 0);
	must_be(torc_file_sync(file), 0);
	must_be(torc_file_datasync(file), 0);
	must_be(size_of(path), 20000);
	must_be(torc_file_pread_exact(file, buf, 10, 95), 10);
	must(is_right(buf, 95, 4) && buf[4] == 0 && buf[9] == 0);
	torc_file_close(file);
	return 0;
}

static int
what_open_refuses_is_told(void *unused)
{
	char name[300];
	struct torc_file *file = (struct torc_file *)&file;

	(void)unused;
	memset(name, 'x', sizeof(name));
	name[299] = '\0';
	must_be(symlink("loop", path_of("loop")), 0);
	must_be(torc_file_open(&file, path_of("none"), O_RDONLY, 0), -ENOENT);
	must_be(torc_file_open(&file, path_of("loop"), O_RDONLY, 0), -ELOOP);
	must_be(torc_file_open(&file, path_of(name), O_RDONLY, 0),
		-ENAMETOOLONG);
	must_be(torc_file_open(&file, folder, O_WRONLY, 0), -EISDIR);
	must_be(torc_file_open(&file, file_of("there", 1),
			O_WRONLY | O_CREAT | O_EXCL, 0644),
		-EEXIST);
	must_be(torc_file_open(&file, path_of("there/below"), O_RDONLY, 0),
		-ENOTDIR);
	/* A refusal sets nothing. */
	must(file == (struct torc_file *)&file);
	return 0;
}

static int
what_it_was_not_opened_for_is_refused(void *unused)
{
	struct torc_file *file = file_open(file_of("rights", 10), O_RDONLY);
	char byte = 0;

	(void)unused;
	must_be(torc_file_pwrite(file, &byte, 1, 0), -EBADF);
	must_be(torc_file_write_all(file, &byte, 1), -EBADF);
	must(torc_file_truncate(file, 0) < 0);
	torc_file_close(file);
	file = file_open(path_of("rights"), O_WRONLY);
	must_be(torc_file_pread(file, &byte, 1, 0), -EBADF);
	torc_file_close(file);
	file = file_open(folder, O_RDONLY | O_DIRECTORY);
	must_be(torc_file_pread(file, &byte, 1, 0), -EISDIR);
	torc_file_close(file);
	must_be(size_of(path_of("rights")), 10);
	return 0;
}

static int
an_open_file_outlives_its_name(void *unused)
{
	struct torc_file *file = file_open(file_of("gone", 1000), O_RDWR);
	uint8_t buf[1000];
	struct torc_stat stat;

	(void)unused;
	must_be(torc_path_unlink(path_of("gone")), 0);
	must_be(size_of(path_of("gone")), -ENOENT);
	must_be(torc_file_pread_exact(file, buf, 1000, 0), 1000);
	must(is_right(buf, 0, 1000));
	must_be(torc_file_stat(file, &stat), 0);
	must_be(stat.links_count, 0);
	torc_file_close(file);
	return 0;
}

#define READS 10000

static int
ten_thousand_reads_at_a_time(void *unused)
{
	struct torc_file *file = file_open(file_of("many", 1 << 20), O_RDONLY);
	struct torc_file_op *ops = calloc(READS, sizeof(*ops));
	uint8_t *bufs = calloc(READS, 16);

	(void)unused;
	must(ops != NULL && bufs != NULL);
	for (size_t i = 0; i < READS; i++)
		torc_file_pread_start(
			file, bufs + 16 * i, 16, 101 * i, ops + i);
	for (size_t i = 0; i < READS; i++) {
		must_be(torc_await(&ops[i].done), 16);
		must_be(ops[i].done_bytes, 16);
		must(is_right(bufs + 16 * i, 101 * i, 16));
	}
	torc_file_close(file);
	free(ops);
	free(bufs);
	return 0;
}

static int
bytes_go_from_a_source_to_a_sink(void *unused)
{
	struct torc_file *from = file_open(file_of("from", 100000), O_RDONLY);
	struct torc_file *to = file_open(path_of("to"), O_RDWR | O_CREAT);
	struct torc_source source = torc_file_source(from);
	struct torc_sink sink = torc_file_sink(to);
	uint8_t *buf = malloc(100000);
	ssize_t got;

	(void)unused;
	while ((got = source.read(source.object, buf, 7777)) > 0)
		must_be(sink.write_all(sink.object, buf, (size_t)got), got);
	must_be(got, 0);
	must_be(torc_file_pread_exact(to, buf, 100000, 0), 100000);
	must(is_right(buf, 0, 100000));
	torc_file_close(from);
	torc_file_close(to);
	free(buf);
	return 0;
}

static int
memory_is_read_at_its_own_speed(void *unused)
{
	struct torc_file *file = file_open("/proc/self/status", O_RDONLY);
	char text[4096];
	ssize_t got;

	(void)unused;
	got = torc_file_pread_exact(file, text, sizeof(text) - 1, 0);
	must(got > 5);
	text[got] = '\0';
	must(strstr(text, "Name:") != NULL && strstr(text, "VmRSS:") != NULL);
	torc_file_close(file);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(what_was_written_is_read_back),
		WITH_TORC(a_read_is_short_at_the_end_and_zero_behind_it),
		WITH_TORC(a_hole_reads_as_zeros_also_past_4_gib),
		WITH_TORC(an_offset_that_no_file_has_is_refused),
		WITH_TORC(the_position_follows_what_was_done),
		WITH_TORC(an_append_goes_to_the_end_and_moves_nothing),
		WITH_TORC(what_has_no_position_reads_and_writes_in_order),
		WITH_TORC(an_open_does_not_wait_and_a_read_does),
		cmocka_unit_test(
			a_write_that_nobody_reads_is_an_error_and_no_signal),
		WITH_TORC(a_file_has_the_flags_that_were_asked_for),
		WITH_TORC(pieces_are_gathered_and_scattered),
		WITH_TORC(it_is_cut_filled_up_and_flushed),
		WITH_TORC(what_open_refuses_is_told),
		WITH_TORC(what_it_was_not_opened_for_is_refused),
		WITH_TORC(an_open_file_outlives_its_name),
		WITH_TORC(ten_thousand_reads_at_a_time),
		WITH_TORC(bytes_go_from_a_source_to_a_sink),
		WITH_TORC(memory_is_read_at_its_own_speed),
	};

	(void)argc;
	forget_stacks(argv);
	return cmocka_run_group_tests_name(
		"core/io/file", tests, folder_make, folder_remove);
}
