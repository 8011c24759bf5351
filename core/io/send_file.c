/* SPDX-License-Identifier: MIT */
/*
 * Reads and sends, and no splice: that takes twice as many operations, and
 * each of them goes to a worker thread.
 */
#include <torc/core/io/send_file.h>

#include <errno.h>

#include <torc/alloc/arena.h>

#include "core/io/file_priv.h"
#include "core/io/send_priv.h"

static struct torc_send_file *
of_send(struct torc_send *send)
{
	return torc__container_of(send, struct torc_send_file, _send);
}

/* ---- reading ---- */

/* When the send has ended and no read names a chunk any more. */
static void
finish(struct torc_send_file *f)
{
	torc_free(f->_chunks[0].data);
	torc_free(f->_chunks[1].data);
	torc__file_let_go(f->_file);
	f->sent_bytes = f->_send.sent_bytes;
	torc_future_complete(&f->done, f->_send.done.value);
}

static void
on_read(struct torc_future *read)
{
	struct torc_send_file *f = torc_future_waiter(read);
	size_t wanted = f->_send.bytes - f->_read_bytes;

	f->_is_reading = false;
	if (torc_future_is_ready(&f->_send.done)) {
		finish(f);
		return;
	}
	if (wanted > TORC_SEND_FILE_CHUNK_BYTES)
		wanted = TORC_SEND_FILE_CHUNK_BYTES;
	if (read->value < 0) {
		f->_error = (int)read->value;
	} else {
		f->_chunks[f->_filling].bytes = (size_t)read->value;
		f->_read_bytes += (size_t)read->value;
		/* The file has ended, and so does what is to be sent. */
		if ((size_t)read->value < wanted)
			f->_send.bytes = f->_read_bytes;
	}
	if (torc__op_is_idle(&f->_stream->send_op))
		torc__shard_flush_later(f->_stream->shard, &f->_stream->flush);
}

/* Fill a free chunk, if there is one and something to fill it with. */
static void
read_ahead(struct torc_send_file *f)
{
	size_t bytes = f->_send.bytes - f->_read_bytes;
	uint8_t to = f->_first;

	if (f->_is_reading || f->_error != 0 || bytes == 0)
		return;
	if (f->_chunks[to].bytes > 0)
		to ^= 1;
	if (f->_chunks[to].bytes > 0 || f->_chunks[to].data == NULL)
		return;
	if (f->_file->is_closing) {
		f->_error = -ECANCELED;
		return;
	}
	if (bytes > TORC_SEND_FILE_CHUNK_BYTES)
		bytes = TORC_SEND_FILE_CHUNK_BYTES;
	f->_filling = to;
	f->_is_reading = true;
	torc_file_pread_exact_start(f->_file, f->_chunks[to].data, bytes,
		f->_offset + f->_read_bytes, &f->_read);
	torc_future_then(&f->_read.done, on_read, f);
}

/* ---- sending ---- */

static void
give_back_sent(struct torc_send_file *f)
{
	size_t bytes = f->_chunks[f->_first].bytes;

	if (bytes == 0 || f->_send.sent_bytes < f->_first_at + bytes)
		return;
	f->_first_at += bytes;
	f->_chunks[f->_first].bytes = 0;
	if (f->_chunks[1].data != NULL)
		f->_first ^= 1;
}

bool
torc__send_file_piece(struct torc_stream *s, struct iovec *piece)
{
	struct torc_send_file *f = of_send(s->tx_first);
	size_t at;

	give_back_sent(f);
	read_ahead(f);
	if (f->_send.sent_bytes == f->_send.bytes) {
		torc__send_end_first(s, (int64_t)f->_send.bytes);
		return false;
	}
	if (f->_chunks[f->_first].bytes == 0) {
		if (f->_error == 0)
			return false;
		s->is_cut |= f->_send.sent_bytes > 0;
		torc__send_end_first(s, f->_error);
		return false;
	}
	at = f->_send.sent_bytes - f->_first_at;
	*piece = (struct iovec){ f->_chunks[f->_first].data + at,
		f->_chunks[f->_first].bytes - at };
	return true;
}

/* All has left, or it failed, was cancelled, or the stream is closed. */
static void
on_send_ended(struct torc_future *ended)
{
	struct torc_send_file *f = torc_future_waiter(ended);

	/* Its end, at once or later, finishes. */
	if (f->_is_reading)
		torc_future_cancel(&f->_read.done);
	else
		finish(f);
}

static void
cancel(struct torc_future *done)
{
	struct torc_send_file *f = torc_future_source(done);

	torc_future_cancel(&f->_send.done);
}

/* 0 or -errno. */
static int
get_chunks(struct torc_send_file *f, size_t bytes)
{
	size_t chunk_bytes = bytes < TORC_SEND_FILE_CHUNK_BYTES
				     ? bytes
				     : TORC_SEND_FILE_CHUNK_BYTES;

	f->_chunks[0].data = torc_malloc(chunk_bytes);
	if (f->_chunks[0].data == NULL)
		return -ENOMEM;
	if (bytes > chunk_bytes)
		f->_chunks[1].data = torc_malloc(chunk_bytes);
	return 0;
}

void
torc_send_file_start(struct torc_stream *s, struct torc_send_file *f,
	struct torc_file *file, uint64_t offset, size_t bytes)
{
	int ret = torc__stream_begin(s);

	*f = (struct torc_send_file){
		._stream = s, ._file = file, ._offset = offset
	};
	torc_future_init(&f->done, cancel, f);
	if (ret == 0 && s->is_packet)
		ret = -EOPNOTSUPP;
	if (ret == 0 && bytes > 0)
		ret = get_chunks(f, bytes);
	if (ret < 0 || bytes == 0) {
		torc_future_complete(&f->done, ret);
		return;
	}
	torc__file_hold(file);
	f->_send.bytes = bytes;
	torc__send_queue(s, &f->_send, TORC__SEND_FILE);
	if (!torc_future_is_ready(&f->_send.done))
		read_ahead(f);
	torc_future_then(&f->_send.done, on_send_ended, f);
}

ssize_t
torc_send_file(struct torc_stream *stream, struct torc_file *file,
	uint64_t offset, size_t bytes)
{
	struct torc_send_file send;
	int ret = torc__interrupted("torc_send_file");

	if (ret < 0)
		return ret;
	torc_send_file_start(stream, &send, file, offset, bytes);
	return (ssize_t)torc_await(&send.done);
}
