/* SPDX-License-Identifier: MIT */
/* What a list of opcodes does not tell: each thing is done once. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor/probes.h"
#include "uring/ring_priv.h"

#define F_MORE IORING_CQE_F_MORE
#define F_BUFFER IORING_CQE_F_BUFFER

#define GROUP 1
#define BUFS 4
#define BUF_BYTES 1024
#define CAP_BYTES 2048

/* A ring, a TCP connection, a listener, and buffers to receive into. */
struct bench {
	struct io_uring ring;
	int listener, near, far, event;
	struct sockaddr_in sa;
	struct io_uring_buf_ring *entries;
	int error; /* -ENOMEM: no locked memory, which says nothing else */
};

static _Alignas(4096) uint8_t page[4096];
static uint8_t bufs[BUFS][BUF_BYTES];
static uint64_t event_count;

static bool
open_sockets(struct bench *b)
{
	socklen_t len = sizeof(b->sa);
	struct sockaddr *sa = (struct sockaddr *)&b->sa;

	b->sa = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	b->event = eventfd(0, EFD_CLOEXEC);
	b->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	b->near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (b->listener < 0 || bind(b->listener, sa, len) < 0 ||
		getsockname(b->listener, sa, &len) < 0 ||
		listen(b->listener, 4) < 0 || connect(b->near, sa, len) < 0)
		return false;
	b->far = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC);
	return b->far >= 0;
}

static bool
open_bench(struct bench *b)
{
	*b = (struct bench){
		.listener = -1, .near = -1, .far = -1, .event = -1
	};
	b->error = open_small_ring(&b->ring, 0);
	return b->error == 0 && open_sockets(b);
}

static void
close_bench(struct bench *b)
{
	const int fds[] = { b->listener, b->near, b->far, b->event };

	for (unsigned i = 0; i < 4; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (b->ring.ring_fd > 0)
		io_uring_queue_exit(&b->ring);
}

static bool
register_bufs(struct bench *b)
{
	struct io_uring_buf_reg reg = { .ring_addr = (uintptr_t)page,
		.ring_entries = BUFS,
		.bgid = GROUP };

	memset(page, 0, sizeof(page));
	b->error = io_uring_register_buf_ring(&b->ring, &reg, 0);
	if (b->error < 0)
		return false;
	b->entries = (struct io_uring_buf_ring *)(void *)page;
	for (unsigned short i = 0; i < BUFS; i++)
		io_uring_buf_ring_add(
			b->entries, bufs[i], BUF_BYTES, i, BUFS - 1, i);
	io_uring_buf_ring_advance(b->entries, BUFS);
	return true;
}

/* The next completion within half a second. */
static bool
next(struct bench *b, struct torc_cqe *cqe)
{
	struct __kernel_timespec limit = { .tv_nsec = 500000000 };
	struct io_uring_cqe *got;

	if (io_uring_submit(&b->ring) < 0 ||
		io_uring_wait_cqe_timeout(&b->ring, &got, &limit) < 0)
		return false;
	*cqe = (struct torc_cqe){ got->user_data, got->res, got->flags };
	io_uring_cqe_seen(&b->ring, got);
	return true;
}

static struct io_uring_sqe *
new_sqe(struct bench *b)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);

	io_uring_prep_nop(sqe);
	return sqe;
}

/* ---- what torc uses ---- */

static bool
accepts_many(struct bench *b)
{
	struct sockaddr *sa = (struct sockaddr *)&b->sa;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct torc_cqe cqe = { .res = -1 };
	bool is_there;

	io_uring_prep_multishot_accept(
		new_sqe(b), b->listener, NULL, NULL, SOCK_CLOEXEC);
	is_there = fd >= 0 && connect(fd, sa, sizeof(b->sa)) == 0 &&
		   next(b, &cqe) && cqe.res >= 0 && cqe.flags & F_MORE;
	if (cqe.res >= 0)
		close(cqe.res);
	if (fd >= 0)
		close(fd);
	return is_there;
}

static bool
has_buffer_rings(struct bench *b)
{
	return register_bufs(b);
}

static struct io_uring_sqe *
arm(struct bench *b)
{
	struct io_uring_sqe *sqe = new_sqe(b);

	io_uring_prep_recv_multishot(sqe, b->far, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	return sqe;
}

static bool
receives_many(struct bench *b)
{
	struct torc_cqe cqe;

	if (!register_bufs(b))
		return false;
	arm(b);
	return write(b->near, "x", 1) == 1 && next(b, &cqe) && cqe.res == 1 &&
	       cqe.flags & F_MORE && cqe.flags & F_BUFFER;
}

static bool
caps_a_receive(struct bench *b)
{
	static const uint8_t bytes[2 * CAP_BYTES];
	struct torc_cqe cqe = { 0 };
	int32_t sum = 0;

	if (!register_bufs(b) ||
		write(b->near, bytes, sizeof(bytes)) != sizeof(bytes))
		return false;
	arm(b)->optlen = CAP_BYTES;
	do {
		if (!next(b, &cqe) || cqe.res <= 0)
			return false;
		sum += cqe.res;
	} while (cqe.flags & F_MORE);
	return sum == CAP_BYTES;
}

static bool
receives_datagrams(struct bench *b)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct msghdr msg = { .msg_namelen = sizeof(sa) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct io_uring_sqe *sqe = new_sqe(b);
	struct torc_cqe cqe;
	bool is_there;

	io_uring_prep_recvmsg_multishot(sqe, fd, &msg, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	is_there = register_bufs(b) && fd >= 0 &&
		   bind(fd, (struct sockaddr *)&sa, len) == 0 &&
		   getsockname(fd, (struct sockaddr *)&sa, &len) == 0 &&
		   sendto(fd, "x", 1, 0, (struct sockaddr *)&sa, len) == 1 &&
		   next(b, &cqe) && cqe.res > 1 && cqe.flags & F_MORE;
	if (fd >= 0)
		close(fd);
	return is_there;
}

static bool
polls_many(struct bench *b)
{
	struct torc_cqe cqe;

	io_uring_prep_poll_multishot(new_sqe(b), b->event, POLLIN);
	return eventfd_write(b->event, 1) == 0 && next(b, &cqe) &&
	       cqe.res & POLLIN && cqe.flags & F_MORE;
}

static void
start_read(struct bench *b, uint64_t id)
{
	struct io_uring_sqe *sqe = new_sqe(b);

	io_uring_prep_read(sqe, b->event, &event_count, sizeof(event_count), 0);
	sqe->user_data = id;
}

static bool
cancels_by_name(struct bench *b)
{
	struct torc_cqe cqe;
	bool has_ended = false, has_worked = false;

	start_read(b, 1);
	io_uring_prep_cancel64(new_sqe(b), 1, 0);
	for (unsigned i = 0; i < 2 && next(b, &cqe); i++) {
		has_ended |= cqe.user_data == 1 && cqe.res == -ECANCELED;
		has_worked |= cqe.user_data == 0 && cqe.res == 0;
	}
	return has_ended && has_worked;
}

static bool
skips_completions(struct bench *b)
{
	struct io_uring_sqe *sqe = new_sqe(b);
	struct torc_cqe cqe;

	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe = new_sqe(b);
	sqe->user_data = 2;
	return next(b, &cqe) && cqe.user_data == 2;
}

/* ---- files, pipes and children ---- */

/* What one SQE gives; the caller has filled it. */
static int
result_of(struct bench *b)
{
	struct torc_cqe cqe;

	return next(b, &cqe) ? cqe.res : -ETIME;
}

static bool
reads_files(struct bench *b)
{
	struct statx stat;
	char magic[4] = "";
	int fd, ret;

	io_uring_prep_openat(new_sqe(b), AT_FDCWD, "/proc/self/exe",
		O_RDONLY | O_CLOEXEC, 0);
	fd = result_of(b);
	if (fd < 0)
		return false;
	io_uring_prep_read(new_sqe(b), fd, magic, sizeof(magic), 0);
	ret = result_of(b);
	io_uring_prep_statx(
		new_sqe(b), fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stat);
	if (result_of(b) < 0 || stat.stx_size < sizeof(magic))
		ret = -EIO;
	close(fd);
	return ret == sizeof(magic) && memcmp(magic, "\177ELF", 4) == 0;
}

static bool
writes_files(struct bench *b)
{
	struct iovec pieces[2] = { { bufs[0], 3 }, { bufs[1], 5 } };
	int fd = memfd_create("torc-doctor", MFD_CLOEXEC);
	bool is_there;

	if (fd < 0)
		return false;
	io_uring_prep_writev(new_sqe(b), fd, pieces, 2, 0);
	is_there = result_of(b) == 8;
	io_uring_prep_readv(new_sqe(b), fd, pieces, 2, 1);
	is_there = is_there && result_of(b) == 7;
	io_uring_prep_fsync(new_sqe(b), fd, IORING_FSYNC_DATASYNC);
	is_there = is_there && result_of(b) == 0;
	close(fd);
	return is_there;
}

/* One that it lacks is -EINVAL; these change nothing. */
static bool
changes_names(struct bench *b)
{
	static const char none[] = "/nonexistent-torc-doctor/file";
	int made, removed, renamed;

	io_uring_prep_mkdirat(new_sqe(b), AT_FDCWD, "/", 0700);
	made = result_of(b);
	io_uring_prep_unlinkat(new_sqe(b), AT_FDCWD, none, 0);
	removed = result_of(b);
	io_uring_prep_renameat(new_sqe(b), AT_FDCWD, none, AT_FDCWD, none, 0);
	renamed = result_of(b);
	return made == -EEXIST && removed == -ENOENT && renamed == -ENOENT;
}

static bool
makes_links(struct bench *b)
{
	static const char none[] = "/nonexistent-torc-doctor/file";
	int symbolic;

	io_uring_prep_symlinkat(new_sqe(b), none, AT_FDCWD, "/");
	symbolic = result_of(b);
	io_uring_prep_linkat(new_sqe(b), AT_FDCWD, none, AT_FDCWD, none, 0);
	return symbolic == -EEXIST && result_of(b) == -ENOENT;
}

static bool
cuts_files(struct bench *b)
{
	int fd = memfd_create("torc-doctor", MFD_CLOEXEC), ret = -errno;

	if (fd < 0)
		return false;
	io_uring_prep_ftruncate(new_sqe(b), fd, 1);
	ret = result_of(b);
	close(fd);
	return ret == 0;
}

static bool
uses_pipes(struct bench *b)
{
	bool is_there = false;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return false;
	io_uring_prep_write(new_sqe(b), fds[1], "x", 1, (uint64_t)-1);
	if (result_of(b) == 1) {
		io_uring_prep_read(
			new_sqe(b), fds[0], bufs[0], 8, (uint64_t)-1);
		is_there = result_of(b) == 1;
	}
	close(fds[0]);
	close(fds[1]);
	return is_there;
}

static bool
hears_of_children(struct bench *b)
{
	pid_t pid = fork();
	bool is_there = false;
	int fd;

	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return false;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd >= 0) {
		io_uring_prep_poll_add(new_sqe(b), fd, POLLIN);
		is_there = result_of(b) > 0;
		close(fd);
	}
	waitpid(pid, NULL, 0);
	return is_there;
}

/* As one shard wakes another. */
static bool
takes_messages(struct bench *b)
{
	struct torc_cqe cqe;

	b->error = torc__engine_kernel.message_remote(b->ring.ring_fd);
	return b->error == 0 && next(b, &cqe);
}

/* ---- what it could use one day ---- */

static bool
sends_without_a_copy(struct bench *b)
{
	struct torc_cqe cqe;

	io_uring_prep_send_zc(new_sqe(b), b->near, "x", 1, 0, 0);
	if (!next(b, &cqe))
		return false;
	b->error = cqe.res;
	if (cqe.res != 1 || !(cqe.flags & F_MORE))
		return false;
	return next(b, &cqe) && cqe.flags & IORING_CQE_F_NOTIF;
}

static bool
has_fixed_buffers(struct bench *b)
{
	struct iovec iov = { bufs, sizeof(bufs) };

	b->error = io_uring_register_buffers(&b->ring, &iov, 1);
	return b->error == 0;
}

static bool
has_fixed_files(struct bench *b)
{
	return io_uring_register_files_sparse(&b->ring, 16) == 0;
}

#define EPOLL_INSTEAD \
	"the epoll engine: a system call for each receive and send"
#define NOT_USED "nothing: torc does not use it"
#define EPOLL_THREADS "the epoll engine: threads for files"

static const struct {
	const char *name;
	bool (*is_there)(struct bench *);
	const char *instead;
	const char *change;
} operations[] = {
	{ "multishot accept", accepts_many, "an accept for each client",
		"Linux 5.19" },
	{ "buffer rings", has_buffer_rings, EPOLL_INSTEAD, "Linux 5.19" },
	{ "multishot receive", receives_many, EPOLL_INSTEAD, "Linux 6.0" },
	{ "receive cap (optlen)", caps_a_receive,
		"cancels the receive of a slow reader's writer, some buffers "
		"late",
		"Linux 6.17" },
	{ "multishot datagrams", receives_datagrams, EPOLL_INSTEAD,
		"Linux 6.0" },
	{ "multishot poll", polls_many,
		"a reset after the end of a stream is noticed late",
		"Linux 5.13" },
	{ "cancel by user_data", cancels_by_name, EPOLL_INSTEAD, "Linux 5.5" },
	{ "CQE_SKIP_SUCCESS", skips_completions,
		"a completion more for each cancel", "Linux 5.17" },
	{ "open, read, stat files", reads_files, EPOLL_THREADS, "Linux 5.6" },
	{ "write, sync files", writes_files, EPOLL_THREADS, "Linux 5.6" },
	{ "rename, unlink, mkdir", changes_names, EPOLL_THREADS, "Linux 5.15" },
	{ "symbolic and hard links", makes_links, EPOLL_THREADS, "Linux 5.15" },
	{ "truncate files", cuts_files, "ftruncate(2) on a thread",
		"Linux 6.9" },
	{ "fixed buffers", has_fixed_buffers,
		"file reads and writes name their memory each time",
		"Linux 5.1" },
	{ "read and write pipes", uses_pipes, EPOLL_INSTEAD, "Linux 5.6" },
	{ "ends of children", hears_of_children, "torc_process_spawn() fails",
		"Linux 5.3" },
	{ "messages from any thread", takes_messages,
		"shards wake each other by an eventfd, later", "Linux 6.13" },
	{ "zero-copy send", sends_without_a_copy, NOT_USED, "Linux 6.0" },
	{ "fixed files", has_fixed_files, NOT_USED, "Linux 5.19" },
};

static void
probe_operation(struct report *report, size_t index)
{
	unsigned tries = PROBE_TRIES;
	struct bench bench;
	bool is_there;

	do {
		is_there = open_bench(&bench) &&
			   operations[index].is_there(&bench);
		close_bench(&bench);
	} while (!is_there && is_worth_another_try(bench.error, &tries));
	if (!is_there && bench.error == -ENOMEM)
		row_advise(report_add(report, operations[index].name, ROW_LESS,
				   "no locked memory for it"),
			operations[index].instead,
			"more locked memory: see below");
	else
		report_has(report, operations[index].name, is_there,
			operations[index].instead, operations[index].change);
}

void
probe_operations(struct report *report)
{
	report->group = "operations";
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		probe_operation(report, i);
}
