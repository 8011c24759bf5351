/* SPDX-License-Identifier: MIT */
#include "tests/contract/steps.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include <torc/base/clock.h>

/* Static, and used again only by the next script: a late write is harmless. */
#define MEMORY_BYTES ((size_t)16 << 20)
static _Alignas(4096) uint8_t all_memory[MEMORY_BYTES];

/* Only a script that fails waits for so long. */
#define PATIENCE_NS (5 * TORC_S)
#define WAIT_NS (100 * TORC_MS)

/* Loopback delivers before the call returns; a simulation takes its time. */
#define SETTLE_NS (6 * TORC_MS)
#define SETTLE_SIM_NS (2 * TORC_S)

_Noreturn void
give_up(struct contract *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(c->why, sizeof(c->why), format, args);
	va_end(args);
	longjmp(c->escape, 1);
}

static void *
cut(struct contract *c, size_t bytes, size_t align)
{
	size_t at = (c->memory_used + align - 1) & ~(align - 1);

	if (at + bytes > MEMORY_BYTES)
		give_up(c, "the script wants more than %zu MiB of memory",
			MEMORY_BYTES >> 20);
	c->memory_used = at + bytes;
	return memset(all_memory + at, 0, bytes);
}

void *
memory(struct contract *c, size_t bytes)
{
	return cut(c, bytes, 64);
}

void *
pages(struct contract *c, size_t bytes)
{
	return cut(c, bytes, 4096);
}

static void
collect(struct contract *c)
{
	while (torc__ring_cq_count(&c->ring) != 0) {
		if (c->came_count == CONTRACT_CQES_MAX)
			give_up(c, "more than %u completions at once",
				CONTRACT_CQES_MAX);
		c->came[c->came_count++] = torc__ring_pop(&c->ring);
	}
}

static void
enter(struct contract *c, uint32_t min_complete, uint64_t timeout_ns)
{
	int ret = torc__ring_enter(&c->ring, min_complete, timeout_ns);

	if (ret < 0)
		give_up(c, "enter: %s", strerror(-ret));
	collect(c);
}

void
push(struct contract *c)
{
	enter(c, 0, 0);
}

void
settle(struct contract *c)
{
	bool is_sim = strcmp(c->engine->name, "sim") == 0;
	uint64_t now_ns = torc__ring_now_ns(&c->ring);
	uint64_t end_ns = now_ns + (is_sim ? SETTLE_SIM_NS : SETTLE_NS);

	push(c);
	while ((now_ns = torc__ring_now_ns(&c->ring)) < end_ns)
		enter(c, 1, end_ns - now_ns);
	push(c);
}

static int
find(const struct contract *c, uint64_t id)
{
	for (uint32_t i = 0; i < c->came_count; i++)
		if (c->came[i].user_data == id)
			return (int)i;
	return -1;
}

bool
has_come(const struct contract *c, uint64_t id)
{
	return find(c, id) >= 0;
}

bool
came_within(struct contract *c, uint64_t id, uint64_t wait_ns)
{
	uint64_t begin_ns = torc__ring_now_ns(&c->ring);

	/* An enter without need is time that a simulation lets pass. */
	if (!has_come(c, id))
		push(c);
	while (!has_come(c, id)) {
		if (torc__ring_now_ns(&c->ring) - begin_ns >= wait_ns)
			return false;
		enter(c, 1, wait_ns < WAIT_NS ? wait_ns : WAIT_NS);
	}
	return true;
}

static struct torc_cqe
take_out(struct contract *c, int index)
{
	struct torc_cqe cqe = c->came[index];

	c->came_count--;
	memmove(&c->came[index], &c->came[index + 1],
		(c->came_count - (uint32_t)index) * sizeof(c->came[0]));
	return cqe;
}

static void
describe(char *text, size_t bytes, const struct outcome *set, size_t count)
{
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < count && at < bytes; i++) {
		const char *more = set[i].flags & F_MORE ? " more" : "";
		const char *buf = set[i].flags & F_BUFFER ? " buffer" : "";

		if (set[i].min == set[i].max)
			at += (size_t)snprintf(text + at, bytes - at,
				"%s%d%s%s", i ? ", " : "", set[i].min, more,
				buf);
		else
			at += (size_t)snprintf(text + at, bytes - at,
				"%s%d..%d%s%s", i ? ", " : "", set[i].min,
				set[i].max, more, buf);
	}
}

struct torc_cqe
expect_one_of(struct contract *c, uint64_t id, const struct outcome *set,
	size_t count, int line)
{
	struct torc_cqe cqe;
	char text[256];

	describe(text, sizeof(text), set, count);
	if (!came_within(c, id, PATIENCE_NS))
		give_up(c, "line %d: id %llu: expected {%s}, nothing came",
			line, (unsigned long long)id, text);
	cqe = take_out(c, find(c, id));
	for (size_t i = 0; i < count; i++)
		if (cqe.res >= set[i].min && cqe.res <= set[i].max &&
			(cqe.flags & (F_MORE | F_BUFFER)) == set[i].flags)
			return cqe;
	give_up(c, "line %d: id %llu: expected {%s}, got %d%s%s", line,
		(unsigned long long)id, text, cqe.res,
		cqe.flags & F_MORE ? " more" : "",
		cqe.flags & F_BUFFER ? " buffer" : "");
}

void
expect_nothing_at(struct contract *c, int line)
{
	settle(c);
	if (c->came_count != 0)
		give_up(c, "line %d: expected nothing, got id %llu, res %d",
			line, (unsigned long long)c->came[0].user_data,
			c->came[0].res);
}
