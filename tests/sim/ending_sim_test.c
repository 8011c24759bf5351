/* SPDX-License-Identifier: MIT */
/*
 * Goal    However callbacks close things, one another's and their own, and
 *         begin new ones, before and while the runtime ends: each operation
 *         ends once, and nothing is left of what it named.
 * Method  Thousands of seeds. A handful of things of all kinds, operations on
 *         most of them, and callbacks that close or begin at random; the main
 *         task returns in the middle of it. Builds with a sanitizer see what
 *         is used too late.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include <torc.h>
#include <torc/test/sim.h>

#include "tests/sim/support.h"
#include "tests/test.h"

#define THINGS_MAX 32u
/* Of one run, so that what ends at once and begins anew comes to an end. */
#define ACTIONS_MAX 100u

enum kind { STREAM, LISTENER, READER, WRITER, FILE_, DIR_, SIGNALS, KINDS };

struct thing {
	enum kind kind;
	void *object; /* NULL: closed by its owner, which we are */
	bool is_pending;
	struct torc_future future;
	union {
		struct torc_send send;
		struct torc_pipe_read read;
		struct torc_pipe_write write;
		struct torc_file_op file;
	};
};

static struct thing things[THINGS_MAX];
static uint32_t things_count, pending_count, actions_count;
static char memory[THINGS_MAX][64];

static void act(void);

static void
add(enum kind kind, void *object)
{
	things[things_count++] =
		(struct thing){ .kind = kind, .object = object };
}

/* ---- to open, 0 or why not ---- */

static int
open_streams(void)
{
	struct torc_stream *near, *far;
	int ret = torc_stream_pair(&near, &far);

	if (ret == 0) {
		add(STREAM, near);
		add(STREAM, far);
	}
	return ret;
}

static int
open_listener(void)
{
	struct torc_listener *listener;
	struct torc_address address;
	int ret = torc_address_parse(&address, "127.0.0.1:0", NULL);

	if (ret == 0)
		ret = torc_listen(&listener, &address, NULL);
	if (ret == 0)
		add(LISTENER, listener);
	return ret;
}

static int
open_pipe(void)
{
	struct torc_pipe *reader, *writer;
	int ret = torc_pipe_open(&reader, &writer);

	if (ret == 0) {
		add(READER, reader);
		add(WRITER, writer);
	}
	return ret;
}

static int
open_file(void)
{
	struct torc_file *file;
	int ret = torc_file_open(&file, "/tmp/file", O_RDWR | O_CREAT, 0600);

	if (ret == 0)
		add(FILE_, file);
	return ret;
}

static int
open_dir(void)
{
	struct torc_dir *dir;
	int ret = torc_dir_open(&dir, "/tmp");

	if (ret == 0)
		add(DIR_, dir);
	return ret;
}

static int
open_signals(void)
{
	struct torc_signals *signals;
	sigset_t set;
	int ret;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ret = torc_signals_open(&signals, &set);
	if (ret == 0)
		add(SIGNALS, signals);
	return ret;
}

static int (*const openers[])(void) = { open_streams, open_listener, open_pipe,
	open_file, open_dir, open_signals };
#define OPENERS_COUNT (sizeof(openers) / sizeof(openers[0]))

/* ---- to close, and to begin ---- */

static void
close_thing(struct thing *thing)
{
	void *object = thing->object;

	thing->object = NULL;
	switch (thing->kind) {
	case STREAM:
		if (torc_sim_random(2) == 0)
			torc_abort(object);
		else
			torc_close(object);
		return;
	case LISTENER:
		torc_listener_close(object);
		return;
	case READER:
	case WRITER:
		torc_pipe_close(object);
		return;
	case FILE_:
		torc_file_close(object);
		return;
	case DIR_:
		torc_dir_close(object);
		return;
	case SIGNALS:
		torc_signals_close(object);
		return;
	case KINDS:
		return;
	}
}

static void
on_done(struct torc_future *future)
{
	struct thing *thing = torc_future_waiter(future);

	thing->is_pending = false;
	pending_count--;
	/* As programs do: what fails is closed. */
	if (future->value < 0 && thing->object != NULL &&
		torc_sim_random(2) == 0)
		close_thing(thing);
	act();
}

static struct torc_future *
begin_send(struct thing *thing)
{
	thing->send.data = memory;
	thing->send.bytes = 1 + torc_sim_random(sizeof(memory));
	torc_send_start(thing->object, &thing->send);
	return &thing->send.done;
}

static struct torc_future *
begin_pipe(struct thing *thing, char *buf)
{
	if (thing->kind == READER) {
		thing->read.buf = buf;
		thing->read.bytes = sizeof(memory[0]);
		torc_pipe_read_start(thing->object, &thing->read);
		return &thing->read.done;
	}
	thing->write.data = memory;
	thing->write.bytes = sizeof(memory);
	torc_pipe_write_start(thing->object, &thing->write);
	return &thing->write.done;
}

static struct torc_future *
begin_file(struct thing *thing, char *buf)
{
	if (torc_sim_random(2) == 0)
		torc_file_pread_start(
			thing->object, buf, sizeof(memory[0]), 0, &thing->file);
	else
		torc_file_pwrite_all_start(
			thing->object, memory, sizeof(memory), 0, &thing->file);
	return &thing->file.done;
}

static struct torc_future *
begin_simple(struct thing *thing)
{
	if (thing->kind == STREAM)
		torc_recv_start(thing->object, &thing->future);
	else if (thing->kind == LISTENER)
		torc_accept_start(thing->object, &thing->future);
	else if (thing->kind == DIR_)
		torc_dir_next_start(thing->object, &thing->future);
	else
		torc_signal_start(thing->object, &thing->future);
	return &thing->future;
}

static void
begin(struct thing *thing)
{
	char *buf = memory[thing - things];
	struct torc_future *future;

	thing->is_pending = true;
	pending_count++;
	if (thing->kind == STREAM && torc_sim_random(3) == 0)
		future = begin_send(thing);
	else if (thing->kind == READER || thing->kind == WRITER)
		future = begin_pipe(thing, buf);
	else if (thing->kind == FILE_)
		future = begin_file(thing, buf);
	else
		future = begin_simple(thing);
	torc_future_then(future, on_done, thing);
}

/* Close something, begin something, or let it be. */
static void
act(void)
{
	struct thing *thing = &things[torc_sim_random(things_count)];
	uint64_t what = torc_sim_random(4);

	if (actions_count == ACTIONS_MAX || thing->object == NULL)
		return;
	actions_count++;
	if (what == 0)
		close_thing(thing);
	else if (what < 3 && !thing->is_pending)
		begin(thing);
}

/* What the run before left pending would never end. */
static int
leave_in_the_middle(void *unused)
{
	(void)unused;
	if (pending_count != 0)
		return -EBADMSG;
	things_count = actions_count = 0;
	while (things_count < torc_sim_size() && actions_count < ACTIONS_MAX) {
		actions_count++;
		(void)openers[torc_sim_random(OPENERS_COUNT)]();
	}
	actions_count = 0;
	for (uint32_t i = 0; i < things_count; i++)
		if (things[i].object != NULL && !things[i].is_pending &&
			torc_sim_random(4) != 0)
			begin(&things[i]);
	if (torc_sim_random(2) == 0)
		(void)torc_sleep(torc_sim_random(TORC_MS));
	return 0;
}

static void
search(uint64_t faults, uint32_t permille)
{
	struct torc_sim_options options = {
		.faults = faults, .fault_permille = permille, .size = 16
	};
	struct torc_sim_result result;

	pending_count = 0;
	assert_int_equal(torc_sim_search(&options, NULL, seeds_count(2000),
				 leave_in_the_middle, NULL, &result),
		0);
	assert_int_equal(pending_count, 0);
	note_runs(&result);
}

static void
nothing_is_left_by_what_closes_at_random(void **state)
{
	(void)state;
	search(0, 0);
}

static void
nothing_is_left_in_spite_of_all_faults(void **state)
{
	(void)state;
	search(TORC_SIM_ALL, 50);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_left_by_what_closes_at_random),
		cmocka_unit_test(nothing_is_left_in_spite_of_all_faults),
	};

	/* A pause for want of descriptors is no news here. */
	torc_log_level_set(TORC_LOG_ERROR);
	return cmocka_run_group_tests_name("sim/ending", tests, NULL, NULL);
}
