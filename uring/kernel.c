/* SPDX-License-Identifier: MIT */
/*
 * The kernel engine: io_uring itself.
 *
 * What the kernel has is found by trying it, never by its version.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <torc/base/clock.h>
#include <torc/base/log.h>

#include "uring/op_priv.h"
#include "uring/ring_priv.h"
#include "uring/sys_priv.h"

/* 6.6; older headers lack it. */
#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1U << 16)
#endif

/* 6.13; an enumerator of newer headers. */
#define REGISTER_SEND_MSG_RING 31

#define SETUP_BASE (IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP)

/* The ladder: each step is a set of flags and what is lost by taking it. */
static const struct setup_step {
	uint32_t flags;
	const char *lost;
} ladder[] = {
	{ SETUP_BASE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			IORING_SETUP_SUBMIT_ALL | IORING_SETUP_TASKRUN_FLAG |
			IORING_SETUP_NO_SQARRAY,
		NULL },
	{ SETUP_BASE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			IORING_SETUP_SUBMIT_ALL | IORING_SETUP_TASKRUN_FLAG,
		"NO_SQARRAY (Linux 6.6): one more index per submit" },
	{ SETUP_BASE | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL |
			IORING_SETUP_TASKRUN_FLAG,
		"DEFER_TASKRUN (Linux 6.1): completions interrupt tasks" },
	{ SETUP_BASE,
		"COOP_TASKRUN and SUBMIT_ALL (Linux 5.19): more interrupts" },
};

#define LADDER_STEPS (sizeof(ladder) / sizeof(ladder[0]))

static void
kernel_explain(int error, char *text, size_t bytes)
{
	struct rlimit limit = { 0 };
	const char *word = strerror(-error);

	switch (-error) {
	case EPERM:
	case EACCES:
		snprintf(text, bytes,
			"io_uring is forbidden here (%s): set sysctl "
			"kernel.io_uring_disabled=0, or allow io_uring_setup, "
			"io_uring_enter and io_uring_register in the "
			"container's seccomp profile",
			word);
		return;
	case ENOSYS:
		snprintf(text, bytes,
			"io_uring is missing or too old (%s): torc needs Linux "
			"6.1 or later with CONFIG_IO_URING, and no seccomp "
			"profile that hides io_uring_setup",
			word);
		return;
	case ENOMEM:
		getrlimit(RLIMIT_MEMLOCK, &limit);
		snprintf(text, bytes,
			"no memory for an io_uring: the locked-memory limit is "
			"%llu KiB for all rings of this user; raise it with "
			"ulimit -l or LimitMEMLOCK=",
			(unsigned long long)limit.rlim_cur / 1024);
		return;
	case EMFILE:
	case ENFILE:
		snprintf(text, bytes,
			"no descriptor for the ring (%s): raise ulimit -n",
			word);
		return;
	}
	snprintf(text, bytes, "io_uring_setup failed: %s", word);
}

static int
setup(struct torc_ring *ring, uint32_t flags, uint32_t sq_entries,
	uint32_t cq_entries)
{
	struct io_uring_params params = { .flags = flags,
		.cq_entries = cq_entries };

	return io_uring_queue_init_params(sq_entries, &ring->uring, &params);
}

/*
 * Whether the limit has room for a ring of `kib` beside all others of its
 * runtime, which may be full ones where it allows one.
 */
static bool
has_room(const struct torc_ring_options *options, uint64_t kib)
{
	uint64_t others = options->count > 0 ? options->count - 1 : 0;
	struct rlimit limit;
	uint64_t limit_kib;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return false;
	limit_kib = limit.rlim_cur / 1024;
	kib += others * (limit_kib >= TORC__MEMLOCK_KIB
					? TORC__MEMLOCK_KIB
					: TORC__MEMLOCK_KIB_MIN);
	return limit_kib >= kib;
}

/*
 * The kernel takes a ring apart some time after its owner is gone, and until
 * then it counts: who restarts within a limit waits for its predecessor, 1, 2,
 * 4 ... 512 ms, a second for all that the ring needs. True: try again.
 */
static bool
wait_for_memory(struct torc_ring *ring)
{
	long ms = ring->waited_ms + 1;
	struct timespec pause = { 0, ms * 1000000 };

	if (ms > 512)
		return false;
	nanosleep(&pause, NULL);
	ring->waited_ms = (uint16_t)(ring->waited_ms + ms);
	return true;
}

static int
setup_when_free(struct torc_ring *ring, uint32_t flags, uint32_t sq_entries,
	uint32_t cq_entries)
{
	int ret = -ENOMEM;

	while (ret == -ENOMEM && wait_for_memory(ring))
		ret = setup(ring, flags, sq_entries, cq_entries);
	return ret;
}

/* Rings count against RLIMIT_MEMLOCK, unless with CAP_IPC_LOCK. */
static int
setup_within_memlock(struct torc_ring *ring, uint32_t flags,
	const struct torc_ring_options *options)
{
	int ret = setup(ring, flags, options->sq_entries, options->cq_entries);

	ring->may_wait = has_room(options, TORC__MEMLOCK_KIB);
	if (ret == -ENOMEM && ring->may_wait)
		ret = setup_when_free(
			ring, flags, options->sq_entries, options->cq_entries);
	if (ret != -ENOMEM)
		return ret;
	/* At once to the least, so that the next shard finds some room. */
	ring->may_wait = has_room(options, TORC__MEMLOCK_KIB_MIN);
	ret = setup(ring, flags, TORC__SQ_ENTRIES_MIN, TORC__CQ_ENTRIES_MIN);
	if (ret == -ENOMEM && ring->may_wait)
		ret = setup_when_free(ring, flags, TORC__SQ_ENTRIES_MIN,
			TORC__CQ_ENTRIES_MIN);
	ring->is_small = ret == 0;
	return ret;
}

/* One line per step of the ladder, however many shards take it. */
static void
say_lost(size_t step)
{
	static atomic_flag is_said[LADDER_STEPS];

	if (step > 0 && !atomic_flag_test_and_set(&is_said[step]))
		torc_log(TORC_LOG_INFO,
			"the kernel lacks a ring flag; going on without %s",
			ladder[step].lost);
}

static int
setup_somehow(struct torc_ring *ring, const struct torc_ring_options *options)
{
	int ret = -EINVAL;

	if (options->setup_flags != 0)
		return setup(ring, options->setup_flags, options->sq_entries,
			options->cq_entries);
	for (size_t i = 0; i < LADDER_STEPS && ret == -EINVAL; i++) {
		say_lost(i);
		ret = setup_within_memlock(ring, ladder[i].flags, options);
	}
	return ret;
}

static int
kernel_open(struct torc_ring *ring, const struct torc_ring_options *options)
{
	int ret = setup_somehow(ring, options);

	if (ret < 0)
		return ret;
	io_uring_ring_dontfork(&ring->uring);
	/* 5.18: saves the look-up of the descriptor in every enter. */
	if (io_uring_register_ring_fd(&ring->uring) == 1)
		ring->enter_flags = IORING_ENTER_REGISTERED_RING;
	if (!(ring->uring.features & IORING_FEAT_NODROP) ||
		!(ring->uring.features & IORING_FEAT_EXT_ARG)) {
		io_uring_queue_exit(&ring->uring);
		return -ENOSYS;
	}
	return 0;
}

static void
kernel_close(struct torc_ring *ring)
{
	io_uring_queue_exit(&ring->uring);
}

static __attribute__((noinline)) int
enter_timed(struct torc_ring *ring, uint32_t to_submit, uint32_t min_complete,
	uint64_t timeout_ns)
{
	struct __kernel_timespec ts = {
		.tv_sec = (int64_t)(timeout_ns / TORC_S),
		.tv_nsec = (int64_t)(timeout_ns % TORC_S),
	};
	struct io_uring_getevents_arg arg = { .ts = (uintptr_t)&ts };

	return io_uring_enter2((unsigned)ring->uring.enter_ring_fd, to_submit,
		min_complete,
		IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG |
			ring->enter_flags,
		(sigset_t *)&arg, sizeof(arg));
}

/*
 * Without variables of its own this ends in a jump: after a system call the
 * CPU has forgotten all return addresses, and each return costs some 8 ns.
 */
static int
kernel_enter(struct torc_ring *ring, uint32_t to_submit, uint32_t min_complete,
	uint64_t timeout_ns)
{
	if (min_complete != 0 && timeout_ns != UINT64_MAX)
		return enter_timed(ring, to_submit, min_complete, timeout_ns);
	return io_uring_enter((unsigned)ring->uring.enter_ring_fd, to_submit,
		min_complete, IORING_ENTER_GETEVENTS | ring->enter_flags, NULL);
}

/* From now on a wait would hold up tasks. */
static void
kernel_begin(struct torc_ring *ring)
{
	ring->may_wait = false;
}

static int
kernel_reg(struct torc_ring *ring, uint32_t opcode, const void *arg,
	uint32_t arg_count)
{
	unsigned fd = (unsigned)ring->uring.ring_fd;
	int ret = io_uring_register(fd, opcode, arg, arg_count);

	while (ret == -ENOMEM && ring->may_wait && wait_for_memory(ring))
		ret = io_uring_register(fd, opcode, arg, arg_count);
	return ret;
}

static uint64_t
kernel_now_ns(struct torc_ring *ring)
{
	(void)ring;
	return torc_clock_ns();
}

/* Older kernels than 6.13 know messages from ring to ring only. */
static int
kernel_message_remote(int fd)
{
	struct io_uring_sqe sqe = { 0 };

	io_uring_prep_msg_ring(&sqe, fd, 0, TORC__OP_TAG_WAKE, 0);
	return io_uring_register((unsigned)-1, REGISTER_SEND_MSG_RING, &sqe, 1);
}

/*
 * A descriptor of its own: who rings late, after the ring was closed, must
 * not find another file behind the number.
 */
static int
kernel_message_open(struct torc_ring *ring)
{
	const void *nowhere = (const void *)1;
	int fd;

	/* Only who knows the call reads what it is about. */
	if (io_uring_register((unsigned)-1, REGISTER_SEND_MSG_RING, nowhere,
		    1) != -EFAULT)
		return -EOPNOTSUPP;
	fd = fcntl(ring->uring.ring_fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

const struct torc_engine torc__engine_kernel = {
	.name = "kernel",
	.open = kernel_open,
	.close = kernel_close,
	.begin = kernel_begin,
	.enter = kernel_enter,
	.reg = kernel_reg,
	.now_ns = kernel_now_ns,
	.explain = kernel_explain,
	.message_open = kernel_message_open,
	.message_remote = kernel_message_remote,
	TORC__SYS_CALLS,
};
