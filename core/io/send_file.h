/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_SEND_FILE_H
#define TORC_CORE_IO_SEND_FILE_H

/*
 * send_file - a part of a file as a send among the others of a stream
 *
 *   file --read--> chunk 1 --send--> stream
 *        --read--> chunk 2             the next is read while one leaves
 *
 * It takes its place in the order of the stream's sends: what was sent before
 * it leaves before it, and what is sent meanwhile behind its last byte.
 *
 * Memory    Two chunks of TORC_SEND_FILE_CHUNK_BYTES, or less for less, from
 *           start until `done` is ready; one when memory is short.
 * Lifetime  The struct is the runtime's from start until `done` is ready. The
 *           file stays open that long: closed earlier it ends the send.
 * Shard     That of the stream and of the file. Calls that wait need a task.
 * Errors    Those of torc_send_all() and torc_file_pread(); -EOPNOTSUPP on a
 *           seqpacket; -ENOMEM. After an error the peer may have got a part.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <torc/core/future.h>
#include <torc/core/io/file.h>
#include <torc/core/io/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TORC_SEND_FILE_CHUNK_BYTES ((size_t)128 * 1024)

/*
 * Send `bytes` of the file from `offset` on (SIZE_MAX: all to its end).
 *
 * Returns  how many: fewer than `bytes` when the file ended before; -errno.
 * Cost     two operations and one copy by the kernel per chunk; no wait of
 *          its own for a file that the kernel holds in memory.
 */
ssize_t torc_send_file(struct torc_stream *stream, struct torc_file *file,
	uint64_t offset, size_t bytes) __attribute__((warn_unused_result));

struct torc_send_file {
	/* Result. */
	struct torc_future done; /* value: as torc_send_file() returns */
	size_t sent_bytes;       /* how far it came, also on an error */

	/* Runtime only. */
	struct torc_send _send; /* its place in the queue */
	struct torc_stream *_stream;
	struct torc_file *_file;
	struct torc_file_op _read;
	uint64_t _offset;
	size_t _read_bytes; /* so far */
	struct {
		uint8_t *data;
		size_t bytes; /* read and not all sent; 0: free */
	} _chunks[2];
	size_t _first_at; /* where in the send the first chunk begins */
	uint8_t _first;
	uint8_t _filling; /* the chunk that is read into */
	bool _is_reading;
	int _error; /* of a read */
};

/* Start only. A cancel says in sent_bytes how much had left. */
void torc_send_file_start(struct torc_stream *stream,
	struct torc_send_file *send, struct torc_file *file, uint64_t offset,
	size_t bytes);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_SEND_FILE_H */
