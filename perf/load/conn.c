/* SPDX-License-Identifier: MIT */
#include "perf/load/conn.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "perf/load/socket.h"

void
load_conn_open(struct load *l, struct load_conn *c,
	const struct load_address *to, uint64_t index)
{
	c->watch.fd = load_socket_connect(
		l->options, to, l->opened++ / LOAD_SOURCE_CONNS);
	c->to = to;
	c->index = index;
	c->offset = load_pattern_offset(&l->pattern, index);
}

void
load_conn_lost(struct load *l, const struct load_conn *c, int error)
{
	load_error(l,
		"closed by the server %s, connection %llu, after %llu bytes "
		"came back%s%s",
		c->to->text, (unsigned long long)c->index,
		(unsigned long long)c->received, error ? ": " : "",
		error ? strerror(error) : "");
	load_stop(l);
}

void
load_conn_send(struct load *l, struct load_conn *c)
{
	while (c->sent < c->asked) {
		uint64_t left = c->asked - c->sent;
		size_t bytes =
			left < LOAD_CHUNK_BYTES ? left : LOAD_CHUNK_BYTES;
		ssize_t res = send(c->watch.fd,
			load_pattern_at(&l->pattern, c->offset + c->sent),
			bytes, MSG_NOSIGNAL);

		if (res < 0) {
			if (errno != EAGAIN)
				load_conn_lost(l, c, errno);
			return;
		}
		c->sent += (uint64_t)res;
		if ((size_t)res < bytes)
			return;
	}
}

/* What came, from `c->received` on, is what was sent there. */
static bool
is_echo(const struct load *l, const struct load_conn *c, size_t bytes)
{
	return bytes <= c->sent - c->received &&
	       load_pattern_holds(
		       &l->pattern, c->offset + c->received, l->buf, bytes);
}

bool
load_conn_receive(struct load *l, struct load_conn *c)
{
	ssize_t res = recv(c->watch.fd, l->buf, LOAD_CHUNK_BYTES, 0);

	if (res <= 0) {
		if (res == 0 || errno != EAGAIN)
			load_conn_lost(l, c, res == 0 ? 0 : errno);
		return false;
	}
	if (l->pattern.is_checked && !is_echo(l, c, (size_t)res)) {
		load_error(l,
			"what came back from %s is not what was sent, "
			"connection %llu, in the %zd bytes from %llu on",
			c->to->text, (unsigned long long)c->index, res,
			(unsigned long long)c->received);
		load_stop(l);
		return false;
	}
	c->received += (uint64_t)res;
	return res == LOAD_CHUNK_BYTES;
}
