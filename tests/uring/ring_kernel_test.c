/* SPDX-License-Identifier: MIT */
/*
 * Goal    The ring opens with what the kernel and the limits allow, says in
 *         one line what it had to do without, and loses no completion when
 *         the CQ is too small or a signal comes in between.
 * Method  The real kernel. What it might lack is taken from it: a thread under
 *         a seccomp filter asks this test before each io_uring_setup, and is
 *         refused the flags that an older kernel does not know. Limits and
 *         prohibitions are tried in a child.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <torc.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include "uring/op_priv.h"

#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1U << 16)
#endif

static const struct torc_ring_options defaults;

struct counter {
	struct torc_op op;
	unsigned *count;
};

static void
count_cqe(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct counter *c = torc__container_of(op, struct counter, op);

	if (res == 0 && !(cqe_flags & IORING_CQE_F_MORE))
		++*c->count;
}

static void
dispatch_all(struct torc_ring *ring)
{
	while (torc__ring_cq_count(ring) != 0) {
		struct torc_cqe cqe = torc__ring_pop(ring);

		torc__op_dispatch(ring, cqe.user_data, cqe.res, cqe.flags);
	}
}

static void
submit_nop(struct torc_ring *ring, struct counter *c, unsigned *count)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(ring);

	c->count = count;
	torc__op_init(&c->op, count_cqe);
	io_uring_prep_nop(sqe);
	torc__op_submit(ring, &c->op, sqe);
}

/* ---- as the kernel is ---- */

static void
a_no_op_comes_back(void **state)
{
	struct torc_ring ring;
	struct counter c;
	unsigned count = 0;

	(void)state;
	assert_int_equal(
		torc__ring_open(&ring, &torc__engine_kernel, &defaults), 0);
	submit_nop(&ring, &c, &count);
	assert_int_equal(torc__ring_enter(&ring, 1, UINT64_MAX), 0);
	dispatch_all(&ring);

	assert_int_equal(count, 1);
	assert_int_equal(ring.inflight_count, 0);
	torc__ring_close(&ring);
}

/* Ten times what the CQ holds, and nobody looks meanwhile. */
static void
an_overflowing_cq_loses_nothing_and_is_counted(void **state)
{
	enum { NOPS = 5000 };
	struct torc_ring_options options = { .sq_entries = 64,
		.cq_entries = 512 };
	struct counter *c = calloc(NOPS, sizeof(*c));
	struct torc_ring ring;
	unsigned count = 0;

	(void)state;
	assert_int_equal(
		torc__ring_open(&ring, &torc__engine_kernel, &options), 0);
	assert_int_equal(ring.uring.cq.ring_entries, 512);
	for (unsigned i = 0; i < NOPS; i++)
		submit_nop(&ring, &c[i], &count);
	for (unsigned turn = 0; turn < 1000 && count < NOPS; turn++) {
		assert_int_equal(torc__ring_enter(&ring, 0, 0), 0);
		dispatch_all(&ring);
	}

	assert_int_equal(count, NOPS);
	assert_int_equal(ring.stats.sqes, NOPS);
	assert_in_range(ring.stats.overflows, 1, ring.stats.enters - 1);
	assert_int_equal(ring.stats.cqes_stale, 0);
	assert_int_equal(ring.inflight_count, 0);
	torc__ring_close(&ring);
	free(c);
}

static void
a_wait_ends_at_its_time(void **state)
{
	struct torc_ring ring;
	uint64_t before;

	(void)state;
	assert_int_equal(
		torc__ring_open(&ring, &torc__engine_kernel, &defaults), 0);
	before = torc__ring_now_ns(&ring);
	assert_int_equal(torc__ring_enter(&ring, 1, 20 * TORC_MS), 0);

	assert_true(torc__ring_now_ns(&ring) - before >= 20 * TORC_MS);
	torc__ring_close(&ring);
}

static volatile sig_atomic_t signals_count;

static void
on_signal(int signo)
{
	(void)signo;
	signals_count++;
}

static void
a_signal_in_the_middle_of_a_wait_is_no_error(void **state)
{
	struct itimerspec soon = { .it_value.tv_nsec = 20000000 };
	struct sigaction action = { .sa_handler = on_signal }, old;
	struct torc_ring ring;
	timer_t timer;

	(void)state;
	signals_count = 0;
	sigaction(SIGALRM, &action, &old);
	assert_int_equal(timer_create(CLOCK_MONOTONIC, NULL, &timer), 0);
	assert_int_equal(
		torc__ring_open(&ring, &torc__engine_kernel, &defaults), 0);
	timer_settime(timer, 0, &soon, NULL);
	assert_int_equal(torc__ring_enter(&ring, 1, UINT64_MAX), 0);

#ifndef TORC__TSAN /* which calls handlers when it suits it */
	assert_int_equal(signals_count, 1);
#endif
	assert_int_equal(torc__ring_cq_count(&ring), 0);
	torc__ring_close(&ring);
	timer_delete(timer);
	sigaction(SIGALRM, &old, NULL);
}

/* An op of an earlier ring would be served by this one: nothing is left. */
static void
a_cancelled_read_ends_with_its_own_cqe(void **state)
{
	struct torc_ring ring;
	struct counter c;
	unsigned count = 0;
	int fds[2];
	char byte;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(
		torc__ring_open(&ring, &torc__engine_kernel, &defaults), 0);
	struct io_uring_sqe *sqe = torc__ring_sqe(&ring);

	c.count = &count;
	torc__op_init(&c.op, count_cqe);
	io_uring_prep_read(sqe, fds[0], &byte, 1, 0);
	torc__op_submit(&ring, &c.op, sqe);
	torc__op_cancel(&ring, &c.op);
	while (!torc__op_is_idle(&c.op)) {
		assert_int_equal(torc__ring_enter(&ring, 1, UINT64_MAX), 0);
		dispatch_all(&ring);
	}

	assert_int_equal(torc__ring_cq_count(&ring), 0);
	torc__ring_close(&ring);
	close(fds[0]);
	close(fds[1]);
}

/* ---- the ladder ---- */

static int
filter_setup(unsigned action, unsigned flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = 4, .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return (int)syscall(
		SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

/* A thread that opens a ring on a kernel which lacks some flags. */
struct attempt {
	uint32_t missing; /* flags that the kernel does not know */
	_Atomic int listener;
	int ret;
	unsigned count; /* no-ops that came back */
	uint32_t flags; /* of the ring that opened */
};

static void *
open_under_a_filter(void *arg)
{
	struct attempt *attempt = arg;
	struct torc_ring ring;
	struct counter c;

	attempt->listener = filter_setup(
		SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
	if (attempt->listener < 0)
		return NULL;
	attempt->ret = torc__ring_open(&ring, &torc__engine_kernel, &defaults);
	if (attempt->ret < 0)
		return NULL;
	attempt->flags = ring.uring.flags;
	for (unsigned i = 0; i < 3 * TORC__SQ_ENTRIES; i++) {
		submit_nop(&ring, &c, &attempt->count);
		if (torc__ring_enter(&ring, 1, UINT64_MAX) < 0)
			break;
		dispatch_all(&ring);
	}
	torc__ring_close(&ring);
	return NULL;
}

/* Be the older kernel until the thread has its ring. */
static void
answer_setups(struct attempt *attempt)
{
	struct seccomp_notif ask;
	struct seccomp_notif_resp answer;

	for (;;) {
		memset(&ask, 0, sizeof(ask));
		memset(&answer, 0, sizeof(answer));
		/* Fails once the thread, the filter's only user, is gone. */
		if (ioctl(attempt->listener, SECCOMP_IOCTL_NOTIF_RECV, &ask))
			return;
		const struct io_uring_params *params =
			(const void *)(uintptr_t)ask.data.args[1];

		answer.id = ask.id;
		if (params->flags & attempt->missing)
			answer.error = -EINVAL;
		else
			answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		if (ioctl(attempt->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer))
			return;
	}
}

static void *
answer_until_cancelled(void *arg)
{
	answer_setups(arg);
	return NULL;
}

static struct attempt attempt;

/* In a child, so that its lines can be read. */
static int
try_the_ladder(void)
{
	pthread_t opener, kernel;

	attempt.listener = -1;
	attempt.ret = 1;
	if (pthread_create(&opener, NULL, open_under_a_filter, &attempt))
		return 1;
	while (attempt.listener == -1)
		sched_yield();
	if (attempt.listener < 0)
		return 77;
	if (pthread_create(&kernel, NULL, answer_until_cancelled, &attempt))
		return 1;
	pthread_join(opener, NULL);
	if (attempt.ret != 0)
		return 2;
	if (attempt.flags & attempt.missing)
		return 3;
	return attempt.count == 3 * TORC__SQ_ENTRIES ? 0 : 4;
}

static unsigned
lines_in(const char *text)
{
	unsigned count = 0;

	for (; *text != '\0'; text++)
		count += *text == '\n';
	return count;
}

static void
a_flag_that_the_kernel_lacks_costs_one_line(void **state)
{
	static const struct {
		uint32_t missing;
		unsigned steps;
		const char *word;
	} kernels[] = {
		{ 0, 0, "" },
		{ IORING_SETUP_NO_SQARRAY, 1, "NO_SQARRAY" },
		{ IORING_SETUP_NO_SQARRAY | IORING_SETUP_DEFER_TASKRUN, 2,
			"DEFER_TASKRUN" },
		{ IORING_SETUP_NO_SQARRAY | IORING_SETUP_DEFER_TASKRUN |
				IORING_SETUP_SINGLE_ISSUER |
				IORING_SETUP_COOP_TASKRUN |
				IORING_SETUP_TASKRUN_FLAG |
				IORING_SETUP_SUBMIT_ALL,
			3, "COOP_TASKRUN" },
	};

	(void)state;
#ifdef TORC__TSAN
	skip(); /* it allows a child no threads */
#endif
	for (unsigned i = 0; i < 4; i++) {
		char text[4096];
		int status;

		attempt.missing = kernels[i].missing;
		status = run_in_child(try_the_ladder, text, sizeof(text));
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) == 77)
			skip();
		assert_int_equal(WEXITSTATUS(status), 0);
		assert_int_equal(lines_in(text), kernels[i].steps);
		assert_non_null(strstr(text, kernels[i].word));
	}
}

/* ---- forbidden, and poor ---- */

static int
nothing(void *arg)
{
	(void)arg;
	return torc_sleep(TORC_MS);
}

static int forbidden_error;

/* -errno, or 0 when it ran; 77 when nothing can be forbidden here. */
static int
run_where_it_is_forbidden(const char *engine)
{
	struct torc_options options = { .engine = engine, .shards = 2 };
	int ret =
		filter_setup(SECCOMP_RET_ERRNO | (unsigned)forbidden_error, 0);

	return ret < 0 ? 77 : torc_run(&options, nothing, NULL);
}

static int
run_forbidden(void)
{
	int ret = run_where_it_is_forbidden("kernel");

	return ret == 77 ? 77 : ret != -forbidden_error;
}

static int
run_forbidden_on_whatever_there_is(void)
{
	unsetenv("TORC_ENGINE");
	return run_where_it_is_forbidden(NULL);
}

static void
a_ring_that_is_forbidden_is_explained_in_a_line(void **state)
{
	static const struct {
		int error;
		const char *words[2];
	} refusals[] = {
		{ EPERM, { "io_uring_disabled", "seccomp" } },
		{ ENOSYS, { "CONFIG_IO_URING", "6.1" } },
		{ EMFILE, { "descriptor", "ulimit -n" } },
	};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		char text[4096];
		int status;

		forbidden_error = refusals[i].error;
		status = run_in_child(run_forbidden, text, sizeof(text));
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) == 77)
			skip();
		assert_int_equal(WEXITSTATUS(status), 0);
		assert_int_equal(lines_in(text), 1);
		assert_non_null(strstr(text, refusals[i].words[0]));
		assert_non_null(strstr(text, refusals[i].words[1]));
	}
}

static void
where_it_is_forbidden_epoll_serves_and_a_line_says_so(void **state)
{
	static const int errors[] = { EPERM, ENOSYS };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		char text[4096];
		int status;

		forbidden_error = errors[i];
		status = run_in_child(
			run_forbidden_on_whatever_there_is, text, sizeof(text));
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) == 77)
			skip();
		assert_int_equal(WEXITSTATUS(status), 0);
		assert_int_equal(lines_in(text), 1);
		assert_non_null(strstr(text, "going on with epoll"));
		assert_non_null(strstr(text, "seccomp"));
	}
}

#define USERS_FIRST 1000000
#define USERS_COUNT 1000000

/* A common default, with which a shard must still run. */
#define MEMLOCK_KIB_POOR 64

static rlim_t memlock_bytes;
static const char *poor_engine;

/*
 * Root may lock what it likes. The limit is for all of a user's rings, which
 * last a moment longer than their process: a new user each time.
 */
static bool
become_poor(void)
{
	struct rlimit limit = { memlock_bytes, memlock_bytes };

	return setrlimit(RLIMIT_MEMLOCK, &limit) == 0 && setgid(65534) == 0 &&
	       setuid(USERS_FIRST + (uid_t)getpid() % USERS_COUNT) == 0;
}

/* 0: it ran; 1: it said why not; 77: this user cannot be another one. */
static int
run_poor(void)
{
	struct torc_options options = { .engine = poor_engine, .shards = 1 };
	int ret;

	unsetenv("TORC_ENGINE");
	if (!become_poor())
		return 77;
	ret = torc_run(&options, nothing, NULL);
	if (ret == 0)
		return 0;
	return ret == -ENOMEM ? 1 : 2;
}

static void
too_little_locked_memory_is_lived_with_or_explained(void **state)
{
	static const unsigned limits_kib[] = { 0, 4, 8, 16, 32,
		MEMLOCK_KIB_POOR, TORC__MEMLOCK_KIB, 8192 };

	(void)state;
	poor_engine = "kernel";
	for (unsigned i = 0; i < 8; i++) {
		unsigned kib = limits_kib[i];
		char text[4096];
		int status;

		memlock_bytes = (rlim_t)kib << 10;
		status = run_in_child(run_poor, text, sizeof(text));
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) == 77)
			skip();
		printf("memlock %u KiB: %s%s", kib, text,
			text[0] != '\0' ? "" : "silent\n");
		assert_in_range(WEXITSTATUS(status), 0, 1);
		/* One: on a smaller ring, or why on none at all. */
		assert_in_range(lines_in(text), WEXITSTATUS(status), 1);
		if (text[0] != '\0')
			assert_non_null(strstr(text, "ulimit -l"));
		if (kib >= MEMLOCK_KIB_POOR)
			assert_int_equal(WEXITSTATUS(status), 0);
		if (kib >= TORC__MEMLOCK_KIB)
			assert_string_equal(text, "");
	}
}

/* What even the smallest ring is too much for. */
static void
without_locked_memory_epoll_serves_and_a_line_says_so(void **state)
{
	char text[4096];
	int status;

	(void)state;
	poor_engine = NULL;
	memlock_bytes = 0;
	status = run_in_child(run_poor, text, sizeof(text));
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(lines_in(text), 1);
	assert_non_null(strstr(text, "going on with epoll"));
	assert_non_null(strstr(text, "ulimit -l"));
}

/* By rings of provided buffers, of a page each. */
static void
lock_all_but(struct io_uring *uring, unsigned pages)
{
	struct io_uring_buf_reg reg = { .ring_entries = 256 };
	static _Alignas(4096) uint8_t page[4096];

	reg.ring_addr = (uintptr_t)page;
	while (io_uring_register_buf_ring(uring, &reg, 0) == 0)
		reg.bgid++;
	while (pages-- > 0 && reg.bgid > 0)
		io_uring_unregister_buf_ring(uring, --reg.bgid);
}

/* What another process leaves free, in pages; none: no more than its ring. */
static unsigned free_pages;

/* Has a ring for some time, then ends with it. */
static void
be_predecessor(int ready)
{
	struct io_uring_params params = { .flags = IORING_SETUP_CQSIZE,
		.cq_entries = TORC__CQ_ENTRIES };
	struct timespec pause = { 0, 20 * 1000 * 1000 };
	struct io_uring uring;
	bool is_made;

	if (free_pages > 0)
		params.cq_entries = 128;
	is_made = io_uring_queue_init_params(64, &uring, &params) == 0;
	if (is_made && free_pages > 0)
		lock_all_but(&uring, free_pages);
	if (is_made && write(ready, "", 1) == 1)
		nanosleep(&pause, NULL);
	_exit(0);
}

/* 78: what held the memory could not have it either. */
static int
run_after_predecessor(void)
{
	struct torc_options options = { .engine = "kernel", .shards = 1 };
	int ready[2];
	char byte;

	unsetenv("TORC_ENGINE");
	if (!become_poor())
		return 77;
	if (pipe(ready) < 0)
		return 3;
	if (fork() == 0)
		be_predecessor(ready[1]);
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		return 78;
	return torc_run(&options, nothing, NULL) == 0 ? 0 : 1;
}

static void
a_restart_waits_for_the_memory_of_the_process_before(void **state)
{
	char text[4096];
	int status;

	(void)state;
	free_pages = 0;
	memlock_bytes = (rlim_t)TORC__MEMLOCK_KIB << 10;
	status = run_in_child(run_after_predecessor, text, sizeof(text));
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_string_equal(text, "");
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* A small ring fits at once, the page of its buffers does not. */
static void
a_restart_waits_for_the_memory_of_its_buffers(void **state)
{
	char text[4096];
	int status;

	(void)state;
	free_pages = 4;
	memlock_bytes = (rlim_t)MEMLOCK_KIB_POOR << 10;
	status = run_in_child(run_after_predecessor, text, sizeof(text));
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(lines_in(text), 1);
}

static int
register_memory(void *unused)
{
	void *memory = torc_io_alloc(4096);
	struct torc_file *file;
	int ret = torc_file_open(&file, "/proc/self/exe", O_RDONLY, 0);

	(void)unused;
	if (ret < 0)
		return ret;
	ret = (int)torc_file_read(file, memory, 4096);
	torc_file_close(file);
	torc_io_free(memory);
	return ret == 4096 ? 0 : -EIO;
}

/* As much for each as the limit leaves once. */
static int
run_again_and_again(void)
{
	struct torc_options options = { .engine = "kernel", .shards = 1 };
	int ret = 0;

	unsetenv("TORC_ENGINE");
	if (!become_poor())
		return 77;
	for (unsigned i = 0; i < 10 && ret == 0; i++)
		ret = torc_run(&options, register_memory, NULL);
	return ret == 0 ? 0 : 1;
}

static void
a_second_run_registers_its_memory_like_the_first(void **state)
{
	char text[4096];
	int status;

	(void)state;
	memlock_bytes = (rlim_t)8192 << 10;
	status = run_in_child(run_again_and_again, text, sizeof(text));
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_string_equal(text, "");
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* By whoever started this, for all that it runs. */
static bool
is_forbidden(void)
{
	struct io_uring probe;
	int ret = io_uring_queue_init(1, &probe, 0);

	if (ret == 0)
		io_uring_queue_exit(&probe);
	return ret == -EPERM || ret == -ENOSYS;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_no_op_comes_back),
		cmocka_unit_test(
			an_overflowing_cq_loses_nothing_and_is_counted),
		cmocka_unit_test(a_wait_ends_at_its_time),
		cmocka_unit_test(a_signal_in_the_middle_of_a_wait_is_no_error),
		cmocka_unit_test(a_cancelled_read_ends_with_its_own_cqe),
		cmocka_unit_test(a_flag_that_the_kernel_lacks_costs_one_line),
		cmocka_unit_test(
			a_ring_that_is_forbidden_is_explained_in_a_line),
		cmocka_unit_test(
			where_it_is_forbidden_epoll_serves_and_a_line_says_so),
		cmocka_unit_test(
			too_little_locked_memory_is_lived_with_or_explained),
		cmocka_unit_test(
			without_locked_memory_epoll_serves_and_a_line_says_so),
		cmocka_unit_test(
			a_restart_waits_for_the_memory_of_the_process_before),
		cmocka_unit_test(a_restart_waits_for_the_memory_of_its_buffers),
		cmocka_unit_test(
			a_second_run_registers_its_memory_like_the_first),
	};

	if (is_forbidden()) {
		puts("skip: io_uring is forbidden here");
		return 77;
	}
	return cmocka_run_group_tests_name("uring/ring", tests, NULL, NULL);
}
