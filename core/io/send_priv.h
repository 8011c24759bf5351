/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_SEND_PRIV_H
#define TORC_CORE_IO_SEND_PRIV_H

/*
 * send - the sending half of a stream, and what the halves owe each other
 */

#include "core/io/stream_priv.h"

/* What a struct torc_send stands for. */
enum torc_send_kind {
	TORC__SEND_PLAIN, /* `bytes` at `data` */
	TORC__SEND_VEC,   /* what the iovecs at `data` name */
	TORC__SEND_FDS,   /* in a struct torc_send_fds, with descriptors */
	TORC__SEND_FILE,  /* in a struct torc_send_file, `data` is not set */
};

/* One op takes at most so much; its length is 32 bits. */
#define TORC__SEND_BYTES_MAX ((size_t)1 << 30)

/*
 * Not MSG_WAITALL: it measures the same, and a send that the kernel goes on
 * with by itself shows no progress to who wants to know whether one moves.
 */
#define TORC__SEND_FLAGS MSG_NOSIGNAL

/* torc_send_start() of any kind; all but the kind is set. */
void torc__send_queue(struct torc_stream *s, struct torc_send *send,
	enum torc_send_kind kind);

/* Submit what may leave of a queue in which not all may leave together. */
void torc__send_mixed(struct torc_stream *s);

/* Complete one that was never queued. */
void torc__send_refuse(struct torc_send *send, int error);

/* The message of a send with descriptors of which nothing has left. */
const struct msghdr *torc__send_fds_msg(struct torc_send *send);

/*
 * The first of the queue is a file: what is there of it now. False when
 * nothing is; the stream is flushed anew once that has changed.
 */
bool torc__send_file_piece(struct torc_stream *s, struct iovec *piece);

/* Take the first, which is not in flight, from the queue; it is done. */
void torc__send_end_first(struct torc_stream *s, int64_t value);

/* The sending part of a new stream. */
void torc__send_init(struct torc_stream *s);

/* End every queued send with `error`. None may be in flight. */
void torc__send_fail(struct torc_stream *s, int error);

/* An error of either direction was seen: the stream's, if it is the first. */
void torc__stream_fail(struct torc_stream *s, int error);

/* The close goes on if neither half has anything in flight. */
void torc__stream_close_when_quiet(struct torc_stream *s);

#endif /* TORC_CORE_IO_SEND_PRIV_H */
