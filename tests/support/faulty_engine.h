/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_SUPPORT_FAULTY_ENGINE_H
#define TORC_TESTS_SUPPORT_FAULTY_ENGINE_H

/*
 * faulty_engine - io_uring on a bad day, in test builds only
 *
 * A real ring stands behind queues of plain memory. What goes down and what
 * comes up is altered, at random from a seed, into what the kernel may do as
 * well and rarely does. No result is invented: a short send was sent short,
 * a receive that ends early was cancelled, and its bytes are in the socket.
 *
 *   TORC_SEED=N    what happens; 1 when it is not set
 *   TORC_FAULTS=N  how often, per mille of the chances; 10 when not set
 *
 * When the process ends it tells how often each fault struck.
 *
 * Lifetime  That of the ring.
 * Shard     The ring's thread only.
 * Errors    As the kernel engine's.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "uring/op_priv.h"
#include "uring/soft_priv.h"

/* With the name that the last line has for it. */
#define FAULTS(X)                       \
	X(SHORT_SEND, "short-send")     \
	X(SHORT_RECV, "short-receive")  \
	X(CANCELED, "never-started")    \
	X(NO_BUFFERS, "no-buffers")     \
	X(ENDED_EARLY, "ended-early")   \
	X(DELAYED, "delayed")           \
	X(FAILED_ENTER, "failed-enter") \
	X(EMPTY_WAIT, "empty-wait")

#define FAULT_ENUM(id, name) FAULT_##id,

enum fault { FAULTS(FAULT_ENUM) FAULTS_COUNT };

/* A completion that is held back. */
struct held {
	struct torc_cqe cqe;
	uint32_t enters_left;
};

/* What is done to an op while it is in flight; of those few, a list. */
struct altered {
	struct altered *next;
	uint64_t user_data;
	enum fault plan; /* NO_BUFFERS, ENDED_EARLY, SHORT_SEND */
	bool is_given_up;
	bool is_canceled; /* by torc as well */
	bool is_kept;
	struct torc_cqe kept; /* the newest; the last one, if all goes well */

	/* Of a short send. */
	struct msghdr msg;
	struct iovec iov[];
};

struct faulty {
	struct torc_ring inner;
	uint64_t random;
	uint64_t per_mille;
	struct altered *altered;
	struct held *held;
	uint32_t held_count;
	uint32_t held_max;
};

/*
 * Set by a test: what the kernel answers to this SQE instead of carrying it
 * out, or 0 to let it pass.
 */
extern int32_t (*faulty_refuse)(const struct io_uring_sqe *sqe);

/* A number below `bound`. */
uint64_t faulty_draw(struct faulty *f, uint64_t bound);

/* True as often as the setting says. */
bool faulty_strikes(struct faulty *f);

/* One more for the line at the end. */
void faulty_count(enum fault fault);

/* The op that is altered, or NULL. */
struct altered *faulty_find(struct faulty *f, uint64_t user_data);

/* Begin to alter an op, with room for `iovs` of its message. */
struct altered *faulty_alter(
	struct faulty *f, uint64_t user_data, enum fault plan, size_t iovs);
void faulty_forget(struct faulty *f, struct altered *altered);

/* Give torc a completion, now or some enters later. */
void faulty_deliver(
	struct torc_ring *ring, struct faulty *f, const struct torc_cqe *cqe);

/* What was held back long enough. */
void faulty_release_held(struct torc_ring *ring, struct faulty *f);

/* Completions of the real ring, as far as there is room. */
void faulty_pass_up(struct torc_ring *ring, struct faulty *f);

/* The SQEs of torc, to the real ring. */
void faulty_pass_down(struct torc_ring *ring, struct faulty *f);

#endif /* TORC_TESTS_SUPPORT_FAULTY_ENGINE_H */
