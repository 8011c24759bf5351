/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_STREAM_PRIV_H
#define TORC_CORE_IO_STREAM_PRIV_H

#include <torc/core/io/stream.h>

#include "core/shard_priv.h"

/* Receiving goes on when so few buffers are left with the stream. */
#define TORC__CREDIT_LOW (TORC_STREAM_CREDIT / 2)

/* How receiving stands. */
enum torc_stream_end {
	TORC_STREAM_OPEN,
	TORC_STREAM_ENDED, /* `error` says how: 0 is clean */
};

struct torc_stream {
	/* Receiving; the close goes through recv_op as well. */
	struct torc_op recv_op;
	struct torc_buf *rx_first; /* received, not taken */
	struct torc_buf *rx_last;
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
	int error; /* the first of either direction, or 0 */
	int fd;

	/* Sending. */
	struct torc_op send_op;
	struct torc_send *tx_first;
	struct torc_send *tx_last;
	struct torc_vec *vec; /* of a vectored send in flight */
	uint32_t tx_inflight; /* how many of the queue it covers */
	struct torc_flush flush;

	uint64_t sent_ns; /* when the kernel last took bytes */

	struct torc_shard *shard;
	struct torc_parked parked;
	struct torc_resource resource;
};

/*
 * Take over `fd`, also when this fails: NULL when memory is exhausted, and
 * the descriptor is then closed.
 */
struct torc_stream *torc__stream_new(
	struct torc_shard *shard, int fd, bool is_tcp);

/* torc_abort(), also when the runtime has begun to close the stream. */
void torc__stream_abort(struct torc_stream *stream);

/* The oldest buffer that nobody took yet, now the caller's, or NULL. */
struct torc_buf *torc__stream_take(struct torc_stream *stream);

/* Give such a buffer back; receiving may go on. */
void torc__stream_put(struct torc_buf *buf);

#endif /* TORC_CORE_IO_STREAM_PRIV_H */
