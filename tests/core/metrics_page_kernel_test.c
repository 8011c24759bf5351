/* SPDX-License-Identifier: MIT */
/*
 * Goal    The metrics page is there while torc runs, each slot is told before
 *         its shard sleeps and while it is busy, and no reader sees a torn
 *         one.
 * Method  The real kernel. The page is found as another process would find it
 *         and read with torc-top's own reader, by threads that look while the
 *         shard sleeps, spins or turns. Where the kernel refuses the file,
 *         memfd_create() of this program says so.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "tests/core/io/fixture.h"
#include "core/metrics_page_priv.h"
#include "top/page.h"

#define LINK "/memfd:" TORC__METRICS_PAGE_NAME

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

static bool is_refused;
static bool is_old; /* a kernel before 6.3 */

int __real_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags);

int
__wrap_memfd_create(const char *name, unsigned flags)
{
	if (is_old && (flags & MFD_NOEXEC_SEAL) != 0) {
		errno = EINVAL;
		return -1;
	}
	if (!is_refused)
		return __real_memfd_create(name, flags);
	errno = EPERM;
	return -1;
}

/* How many pages this process has; a descriptor of one of them, or -1. */
static unsigned
find_pages(int *found)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	unsigned count = 0;
	char target[64];

	must(dir != NULL);
	*found = -1;
	while ((entry = readdir(dir)) != NULL) {
		ssize_t bytes = readlinkat(
			dirfd(dir), entry->d_name, target, sizeof(target));

		if (bytes < (ssize_t)strlen(LINK) ||
			strncmp(target, LINK, strlen(LINK)) != 0)
			continue;
		*found = (int)strtol(entry->d_name, NULL, 10);
		count++;
	}
	closedir(dir);
	return count;
}

static unsigned
pages_count(void)
{
	int fd;

	return find_pages(&fd);
}

/* As another process opens it. */
static struct page
open_page(void)
{
	struct page page;
	char path[64];
	int fd;

	must(find_pages(&fd) >= 1);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd >= 0);
	must_be(page_open(&page, fd), PAGE_FOUND);
	return page;
}

static int
the_head_names_process_shards_and_engine(void *unused)
{
	struct page page = open_page();

	(void)unused;
	must_be(page.pid, getpid());
	must_be(page.shards_count, 2);
	must(strcmp(page.engine, torc__shard->ring.engine->name) == 0);
	must(strncmp(program_invocation_short_name, page.program, 31) == 0);
	must(page.began_ns > 0 && page.began_ns <= torc_clock_ns());
	must(!page_is_over(&page));
	page_close(&page);
	return 0;
}

static int
keep_open(void *out)
{
	*(struct page *)out = open_page();
	return 0;
}

static void
it_is_gone_after_torc_run_and_there_in_the_next(void **state)
{
	const struct torc_options options = { .shards = 1 };
	struct page first, second;

	(void)state;
	must_be(torc_run(&options, keep_open, &first), 0);
	must_be(pages_count(), 1); /* ours */
	must(page_is_over(&first));
	page_close(&first);
	must_be(pages_count(), 0);

	must_be(torc_run(&options, keep_open, &second), 0);
	must(page_is_over(&second));
	page_close(&second);
	must_be(pages_count(), 0);
}

/* ---- a thread looks while the shard waits for it ---- */

/* Once the condition holds of the slot; on a thread that may block. */
#define read_until(page, slot, condition)                             \
	do {                                                          \
		uint64_t read_end_ns = torc_clock_ns() + PATIENCE_NS; \
		do                                                    \
			must(page_read(page, 0, slot) &&              \
				torc_clock_ns() < read_end_ns);       \
		while (!(condition));                                 \
	} while (0)

static int
look_at_a_sleeper(void *arg)
{
	const struct torc_shard *shard = arg;
	struct page page = open_page();
	struct slot slot;

	read_until(&page, &slot, slot.awake_since_ns == 0);
	must_be(slot.metrics.turns, torc__pulse_turns(&shard->pulse));
	must_be(slot.metrics.tasks_count, 1);
	must_be(slot.metrics.spawned_count, 1 + 7);
	page_close(&page);
	return 0;
}

static int
a_slot_is_told_before_its_shard_sleeps(void *unused)
{
	struct page page = open_page();
	struct slot slot;

	(void)unused;
	for (int i = 0; i < 7; i++)
		must_be(torc_spawn(NULL, do_nothing, NULL), 0);
	must_be(torc_blocking(look_at_a_sleeper, torc__shard, NULL), 0);

	/* And here it is awake again, before it tells anything more. */
	must(page_read(&page, 0, &slot));
	must(slot.awake_since_ns >= slot.told_ns);
	page_close(&page);
	return 0;
}

static int
a_shard_that_never_sleeps_tells_all_the_same(void *unused)
{
	struct page page = open_page();
	struct slot first, slot;
	uint64_t end_ns = torc_clock_ns() + PATIENCE_NS;

	(void)unused;
	must(page_read(&page, 0, &first));
	do {
		must_be(torc_yield(), 0);
		must(page_read(&page, 0, &slot) && torc_clock_ns() < end_ns);
	} while (slot.told_ns == first.told_ns);

	must(slot.awake_since_ns != 0);
	must(slot.metrics.turns > first.metrics.turns);
	page_close(&page);
	return 0;
}

static int
look_at_a_spinner(void *unused)
{
	struct page page = open_page();
	struct slot first, slot;

	(void)unused;
	must(page_read(&page, 0, &first));
	read_until(&page, &slot, slot.told_ns != first.told_ns);
	first = slot;
	read_until(&page, &slot, slot.told_ns != first.told_ns);

	must(slot.awake_since_ns != 0);
	must(slot.metrics.waited_ns > first.metrics.waited_ns);
	must_be(slot.metrics.asleep_ns, 0);
	page_close(&page);
	return 0;
}

static int
a_shard_that_only_looks_tells_all_the_same(void *unused)
{
	(void)unused;
	must_be(torc_blocking(look_at_a_spinner, NULL, NULL), 0);
	return 0;
}

/* ---- a reader and a writer at the same time ---- */

#define TELLS 100000

struct race {
	struct page page;
	_Atomic bool is_over;
	_Atomic uint64_t reads;
};

static void *
read_all_the_time(void *arg)
{
	struct race *race = arg;
	struct slot slot;

	while (!race->is_over) {
		const struct torc_metrics *m = &slot.metrics;

		if (!page_read(&race->page, 0, &slot))
			continue;
		must_be(m->asleep_ns, slot.told_ns);
		must_be(m->messages_count, slot.told_ns);
		must_be(m->spawned_count, slot.told_ns);
		race->reads++;
	}
	return NULL;
}

/* Numbers that are all the same, and others with each tell. */
static void
tell(struct torc_shard *shard, uint64_t number)
{
	shard->asleep_ns = number;
	shard->messages_count = number;
	shard->spawned_count = number;
	torc__metrics_tell(shard, number, false);
}

static int
no_reader_sees_a_torn_slot(void *unused)
{
	struct torc_shard *shard = torc__shard;
	struct race race = { .page = open_page() };
	uint64_t number = 1;
	pthread_t reader;

	(void)unused;
	tell(shard, number);
	must_be(pthread_create(&reader, NULL, read_all_the_time, &race), 0);
	for (; number < TELLS || race.reads < TELLS / 100; number++) {
		tell(shard, number);
		/* The loop has nothing to tell of its own meanwhile. */
		shard->tell_ns = UINT64_MAX;
		must_be(torc_yield(), 0);
	}
	race.is_over = true;
	pthread_join(reader, NULL);
	page_close(&race.page);
	return 0;
}

/* ---- a reader in the middle of a write ---- */

#define MEMORY_PAGE 4096

static struct {
	struct torc_metrics_page page;
	struct page reader;
	struct torc_shard shard; /* whose slot lies on two pages of memory */
	unsigned looks;
	bool was_whole;
} middle;

/* The first half of the slot is written, and the second is not. */
static void
on_second_half(int signo)
{
	struct slot slot;

	(void)signo;
	middle.looks++;
	middle.was_whole = page_read(&middle.reader, middle.shard.index, &slot);
	must_be(mprotect((char *)middle.page.head + MEMORY_PAGE, MEMORY_PAGE,
			PROT_READ | PROT_WRITE),
		0);
}

/* The index of a slot that begins before the second page of memory. */
static uint32_t
find_slot_on_two_pages(void)
{
	uint32_t index = 0;

	while (torc__metrics_slot_offset(index + 1) <= MEMORY_PAGE)
		index++;
	assert_in_range(torc__metrics_slot_offset(index),
		MEMORY_PAGE - sizeof(struct torc_metrics_slot) + 64,
		MEMORY_PAGE - 64);
	return index;
}

static void
a_slot_that_is_being_written_is_not_read(void **state)
{
	struct sigaction action = { .sa_handler = on_second_half }, before;
	struct slot slot;

	(void)state;
	middle.shard.index = find_slot_on_two_pages();
	torc__metrics_page_open(
		&middle.page, middle.shard.index + 1, "none", 1);
	assert_int_equal(
		page_open(&middle.reader, dup(middle.page.fd)), PAGE_FOUND);
	torc__metrics_page_join(&middle.page, &middle.shard);

	sigaction(SIGSEGV, &action, &before);
	assert_int_equal(mprotect((char *)middle.page.head + MEMORY_PAGE,
				 MEMORY_PAGE, PROT_NONE),
		0);
	torc__metrics_tell(&middle.shard, 7, false);
	sigaction(SIGSEGV, &before, NULL);

	assert_int_equal(middle.looks, 1);
	assert_false(middle.was_whole);
	assert_true(page_read(&middle.reader, middle.shard.index, &slot));
	assert_int_equal(slot.told_ns, 7);
	page_close(&middle.reader);
	torc__metrics_page_close(&middle.page);
}

/* ---- none ---- */

static int
count_no_page(void *unused)
{
	struct torc_metrics now;

	(void)unused;
	must_be(pages_count(), 0);
	/* What would tell has nowhere to. */
	must_be(torc_sleep(TORC_MS), 0);
	must_be(torc_yield(), 0);
	torc_metrics(&now);
	must(now.turns > 0);
	return 0;
}

static void
without_a_file_in_memory_torc_runs_without_a_page(void **state)
{
	const struct torc_options options = { .shards = 2 };

	(void)state;
	is_refused = true;
	must_be(torc_run(&options, count_no_page, NULL), 0);
	is_refused = false;
}

static void
an_older_kernel_gets_no_flag_that_it_does_not_know(void **state)
{
	const struct torc_options options = { .shards = 1 };
	struct page page;

	(void)state;
	is_old = true;
	must_be(torc_run(&options, keep_open, &page), 0);
	is_old = false;
	page_close(&page);
}

static void
a_simulation_has_no_page(void **state)
{
	const struct torc_options options = { .engine = "sim", .shards = 1 };

	(void)state;
	must_be(torc_run(&options, count_no_page, NULL), 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_SHARDS(the_head_names_process_shards_and_engine, 2),
		cmocka_unit_test(
			it_is_gone_after_torc_run_and_there_in_the_next),
		WITH_TORC(a_slot_is_told_before_its_shard_sleeps),
		WITH_TORC(a_shard_that_never_sleeps_tells_all_the_same),
		TORC_CASE(a_shard_that_only_looks_tells_all_the_same,
			.options.busy_poll = true),
		WITH_TORC(no_reader_sees_a_torn_slot),
		cmocka_unit_test(a_slot_that_is_being_written_is_not_read),
		cmocka_unit_test(
			without_a_file_in_memory_torc_runs_without_a_page),
		cmocka_unit_test(
			an_older_kernel_gets_no_flag_that_it_does_not_know),
		cmocka_unit_test(a_simulation_has_no_page),
	};

	(void)argc;
	forget_stacks(argv);
	return cmocka_run_group_tests_name(
		"core/metrics_page", tests, NULL, NULL);
}
