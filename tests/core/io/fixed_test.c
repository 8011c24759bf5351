/* SPDX-License-Identifier: MIT */
/*
 * Goal    Reads and writes of torc_io_alloc() memory name it as the ring's
 *         fixed buffer, all others do not; where it can't be registered the
 *         log says once what to set, and everything works as before.
 * Method  The fake engine shows which operation was submitted; the engine's
 *         own kernel whether the right bytes arrive, O_DIRECT included.
 */
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/core/io/folder.h"
#include "tests/support/fake_shard.h"

#if defined(TORC__ASAN) || defined(TORC__TSAN)
#define HAS_REGION false
#else
#define HAS_REGION true
#endif

/* ---- the fake engine ---- */

static struct torc_engine counting;
static unsigned registered_count;
static struct iovec registered;
static int register_result;

static int
count_register(struct torc_ring *ring, uint32_t opcode, const void *arg,
	uint32_t arg_count)
{
	if (opcode != IORING_REGISTER_BUFFERS)
		return fake_engine.reg(ring, opcode, arg, arg_count);
	assert_int_equal(arg_count, 1);
	memcpy(&registered, arg, sizeof(registered));
	registered_count++;
	return register_result;
}

static struct torc_file *
opened(struct fake_shard *f)
{
	struct torc_ring *ring = &f->shard.ring;
	struct torc_file *file = NULL;
	struct torc_file_op op;

	counting = fake_engine;
	counting.reg = count_register;
	ring->engine = &counting;
	registered_count = 0;
	register_result = 0;
	torc_file_open_start(&file, "name", O_RDWR, 0, &op);
	fake_shard_turn(f, 1);
	fake_complete(ring, fake_index(ring, IORING_OP_OPENAT, 0),
		open("/dev/null", O_RDWR | O_CLOEXEC), 0);
	fake_shard_turn(f, 1);
	return file;
}

/* Start one at an offset, and say as which operation it went out. */
static uint8_t
opcode_of(struct fake_shard *f, struct torc_file *file, bool is_read,
	void *memory, size_t bytes)
{
	struct torc_ring *ring = &f->shard.ring;
	struct torc_file_op op;
	const struct fake_taken *taken;

	if (is_read)
		torc_file_pread_start(file, memory, bytes, 0, &op);
	else
		torc_file_pwrite_start(file, memory, bytes, 0, &op);
	fake_shard_turn(f, 1);
	taken = &f->fake->taken[f->fake->taken_count - 1];
	assert_ptr_equal((void *)(uintptr_t)taken->sqe.addr, memory);
	assert_int_equal(taken->sqe.buf_index, 0);
	fake_complete(ring, f->fake->taken_count - 1, (int32_t)bytes, 0);
	fake_shard_turn(f, 1);
	assert_int_equal(op.done.value, bytes);
	return taken->sqe.opcode;
}

static void
memory_of_the_region_goes_out_as_fixed(void **state)
{
	struct fake_shard *f = *state;
	struct torc_file *file = opened(f);
	char *memory = torc_io_alloc(8192);

	assert_int_equal(registered_count, 0);
	assert_int_equal(opcode_of(f, file, true, memory, 8192),
		HAS_REGION ? IORING_OP_READ_FIXED : IORING_OP_READ);
	assert_int_equal(opcode_of(f, file, false, memory + 17, 100),
		HAS_REGION ? IORING_OP_WRITE_FIXED : IORING_OP_WRITE);
	assert_int_equal(registered_count, HAS_REGION);
	if (HAS_REGION)
		assert_int_equal(registered.iov_len, TORC_IO_BYTES_DEFAULT);

	torc_io_free(memory);
	torc_file_close(file);
}

static void
other_memory_does_not_and_registers_nothing(void **state)
{
	struct fake_shard *f = *state;
	struct torc_file *file = opened(f);
	char *large = torc_io_alloc(2 * TORC_IO_BYTES_DEFAULT);
	char *memory = malloc(8192);

	assert_int_equal(
		opcode_of(f, file, true, memory, 8192), IORING_OP_READ);
	assert_int_equal(
		opcode_of(f, file, false, memory, 8192), IORING_OP_WRITE);
	assert_int_equal(opcode_of(f, file, true, large, 4096), IORING_OP_READ);
	assert_int_equal(registered_count, 0);

	free(memory);
	torc_io_free(large);
	torc_file_close(file);
}

static void
a_refusal_is_asked_for_once(void **state)
{
	struct fake_shard *f = *state;
	struct torc_file *file = opened(f);
	char *memory = torc_io_alloc(4096);

	register_result = -ENOMEM;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(
			opcode_of(f, file, true, memory, 4096), IORING_OP_READ);
	assert_int_equal(registered_count, HAS_REGION);

	torc_io_free(memory);
	torc_file_close(file);
}

/* ---- the kernel ---- */

static void
check_round_trip(struct torc_file *file, size_t bytes, uint64_t offset)
{
	uint8_t *out = torc_io_alloc(bytes), *in = torc_io_alloc(bytes);

	must(out != NULL && in != NULL);
	for (size_t i = 0; i < bytes; i++)
		out[i] = (uint8_t)(i * 7 + offset);
	must_be(torc_file_pwrite_all(file, out, bytes, offset), bytes);
	must_be(torc_file_pread_exact(file, in, bytes, offset), bytes);
	must_be(memcmp(in, out, bytes), 0);
	must(!HAS_REGION || bytes > TORC_IO_BYTES_DEFAULT / 4 ||
		torc__shard->io.is_tried);
	torc_io_free(out);
	torc_io_free(in);
}

static int
every_size_arrives_whole(void *unused)
{
	struct torc_file *file = file_open(path_of("fixed"), O_RDWR | O_CREAT);

	(void)unused;
	check_round_trip(file, 1, 3);
	check_round_trip(file, 4096, 12345);
	check_round_trip(file, 100000, 1);
	check_round_trip(file, TORC_IO_BYTES_DEFAULT / 2, 0);
	check_round_trip(file, 2 * TORC_IO_BYTES_DEFAULT, 99);
	torc_file_close(file);
	return 0;
}

static int
direct_io_works_and_says_what_it_wants(void *unused)
{
	const char *path = file_of("direct", 65536);
	struct torc_file *file;
	struct torc_stat stat;
	uint8_t *buf;
	int ret = torc_file_open(&file, path, O_RDWR | O_DIRECT, 0);

	(void)unused;
	if (ret == -EINVAL) {
		printf("left out: the file system of %s has no O_DIRECT\n",
			folder);
		return 0;
	}
	must_be(ret, 0);
	check_round_trip(file, 4096, 8192);
	check_round_trip(file, 65536, 0);
	must_be(torc_file_stat(file, &stat), 0);
	buf = torc_io_alloc(8192);
	if (stat.direct_offset_bytes > 1) {
		must_be(torc_file_pread(file, buf, 4096, 1), -EINVAL);
		must_be(torc_file_pread(file, buf, 100, 0), -EINVAL);
		must_be(torc_file_pwrite(file, buf, 4096, 511), -EINVAL);
	}
	torc_io_free(buf);
	torc_file_close(file);
	return 0;
}

static int
where_there_is_no_direct_io_the_open_says_so(void *unused)
{
	struct torc_file *file;

	(void)unused;
	must_be(torc_file_open(
			&file, "/proc/self/status", O_RDONLY | O_DIRECT, 0),
		-EINVAL);
	return 0;
}

#define DEPTH 64

static int
many_fixed_reads_at_a_time(void *unused)
{
	struct torc_file *file = file_open(file_of("many", 1 << 20), O_RDONLY);
	static struct torc_file_op ops[DEPTH];
	uint8_t *bufs[DEPTH];

	(void)unused;
	for (unsigned i = 0; i < DEPTH; i++)
		must((bufs[i] = torc_io_alloc(4096)) != NULL);
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < DEPTH; i++)
			torc_file_pread_exact_start(file, bufs[i], 4096,
				(i * 20 + round) * 701, ops + i);
		for (unsigned i = 0; i < DEPTH; i++) {
			must_be(torc_await(&ops[i].done), 4096);
			must(is_right(bufs[i], (i * 20 + round) * 701, 4096));
		}
	}
	for (unsigned i = 0; i < DEPTH; i++)
		torc_io_free(bufs[i]);
	torc_file_close(file);
	return 0;
}

#define MIB ((size_t)1 << 20)

/* How much of it can be had in blocks of 64 KiB; all are given back. */
static size_t
registered_bytes(void)
{
	enum { COUNT = 256, BYTES = 64 * 1024 };
	void *blocks[COUNT];
	size_t bytes = 0;

	for (unsigned i = 0; i < COUNT; i++) {
		must((blocks[i] = torc_io_alloc(BYTES)) != NULL);
		if (torc__io_holds(&torc__shard->io, blocks[i], BYTES))
			bytes += BYTES;
	}
	for (unsigned i = 0; i < COUNT; i++)
		torc_io_free(blocks[i]);
	return bytes;
}

/* 8 MiB and one byte. */
static int
as_much_is_registered_as_was_asked_for(void *unused)
{
	struct torc_file *file = file_open(path_of("more"), O_RDWR | O_CREAT);
	size_t bytes;

	(void)unused;
	/* Two blocks, of more than the default gives together. */
	check_round_trip(file, 3 * MIB, 17);
	must(!HAS_REGION || torc__shard->io.is_tried);
	bytes = registered_bytes();
	if (HAS_REGION) {
		must_be(torc__shard->io.region.bytes, 10 * MIB);
		must(bytes >= 8 * MIB && bytes <= 10 * MIB);
	}
	torc_file_close(file);
	return 0;
}

/* One byte. */
static int
past_a_small_amount_there_is_ordinary_memory(void *unused)
{
	struct torc_file *file = file_open(path_of("less"), O_RDWR | O_CREAT);

	(void)unused;
	must_be_at_most(registered_bytes(), 2 * MIB);
	if (HAS_REGION)
		must_be(torc__shard->io.region.bytes, 2 * MIB);
	check_round_trip(file, 4 * MIB, 5);
	must(!torc__shard->io.is_tried);
	torc_file_close(file);
	return 0;
}

static int
ask_for_too_much(void)
{
	struct torc_options options = { .shards = 1,
		.io_bytes_max = TORC_IO_BYTES_LIMIT + 1 };

	return torc_run(&options, every_size_arrives_whole, NULL) == -EINVAL
		       ? 0
		       : 1;
}

static void
more_than_the_kernel_takes_is_refused_and_named(void **state)
{
	char text[2048];
	int status = run_in_child(ask_for_too_much, text, sizeof(text));

	(void)state;
	assert_int_equal(status, 0);
	assert_non_null(strstr(text, "io_bytes_max is 1073741825"));
	assert_non_null(strstr(text, "1073741824 at most"));
}

/* Blocks are left to the end of the runtime, with a read on its way. */
static int
the_end_takes_blocks_that_are_in_use(void *unused)
{
	static struct torc_file_op op;
	const char *path = path_of("fifo");
	struct torc_file *file;

	(void)unused;
	must_be(mkfifo(path, 0600), 0);
	file = file_open(path, O_RDWR);
	/* ASan would call it lost. */
	if (HAS_REGION)
		torc_file_read_start(file, torc_io_alloc(4096), 4096, &op);
	turn();
	return 0;
}

/* ---- locked memory is short ---- */

#define NOBODY 65534
#define OTHER_ENGINE 3

static int
read_on_a_shard(void *arg)
{
	const char *path = arg;
	uint8_t *buf = torc_io_alloc(4096);
	struct torc_file *file;

	must(buf != NULL);
	must_be(torc_file_open(&file, path, O_RDONLY, 0), 0);
	must_be(torc_file_pread_exact(file, buf, 4096, 0), 4096);
	must(is_right(buf, 0, 4096));
	must(!torc__shard->io.is_fixed);
	torc_io_free(buf);
	torc_file_close(file);
	return 0;
}

static int
read_everywhere(void *arg)
{
	if (strcmp(torc__shard->ring.engine->name, "kernel") != 0)
		return OTHER_ENGINE;
	return torc_run_on_shards(read_on_a_shard, arg);
}

static int
read_without_locked_memory(void)
{
	struct rlimit limit = { 2 << 20, 2 << 20 };
	struct torc_options options = { .shards = 2, .cq_entries = 512 };

	if (setrlimit(RLIMIT_MEMLOCK, &limit) < 0 ||
		setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return 2;
	return torc_run(&options, read_everywhere,
		(void *)(uintptr_t)path_of("memlock"));
}

static void
without_locked_memory_one_line_says_what_to_set(void **state)
{
	const char *line;
	char text[2048];
	int status;

	(void)state;
	if (!HAS_REGION || getuid() != 0) {
		printf("left out: it takes root, and a build without a "
		       "sanitizer\n");
		return;
	}
	file_of("memlock", 4096);
	assert_int_equal(chmod(folder, 0755), 0);
	status = run_in_child(read_without_locked_memory, text, sizeof(text));
	if (WEXITSTATUS(status) == OTHER_ENGINE) {
		printf("left out: only io_uring locks memory\n");
		return;
	}
	assert_int_equal(status, 0);
	line = strstr(text, "register the memory");
	assert_non_null(line);
	assert_non_null(strstr(line, "4192 KiB per shard"));
	assert_null(strstr(line + 1, "register the memory"));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			without_locked_memory_one_line_says_what_to_set),
		WITH_SHARD(memory_of_the_region_goes_out_as_fixed),
		WITH_SHARD(other_memory_does_not_and_registers_nothing),
		WITH_SHARD(a_refusal_is_asked_for_once),
		WITH_TORC(every_size_arrives_whole),
		WITH_TORC(direct_io_works_and_says_what_it_wants),
		WITH_TORC(where_there_is_no_direct_io_the_open_says_so),
		WITH_TORC(many_fixed_reads_at_a_time),
		TORC_CASE(as_much_is_registered_as_was_asked_for,
			.options.io_bytes_max = 8 * MIB + 1),
		TORC_CASE(past_a_small_amount_there_is_ordinary_memory,
			.options.io_bytes_max = 1),
		cmocka_unit_test(
			more_than_the_kernel_takes_is_refused_and_named),
		LEFT_OPEN(the_end_takes_blocks_that_are_in_use),
	};

	(void)argc;
	forget_stacks(argv);
	return cmocka_run_group_tests_name(
		"core/io/fixed", tests, folder_make, folder_remove);
}
