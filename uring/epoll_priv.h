/* SPDX-License-Identifier: MIT */
#ifndef TORC_URING_EPOLL_PRIV_H
#define TORC_URING_EPOLL_PRIV_H

/*
 * epoll - io_uring's SQEs carried out by system calls that do not block
 *
 *   taken ----> tried ----> done: a CQE
 *                 |  ^                ^
 *    not ready    v  |  an event, its |  by a worker thread
 *               kept    time, or -----+
 *                       the next enter
 *
 * Every SQE is tried at once. What is not ready is kept: it is found by its
 * user_data to be cancelled, and waits for an event of its descriptor in one
 * edge-triggered epoll set per ring. What has no events and may take long, as
 * all that is about files, is done by a worker. One row of a table says for
 * each opcode how it is tried and what it waits for.
 *
 * Lifetime  An op lives inside the enters of its ring, from its SQE to its
 *           terminal CQE. All memory goes when the ring closes.
 * Shard     The ring's thread only, but for torc__epoll_mail_send(), which
 *           reaches other rings of the process.
 * Errors    Those that io_uring has for the same, in CQEs.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/list_priv.h"
#include "uring/soft_priv.h"

/* What a try says that has no result yet. */
#define TORC__EPOLL_WAIT INT32_MIN        /* an event will tell */
#define TORC__EPOLL_LATER (INT32_MIN + 1) /* go on after the others */
#define TORC__EPOLL_PAUSE (INT32_MIN + 2) /* again at until_ns */
#define TORC__EPOLL_WORK (INT32_MIN + 3)  /* a worker is to do it */

/*
 * Results of one multishot in one go, as io_uring has it: a peer that never
 * stops sending does not starve the others.
 */
#define TORC__EPOLL_BURST 32

/* After these a descriptor has more to say than its bytes. */
#define TORC__EPOLL_ENDING (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)

struct torc_epoll_op;
struct torc_epoll_slab;

struct torc_epoll_opcode {
	/* A result, with cqe_flags set if need be, or one of the above. */
	int32_t (*try)(struct torc_ring *, struct torc_epoll_op *);
	/* What it waits for; errors and hang-ups come unasked. */
	uint32_t events;
	/* Of the SQE, besides CQE_SKIP_SUCCESS. */
	uint8_t flags;
	/* Waits although the descriptor is O_NONBLOCK. */
	bool is_patient;
	/* Of a descriptor that is open for this; it may never be ready else. */
	bool is_reading, is_writing;
	/* The whole of it, on a worker's thread; its result. */
	int32_t (*work)(struct torc_epoll_op *);
};

struct torc_epoll_op {
	struct io_uring_sqe sqe; /* a copy: its slot is free after the enter */
	struct torc_epoll_slab *slab;
	const struct torc_epoll_opcode *opcode;
	struct torc_epoll_op *file_next; /* waits for the same descriptor */
	struct torc_epoll_op *find_next; /* has the same hash */
	struct torc_link link;           /* free, tried later, or worked on */
	struct torc_link timed;
	struct torc_epoll *epoll; /* while a worker has it */
	uint64_t until_ns;
	uint32_t events;    /* waited for */
	uint32_t seen;      /* the last events */
	uint32_t done;      /* bytes so far */
	uint32_t cqe_flags; /* of the terminal CQE */
	int32_t work_res;
	bool is_kept;
	bool is_worked;  /* the workers have it; the ring's own note */
	bool is_taken;   /* by one of them; under their lock */
	bool is_armed;   /* its events are registered */
	bool is_last;    /* its descriptor must not be waited for */
	bool is_mute;    /* and cannot: it has no events */
	bool is_started; /* a connect */
};

/* What is known of a descriptor. */
struct torc_epoll_file {
	struct torc_epoll_op *first;
	uint32_t events;     /* registered; 0: not */
	uint32_t generation; /* of the registration; events carry it */
	bool is_tcp;         /* of the registered file */
	bool is_adopted;     /* ours alone: closed with its last op */
};

/* Completions that other rings sent. */
struct torc_epoll_letter {
	uint64_t user_data;
	int32_t res;
	uint32_t cqe_flags;
};

struct torc_epoll_mail {
	struct torc_link link; /* of all rings in the process */
	int ring_fd;
	int bell_fd; /* written to when there are letters */
	struct torc_epoll_letter *letters;
	uint32_t count;
	uint32_t max;
	struct torc_link worked; /* ops that workers have done */
};

struct torc_epoll {
	int fd; /* the epoll set; what others know the ring by */
	bool has_looked;

	struct torc_epoll_file *files; /* by descriptor */
	uint32_t files_max;

	struct torc_epoll_op **found; /* by user_data; chains */
	uint32_t found_mask;
	uint32_t kept_count;

	struct torc_link free_ops;
	uint64_t free_count;
	struct torc_link slabs;
	struct torc_link later;
	struct torc_link timed; /* by until_ns */

	bool is_working;        /* known to the workers */
	uint32_t working_count; /* ops that run now; under their lock */

	struct torc_epoll_mail mail;
};

static inline struct torc_epoll *
torc__epoll_of(const struct torc_ring *ring)
{
	return torc__soft_of(ring)->engine;
}

/* ---- op: from SQE to terminal CQE; epoll_op.c ---- */

/* 0 or -ENOMEM. */
int torc__epoll_ops_open(struct torc_epoll *epoll);
void torc__epoll_ops_close(struct torc_epoll *epoll);

/* Take up to `count` SQEs and try them; how many, or -ENOMEM. */
int torc__epoll_submit(struct torc_ring *ring, uint32_t count);

/* Try what an event, its time or an earlier burst made worth it. */
void torc__epoll_op_run(struct torc_ring *ring, struct torc_epoll_op *op);

/* Once each: what waits for the next enter. */
void torc__epoll_run_later(struct torc_ring *ring);

/* The terminal CQE; `op` is gone. */
void torc__epoll_op_finish(
	struct torc_ring *ring, struct torc_epoll_op *op, int32_t res);

/* The oldest kept op with this user_data, or NULL. */
struct torc_epoll_op *torc__epoll_find(
	const struct torc_epoll *epoll, uint64_t user_data);

/*
 * One result of a multishot that goes on. False when the CQ is full: the
 * multishot then ends with this result.
 */
static inline bool
torc__epoll_post_more(struct torc_ring *ring, const struct torc_epoll_op *op,
	int32_t res, uint32_t cqe_flags)
{
	if (!torc__soft_has_room(ring))
		return false;
	torc__soft_post(
		ring, op->sqe.user_data, res, cqe_flags | IORING_CQE_F_MORE);
	return true;
}

/* The row of an opcode, or NULL; epoll_table.c. */
const struct torc_epoll_opcode *torc__epoll_opcode(uint8_t opcode);

/* ---- file: descriptors and their events; epoll_file.c ---- */

/* Of closed files whose ops were still waiting; and the table. */
void torc__epoll_files_close(struct torc_epoll *epoll);

/*
 * Let `op` wait for its events. 0; or -errno, and it does not wait: -EPERM
 * for a descriptor that has no events, -EAGAIN for one that is O_NONBLOCK,
 * -EBADF for one that is not open for it.
 */
int torc__epoll_file_wait(struct torc_ring *ring, struct torc_epoll_op *op);

/* `op` waits for its descriptor no more. */
void torc__epoll_file_leave(struct torc_epoll *epoll, struct torc_epoll_op *op);

/* Keep `op` with its descriptor without events. 0 or -ENOMEM. */
int torc__epoll_file_join(struct torc_epoll *epoll, struct torc_epoll_op *op);

/* Try what waits for what happened. */
void torc__epoll_file_event(
	struct torc_ring *ring, const struct epoll_event *event);

/* True when a short receive has emptied the socket. */
bool torc__epoll_file_is_tcp(const struct torc_epoll *epoll, int fd);

/*
 * close(2). Ops that wait keep the file, as they do in io_uring: it lives on
 * under another number until the last of them is done. Without a number to
 * be had they end with -ECANCELED.
 */
int torc__epoll_file_close(struct torc_ring *ring, int fd);

/* ---- time; epoll_time.c ---- */

/* Try `op` again at its until_ns. */
void torc__epoll_time_wait(struct torc_epoll *epoll, struct torc_epoll_op *op);

/* Try what is due. */
void torc__epoll_time_run(struct torc_ring *ring);

/* When the first is due; UINT64_MAX: none. */
uint64_t torc__epoll_time_next_ns(const struct torc_epoll *epoll);

/* ---- mail between rings; epoll_mail.c ---- */

/* 0 or -errno. */
int torc__epoll_mail_open(struct torc_epoll *epoll);
void torc__epoll_mail_close(struct torc_epoll *epoll);

/* Of the event that says there are letters. */
#define TORC__EPOLL_MAIL UINT64_MAX

/* To the ring with this descriptor. 0, -EBADFD when it is none, -ENOMEM. */
int torc__epoll_mail_send(int ring_fd, const struct torc_epoll_letter *letter);

/* A worker gives its op back to the ring. */
void torc__epoll_mail_worked(
	struct torc_epoll *epoll, struct torc_epoll_op *op);

/* Post what has come. */
void torc__epoll_mail_take(struct torc_ring *ring);

/* ---- worker threads; epoll_worker.c ---- */

/* Before its first op, and after its last: waits for what runs. */
void torc__epoll_work_open(struct torc_epoll *epoll);
void torc__epoll_work_close(struct torc_epoll *epoll);

/* Have `op` done. 0; -ENOMEM without a thread for it. */
int torc__epoll_work_start(struct torc_epoll *epoll, struct torc_epoll_op *op);

/* Take it back: false when it runs, or is done. */
bool torc__epoll_work_cancel(struct torc_epoll_op *op);

/* ---- tries, for the table ---- */

typedef int32_t torc_epoll_try(struct torc_ring *, struct torc_epoll_op *);

/* epoll_transfer.c */
torc_epoll_try torc__epoll_try_recv, torc__epoll_try_send;
torc_epoll_try torc__epoll_try_recvmsg, torc__epoll_try_sendmsg;

/* epoll_rw.c */
torc_epoll_try torc__epoll_try_read, torc__epoll_try_write;

/* epoll_disk.c */
torc_epoll_try torc__epoll_try_disk;

/* epoll_socket.c */
torc_epoll_try torc__epoll_try_accept, torc__epoll_try_connect;
torc_epoll_try torc__epoll_try_shutdown, torc__epoll_try_close;
torc_epoll_try torc__epoll_try_poll;

/* epoll_table.c */
torc_epoll_try torc__epoll_try_nop, torc__epoll_try_timeout;
torc_epoll_try torc__epoll_try_cancel, torc__epoll_try_msg_ring;

/* ---- what workers do, for the table ---- */

typedef int32_t torc_epoll_work_fn(struct torc_epoll_op *);

/* epoll_rw.c */
torc_epoll_work_fn torc__epoll_work_read, torc__epoll_work_write;

/* epoll_disk.c */
torc_epoll_work_fn torc__epoll_work_openat, torc__epoll_work_statx;
torc_epoll_work_fn torc__epoll_work_fsync, torc__epoll_work_ftruncate;
torc_epoll_work_fn torc__epoll_work_renameat, torc__epoll_work_unlinkat;
torc_epoll_work_fn torc__epoll_work_mkdirat, torc__epoll_work_symlinkat;
torc_epoll_work_fn torc__epoll_work_linkat;

#endif /* TORC_URING_EPOLL_PRIV_H */
