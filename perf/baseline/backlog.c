/* SPDX-License-Identifier: MIT */
#include "perf/baseline/backlog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "perf/baseline/net.h"

struct backlog_entry {
	struct message *message;
	struct backlog_entry *next;
};

static struct net_pool entries = {
	.bytes = sizeof(struct backlog_entry),
	.chunk_count = 1024,
};

struct message *
message_new(const void *data, size_t bytes)
{
	struct message *m = malloc(sizeof(*m) + bytes);

	if (m == NULL)
		return NULL;
	m->refs = 1;
	m->bytes = (uint32_t)bytes;
	memcpy(m->data, data, bytes);
	return m;
}

void
message_put(struct message *m)
{
	if (--m->refs == 0)
		free(m);
}

int
backlog_push(struct backlog *b, struct message *m, uint32_t start)
{
	struct backlog_entry *entry = net_pool_get(&entries);

	_Static_assert(sizeof(*entry) % 16 == 0, "as the pool wants it");
	if (entry == NULL)
		return -ENOMEM;
	*entry = (struct backlog_entry){ .message = m };
	m->refs++;
	if (b->first == NULL) {
		b->first = entry;
		b->start = start;
	} else {
		b->last->next = entry;
	}
	b->last = entry;
	b->bytes += m->bytes - start;
	return 0;
}

static void
pop(struct backlog *b)
{
	struct backlog_entry *entry = b->first;

	b->first = entry->next;
	b->start = 0;
	message_put(entry->message);
	net_pool_put(&entries, entry);
}

unsigned
backlog_iov(const struct backlog *b, struct iovec *iov, unsigned max)
{
	const struct backlog_entry *entry = b->first;
	uint32_t start = b->start;
	unsigned count = 0;

	for (; entry != NULL && count < max; entry = entry->next) {
		iov[count++] = (struct iovec){
			.iov_base = entry->message->data + start,
			.iov_len = entry->message->bytes - start,
		};
		start = 0;
	}
	return count;
}

void
backlog_consume(struct backlog *b, size_t bytes)
{
	b->bytes -= bytes;
	while (bytes > 0) {
		uint32_t left = b->first->message->bytes - b->start;

		if (bytes < left) {
			b->start += (uint32_t)bytes;
			return;
		}
		bytes -= left;
		pop(b);
	}
}

void
backlog_clear(struct backlog *b)
{
	while (b->first != NULL)
		pop(b);
	b->bytes = 0;
}
