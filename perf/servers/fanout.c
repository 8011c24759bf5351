/* SPDX-License-Identifier: MIT */
/*
 * What one connection sends, every other gets: fanout [HOST:PORT]
 *
 * A message is copied once, into the same block as one delivery per
 * subscriber. All are only started, so that the sends of a turn leave
 * together; the last that is done frees the block. No task waits for them: a
 * publisher is never slowed down, and a subscriber with more than 1 MiB
 * unsent is disconnected with a reset. Who sends an end of file leaves.
 */
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "perf/servers/server.h"

#define UNSENT_BYTES_MAX ((size_t)1024 * 1024)

struct subscriber {
	struct torc_stream *stream;
	size_t unsent_bytes;
	unsigned refs; /* its task, and deliveries that are not done */
	bool has_left;
	TAILQ_ENTRY(subscriber) link; /* of those that have not left */
};

struct delivery {
	struct torc_send send;
	struct subscriber *to;
	struct message *message;
};

/* The bytes follow the deliveries. */
struct message {
	unsigned refs;
	struct delivery deliveries[];
};

static TAILQ_HEAD(, subscriber) subscribers = TAILQ_HEAD_INITIALIZER(
	subscribers);
static unsigned subscribers_count;

static void
message_put(struct message *message)
{
	if (--message->refs == 0)
		torc_free(message);
}

static void
subscriber_put(struct subscriber *subscriber)
{
	if (--subscriber->refs == 0)
		torc_free(subscriber);
}

/* Once: the task that reads from it hears -ECANCELED. */
static void
leave(struct subscriber *subscriber, void (*end)(struct torc_stream *))
{
	if (subscriber->has_left)
		return;
	subscriber->has_left = true;
	TAILQ_REMOVE(&subscribers, subscriber, link);
	subscribers_count--;
	end(subscriber->stream);
}

static void
on_delivered(struct torc_future *done)
{
	struct delivery *delivery = torc_future_waiter(done);

	delivery->to->unsent_bytes -= delivery->send.bytes;
	subscriber_put(delivery->to);
	message_put(delivery->message);
}

static void
deliver(struct message *message, struct delivery *delivery,
	struct subscriber *to, const void *data, size_t bytes)
{
	if (to->unsent_bytes + bytes > UNSENT_BYTES_MAX) {
		leave(to, torc_abort);
		return;
	}
	*delivery = (struct delivery){
		.send = { .data = data, .bytes = bytes },
		.to = to,
		.message = message,
	};
	to->unsent_bytes += bytes;
	to->refs++;
	message->refs++;
	torc_send_start(to->stream, &delivery->send);
	torc_future_then(&delivery->send.done, on_delivered, delivery);
}

/* False when there is no memory for it. */
static bool
publish(struct subscriber *from, const void *data, size_t bytes)
{
	size_t head_bytes = sizeof(struct message) +
			    subscribers_count * sizeof(struct delivery);
	struct message *message = torc_malloc(head_bytes + bytes);
	struct subscriber *to = TAILQ_FIRST(&subscribers), *next;
	struct delivery *delivery;
	void *copy;

	if (message == NULL)
		return false;
	message->refs = 1;
	copy = memcpy((char *)message + head_bytes, data, bytes);
	delivery = message->deliveries;
	for (; to != NULL; to = next) {
		next = TAILQ_NEXT(to, link);
		if (to != from)
			deliver(message, delivery++, to, copy, bytes);
	}
	message_put(message);
	return true;
}

static int
serve(void *arg)
{
	struct subscriber *self = torc_malloc(sizeof(*self));
	const void *data;
	ssize_t bytes;

	if (self == NULL) {
		torc_abort(arg);
		return -1;
	}
	*self = (struct subscriber){ .stream = arg, .refs = 1 };
	TAILQ_INSERT_TAIL(&subscribers, self, link);
	subscribers_count++;
	while ((bytes = torc_recv(self->stream, &data)) > 0)
		if (!publish(self, data, (size_t)bytes)) {
			fprintf(stderr, "fanout: no memory for a message\n");
			break;
		}
	leave(self, torc_close);
	subscriber_put(self);
	return 0;
}

int
main(int argc, char **argv)
{
	return server_main("fanout", serve, argc, argv);
}
