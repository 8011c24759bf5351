/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_CORE_IO_LISTENER_FIXTURE_H
#define TORC_TESTS_CORE_IO_LISTENER_FIXTURE_H

/*
 * listener_fixture - a listener, and what its clients see of it
 */

#include <netinet/in.h>

#include "tests/core/io/fixture.h"

static inline struct torc_listener *
listen_on(const char *text, struct torc_address *actual)
{
	struct torc_address address = address_of(text);
	struct torc_listener *listener;

	must_be(torc_listen(&listener, &address, NULL), 0);
	must_be(torc_listener_address(listener, actual), 0);
	return listener;
}

/* -errno, or a connected descriptor. */
static inline int
raw_try_connect(const struct torc_address *to)
{
	int fd = raw_socket(to);

	if (connect(fd, &to->sa, to->len) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

/* For so long, though clients wait. */
static inline void
must_accept_nobody(struct torc_listener *listener, uint64_t span_ns)
{
	struct torc_deadline deadline;
	struct torc_stream *stream;

	torc_deadline_begin(&deadline, span_ns);
	must_be(torc_accept(listener, &stream), -ETIMEDOUT);
	torc_deadline_end(&deadline);
}

/* How many are connected and not accepted. */
static inline int
queued_in_backlog(const struct torc_address *address)
{
	char line[256];
	unsigned port = ntohs(address->in.sin_port);
	int queued = -1;
	FILE *file = fopen("/proc/net/tcp", "r");

	must(file != NULL);
	while (fgets(line, sizeof(line), file) != NULL) {
		unsigned local_port, state, tx, rx;

		if (sscanf(line, " %*d: %*x:%x %*x:%*x %x %x:%x", &local_port,
			    &state, &tx, &rx) == 4 &&
			local_port == port && state == 0x0a)
			queued = (int)rx;
	}
	fclose(file);
	return queued;
}

/* A path of its own for each process. */
static inline const char *
unix_text(void)
{
	static char text[64];

	snprintf(text, sizeof(text), "unix:/tmp/torc-listener-%d", getpid());
	return text;
}

#endif /* TORC_TESTS_CORE_IO_LISTENER_FIXTURE_H */
