/* SPDX-License-Identifier: MIT */
/*
 * Serves the files of a folder, whole or in parts: files FOLDER HOST:PORT
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <torc.h>

static bool
read_request(struct torc_reader *reader, char *path, char *range)
{
	char *line;
	int ret;

	while ((ret = torc_reader_line(reader, &line, NULL)) > 0 && *line != 0)
		if (sscanf(line, "GET %511s", path) != 1)
			sscanf(line, "%*1[Rr]ange: bytes=%63s", range);
	return ret > 0 && *path == '/' && strstr(path, "..") == NULL;
}

/* FIRST-LAST, FIRST- or -COUNT. Returns how many bytes from *from on. */
static size_t
choose(const char *range, size_t all, size_t *from)
{
	size_t first, last = SIZE_MAX, count;

	if (sscanf(range, "-%zu", &count) == 1)
		first = count < all ? all - count : 0;
	else if (sscanf(range, "%zu-%zu", &first, &last) < 1 || first > last)
		return all;
	*from = first;
	return first >= all ? 0 : (last < all ? last + 1 : all) - first;
}

static int
serve(void *conn)
{
	char buf[4096], path[513] = ".", range[128] = "", part[128];
	const char *status = "404 Not Found";
	struct torc_file *file = NULL;
	struct torc_reader reader;
	struct torc_stat stat;
	size_t first = 0, bytes = 0;

	torc_reader_init(&reader, torc_stream_source(conn), buf, sizeof(buf));
	if (read_request(&reader, path + 1, range) &&
		torc_file_open(&file, path, O_RDONLY, 0) == 0 &&
		torc_file_stat(file, &stat) == 0 && S_ISREG(stat.mode)) {
		bytes = choose(range, stat.bytes, &first);
		snprintf(part, sizeof(part),
			"206 Partial\r\nContent-Range: bytes %zu-%zu/%zu",
			first, first + bytes - 1, (size_t)stat.bytes);
		status = bytes == 0 ? "416 Out of Range" : part;
		if (bytes == stat.bytes)
			status = "200 OK";
	}
	snprintf(buf, sizeof(buf), "HTTP/1.0 %s\r\nContent-Length: %zu\r\n\r\n",
		status, bytes);
	if (torc_send_all(conn, buf, strlen(buf)) < 0 ||
		torc_send_file(conn, file, first, bytes) != (ssize_t)bytes)
		torc_abort(conn); /* none shall take it for the whole */
	else
		torc_close(conn);
	torc_file_close(file);
	return 0;
}

static int
accept_all(void *address)
{
	struct torc_listener *listener;
	struct torc_stream *conn;
	int ret = torc_listen(&listener, address, NULL);

	while (ret == 0 && (ret = torc_accept(listener, &conn)) == 0)
		if (torc_spawn(NULL, serve, conn) < 0)
			torc_abort(conn);
	fprintf(stderr, "files: %s\n", strerror(-ret));
	return ret;
}

int
main(int argc, char **argv)
{
	const char *why = "a folder that is there and an address are needed";
	struct torc_options options = { .shards = 1 };
	struct torc_address address;

	if (argc != 3 || torc_address_parse(&address, argv[2], &why) < 0 ||
		chdir(argv[1]) < 0) {
		fprintf(stderr, "files: %s: files FOLDER HOST:PORT\n", why);
		return 2;
	}
	return torc_run(&options, accept_all, &address) != 0;
}
