/* SPDX-License-Identifier: MIT */
/*
 * One direction of a connection: bytes that were sent arrive later, in
 * order, as far as the receiver has room for them.
 */
#include <stdlib.h>
#include <string.h>

#include <torc/base/clock.h>

#include "uring/sim_world_priv.h"

/* What a slow connection is made of. */
#define SLOW_LATENCY_MAX_NS (200 * TORC_MS)
#define SLOW_NS_PER_KIB_MAX (10 * TORC_MS)
#define SLOW_BUF_BYTES_MIN 256u
#define SLOW_BUF_BYTES_MAX 8192u

/* A writer that waits is woken by so much room: sk_stream_write_space(). */
#define ROOM_DIVISOR 3

static void on_arrival(struct torc_sim *sim, struct torc_sim_event *event);

static void
slow_down(struct torc_sim *sim, struct torc_sim_pipe *pipe)
{
	uint64_t span = SLOW_BUF_BYTES_MAX - SLOW_BUF_BYTES_MIN;

	pipe->latency_ns = torc__sim_draw_below(sim, SLOW_LATENCY_MAX_NS);
	pipe->ns_per_kib = torc__sim_draw_below(sim, SLOW_NS_PER_KIB_MAX);
	pipe->sndbuf_bytes =
		SLOW_BUF_BYTES_MIN + (uint32_t)torc__sim_draw_below(sim, span);
	pipe->rcvbuf_bytes =
		SLOW_BUF_BYTES_MIN + (uint32_t)torc__sim_draw_below(sim, span);
}

/* Between two ends on one machine bytes take no time. */
static bool
is_local(const struct torc_sim_pipe *pipe)
{
	return pipe->file->kind == TORC__SIM_UNIX ||
	       pipe->file->kind == TORC__SIM_FIFO;
}

static uint32_t
capacity_log2(const struct torc_sim_pipe *pipe)
{
	uint32_t bits = 10;

	while (1u << bits < pipe->sndbuf_bytes + pipe->rcvbuf_bytes)
		bits++;
	return bits;
}

int
torc__sim_pipe_open(struct torc_sim *sim, struct torc_sim_pipe *pipe,
	struct torc_sim_file *file)
{
	const struct torc_sim_config *config = &sim->config;
	uint64_t span = config->latency_max_ns - config->latency_min_ns;

	*pipe = (struct torc_sim_pipe){ .arrival = { .fn = on_arrival },
		.file = file,
		.sndbuf_bytes = config->sndbuf_bytes,
		.rcvbuf_bytes = config->rcvbuf_bytes };
	torc__list_init(&pipe->notes);
	if (is_local(pipe))
		return 0;
	pipe->latency_ns =
		config->latency_min_ns + torc__sim_draw_below(sim, span + 1);
	pipe->ns_per_kib = 1024 * TORC_S / config->bytes_per_s;
	if (torc__sim_strikes(sim, TORC__SIM_SLOW))
		slow_down(sim, pipe);
	return 0;
}

/* Most connections of a test carry bytes one way only, or none. */
static void
need_memory(struct torc_sim *sim, struct torc_sim_pipe *pipe)
{
	uint32_t bits = capacity_log2(pipe);

	if (pipe->data != NULL)
		return;
	pipe->capacity = 1u << bits;
	pipe->data = sim->spare_pipes[bits];
	if (pipe->data != NULL)
		memcpy(&sim->spare_pipes[bits], pipe->data, sizeof(void *));
	else
		pipe->data = malloc(pipe->capacity);
	if (pipe->data == NULL)
		torc__panic("out of memory for a simulated connection");
}

void
torc__sim_pipe_close(struct torc_sim *sim, struct torc_sim_pipe *pipe)
{
	torc__sim_event_disarm(sim, &pipe->arrival);
	if (pipe->data == NULL)
		return;
	memcpy(pipe->data, &sim->spare_pipes[capacity_log2(pipe)],
		sizeof(void *));
	sim->spare_pipes[capacity_log2(pipe)] = pipe->data;
	pipe->data = NULL;
}

uint32_t
torc__sim_pipe_room(const struct torc_sim_pipe *pipe)
{
	/* A Unix socket's bytes count for the sender until they are read. */
	uint64_t from = is_local(pipe) ? pipe->head : pipe->arrived;
	uint64_t used = pipe->tail - from;

	return used < pipe->sndbuf_bytes ? pipe->sndbuf_bytes - (uint32_t)used
					 : 0;
}

static void
arm(struct torc_sim *sim, struct torc_sim_pipe *pipe)
{
	uint64_t window = pipe->head + pipe->rcvbuf_bytes;

	if (pipe->marks_count > 0) {
		/* Without a window it goes on when the receiver reads. */
		if (pipe->arrived < window)
			torc__sim_event_arm(sim, &pipe->arrival,
				pipe->marks[pipe->marks_head].at_ns);
	} else if (pipe->end != TORC__SIM_PIPE_OPEN && !pipe->is_end_seen) {
		torc__sim_event_arm(sim, &pipe->arrival, pipe->end_ns);
	}
}

static void
add_mark(struct torc_sim_pipe *pipe, uint64_t at_ns)
{
	uint32_t last =
		(pipe->marks_head + pipe->marks_count - 1) % TORC__SIM_MARKS;

	if (pipe->marks_count == TORC__SIM_MARKS ||
		(pipe->marks_count > 0 && pipe->marks[last].at_ns == at_ns)) {
		pipe->marks[last].upto = pipe->tail;
		pipe->marks[last].at_ns = at_ns;
		return;
	}
	last = (last + 1) % TORC__SIM_MARKS;
	pipe->marks[last].upto = pipe->tail;
	pipe->marks[last].at_ns = at_ns;
	pipe->marks_count++;
}

static void
copy_in(struct torc_sim_pipe *pipe, const uint8_t *data, uint32_t bytes)
{
	uint32_t at = (uint32_t)pipe->tail & (pipe->capacity - 1);
	uint32_t first = pipe->capacity - at;

	if (first > bytes)
		first = bytes;
	memcpy(pipe->data + at, data, first);
	memcpy(pipe->data, data + first, bytes - first);
	pipe->tail += bytes;
}

/* They stay in the cache when the same few lines are used again. */
static void
rewind_if_empty(struct torc_sim_pipe *pipe)
{
	if (pipe->head == pipe->tail)
		pipe->head = pipe->arrived = pipe->tail = 0;
}

void
torc__sim_pipe_put(struct torc_sim *sim, struct torc_sim_pipe *pipe,
	const void *data, uint32_t bytes)
{
	torc_assert(pipe->end == TORC__SIM_PIPE_OPEN);
	torc_assert(bytes <= torc__sim_pipe_room(pipe));
	need_memory(sim, pipe);
	if (pipe->marks_count == 0)
		rewind_if_empty(pipe);
	copy_in(pipe, data, bytes);
	if (is_local(pipe)) {
		pipe->arrived = pipe->tail;
		torc__sim_wake(sim, &pipe->file->readers);
		torc__sim_wake(sim, &pipe->file->pollers);
		return;
	}
	if (pipe->link_free_ns < sim->now_ns)
		pipe->link_free_ns = sim->now_ns;
	pipe->link_free_ns += bytes * pipe->ns_per_kib / 1024;
	add_mark(pipe, pipe->link_free_ns + pipe->latency_ns);
	if (pipe->arrival.slot == 0)
		arm(sim, pipe);
}

static void
tell_sender(struct torc_sim *sim, struct torc_sim_pipe *pipe)
{
	struct torc_sim_file *sender = pipe->file->peer;

	if (sender == NULL ||
		torc__sim_pipe_room(pipe) < pipe->sndbuf_bytes / ROOM_DIVISOR)
		return;
	torc__sim_wake(sim, &sender->writers);
	torc__sim_wake(sim, &sender->pollers);
}

static bool
advance(struct torc_sim *sim, struct torc_sim_pipe *pipe)
{
	uint64_t before = pipe->arrived;

	while (pipe->marks_count > 0 &&
		pipe->marks[pipe->marks_head].at_ns <= sim->now_ns) {
		uint64_t window = pipe->head + pipe->rcvbuf_bytes;
		uint64_t upto = pipe->marks[pipe->marks_head].upto;

		pipe->arrived = upto < window ? upto : window;
		if (upto > window)
			break;
		pipe->marks_head = (pipe->marks_head + 1) % TORC__SIM_MARKS;
		pipe->marks_count--;
	}
	return pipe->arrived != before;
}

static void
on_arrival(struct torc_sim *sim, struct torc_sim_event *event)
{
	struct torc_sim_pipe *pipe =
		torc__container_of(event, struct torc_sim_pipe, arrival);
	struct torc_sim_file *file = pipe->file;

	if (advance(sim, pipe)) {
		torc__sim_note(sim, TORC__SIM_ARRIVE, 0, 0, file->serial,
			(int32_t)(pipe->arrived - pipe->head), 0);
		torc__sim_wake(sim, &file->readers);
		torc__sim_wake(sim, &file->pollers);
		tell_sender(sim, pipe);
	}
	if (pipe->marks_count > 0 || pipe->end == TORC__SIM_PIPE_OPEN ||
		sim->now_ns < pipe->end_ns) {
		arm(sim, pipe);
		return;
	}
	pipe->is_end_seen = true;
	if (pipe->end == TORC__SIM_PIPE_FIN)
		torc__sim_socket_ended(sim, file);
	else
		torc__sim_socket_reset(sim, file, 0);
}

void
torc__sim_pipe_get(struct torc_sim *sim, struct torc_sim_pipe *pipe, void *data,
	uint32_t bytes)
{
	uint32_t at = (uint32_t)pipe->head & (pipe->capacity - 1);
	uint32_t first = pipe->capacity - at;

	torc_assert(bytes <= pipe->arrived - pipe->head);
	if (first > bytes)
		first = bytes;
	memcpy(data, pipe->data + at, first);
	memcpy((uint8_t *)data + first, pipe->data, bytes - first);
	pipe->head += bytes;
	if (is_local(pipe))
		tell_sender(sim, pipe);
	else if (pipe->marks_count > 0 && pipe->arrival.slot == 0)
		/* The window is open again: a way there and a way back. */
		torc__sim_event_arm(sim, &pipe->arrival,
			sim->now_ns + 2 * pipe->latency_ns);
}

void
torc__sim_pipe_skip(
	struct torc_sim *sim, struct torc_sim_pipe *pipe, uint32_t bytes)
{
	torc_assert(is_local(pipe) && bytes <= pipe->arrived - pipe->head);
	pipe->head += bytes;
	tell_sender(sim, pipe);
}

void
torc__sim_pipe_finish(struct torc_sim *sim, struct torc_sim_pipe *pipe,
	enum torc_sim_pipe_end end)
{
	if (pipe->end == TORC__SIM_PIPE_RESET || pipe->is_end_seen)
		return;
	pipe->end = end;
	pipe->end_ns = sim->now_ns + pipe->latency_ns;
	if (end == TORC__SIM_PIPE_RESET) {
		/* What was on its way may get through, or not. */
		uint64_t upto =
			pipe->arrived + torc__sim_draw_below(sim,
						pipe->tail - pipe->arrived + 1);
		uint64_t window = pipe->head + pipe->rcvbuf_bytes;

		pipe->tail = upto < window ? upto : window;
		pipe->arrived = pipe->tail;
		pipe->marks_count = 0;
	}
	if (is_local(pipe)) {
		pipe->is_end_seen = true;
		torc__sim_socket_ended(sim, pipe->file);
		return;
	}
	if (pipe->marks_count == 0 || pipe->arrival.slot == 0)
		arm(sim, pipe);
}
