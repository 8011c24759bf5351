/* SPDX-License-Identifier: MIT */
#include <torc/core/io/bytes.h>

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <torc/alloc/arena.h>

#include "core/shard_priv.h"

#define ROOM_MIN 256

void
torc_bytes_init(struct torc_bytes *bytes, size_t bytes_max)
{
	*bytes = (struct torc_bytes){ ._max = bytes_max == 0 ? SIZE_MAX / 2
							     : bytes_max,
		._is_ours = true };
}

void
torc_bytes_init_buf(struct torc_bytes *bytes, void *buf, size_t buf_bytes)
{
	*bytes = (struct torc_bytes){
		.data = buf, ._room = buf_bytes, ._max = buf_bytes
	};
}

void
torc_bytes_init_data(
	struct torc_bytes *bytes, const void *data, size_t data_bytes)
{
	/* Full, so that nothing is ever written to it. */
	torc_bytes_init_buf(bytes, (void *)(uintptr_t)data, data_bytes);
	bytes->bytes = data_bytes;
}

void
torc_bytes_fini(struct torc_bytes *bytes)
{
	if (bytes->_is_ours)
		torc_free(bytes->data);
	*bytes = (struct torc_bytes){ 0 };
}

static ssize_t
read_bytes(void *object, void *buf, size_t count)
{
	struct torc_bytes *bytes = object;
	size_t left = bytes->bytes - bytes->_taken;
	int ret = torc__interrupted("reading torc_bytes");

	if (ret < 0)
		return ret;
	if (count > left)
		count = left;
	if (count > 0)
		memcpy(buf, bytes->data + bytes->_taken, count);
	bytes->_taken += count;
	torc__budget_spend();
	return (ssize_t)count;
}

struct torc_source
torc_bytes_source(struct torc_bytes *bytes)
{
	return (struct torc_source){ read_bytes, bytes };
}

/*
 * Twice as much as before, so that a byte is moved twice on average. `old` is
 * for the caller to free: what is to be added may lie in it.
 */
static int
grow(struct torc_bytes *bytes, size_t needed, char **old)
{
	size_t room = bytes->_room < ROOM_MIN ? ROOM_MIN : 2 * bytes->_room;
	char *data;

	if (room < needed)
		room = needed;
	if (room > bytes->_max)
		room = bytes->_max;
	data = torc_malloc(room);
	if (data == NULL)
		return -ENOMEM;
	if (bytes->bytes > 0)
		memcpy(data, bytes->data, bytes->bytes);
	*old = bytes->data;
	bytes->data = data;
	bytes->_room = room;
	return 0;
}

static ssize_t
write_bytes(void *object, const void *data, size_t count)
{
	struct torc_bytes *bytes = object;
	int ret = torc__interrupted("writing torc_bytes");
	char *old = NULL;

	if (ret == 0 && count > bytes->_max - bytes->bytes)
		ret = -ENOSPC;
	if (ret == 0 && count > bytes->_room - bytes->bytes)
		ret = grow(bytes, bytes->bytes + count, &old);
	if (ret < 0)
		return ret;
	if (count > 0)
		memcpy(bytes->data + bytes->bytes, data, count);
	if (old != NULL)
		torc_free(old);
	bytes->bytes += count;
	torc__budget_spend();
	return (ssize_t)count;
}

struct torc_sink
torc_bytes_sink(struct torc_bytes *bytes)
{
	return (struct torc_sink){ write_bytes, bytes };
}
