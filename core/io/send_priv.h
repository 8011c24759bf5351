/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_SEND_PRIV_H
#define TORC_CORE_IO_SEND_PRIV_H

/*
 * send - the sending half of a stream, and what the halves owe each other
 */

#include "core/io/stream_priv.h"

/* The sending part of a new stream. */
void torc__send_init(struct torc_stream *s);

/* End every queued send with `error`. None may be in flight. */
void torc__send_fail(struct torc_stream *s, int error);

/* From stream.c, for send.c: an error was seen; it is the first or not. */
void torc__stream_fail(struct torc_stream *s, int error);

/* The close goes on if neither half has anything in flight. */
void torc__stream_close_when_quiet(struct torc_stream *s);

#endif /* TORC_CORE_IO_SEND_PRIV_H */
