/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_CONTRACT_STEPS_H
#define TORC_TESTS_CONTRACT_STEPS_H

/*
 * steps - what scripts are written with
 *
 * An operation is named by an id, its user_data. Sockets come from the
 * engine, so that one without real sockets can run the same script. What is
 * outside the set of outcomes does not return: it ends the script.
 */

#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "tests/contract/contract.h"

#define F_MORE IORING_CQE_F_MORE
#define F_BUFFER IORING_CQE_F_BUFFER

/* One that may happen: a result of min to max, with exactly these flags. */
struct outcome {
	int32_t min, max;
	uint32_t flags; /* of F_MORE and F_BUFFER */
};

#define RES(res)                \
	{                       \
		(res), (res), 0 \
	}
#define RES_WITH(res, flags)          \
	{                             \
		(res), (res), (flags) \
	}
#define BETWEEN(min, max)       \
	{                       \
		(min), (max), 0 \
	}
#define BETWEEN_WITH(min, max, flags) \
	{                             \
		(min), (max), (flags) \
	}

/* Wait for the next completion of `id`; it must be one of these. */
#define expect(c, id, ...)                                            \
	expect_one_of(c, id, (const struct outcome[]){ __VA_ARGS__ }, \
		sizeof((const struct outcome[]){ __VA_ARGS__ }) /     \
			sizeof(struct outcome),                       \
		__LINE__)
struct torc_cqe expect_one_of(struct contract *c, uint64_t id,
	const struct outcome *set, size_t count, int line);

/* Let everything happen that is going to; nothing may come. */
#define expect_nothing(c) expect_nothing_at(c, __LINE__)
void expect_nothing_at(struct contract *c, int line);

#define require(c, truth)                                                    \
	do {                                                                 \
		if (!(truth))                                                \
			give_up(c, "line %d: not so: %s", __LINE__, #truth); \
	} while (0)
/* The same for a call whose result tells more than that it is wrong. */
#define require_is(c, call, value)                                            \
	do {                                                                  \
		int got = (call);                                             \
		if (got != (value))                                           \
			give_up(c,                                            \
				"line %d: " #call " gave %d and not " #value, \
				__LINE__, got);                               \
	} while (0)
_Noreturn void give_up(struct contract *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Submit, let time pass, and collect what came. */
void settle(struct contract *c);
/* True when a completion of `id` is there, or comes within the time. */
bool came_within(struct contract *c, uint64_t id, uint64_t wait_ns);
bool has_come(const struct contract *c, uint64_t id);
/* One enter that does not wait, and what it brought. */
void push(struct contract *c);

/* Zeroed, 64-byte aligned, and there until the script is over. */
void *memory(struct contract *c, size_t bytes);
void *pages(struct contract *c, size_t bytes);

/* ---- descriptors ---- */

struct pair {
	int near, far;
};

/* Close `fd` behind the script; returns it. */
int own(struct contract *c, int fd);
int open_socket(struct contract *c, int domain, int type);
/* Bound to 127.0.0.1 and no more. */
int open_bound(struct contract *c, int type, struct sockaddr_in *sa);
/* On 127.0.0.1, any port; its address in *sa. */
int open_listener(struct contract *c, struct sockaddr_in *sa);
int open_listener_with(struct contract *c, struct sockaddr_in *sa, int backlog);
/* Two ends of a TCP connection. */
struct pair open_pair(struct contract *c);
/* The same with the smallest buffers. */
struct pair open_narrow_pair(struct contract *c);
/* A name that nobody else has, in the abstract namespace. */
socklen_t name_unix(struct contract *c, struct sockaddr_un *sa);
int open_unix_listener(
	struct contract *c, struct sockaddr_un *sa, socklen_t *len);
struct pair open_unix_pair(struct contract *c);
int open_udp(struct contract *c, struct sockaddr_in *sa);
int open_event(struct contract *c);
/* A number that no descriptor has. */
int bad_fd(struct contract *c);
/* Connected to `sa`. */
int dial(struct contract *c, const struct sockaddr_in *sa);

/* Close at once, with whatever is in flight. */
void drop(struct contract *c, int fd);
/* Close so that the peer sees a reset. */
void reset(struct contract *c, int fd);
int set_option(struct contract *c, int fd, int level, int name, int value);
void half_close(struct contract *c, int fd);

/* Send all of it, and receive all of it. */
void give(struct contract *c, int fd, const void *data, size_t bytes);
void take(struct contract *c, int fd, void *data, size_t bytes);
/* The next byte, and that it is this one. */
void take_text(struct contract *c, int fd, const char *text);
/* Send until a send of `id` waits; returns the bytes that went before it. */
size_t fill(struct contract *c, int fd, uint64_t id);
/* Byte `at` of a stream that tests compare. */
uint8_t stream_byte(size_t at);
/* The first `bytes` of it. */
uint8_t *stream(struct contract *c, size_t bytes);

/* ---- operations ---- */

void submit(struct contract *c, struct io_uring_sqe *sqe, uint64_t id);
void start_nop(struct contract *c, uint64_t id);
void start_accept(struct contract *c, uint64_t id, int fd);
void start_accepts(struct contract *c, uint64_t id, int fd);
void start_connect(
	struct contract *c, uint64_t id, int fd, const void *sa, socklen_t len);
void start_recv(
	struct contract *c, uint64_t id, int fd, void *data, size_t bytes);
void start_send(struct contract *c, uint64_t id, int fd, const void *data,
	size_t bytes);
void start_read(
	struct contract *c, uint64_t id, int fd, void *data, size_t bytes);
void start_poll(struct contract *c, uint64_t id, int fd, unsigned events);
void start_polls(struct contract *c, uint64_t id, int fd, unsigned events);
void start_close(struct contract *c, uint64_t id, int fd);
void start_timeout(struct contract *c, uint64_t id, uint64_t span_ns);
/* Ask for the end of `target`. */
void start_cancel(struct contract *c, uint64_t id, uint64_t target);
/* The same, and expect that it ends by this; for an op that waits. */
void cancel_waiting(struct contract *c, uint64_t target);
/* One that waits, or was told already that there is no buffer left. */
void end_starved(struct contract *c, uint64_t target);

/* A message of one part; `sa` may be NULL. */
void start_sendmsg(struct contract *c, uint64_t id, int fd, const void *sa,
	socklen_t len, const void *data, size_t bytes);
/* Datagrams into a group, with room for names of sockaddr_in. */
void start_messages(struct contract *c, uint64_t id, int fd, uint16_t group);

/* ---- files and pipes; files.c ---- */

struct ends {
	int reader, writer;
};

/* In a directory that is the script's own, and gone after it. */
const char *path_of(struct contract *c, const char *name);
/* Of a file that is not there yet. */
int open_new(struct contract *c, const char *name);
int open_path(struct contract *c, const char *name, int flags);
/* A new one with this in it. */
int open_text(struct contract *c, const char *name, const char *text);
/* That this is in it from `offset` on, and no more than that. */
void require_file(
	struct contract *c, int fd, uint64_t offset, const char *text);
struct ends open_ends(struct contract *c);
/* Two Unix sockets without names. */
struct pair open_sockets(struct contract *c, int type);
/* A copy of it, in the script's memory. */
char *put_text(struct contract *c, const char *text);
void make_dir(struct contract *c, const char *name);
/* Remove that directory; for contract.c. */
void files_clean(struct contract *c);

/* An offset of -1 is the file's own position. */
#define AT_POSITION UINT64_MAX

void start_open(struct contract *c, uint64_t id, const char *path, int flags);
void start_read_at(struct contract *c, uint64_t id, int fd, void *data,
	size_t bytes, uint64_t offset);
void start_write_at(struct contract *c, uint64_t id, int fd, const void *data,
	size_t bytes, uint64_t offset);
void start_readv(struct contract *c, uint64_t id, int fd,
	const struct iovec *pieces, unsigned count, uint64_t offset);
void start_writev(struct contract *c, uint64_t id, int fd,
	const struct iovec *pieces, unsigned count, uint64_t offset);
void start_read_fixed(struct contract *c, uint64_t id, int fd, void *data,
	size_t bytes, uint64_t offset, int index);
void start_write_fixed(struct contract *c, uint64_t id, int fd,
	const void *data, size_t bytes, uint64_t offset, int index);
void start_sync(struct contract *c, uint64_t id, int fd, unsigned flags);
/* Of the descriptor itself when `path` is "". */
void start_stat(struct contract *c, uint64_t id, int fd, const char *path,
	struct statx *stat);
void start_rename(
	struct contract *c, uint64_t id, const char *from, const char *to);
void start_unlink(struct contract *c, uint64_t id, const char *path, int flags);
void start_mkdir(struct contract *c, uint64_t id, const char *path);
void start_symlink(
	struct contract *c, uint64_t id, const char *target, const char *path);
void start_link(
	struct contract *c, uint64_t id, const char *from, const char *to);
void start_truncate(struct contract *c, uint64_t id, int fd, int64_t bytes);
/* As the engine's; waits for locked memory that is on its way back. */
int register_memory(
	struct contract *c, uint32_t opcode, const void *arg, uint32_t count);

/* ---- buffers that the ring picks from ---- */

struct group {
	struct io_uring_buf_ring *entries;
	uint8_t *data;
	uint32_t buf_bytes;
	uint16_t id;
	uint16_t mask;
	uint16_t tail;
	uint16_t posted; /* since the group was opened */
};

int register_group(
	struct contract *c, void *entries, uint32_t count, uint16_t id);
int unregister_group(struct contract *c, uint16_t id);
/* `count`, a power of two, of them, all posted. */
struct group open_group(
	struct contract *c, uint16_t id, uint16_t count, uint32_t buf_bytes);
struct group open_empty_group(
	struct contract *c, uint16_t id, uint16_t count, uint32_t buf_bytes);
void post(struct group *group, uint16_t buf);
uint16_t buf_of(const struct torc_cqe *cqe);
/* That its buffer holds this and no more. */
void require_text(struct contract *c, const struct group *group,
	const struct torc_cqe *cqe, const char *text);
const uint8_t *data_of(const struct group *group, const struct torc_cqe *cqe);
void start_recvs(
	struct contract *c, uint64_t id, int fd, const struct group *group);
/* Ends by itself after so many bytes, where the engine can. */
void start_recvs_capped(struct contract *c, uint64_t id, int fd,
	const struct group *group, uint32_t cap_bytes);

#endif /* TORC_TESTS_CONTRACT_STEPS_H */
