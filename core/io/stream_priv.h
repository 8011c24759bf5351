/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_STREAM_PRIV_H
#define TORC_CORE_IO_STREAM_PRIV_H

#include <torc/core/io/stream.h>

#include "core/shard_priv.h"

/* Receiving goes on when so few buffers are left with the stream. */
#define TORC__CREDIT_LOW (TORC_STREAM_CREDIT / 2)

struct torc_recv_fds;

/* How receiving stands. */
enum torc_stream_end {
	TORC_STREAM_OPEN,
	TORC_STREAM_ENDED, /* `error` says how: 0 is clean */
	/* By torc_recv_fds() alone, into the caller's memory. */
	TORC_STREAM_BY_MESSAGE,
};

struct torc_stream {
	/* Receiving; the close goes through recv_op as well. */
	struct torc_op recv_op;
	struct torc_buf *rx_first; /* received, not taken */
	union {
		struct torc_buf *rx_last; /* while rx_first is not NULL */
		/* Once `end` was TORC_STREAM_BY_MESSAGE; NULL: nobody. */
		struct torc_recv_fds *receiver;
	};
	struct torc_future *reader;
	struct torc_buf *view; /* what the last torc_recv() showed */
	uint32_t view_used;    /* bytes of it that torc_read() took */
	uint16_t rx_held;      /* buffers charged to this stream */
	uint16_t pins;         /* tasks inside a receiving call */
	uint8_t end;           /* enum torc_stream_end */
	bool is_connecting;    /* the connect's future is `reader` meanwhile */
	bool is_closing;
	bool is_close_sent;
	bool is_closed;
	bool is_shut;      /* our half is closed */
	bool is_capped;    /* the receive in flight has a cap */
	uint8_t cap_shift; /* how often the cap has doubled */
	bool is_cut;       /* a send was cancelled in its middle */
	bool is_tcp;
	bool is_packet; /* a seqpacket */
	bool is_mixed;  /* not all of the queue may leave together */
	int error;      /* the first of either direction, or 0 */
	int fd;

	/* Sending. */
	uint32_t tx_inflight; /* how many of the queue send_op covers */
	struct torc_op send_op;
	struct torc_send *tx_first;
	struct torc_send *tx_last;
	struct torc_vec *vec;        /* of a vectored send in flight */
	struct torc_vec *packet_vec; /* a seqpacket's, kept for the next */
	struct torc_flush flush;
	uint64_t sent_ns; /* when the kernel last took bytes */

	struct torc_shard *shard;
	struct torc_parked parked;
	struct torc_resource resource;
};

/* A size of the allocator's: one byte more costs each stream 32. */
_Static_assert(sizeof(struct torc_stream) <= 224,
	"a stream fits where one of 224 bytes does");

/*
 * Take over `fd`, also when this fails: NULL when memory is exhausted, and
 * the descriptor is then closed.
 */
struct torc_stream *torc__stream_new(
	struct torc_shard *shard, int fd, bool is_tcp);

/* The same for a connection of this enum torc_address_type. */
static inline struct torc_stream *
torc__stream_of_type(struct torc_shard *shard, int fd, int type)
{
	struct torc_stream *s = torc__stream_new(shard, fd, type == TORC_TCP);

	if (torc_unlikely(type == TORC_UNIX_SEQPACKET) && s != NULL)
		s->is_packet = s->is_mixed = true;
	return s;
}

/* Each call on a stream begins with it. */
static inline void
torc__stream_own(const struct torc_stream *s)
{
	torc__shard_own(s->shard, "a stream",
		"adopt a dup() of its descriptor there: see adopt.h");
}

/* Or with it: 0, or -ECANCELED as the runtime ends. */
static inline int
torc__stream_begin(const struct torc_stream *s)
{
	torc__stream_own(s);
	if (torc_likely(!s->is_closing))
		return 0;
	return torc__resource_refusal(&s->resource, "a stream");
}

/* Free it once it is closed and nobody needs it any more. */
void torc__stream_release(struct torc_stream *stream);

/* torc_abort(), also when the runtime has begun to close the stream. */
void torc__stream_abort(struct torc_stream *stream);

/* torc_recv_start() where torc__stream_own() was said already. */
void torc__stream_recv(struct torc_stream *stream, struct torc_future *future);

/* The oldest buffer that nobody took yet, now the caller's, or NULL. */
struct torc_buf *torc__stream_take(struct torc_stream *stream);

/* Give such a buffer back; receiving may go on. */
void torc__stream_put(struct torc_buf *buf);

#endif /* TORC_CORE_IO_STREAM_PRIV_H */
