/* SPDX-License-Identifier: MIT */
/* The ring itself: whether there is one, and which of its flags. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "doctor/probes.h"
#include "uring/ring_priv.h"

/* 6.6; older headers lack it. */
#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1U << 16)
#endif

#define EPOLL_INSTEAD \
	"the epoll engine: a system call for each receive and send"

static const struct {
	const char *name;
	uint32_t flag;
	uint32_t with; /* it is refused without these */
	const char *instead;
	const char *change;
} flags[] = {
	{ "CQSIZE", IORING_SETUP_CQSIZE, 0, EPOLL_INSTEAD, "Linux 5.5" },
	{ "CLAMP", IORING_SETUP_CLAMP, 0, EPOLL_INSTEAD, "Linux 5.6" },
	{ "SUBMIT_ALL", IORING_SETUP_SUBMIT_ALL, 0,
		"one more enter after an operation that is refused",
		"Linux 5.18" },
	{ "COOP_TASKRUN", IORING_SETUP_COOP_TASKRUN, 0,
		"completions interrupt tasks", "Linux 5.19" },
	{ "TASKRUN_FLAG", IORING_SETUP_TASKRUN_FLAG, IORING_SETUP_COOP_TASKRUN,
		"a shard that spins sees completions late", "Linux 5.19" },
	{ "SINGLE_ISSUER", IORING_SETUP_SINGLE_ISSUER, 0,
		"the kernel takes more locks", "Linux 6.0" },
	{ "DEFER_TASKRUN", IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_SINGLE_ISSUER,
		"COOP_TASKRUN: completions come between two turns",
		"Linux 6.1" },
	{ "NO_SQARRAY", IORING_SETUP_NO_SQARRAY, 0, "one more index per submit",
		"Linux 6.6" },
};

static const struct {
	const char *name;
	uint8_t opcode;
} opcodes[] = {
	{ "NOP", IORING_OP_NOP },
	{ "ACCEPT", IORING_OP_ACCEPT },
	{ "CONNECT", IORING_OP_CONNECT },
	{ "RECV", IORING_OP_RECV },
	{ "RECVMSG", IORING_OP_RECVMSG },
	{ "SEND", IORING_OP_SEND },
	{ "SENDMSG", IORING_OP_SENDMSG },
	{ "READ", IORING_OP_READ },
	{ "POLL_ADD", IORING_OP_POLL_ADD },
	{ "CLOSE", IORING_OP_CLOSE },
	{ "TIMEOUT", IORING_OP_TIMEOUT },
	{ "ASYNC_CANCEL", IORING_OP_ASYNC_CANCEL },
};

#define FLAGS (sizeof(flags) / sizeof(flags[0]))
#define OPCODES (sizeof(opcodes) / sizeof(opcodes[0]))

bool
is_worth_another_try(int error, unsigned *tries)
{
	static const struct timespec moment = { .tv_nsec = 10000000 };

	if (error != -ENOMEM || *tries == 0)
		return false;
	--*tries;
	nanosleep(&moment, NULL);
	return true;
}

int
open_small_ring(struct io_uring *ring, uint32_t setup_flags)
{
	unsigned tries = PROBE_TRIES;
	int ret;

	do {
		struct io_uring_params params = {
			.flags = setup_flags | IORING_SETUP_CQSIZE,
			.cq_entries = 16,
		};

		ret = io_uring_queue_init_params(8, ring, &params);
	} while (is_worth_another_try(ret, &tries));
	return ret;
}

/* Operations that are missing, by name; how many. */
static unsigned
find_missing(char *text, size_t bytes)
{
	struct io_uring_probe *probe = NULL;
	struct io_uring ring;
	bool has_ring = open_small_ring(&ring, 0) == 0;
	unsigned count = 0;
	size_t at = 0;

	if (has_ring)
		probe = io_uring_get_probe_ring(&ring);
	text[0] = '\0';
	for (size_t i = 0; i < OPCODES; i++) {
		if (probe != NULL &&
			io_uring_opcode_supported(probe, opcodes[i].opcode))
			continue;
		if (at < bytes)
			at += (size_t)snprintf(text + at, bytes - at, "%s%s",
				count ? " " : "", opcodes[i].name);
		count++;
	}
	io_uring_free_probe(probe);
	if (has_ring)
		io_uring_queue_exit(&ring);
	return count;
}

/* Half of it would be worse than none: what torc cannot do without. */
static int
try_engine(void)
{
	static const struct torc_ring_options options = {
		.sq_entries = TORC__SQ_ENTRIES_MIN,
		.cq_entries = TORC__CQ_ENTRIES_MIN,
	};
	_Alignas(4096) static uint8_t entries[4096];
	struct io_uring_buf_reg reg = {
		.ring_addr = (uintptr_t)entries,
		.ring_entries = 8,
		.bgid = 1,
	};
	struct torc_ring ring;
	unsigned tries = PROBE_TRIES;
	char missing[128];
	int ret;

	do
		ret = torc__ring_open(&ring, &torc__engine_kernel, &options);
	while (is_worth_another_try(ret, &tries));
	if (ret < 0)
		return ret;
	do
		ret = ring.engine->reg(
			&ring, IORING_REGISTER_PBUF_RING, &reg, 1);
	while (is_worth_another_try(ret, &tries));
	torc__ring_close(&ring);
	/* An old kernel does not know the call. */
	if (ret == -EINVAL ||
		(ret == 0 && find_missing(missing, sizeof(missing)) != 0))
		return -ENOSYS;
	return ret;
}

bool
probe_engine(struct report *report)
{
	int ret = try_engine();
	char remedy[320];

	report->group = "engine";
	if (ret == 0) {
		report_add(report, "io_uring", ROW_YES, "yes");
		return true;
	}
	torc__engine_kernel.explain(ret, remedy, sizeof(remedy));
	row_advise(report_add(report, "io_uring", ROW_NO, "no (%s)",
			   strerror(-ret)),
		EPOLL_INSTEAD, remedy);
	return false;
}

static bool
has_flag(uint32_t setup_flags)
{
	struct io_uring ring;

	if (open_small_ring(&ring, setup_flags) < 0)
		return false;
	io_uring_queue_exit(&ring);
	return true;
}

void
probe_setup(struct report *report)
{
	struct io_uring ring;
	bool is_registered = false;

	report->group = "ring set-up";
	for (size_t i = 0; i < FLAGS; i++)
		report_has(report, flags[i].name,
			has_flag(flags[i].flag | flags[i].with),
			flags[i].instead, flags[i].change);
	if (open_small_ring(&ring, 0) == 0) {
		is_registered = io_uring_register_ring_fd(&ring) == 1;
		io_uring_queue_exit(&ring);
	}
	report_has(report, "registered ring", is_registered,
		"the descriptor is looked up in every enter", "Linux 5.18");
}

void
probe_opcodes(struct report *report)
{
	char missing[80];
	unsigned count = find_missing(missing, sizeof(missing));

	report->group = "operations";
	if (count == 0)
		report_add(report, "opcodes that torc uses", ROW_YES,
			"%zu of %zu", OPCODES, OPCODES);
	else
		row_advise(report_add(report, "opcodes that torc uses", ROW_NO,
				   "without %s", missing),
			EPOLL_INSTEAD, "Linux 6.1");
}
