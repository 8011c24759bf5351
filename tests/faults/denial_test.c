/* SPDX-License-Identifier: MIT */
/*
 * Goal    A kernel, a container or a limit that refuses one thing costs no
 *         more than what it stands for: torc goes on without it, or says in
 *         a line what is missing. It never hangs and never ends by accident.
 * Method  Everything that torc uses of io_uring is refused, one at a time, in
 *         a child that then needs all of torc's sockets. Set-up, registering
 *         and entering are refused in front of the system calls, operations
 *         and their flags by the faulty engine, without any faults.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <torc.h>

#include "tests/faults/denial.h"
#include "tests/support/fake_shard.h"
#include "tests/support/faulty_engine.h"
#include "tests/test.h"

#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1U << 16)
#endif

/* ---- what is refused ---- */

enum layer { SETUP, FEATURE, REGISTER, ENTER, EVENT, SIGNALS, OP, SQE_FLAG };

typedef bool meant_fn(const struct io_uring_sqe *sqe);

enum end {
	SERVES,  /* all but the steps named in `lost` */
	LEAVES,  /* the same, and torc_run() says that something did not end */
	REFUSES, /* torc_run() returns an error */
	STOPS,   /* the process, for the ring is lost */
};

struct denial {
	const char *name;
	enum layer layer;
	uint32_t what; /* flags, or the code of a call or an operation */
	int error;
	meant_fn *is_meant; /* of a sub-flag */
	enum end end;
	const char *says; /* a part of what torc logs, or NULL: nothing */
	const char *lost; /* steps of denial.c that the refused thing is for */
};

static const struct denial *denied;

int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
	struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
	struct io_uring_params *params);
int __real_io_uring_register_ring_fd(struct io_uring *ring);
int __wrap_io_uring_register_ring_fd(struct io_uring *ring);
int __real_io_uring_register(
	unsigned fd, unsigned opcode, const void *arg, unsigned count);
int __wrap_io_uring_register(
	unsigned fd, unsigned opcode, const void *arg, unsigned count);
int __real_io_uring_enter2(unsigned fd, unsigned to_submit, unsigned min,
	unsigned flags, void *arg, size_t bytes);
int __wrap_io_uring_enter2(unsigned fd, unsigned to_submit, unsigned min,
	unsigned flags, void *arg, size_t bytes);
int __real_torc__sys_event_open(struct torc_ring *ring);
int __wrap_torc__sys_event_open(struct torc_ring *ring);
int __real_torc__sys_signals_open(struct torc_ring *ring, const sigset_t *set);
int __wrap_torc__sys_signals_open(struct torc_ring *ring, const sigset_t *set);

static bool
refuses(enum layer layer, uint32_t what)
{
	if (denied == NULL || denied->layer != layer)
		return false;
	if (layer == REGISTER)
		return denied->what == what;
	return denied->what == 0 || (denied->what & what) != 0;
}

int
__wrap_io_uring_queue_init_params(
	unsigned entries, struct io_uring *ring, struct io_uring_params *params)
{
	int ret;

	if (refuses(SETUP, params->flags))
		return denied->error;
	ret = __real_io_uring_queue_init_params(entries, ring, params);
	if (refuses(FEATURE, UINT32_MAX))
		ring->features &= ~denied->what;
	return ret;
}

int
__wrap_io_uring_register_ring_fd(struct io_uring *ring)
{
	if (refuses(REGISTER, IORING_REGISTER_RING_FDS))
		return denied->error;
	return __real_io_uring_register_ring_fd(ring);
}

int
__wrap_io_uring_register(
	unsigned fd, unsigned opcode, const void *arg, unsigned count)
{
	if (refuses(REGISTER, opcode))
		return denied->error;
	return __real_io_uring_register(fd, opcode, arg, count);
}

int
__wrap_io_uring_enter2(unsigned fd, unsigned to_submit, unsigned min,
	unsigned flags, void *arg, size_t bytes)
{
	if (refuses(ENTER, flags))
		return denied->error;
	return __real_io_uring_enter2(fd, to_submit, min, flags, arg, bytes);
}

int
__wrap_torc__sys_event_open(struct torc_ring *ring)
{
	if (refuses(EVENT, 0))
		return denied->error;
	return __real_torc__sys_event_open(ring);
}

int
__wrap_torc__sys_signals_open(struct torc_ring *ring, const sigset_t *set)
{
	if (refuses(SIGNALS, 0))
		return denied->error;
	return __real_torc__sys_signals_open(ring, set);
}

static int32_t
refuse_sqe(const struct io_uring_sqe *sqe)
{
	if (denied->layer == OP && sqe->opcode == denied->what)
		return denied->error;
	if (denied->layer == SQE_FLAG && denied->is_meant(sqe))
		return denied->error;
	return 0;
}

static bool
is_multishot_accept(const struct io_uring_sqe *sqe)
{
	return sqe->opcode == IORING_OP_ACCEPT &&
	       (sqe->ioprio & IORING_ACCEPT_MULTISHOT) != 0;
}

static bool
is_multishot_recv(const struct io_uring_sqe *sqe)
{
	return sqe->opcode == IORING_OP_RECV &&
	       (sqe->ioprio & IORING_RECV_MULTISHOT) != 0;
}

static bool
is_multishot_recvmsg(const struct io_uring_sqe *sqe)
{
	return sqe->opcode == IORING_OP_RECVMSG &&
	       (sqe->ioprio & IORING_RECV_MULTISHOT) != 0;
}

static bool
is_multishot_poll(const struct io_uring_sqe *sqe)
{
	return sqe->opcode == IORING_OP_POLL_ADD &&
	       (sqe->len & IORING_POLL_ADD_MULTI) != 0;
}

static bool
is_capped_recv(const struct io_uring_sqe *sqe)
{
	return sqe->opcode == IORING_OP_RECV && sqe->optlen != 0;
}

static bool
has_buffer_select(const struct io_uring_sqe *sqe)
{
	return (sqe->flags & IOSQE_BUFFER_SELECT) != 0;
}

static bool
has_skip_success(const struct io_uring_sqe *sqe)
{
	return (sqe->flags & IOSQE_CQE_SKIP_SUCCESS) != 0;
}

static bool
is_close_on_exec(const struct io_uring_sqe *sqe)
{
	return sqe->opcode == IORING_OP_ACCEPT &&
	       (sqe->accept_flags & SOCK_CLOEXEC) != 0;
}

#define STREAMS "echo end reset several deadline"
#define ALL_BUT_SIGNALS STREAMS " datagram"
#define NO_CAUSE "io_uring_setup failed: Invalid argument"
#define NEVER_ENDED "operations did not finish in 5 s"

/* name, layer, what, error, is_meant, end, says, lost */
static const struct denial table[] = {
	/* clang-format off */
	{ "flag NO_SQARRAY", SETUP, IORING_SETUP_NO_SQARRAY, -EINVAL, NULL,
		SERVES, "without NO_SQARRAY", "" },
	{ "flag DEFER_TASKRUN", SETUP, IORING_SETUP_DEFER_TASKRUN, -EINVAL,
		NULL, SERVES, "without DEFER_TASKRUN", "" },
	{ "flag SINGLE_ISSUER", SETUP, IORING_SETUP_SINGLE_ISSUER, -EINVAL,
		NULL, SERVES, "without DEFER_TASKRUN", "" },
	{ "flags COOP_TASKRUN and DEFER_TASKRUN", SETUP,
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_DEFER_TASKRUN,
		-EINVAL, NULL, SERVES, "without COOP_TASKRUN", "" },
	{ "flag TASKRUN_FLAG", SETUP, IORING_SETUP_TASKRUN_FLAG, -EINVAL,
		NULL, SERVES, "without COOP_TASKRUN", "" },
	{ "flag SUBMIT_ALL", SETUP, IORING_SETUP_SUBMIT_ALL, -EINVAL, NULL,
		SERVES, "without COOP_TASKRUN and SUBMIT_ALL", "" },
	{ "flag CQSIZE", SETUP, IORING_SETUP_CQSIZE, -EINVAL, NULL, REFUSES,
		NO_CAUSE, "" },
	{ "flag CLAMP", SETUP, IORING_SETUP_CLAMP, -EINVAL, NULL, REFUSES,
		NO_CAUSE, "" },
	{ "io_uring_setup, EPERM", SETUP, 0, -EPERM, NULL, REFUSES,
		"kernel.io_uring_disabled=0", "" },
	{ "io_uring_setup, EACCES", SETUP, 0, -EACCES, NULL, REFUSES,
		"seccomp profile", "" },
	{ "io_uring_setup, ENOSYS", SETUP, 0, -ENOSYS, NULL, REFUSES,
		"torc needs Linux 6.1", "" },
	{ "io_uring_setup, ENOMEM", SETUP, 0, -ENOMEM, NULL, REFUSES,
		"raise it with ulimit -l", "" },
	{ "io_uring_setup, EMFILE", SETUP, 0, -EMFILE, NULL, REFUSES,
		"raise ulimit -n", "" },
	{ "io_uring_setup, ENFILE", SETUP, 0, -ENFILE, NULL, REFUSES,
		"no descriptor for the ring", "" },
	{ "feature NODROP", FEATURE, IORING_FEAT_NODROP, 0, NULL, REFUSES,
		"torc needs Linux 6.1", "" },
	{ "feature EXT_ARG", FEATURE, IORING_FEAT_EXT_ARG, 0, NULL, REFUSES,
		"torc needs Linux 6.1", "" },
	{ "register RING_FDS", REGISTER, IORING_REGISTER_RING_FDS, -EINVAL,
		NULL, SERVES, NULL, "" },
	{ "register PBUF_RING, EINVAL", REGISTER, IORING_REGISTER_PBUF_RING,
		-EINVAL, NULL, REFUSES, "Invalid argument", "" },
	{ "register PBUF_RING, EPERM", REGISTER, IORING_REGISTER_PBUF_RING,
		-EPERM, NULL, REFUSES, "io_uring_register", "" },
	{ "register PBUF_RING, ENOMEM", REGISTER, IORING_REGISTER_PBUF_RING,
		-ENOMEM, NULL, REFUSES, "raise it with ulimit -l", "" },
	{ "unregister PBUF_RING", REGISTER, IORING_UNREGISTER_PBUF_RING,
		-EINVAL, NULL, SERVES, NULL, "" },
	{ "enter with EXT_ARG", ENTER, IORING_ENTER_EXT_ARG, -EINVAL, NULL,
		STOPS, "the ring is lost", "" },
	{ "eventfd, EMFILE", EVENT, 0, -EMFILE, NULL, REFUSES,
		"raise ulimit -n", "" },
	{ "eventfd, ENOSYS", EVENT, 0, -ENOSYS, NULL, REFUSES, "doorbell",
		"" },
	{ "signalfd, EMFILE", SIGNALS, 0, -EMFILE, NULL, SERVES, NULL,
		"signals" },
	{ "op ACCEPT", OP, IORING_OP_ACCEPT, -EINVAL, NULL, SERVES, NULL,
		STREAMS },
	{ "op CONNECT", OP, IORING_OP_CONNECT, -EINVAL, NULL, SERVES, NULL,
		STREAMS },
	{ "op RECV", OP, IORING_OP_RECV, -EINVAL, NULL, SERVES, NULL, STREAMS },
	{ "op SEND", OP, IORING_OP_SEND, -EINVAL, NULL, SERVES, NULL, "echo" },
	{ "op SENDMSG", OP, IORING_OP_SENDMSG, -EINVAL, NULL, SERVES, NULL,
		"several datagram" },
	{ "op RECVMSG", OP, IORING_OP_RECVMSG, -EINVAL, NULL, SERVES, NULL,
		"datagram" },
	{ "op READ", OP, IORING_OP_READ, -EINVAL, NULL, SERVES, NULL,
		"signals" },
	{ "op CLOSE", OP, IORING_OP_CLOSE, -EINVAL, NULL, SERVES, NULL, "" },
	{ "op POLL_ADD", OP, IORING_OP_POLL_ADD, -EINVAL, NULL, SERVES, NULL,
		"reset" },
	{ "op ASYNC_CANCEL", OP, IORING_OP_ASYNC_CANCEL, -EINVAL, NULL, LEAVES,
		NEVER_ENDED, "" },
	{ "multishot ACCEPT", SQE_FLAG, 0, -EINVAL, is_multishot_accept,
		SERVES, NULL, STREAMS },
	{ "multishot RECV", SQE_FLAG, 0, -EINVAL, is_multishot_recv, SERVES,
		NULL, STREAMS },
	{ "multishot RECVMSG", SQE_FLAG, 0, -EINVAL, is_multishot_recvmsg,
		SERVES, NULL, "datagram" },
	{ "multishot POLL", SQE_FLAG, 0, -EINVAL, is_multishot_poll, SERVES,
		NULL, "reset" },
	{ "capped RECV", SQE_FLAG, 0, -EINVAL, is_capped_recv, SERVES, NULL,
		"" },
	{ "BUFFER_SELECT", SQE_FLAG, 0, -EOPNOTSUPP, has_buffer_select, SERVES,
		NULL, ALL_BUT_SIGNALS },
	{ "CQE_SKIP_SUCCESS", SQE_FLAG, 0, -EINVAL, has_skip_success, LEAVES,
		NEVER_ENDED, "" },
	{ "ACCEPT with CLOEXEC", SQE_FLAG, 0, -EINVAL, is_close_on_exec,
		SERVES, NULL, STREAMS },
	/* clang-format on */
};

#define DENIALS (sizeof(table) / sizeof(table[0]))

_Static_assert(DENIALS >= 40, "what torc uses is refused, all of it");

/* ---- the child ---- */

#define CHILD_SECONDS 20

/* Exit status 0: all was served, or 1. */
#define NOT_ALL_ENDED 2 /* exit status of a child */

static int
use_everything(void)
{
	struct torc_options options = { .engine = "faulty", .shards = 1 };
	int ret;

	setenv("TORC_FAULTS", "0", 1);
	alarm(CHILD_SECONDS);
	faulty_refuse = refuse_sqe;
	ret = torc_run(&options, denial_use_everything, NULL);
	return ret == 0 ? 0 : ret == -ETIME ? NOT_ALL_ENDED : 1;
}

/* The names of the steps that the child could not do. */
static void
list_lost(const char *text, char *list, size_t bytes)
{
	size_t len = 0;

	list[0] = '\0';
	for (const char *line = text; *line != '\0';
		line += strcspn(line, "\n") + 1) {
		int name_len = (int)strcspn(line, ":");

		if (strncmp(line, "torc: ", 6) != 0)
			len += (size_t)snprintf(list + len, bytes - len,
				"%s%.*s", len > 0 ? " " : "", name_len, line);
		if (strchr(line, '\n') == NULL)
			return;
	}
}

/* Status 0 is for the child that lost nothing. */
static int
status_of(const struct denial *denial)
{
	if (denial->end == LEAVES)
		return NOT_ALL_ENDED;
	return denial->end == SERVES && denial->lost[0] == '\0' ? 0 : 1;
}

static void
assert_end(const struct denial *denial, int status)
{
	if (denial->end == STOPS) {
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGABRT);
		return;
	}
	/* A signal would be the alarm, or a crash. */
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), status_of(denial));
}

static void
a_denial_is_lived_with_or_explained(void **state)
{
	const struct denial *denial = *state;
	char text[8192], lost[256];
	int status;

	denied = denial;
	status = run_in_child(use_everything, text, sizeof(text));
	denied = NULL;
	print_message("%s", text);

	list_lost(text, lost, sizeof(lost));
	assert_string_equal(lost, denial->lost);
	if (denial->says != NULL)
		assert_non_null(strstr(text, denial->says));
	else
		assert_null(strstr(text, "torc: "));
	assert_end(denial, status);
}

static void
skip_without_io_uring(void)
{
	struct io_uring_params params = { 0 };
	struct io_uring ring;
	int ret = __real_io_uring_queue_init_params(8, &ring, &params);

	if (ret == -EPERM || ret == -ENOSYS) {
		printf("skip: no io_uring here: %s\n", strerror(-ret));
		exit(77);
	}
	if (ret == 0)
		io_uring_queue_exit(&ring);
}

int
main(void)
{
	struct CMUnitTest tests[DENIALS];

	skip_without_io_uring();
	for (size_t i = 0; i < DENIALS; i++)
		tests[i] = (struct CMUnitTest){ .name = table[i].name,
			.test_func = a_denial_is_lived_with_or_explained,
			.initial_state = (void *)(uintptr_t)&table[i] };
	return cmocka_run_group_tests_name("faults/denial", tests, NULL, NULL);
}
