/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_RELAY_H
#define TORC_CORE_IO_RELAY_H

/*
 * relay - two streams joined, both directions at once
 *
 * Bytes go from the buffer they were received in straight to the other
 * side's send. There is no task and no stack per relay: an idle one costs
 * its own struct and its two streams.
 *
 *   a end of file      what was read is sent, then the other side's half is
 *                      closed; its answer still comes through
 *   a reset, an error  both sides are reset: what was passed on so far must
 *                      not be taken for the whole
 *   a slow reader      stops its own writer (see Credit in stream.h)
 *
 * Each direction ends for itself, and `error` in its half tells how: 0 after
 * an end of file; the -errno of the side that failed it; -ECANCELED when it
 * was cut off because the other one failed; -ETIMEDOUT, or -ECANCELED after a
 * cancel, when nobody failed. Between two seqpackets messages stay whole.
 *
 * Lifetime  The struct is the runtime's from start until `done` is ready;
 *           both streams are then closed.
 * Shard     That of both streams.
 * Errors    done's value: 0 when both directions ended cleanly, else the
 *           first -errno; -ETIMEDOUT when nothing moved for idle_ns;
 *           -ECANCELED after torc_future_cancel(&relay->done).
 */

#include <stdbool.h>
#include <stdint.h>

#include <torc/core/future.h>
#include <torc/core/io/stream.h>
#include <torc/core/timer.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_relay;

/* One direction. Each ends once, and says how. */
struct torc_relay_half {
	/* Result. */
	uint64_t bytes;    /* delivered to the other side's kernel */
	uint64_t ended_ns; /* torc_now_ns() at its end; 0: it goes on */
	int error;         /* 0: its end of file was passed on; see above */

	/* Runtime only. */
	uint16_t _queued; /* buffers on their way */
	uint8_t _state;
	struct torc_relay *_relay;
	struct torc_stream *_from;
	struct torc_stream *_to;
	struct torc_future _readable;
};

struct torc_relay {
	/* Result. */
	struct torc_future done;
	struct torc_relay_half a_to_b;
	struct torc_relay_half b_to_a;

	/* Runtime only. */
	struct torc_timer _timer; /* idle, then the end */
	uint64_t _idle_ns;
	uint64_t _moved_ns;
	int _error;
	bool _is_over; /* its streams are closed */
};

/*
 * Join `a` and `b`, and take both. `idle_ns`: end with -ETIMEDOUT when no
 * byte moved for so long; 0: never.
 */
void torc_relay_start(struct torc_relay *relay, struct torc_stream *a,
	struct torc_stream *b, uint64_t idle_ns);

/*
 * The same, awaited. Returns as `done` above; when the task is interrupted
 * both sides are reset.
 */
int torc_relay(struct torc_stream *a, struct torc_stream *b, uint64_t idle_ns)
	__attribute__((warn_unused_result));

/* The same, and how many bytes each direction delivered, also on an error. */
struct torc_relay_bytes {
	uint64_t a_to_b;
	uint64_t b_to_a;
};

int torc_relay_counted(struct torc_stream *a, struct torc_stream *b,
	uint64_t idle_ns, struct torc_relay_bytes *bytes)
	__attribute__((warn_unused_result));

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_RELAY_H */
