/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_BASELINE_BACKLOG_H
#define TORC_PERF_BASELINE_BACKLOG_H

/*
 * backlog - what a subscriber of a fan-out has not been sent yet
 *
 * A message is kept once, however many subscribers still wait for it, and
 * freed when the last of them was sent it or has left.
 *
 *   backlog --> entry --> entry --> NULL       one backlog per subscriber
 *                 |         |
 *               message   message              refs: entries, and the maker
 *
 * Lifetime  All zero is an empty backlog; backlog_clear() makes it so again.
 * Errors    NULL or -ENOMEM when memory is exhausted.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* A subscriber with more than this unsent is disconnected. */
#define BACKLOG_BYTES_MAX (1024 * 1024)

struct message {
	uint32_t refs;
	uint32_t bytes;
	char data[];
};

struct backlog {
	struct backlog_entry *first;
	struct backlog_entry *last;
	size_t bytes;   /* unsent, of all */
	uint32_t start; /* of what is unsent in the first */
};

/* A copy of `bytes` with one reference, the caller's. */
struct message *message_new(const void *data, size_t bytes);
void message_put(struct message *m);

/* Append the message from its byte `start` on, with a reference of its own. */
int backlog_push(struct backlog *b, struct message *m, uint32_t start);

/* The first unsent bytes in at most `max` pieces; how many it takes. */
unsigned backlog_iov(const struct backlog *b, struct iovec *iov, unsigned max);

/* `bytes` have left. */
void backlog_consume(struct backlog *b, size_t bytes);

void backlog_clear(struct backlog *b);

#endif /* TORC_PERF_BASELINE_BACKLOG_H */
