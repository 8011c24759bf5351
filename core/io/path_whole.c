/* SPDX-License-Identifier: MIT */
#include <torc/core/io/path.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include <torc/alloc/arena.h>
#include <torc/core/io/file.h>

/* What a file whose size is not told takes at first. */
#define UNKNOWN_BYTES 4096

/* Room for more, with the first `bytes` kept. 0 or -errno. */
static int
grow(char **data, size_t *room, size_t bytes, size_t bytes_max)
{
	size_t larger;
	char *block;

	if (bytes > bytes_max)
		return -EFBIG;
	larger = *room < bytes_max / 2 ? *room * 2 : bytes_max + 1;
	block = torc_malloc(larger);
	if (block == NULL)
		return -ENOMEM;
	memcpy(block, *data, bytes);
	torc_free(*data);
	*data = block;
	*room = larger;
	return 0;
}

/*
 * From the position on, for what has been read of a FIFO is gone. It may grow
 * meanwhile, and those of /proc say that they are empty. The last byte of the
 * room stays free.
 */
static ssize_t
read_growing(struct torc_file *file, uint64_t guess_bytes, size_t bytes_max,
	void **out)
{
	size_t room = guess_bytes < bytes_max ? (size_t)guess_bytes + 1
					      : bytes_max + 1;
	char *data = torc_malloc(room);
	size_t bytes = 0;
	ssize_t ret = data == NULL ? -ENOMEM : 1;

	while (ret > 0) {
		ret = torc_file_read(file, data + bytes, room - bytes);
		if (ret > 0)
			bytes += (size_t)ret;
		if (ret > 0 && bytes == room) {
			int grown = grow(&data, &room, bytes, bytes_max);

			ret = grown < 0 ? grown : ret;
		}
	}
	if (ret < 0) {
		torc_free(data);
		return ret;
	}
	data[bytes] = '\0';
	*out = data;
	return (ssize_t)bytes;
}

ssize_t
torc_path_read_all(const char *path, size_t bytes_max, void **data)
{
	struct torc_file *file;
	struct torc_stat stat;
	ssize_t ret = torc_file_open(&file, path, O_RDONLY, 0);

	if (ret < 0)
		return ret;
	if (bytes_max >= SSIZE_MAX)
		bytes_max = SSIZE_MAX - 1;
	ret = torc_file_stat(file, &stat);
	if (ret == 0)
		ret = read_growing(file,
			stat.bytes > 0 ? stat.bytes : UNKNOWN_BYTES, bytes_max,
			data);
	torc_file_close(file);
	return ret;
}

ssize_t
torc_path_write_all(
	const char *path, const void *data, size_t bytes, mode_t mode)
{
	struct torc_file *file;
	ssize_t ret =
		torc_file_open(&file, path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	if (ret < 0)
		return ret;
	ret = torc_file_pwrite_all(file, data, bytes, 0);
	torc_file_close(file);
	return ret;
}
