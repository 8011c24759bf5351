/* SPDX-License-Identifier: MIT */
#ifndef TORC_URING_SIM_WORLD_PRIV_H
#define TORC_URING_SIM_WORLD_PRIV_H

/*
 * world - what the parts of the simulation share
 *
 *   ring --takes SQEs--> op --waits on--> file --bytes come by--> pipe
 *    ^                    |                 ^                      |
 *    +---- ready list <---+                 +---- event (time) <---+
 *
 * An op that cannot be done waits on its file. When the file changes it goes
 * to its ring's ready list, and is tried again inside that ring's next
 * enter: completions are never seen before an enter, as with
 * IORING_SETUP_DEFER_TASKRUN.
 *
 * Shard  Only one runs at a time: the one that `running` names. All of it is
 *        behind `lock`, for rings that open and close, and for threads that
 *        are no shards and ring a doorbell.
 */

#include <pthread.h>

#include "base/list_priv.h"
#include "uring/sim_priv.h"
#include "uring/soft_priv.h"

/* Descriptors begin here: none of them is ever one of the system's. */
#define TORC__SIM_FD_BASE (1 << 24)
#define TORC__SIM_RINGS_MAX 1024
#define TORC__SIM_BUCKETS 256

struct torc_sim;
struct torc_sim_file;
struct torc_sim_node;
struct torc_sim_op;
struct torc_sim_ring;

/* ---- time ---- */

/* Something that happens at a point in time; embedded by its owner. */
struct torc_sim_event {
	uint64_t at_ns;
	uint64_t order; /* of those at the same time */
	uint32_t slot;  /* in the heap, from 1; 0: not armed */
	void (*fn)(struct torc_sim *sim, struct torc_sim_event *event);
};

void torc__sim_event_arm(
	struct torc_sim *sim, struct torc_sim_event *event, uint64_t at_ns);
void torc__sim_event_disarm(struct torc_sim *sim, struct torc_sim_event *event);
/* Run what is due now. True when there was something. */
bool torc__sim_events_run(struct torc_sim *sim);
/* When the next event is; UINT64_MAX: never. */
uint64_t torc__sim_event_next_ns(const struct torc_sim *sim);

/* ---- chance ---- */

uint64_t torc__sim_draw(struct torc_sim *sim);
/* From 0 to count - 1. */
uint64_t torc__sim_draw_below(struct torc_sim *sim, uint64_t count);
bool torc__sim_strikes_slow(struct torc_sim *sim, enum torc_sim_fault_kind);

/* ---- what happened ---- */

enum torc_sim_what {
	TORC__SIM_SUBMIT,
	TORC__SIM_COMPLETE,
	TORC__SIM_CALL,
	TORC__SIM_ARRIVE,
	TORC__SIM_FAULT,
};

void torc__sim_note(struct torc_sim *sim, enum torc_sim_what what,
	uint32_t ring, uint32_t detail, uint64_t serial, int32_t res,
	uint32_t flags);

#define TORC__SIM_TRACE 512

struct torc_sim_trace_entry {
	uint64_t at_ns;
	uint64_t serial; /* of an op or a file */
	int32_t res;
	uint32_t flags;
	uint16_t ring;
	uint8_t what;
	uint8_t detail; /* an opcode, a call, a fault */
};

/* ---- bytes ---- */

enum torc_sim_pipe_end {
	TORC__SIM_PIPE_OPEN,
	TORC__SIM_PIPE_FIN,
	TORC__SIM_PIPE_RESET,
};

#define TORC__SIM_MARKS 64

/*
 * One direction of a connection, owned by the file that receives.
 *
 *   head     arrived           tail
 *    | unread  | on its way     |      sent, and not read
 */
struct torc_sim_pipe {
	struct torc_sim_event arrival;
	struct torc_sim_file *file;
	uint8_t *data; /* capacity bytes, a power of two */
	uint32_t capacity;
	uint32_t sndbuf_bytes, rcvbuf_bytes;
	uint64_t head, arrived, tail;
	uint64_t latency_ns;
	uint64_t ns_per_kib;
	uint64_t link_free_ns; /* when what was sent so far is on the wire */
	/* Up to which byte has arrived when; the oldest first. */
	struct {
		uint64_t upto, at_ns;
	} marks[TORC__SIM_MARKS];
	uint32_t marks_head, marks_count;
	struct torc_link notes;     /* what lies beside the bytes */
	enum torc_sim_pipe_end end; /* what comes after tail */
	bool is_end_seen;           /* it has arrived */
	uint64_t end_ns;            /* not before */
};

int torc__sim_pipe_open(struct torc_sim *sim, struct torc_sim_pipe *pipe,
	struct torc_sim_file *file);
void torc__sim_pipe_close(struct torc_sim *sim, struct torc_sim_pipe *pipe);
/* How many bytes a send may add. */
uint32_t torc__sim_pipe_room(const struct torc_sim_pipe *pipe);
void torc__sim_pipe_put(struct torc_sim *sim, struct torc_sim_pipe *pipe,
	const void *data, uint32_t bytes);
void torc__sim_pipe_get(struct torc_sim *sim, struct torc_sim_pipe *pipe,
	void *data, uint32_t bytes);
/* The same into nothing. */
void torc__sim_pipe_skip(
	struct torc_sim *sim, struct torc_sim_pipe *pipe, uint32_t bytes);
/* End the direction; bytes on their way are cut for a reset. */
void torc__sim_pipe_finish(struct torc_sim *sim, struct torc_sim_pipe *pipe,
	enum torc_sim_pipe_end end);

/* ---- files ---- */

enum torc_sim_kind {
	TORC__SIM_TCP,
	TORC__SIM_UNIX,
	TORC__SIM_UDP,
	TORC__SIM_EVENT,
	TORC__SIM_SIGNALS,
	TORC__SIM_FIFO, /* one end of it */
	TORC__SIM_DISK,
};

enum torc_sim_state {
	TORC__SIM_NEW,
	TORC__SIM_LISTENING,
	TORC__SIM_CONNECTING,
	TORC__SIM_CONNECTED,
	TORC__SIM_DEAD,
};

struct torc_sim_name {
	struct sockaddr_storage at;
	socklen_t len; /* 0: none */
};

struct torc_sim_datagram;

/* What a descriptor stands for: a socket, an event, a set of signals. */
struct torc_sim_file {
	uint64_t serial;
	enum torc_sim_kind kind;
	enum torc_sim_state state;
	uint32_t fds_count;   /* descriptors that name it */
	uint32_t refs_count;  /* and ops, and a listener's queue */
	int fd;               /* one of them, for reports */
	struct torc_link all; /* of the world */

	/* Ops that wait for it. */
	struct torc_link readers, writers, pollers;

	/* A socket. */
	int family;
	struct torc_sim_name local, remote;
	struct torc_link bound; /* among those with a name of their own */
	bool is_packet;         /* SOCK_SEQPACKET */
	bool is_reuseport;
	bool is_linger_reset; /* SO_LINGER with 0 seconds */
	bool is_write_shut, is_read_shut;
	int error;                  /* SO_ERROR */
	struct torc_sim_file *peer; /* whom sends reach; NULL: nobody */
	struct torc_sim_pipe rx;
	struct torc_sim_event reset; /* the answer to bytes for nobody */

	/* A listener, or a connection in its queue. */
	struct torc_link queue, queued;
	uint32_t queue_count, backlog;

	/* A datagram socket. */
	struct torc_link datagrams;
	uint32_t datagrams_bytes;
	bool is_starved; /* its last send found a receiver full */

	/* An event's count; signals that were raised, and their set. */
	uint64_t count;
	uint64_t raised, mask;

	/* A pipe's end that is written to. */
	bool is_writer;

	/* A file or folder on the disk; sim_disk_priv.h. */
	struct torc_sim_node *node;
	uint64_t position;
	uint32_t open_flags;
};

struct torc_sim_file *torc__sim_file_new(
	struct torc_sim *sim, enum torc_sim_kind kind);
void torc__sim_file_put(struct torc_sim *sim, struct torc_sim_file *file);
/* A descriptor for it; -EMFILE. */
int torc__sim_fd_open(struct torc_sim *sim, struct torc_sim_file *file);
struct torc_sim_file *torc__sim_fd_file(const struct torc_sim *sim, int fd);
/* 0 or -EBADF. */
int torc__sim_fd_close(struct torc_sim *sim, int fd);
/* The ops that wait on this list are tried again. */
void torc__sim_wake(struct torc_sim *sim, struct torc_link *waiters);
/* What poll(2) shows. */
uint32_t torc__sim_file_poll(const struct torc_sim_file *file);
/* A socket that nobody names any more. */
void torc__sim_socket_release(struct torc_sim *sim, struct torc_sim_file *file);
/* A reset has arrived. */
void torc__sim_socket_reset(
	struct torc_sim *sim, struct torc_sim_file *file, int error);
/* The end of the other side's bytes has arrived. */
void torc__sim_socket_ended(struct torc_sim *sim, struct torc_sim_file *file);
/* Send a reset to the other side, if there is one. */
void torc__sim_socket_cut(struct torc_sim *sim, struct torc_sim_file *file);
void torc__sim_socket_unlisten(
	struct torc_sim *sim, struct torc_sim_file *file);

/* ---- ends that belong together; sim_pair.c ---- */

int torc__sim_pair_open(struct torc_sim *sim, int type, int fds[2]);
int torc__sim_fifo_open(struct torc_sim *sim, int fds[2]);
void torc__sim_fifo_release(struct torc_sim *sim, struct torc_sim_file *file);

/* ---- packets, and descriptors that travel; sim_message.c ---- */

struct torc_sim_note;

/*
 * What goes beside the bytes of this send: NULL for nothing. 0; -EBADF,
 * -EINVAL, -EOPNOTSUPP, -ENOMEM. `msg` may be NULL.
 */
int torc__sim_note_make(struct torc_sim *sim, const struct torc_sim_op *op,
	const struct msghdr *msg, struct torc_sim_note **note);
/* `bytes` of it were put to `to`, just now. */
void torc__sim_note_put(struct torc_sim *sim, struct torc_sim_file *to,
	uint64_t bytes, struct torc_sim_note *note);
void torc__sim_note_drop(struct torc_sim *sim, struct torc_sim_note *note);
/* Of what nobody will receive. */
void torc__sim_notes_drop(struct torc_sim *sim, struct torc_sim_file *file);

/* What one receive takes: bytes, and what lies beside them. */
struct torc_sim_take {
	struct torc_sim_note *note;
	uint32_t bytes;
	uint32_t skip;  /* of a packet that is too long */
	uint32_t whole; /* both */
};

/* False: there is nothing. True: get `bytes`, and end it. */
bool torc__sim_take_begin(struct torc_sim *sim, struct torc_sim_file *file,
	uint32_t max, struct torc_sim_take *take);
/* Descriptors go to `msg`; without one they are closed. */
void torc__sim_take_end(struct torc_sim *sim, struct torc_sim_file *file,
	struct torc_sim_take *take, struct msghdr *msg);

/* ---- names ---- */

/* A path, which stays when its socket is gone. */
struct torc_sim_path {
	struct torc_link link;
	struct torc_sim_name name;
	struct torc_sim_file *file; /* NULL: stale */
};

int torc__sim_name_bind(struct torc_sim *sim, struct torc_sim_file *file,
	const struct sockaddr *at, socklen_t len);
void torc__sim_name_unbind(struct torc_sim *sim, struct torc_sim_file *file);
/* A name for a socket that connects or sends without one. */
void torc__sim_name_choose(
	struct torc_sim *sim, struct torc_sim_file *file, int family);
/* Who listens (or receives datagrams) there; NULL and *error. */
struct torc_sim_file *torc__sim_name_find(struct torc_sim *sim,
	enum torc_sim_kind kind, const struct sockaddr *at, socklen_t len,
	int *error);
struct torc_sim_path *torc__sim_path_find(
	struct torc_sim *sim, const struct sockaddr *at, socklen_t len);
void torc__sim_path_remove(struct torc_sim *sim, struct torc_sim_path *path);

/* ---- datagrams ---- */

/* A Unix receiver has room, or is gone: who polls for it is told. */
void torc__sim_datagram_room(struct torc_sim *sim, struct torc_sim_file *file);

struct torc_sim_datagram {
	struct torc_sim_event arrival;
	struct torc_link link;
	struct torc_sim_name from, to;
	uint32_t bytes;
	uint8_t data[];
};

/* ---- ops ---- */

/* How an attempt ended. */
enum torc_sim_attempt {
	TORC__SIM_DONE,    /* op->res, op->cqe_flags: the terminal CQE */
	TORC__SIM_MORE,    /* the same, and there may be more */
	TORC__SIM_BLOCKED, /* it waits on op->waits_on */
};

struct torc_sim_op {
	struct torc_link link;   /* a file's waiters, or the ring's ready */
	struct torc_link all;    /* of the ring, oldest first */
	struct torc_link bucket; /* of the same user_data, for cancels */
	struct torc_sim_ring *ring;
	struct torc_sim_file *file;
	struct torc_link *waits_on;
	struct torc_sim_event event; /* a timeout, a connect's next step */
	struct torc_sim_event late;  /* a cancel that takes its time */
	struct io_uring_sqe sqe;
	uint64_t serial;
	uint64_t began_ns;
	int32_t res;
	uint32_t cqe_flags;
	uint32_t done_bytes; /* of a MSG_WAITALL */
	uint32_t cap_bytes;  /* a receive's, what is left of it */
	uint32_t tries;      /* of a connect, or of what takes its time */
	bool is_multishot;
	bool is_capped;
	bool is_ready;    /* on the ring's ready list */
	bool is_canceled; /* late; its turn is due */
	bool is_decided;  /* only its CQE is still to come */
	bool is_polled;   /* a poll that has looked once */
};

static inline enum torc_sim_attempt
torc__sim_done(struct torc_sim_op *op, int32_t res)
{
	op->res = res;
	return TORC__SIM_DONE;
}

/* Until these waiters are woken; NULL: until its own event. */
static inline enum torc_sim_attempt
torc__sim_blocked(struct torc_sim_op *op, struct torc_link *waits_on)
{
	op->waits_on = waits_on;
	return TORC__SIM_BLOCKED;
}

/* Carries out an opcode, as far as it goes now. */
typedef enum torc_sim_attempt torc_sim_try_fn(
	struct torc_sim *sim, struct torc_sim_op *op);

torc_sim_try_fn torc__sim_try_accept, torc__sim_try_connect, torc__sim_try_recv,
	torc__sim_try_recvmsg, torc__sim_try_send, torc__sim_try_sendmsg,
	torc__sim_try_read, torc__sim_try_write, torc__sim_try_poll,
	torc__sim_try_openat, torc__sim_try_statx, torc__sim_try_fsync,
	torc__sim_try_ftruncate, torc__sim_try_renameat, torc__sim_try_unlinkat,
	torc__sim_try_mkdirat, torc__sim_try_symlinkat, torc__sim_try_linkat;

/* True while an op takes the time that a disk or a thread needs. */
bool torc__sim_is_busy(struct torc_sim *sim, struct torc_sim_op *op);

/* One message of a connection, with its descriptors. */
torc_sim_try_fn torc__sim_recv_message;
/* Nothing is there: the error, once, an end, or wait. */
enum torc_sim_attempt torc__sim_recv_nothing(struct torc_sim_op *op);
enum torc_sim_attempt torc__sim_send_vector(
	struct torc_sim *sim, struct torc_sim_op *op, const struct msghdr *msg);

/* Take one SQE: it completes, or waits. */
void torc__sim_op_take(struct torc_sim *sim, struct torc_sim_ring *ring,
	const struct io_uring_sqe *sqe);
/* Try what became ready, and post what that gives. */
void torc__sim_ops_run(struct torc_sim *sim, struct torc_sim_ring *ring);
/* The op goes to its ring's ready list, if it is not there. */
void torc__sim_op_wake(struct torc_sim *sim, struct torc_sim_op *op);
void torc__sim_op_complete(struct torc_sim *sim, struct torc_sim_op *op,
	int32_t res, uint32_t cqe_flags);
/* Drop all; for a ring that closes. */
void torc__sim_ops_drop(struct torc_sim *sim, struct torc_sim_ring *ring);
const char *torc__sim_opcode_name(uint8_t opcode);

/* ---- rings ---- */

struct torc_sim_ring {
	struct torc_ring *ring;
	uint32_t index;
	bool is_scheduled; /* one of a runtime's; others run alone */
	bool is_waiting;
	uint32_t min_complete;
	uint64_t until_ns; /* of the wait; UINT64_MAX: for ever */
	uint64_t idle_ns;  /* since when nothing came of its enters */
	pthread_cond_t turn;
	struct torc_link ops;   /* in flight */
	struct torc_link ready; /* of them */
	struct torc_link buckets[TORC__SIM_BUCKETS];
};

/* ---- the world ---- */

struct torc_sim {
	struct torc_sim_config config;
	pthread_mutex_t lock;
	bool is_explicit; /* by torc__sim_begin() */
	uint64_t now_ns;
	uint64_t began_ns;
	uint64_t random[4];

	struct torc_sim_event **events;
	uint32_t events_count, events_max;
	uint64_t events_order;

	struct torc_sim_ring *rings[TORC__SIM_RINGS_MAX];
	uint32_t rings_count;   /* open, of either kind */
	uint32_t scheduled_max; /* how many there will be */
	uint32_t begun_count;   /* how many have begun */
	struct torc_sim_ring *running;

	struct torc_sim_file **fds;
	uint32_t *fds_free; /* a stack */
	uint32_t fds_max, fds_top, fds_free_count, fds_count;
	struct torc_link files;
	struct torc_link bound;
	struct torc_link paths;
	uint16_t next_port;
	uint64_t serials;

	struct torc_sim_node *root; /* NULL: no file was named yet */
	uint64_t nodes_count;
	uint64_t names_count; /* that were ever given */
	uint64_t disk_pages;

	struct torc_link spare_ops;
	struct torc_link flying; /* datagrams on their way */
	uint32_t starved_count;  /* files that are starved */
	void *spare_pipes[32];   /* by log2 of their capacity; linked */

	bool has_stuck; /* on_stuck was called */
	bool is_cap_refused;
	struct torc_sim_counts counts;
	struct torc_sim_trace_entry trace[TORC__SIM_TRACE];
	uint64_t trace_count;
};

extern struct torc_sim *torc__sim;

/* True when a fault strikes now. Cost: one load where its rate is 0. */
static inline bool
torc__sim_strikes(struct torc_sim *sim, enum torc_sim_fault_kind kind)
{
	return sim->config.rates[kind] != 0 &&
	       torc__sim_strikes_slow(sim, kind);
}

/* The run cannot go on: say so, and have it ended. */
void torc__sim_stuck(struct torc_sim *sim, enum torc_sim_stuck_kind kind);

/* Not more steps and time than the run may take. */
void torc__sim_check_budget(struct torc_sim *sim);

/* Let others run until this ring has something, or its wait is over. */
void torc__sim_wait(struct torc_sim *sim, struct torc_sim_ring *ring);
/* Let another ring run in between, if there is one that can. */
void torc__sim_yield(struct torc_sim *sim, struct torc_sim_ring *ring);
/* The ring runs from now on; or it leaves and another one does. */
void torc__sim_join(struct torc_sim *sim, struct torc_sim_ring *ring);
void torc__sim_leave(struct torc_sim *sim, struct torc_sim_ring *ring);

/* The engine's calls around a socket; sim_calls.c. */
int torc__sim_socket(struct torc_ring *, int domain, int type, int protocol);
int torc__sim_socketpair(struct torc_ring *, int type, int fds[2]);
int torc__sim_pipe(struct torc_ring *, int fds[2]);
int torc__sim_read_dir(struct torc_ring *, int fd, void *buf, size_t bytes);
int torc__sim_chmod(struct torc_ring *, const char *path, unsigned mode);
int torc__sim_read_link(
	struct torc_ring *, const char *path, char *target, size_t bytes);
int torc__sim_real_path(struct torc_ring *, const char *path, char *real);
int torc__sim_bind(
	struct torc_ring *, int fd, const struct sockaddr *, socklen_t);
int torc__sim_listen(struct torc_ring *, int fd, int backlog);
int torc__sim_shutdown(struct torc_ring *, int fd, int how);
int torc__sim_setsockopt(struct torc_ring *, int fd, int level, int name,
	const void *value, socklen_t);
int torc__sim_getsockopt(struct torc_ring *, int fd, int level, int name,
	void *value, socklen_t *);
int torc__sim_getsockname(
	struct torc_ring *, int fd, struct sockaddr *, socklen_t *);
int torc__sim_getpeername(
	struct torc_ring *, int fd, struct sockaddr *, socklen_t *);
int torc__sim_dup(struct torc_ring *, int fd);
bool torc__sim_unix_is_stale(
	struct torc_ring *, const struct sockaddr *, socklen_t);
void torc__sim_unix_remove(struct torc_ring *, const struct sockaddr *);
int torc__sim_event_open(struct torc_ring *);
void torc__sim_event_ring_remote(struct torc_ring *, int fd);
int torc__sim_signals_open(struct torc_ring *, const sigset_t *);
void torc__sim_close_fd(struct torc_ring *, int fd);

#endif /* TORC_URING_SIM_WORLD_PRIV_H */
