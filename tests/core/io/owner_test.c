/* SPDX-License-Identifier: MIT */
/*
 * Goal    What is used on another shard than its own, closed twice, used
 *         after its close, or waited for outside a task ends the process at
 *         once with a line that names the mistake.
 * Method  The real kernel. Each mistake is made in a child with two shards;
 *         what it writes before it aborts is compared.
 */
#include <limits.h>
#include <sys/wait.h>

#include "tests/core/io/one_of_each.h"
#include "tests/support/fake_shard.h"

/* Where what is started by mistake would be. */
static struct {
	struct torc_future future;
	struct torc_send send;
	struct torc_send_fds send_fds;
	struct torc_send_file send_file;
	struct torc_recv_fds recv_fds;
	struct torc_relay relay;
	struct torc_pipe_read read;
	struct torc_pipe_write write;
	struct torc_file_op op;
	struct torc_stream *stream;
	struct torc_address address;
	struct torc_credentials peer;
	struct torc_signal_info info;
	struct iovec pieces[IOV_MAX + 1];
	const void *data;
	char byte, name[TORC_CONGESTION_MAX];
	unsigned count;
	int value;
} op;

/* Streams that refuse some calls before they begin. */
static struct {
	struct torc_listener *listener;
	struct torc_stream *tcp, *packet, *other;
} over;

static void
open_over(void)
{
	struct torc_address address = address_of(TCP);

	must_be(torc_listen(&over.listener, &address, NULL), 0);
	must_be(torc_listener_address(over.listener, &address), 0);
	must_be(torc_connect(&over.tcp, &address), 0);
	must_be(torc_packet_pair(&over.packet, &over.other), 0);
}

static void
open_all(void)
{
	const char *argv[] = { "true", NULL };

	open_over();
	/* Without a wait from here on: the process would end in it. */
	open_one_of_each(&(struct torc_process_options){ .argv = argv });
	op.send = (struct torc_send){ .data = &op.byte, .bytes = 1 };
	op.recv_fds.buf = op.read.buf = &op.byte;
	op.recv_fds.bytes = op.read.bytes = 1;
	op.write.data = &op.byte;
	op.write.bytes = 1;
}

/* ---- the calls ---- */

#define CALL(name_, call_)      \
	static void name_(void) \
	{                       \
		call_;          \
	}
CALL(recv_start, torc_recv_start(all.near, &op.future))
CALL(recv_what_is_there, (void)!torc_recv(all.near, &op.data))
CALL(reset_start, torc_reset_start(all.near, &op.future))
CALL(send_start, torc_send_start(all.near, &op.send))
CALL(send_nothing,
	torc_send_file_start(all.near, &op.send_file, all.file, 0, 0))
CALL(recv_fds_start, torc_recv_fds_start(all.near, &op.recv_fds))
CALL(shut, (void)!torc_shutdown(all.near))
CALL(local, (void)!torc_stream_local(all.near, &op.address))
CALL(peer, (void)!torc_stream_peer(all.near, &op.address))
CALL(stream_fd, (void)!torc_stream_fd(all.near))
CALL(peer_credentials, (void)!torc_stream_peer_credentials(all.near, &op.peer))
CALL(peer_pidfd, (void)!torc_stream_peer_pidfd(all.near))
CALL(set_option, (void)!torc_stream_option_set(all.near, TORC_PRIORITY, 0))
CALL(get_option,
	(void)!torc_stream_option_get(all.near, TORC_PRIORITY, &op.value))
CALL(set_congestion, (void)!torc_stream_congestion_set(all.near, "reno"))
CALL(get_congestion, (void)!torc_stream_congestion_get(all.near, op.name))
CALL(join_streams, torc_relay_start(&op.relay, all.near, all.far, 0))
CALL(close_stream, torc_close(all.near))
CALL(abort_stream, torc_abort(all.near))
CALL(send_fds_over_tcp,
	torc_send_fds_start(over.tcp, &op.send_fds, &op.byte, 1, NULL, 0))
CALL(close_tcp, torc_close(over.tcp))
CALL(send_too_many_pieces,
	torc_send_vec_start(over.packet, &op.send, op.pieces, IOV_MAX + 1))
CALL(close_packet, torc_close(over.packet))

CALL(accept_start, torc_accept_start(all.listener, &op.future))
CALL(accept_one, (void)!torc_accept(all.listener, &op.stream))
CALL(stop_listener, torc_listener_stop(all.listener))
CALL(set_ahead, torc_listener_ahead_set(all.listener, 0))
CALL(listener_address, (void)!torc_listener_address(all.listener, &op.address))
CALL(set_listener,
	(void)!torc_listener_option_set(all.listener, TORC_PRIORITY, 0))
CALL(get_listener,
	(void)!torc_listener_option_get(all.listener, TORC_PRIORITY, &op.value))
CALL(set_listeners_congestion,
	(void)!torc_listener_congestion_set(all.listener, "reno"))
CALL(close_listener, torc_listener_close(all.listener))

CALL(udp_recv_start, torc_udp_recv_start(all.udp, &op.future))
CALL(udp_try_recv, (void)!torc_udp_try_recv(all.udp, &op.data, NULL))
CALL(udp_send, (void)!torc_udp_send(all.udp, "x", 1, NULL))
CALL(udp_try_send, (void)!torc_udp_try_send(all.udp, "x", 1, NULL))
CALL(udp_connect, (void)!torc_udp_connect(all.udp, &op.address))
CALL(udp_address, (void)!torc_udp_address(all.udp, &op.address))
CALL(udp_join_group, (void)!torc_udp_multicast_join(all.udp, &op.address, 0))
CALL(udp_leave_group, (void)!torc_udp_multicast_leave(all.udp, &op.address, 0))
CALL(udp_set_join, (void)!torc_udp_join_set(all.udp, true))
CALL(set_udp, (void)!torc_udp_option_set(all.udp, TORC_PRIORITY, 0))
CALL(get_udp, (void)!torc_udp_option_get(all.udp, TORC_PRIORITY, &op.value))
CALL(close_udp, torc_udp_close(all.udp))

CALL(read_pipe, torc_pipe_read_start(all.reader, &op.read))
CALL(write_pipe, torc_pipe_write_start(all.writer, &op.write))
CALL(close_pipe, torc_pipe_close(all.reader))

CALL(read_file, torc_file_pread_start(all.file, &op.byte, 1, 0, &op.op))
CALL(seek_file, torc_file_seek(all.file, 0))
CALL(file_position, (void)torc_file_position(all.file))
CALL(close_file, torc_file_close(all.file))
CALL(read_dir, torc_dir_next_start(all.dir, &op.future))
CALL(close_dir, torc_dir_close(all.dir))

CALL(wait_process, torc_process_wait_start(all.process, &op.future))
CALL(try_process, (void)!torc_process_try_wait(all.process, NULL))
CALL(kill_process, (void)!torc_process_kill(all.process, SIGTERM))
CALL(close_process, torc_process_close(all.process))
CALL(detach_process, torc_process_detach(all.process))

CALL(wait_signal, torc_signal_start(all.signals, &op.future))
CALL(signal_info, torc_signal_info(all.signals, &op.info))
CALL(close_signals, torc_signals_close(all.signals))

static const struct call {
	void (*make)(void);
	void (*close)(void); /* the call that takes it; NULL: this one is */
	const char *what;
	const char *remedy;
} calls[] = {
#define STREAM "a stream", "or adopt a dup() of its descriptor there"
	{ recv_start, close_stream, STREAM },
	{ recv_what_is_there, close_stream, STREAM },
	{ reset_start, close_stream, STREAM },
	{ send_start, close_stream, STREAM },
	{ send_nothing, close_stream, STREAM },
	{ recv_fds_start, close_stream, STREAM },
	{ shut, close_stream, STREAM },
	{ local, close_stream, STREAM },
	{ peer, close_stream, STREAM },
	{ stream_fd, close_stream, STREAM },
	{ peer_credentials, close_stream, STREAM },
	{ peer_pidfd, close_stream, STREAM },
	{ set_option, close_stream, STREAM },
	{ get_option, close_stream, STREAM },
	{ set_congestion, close_stream, STREAM },
	{ get_congestion, close_stream, STREAM },
	{ join_streams, close_stream, STREAM },
	{ close_stream, NULL, STREAM },
	{ abort_stream, NULL, STREAM },
	{ send_fds_over_tcp, close_tcp, STREAM },
	{ send_too_many_pieces, close_packet, STREAM },
#define LISTENER "a listener", "or listen there as well"
	{ accept_start, close_listener, LISTENER },
	{ accept_one, close_listener, LISTENER },
	{ stop_listener, NULL, LISTENER },
	{ set_ahead, NULL, LISTENER },
	{ listener_address, close_listener, LISTENER },
	{ set_listener, close_listener, LISTENER },
	{ get_listener, close_listener, LISTENER },
	{ set_listeners_congestion, close_listener, LISTENER },
	{ close_listener, NULL, LISTENER },
#define UDP "a udp socket", "or bind one on each shard"
	{ udp_recv_start, close_udp, UDP },
	{ udp_try_recv, close_udp, UDP },
	{ udp_send, close_udp, UDP },
	{ udp_try_send, close_udp, UDP },
	{ udp_connect, close_udp, UDP },
	{ udp_address, close_udp, UDP },
	{ udp_join_group, close_udp, UDP },
	{ udp_leave_group, close_udp, UDP },
	{ udp_set_join, close_udp, UDP },
	{ set_udp, close_udp, UDP },
	{ get_udp, close_udp, UDP },
	{ close_udp, NULL, UDP },
#define PIPE "a pipe", "or adopt its descriptor"
	{ read_pipe, close_pipe, PIPE },
	{ write_pipe, close_pipe, PIPE },
	{ close_pipe, NULL, PIPE },
#define EACH "or open it on each"
	{ read_file, close_file, "a file", EACH },
	{ seek_file, close_file, "a file", EACH },
	{ file_position, close_file, "a file", EACH },
	{ close_file, NULL, "a file", EACH },
	{ read_dir, close_dir, "a directory", EACH },
	{ close_dir, NULL, "a directory", EACH },
#define PROCESS "a process", "or have torc_call_remote() do it"
	{ wait_process, close_process, PROCESS },
	{ try_process, close_process, PROCESS },
	{ kill_process, close_process, PROCESS },
	{ close_process, NULL, PROCESS },
	{ detach_process, NULL, PROCESS },
#define SIGNALS "a set of signals", "or send them on"
	{ wait_signal, close_signals, SIGNALS },
	{ signal_info, close_signals, SIGNALS },
	{ close_signals, NULL, SIGNALS },
};
#define CALLS_COUNT (sizeof(calls) / sizeof(calls[0]))

static const struct call *call;

static int
make_call(void *unused)
{
	(void)unused;
	call->make();
	return 0;
}

static int
call_from_shard_1(void *unused)
{
	(void)unused;
	open_all();
	return torc_call_remote(1, make_call, NULL, NULL);
}

/* A close of these takes a turn; the others are freed by it. */
static bool
lingers(const struct call *candidate)
{
	return strcmp(candidate->what, "a stream") == 0 ||
	       strcmp(candidate->what, "a process") == 0;
}

static int
call_after_the_close(void *unused)
{
	(void)unused;
	open_all();
	(call->close != NULL ? call->close : call->make)();
	call->make();
	return 0;
}

static int
run_two_shards(torc_task_fn *fn)
{
	return torc_run(&(struct torc_options){ .shards = 2 }, fn, NULL);
}

static int
run_on_the_wrong_shard(void)
{
	return run_two_shards(call_from_shard_1);
}

static int
run_after_the_close(void)
{
	return run_two_shards(call_after_the_close);
}

/* The call's number, so that a failure tells which it was. */
static void
must_say(int (*run)(void), const char *line)
{
	char text[4096] = "";
	int status = run_in_child(run, text, sizeof(text));

	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT ||
		strstr(text, line) == NULL)
		fail_msg("call %zu: status %d, not '%s': %s",
			(size_t)(call - calls), status, line, text);
}

static void
a_call_on_another_shard_names_both_and_the_remedy(void **state)
{
	char line[256];

	(void)state;
	for (size_t i = 0; i < CALLS_COUNT; i++) {
		call = &calls[i];
		snprintf(line, sizeof(line),
			"%s of shard 0 is used on shard 1: spawn the task "
			"there, %s",
			call->what, call->remedy);
		must_say(run_on_the_wrong_shard, line);
	}
}

static void
a_call_after_the_close_is_named(void **state)
{
	char line[64];

	(void)state;
	for (size_t i = 0; i < CALLS_COUNT; i++) {
		call = &calls[i];
		if (!lingers(call))
			continue;
		snprintf(line, sizeof(line), "%s is %s", call->what,
			call->close != NULL ? "used after its close"
					    : "closed twice");
		must_say(run_after_the_close, line);
	}
}

static int
close_without_a_shard(void)
{
	static struct fake_shard fixture;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct torc_stream *stream;

	fake_shard_open(&fixture);
	stream = torc__stream_new(&fixture.shard, fd, false);
	torc__shard = NULL;
	torc_close(stream);
	return 0;
}

static void
a_thread_that_is_no_shard_is_told_of_a_door(void **state)
{
	(void)state;
	call = calls;
	must_say(close_without_a_shard,
		"a stream of shard 0 is used by a thread that is no shard: "
		"torc_block_on() runs a task there");
}

/* ---- outside a task ---- */

#define WAITS(name_, expression)        \
	static void waits_##name_(void) \
	{                               \
		(void)!(expression);    \
	}
WAITS(recv, torc_recv(NULL, &op.data))
WAITS(read, torc_read(NULL, &op.byte, 1))
WAITS(read_vec, torc_read_vec(NULL, NULL, 0))
WAITS(send_all, torc_send_all(NULL, &op.byte, 1))
WAITS(send_vec, torc_send_vec(NULL, NULL, 0))
WAITS(send_fds, torc_send_fds(NULL, &op.byte, 1, NULL, 0))
WAITS(recv_fds, torc_recv_fds(NULL, &op.byte, 1, NULL, &op.count))
WAITS(send_file, torc_send_file(NULL, NULL, 0, 1))
WAITS(accept, torc_accept(NULL, NULL))
WAITS(connect, torc_connect(NULL, NULL))
WAITS(pipe_read, torc_pipe_read(NULL, &op.byte, 1))
WAITS(pipe_write_all, torc_pipe_write_all(NULL, &op.byte, 1))
WAITS(file_open, torc_file_open(NULL, "", 0, 0))
WAITS(reading, torc_file_pread(NULL, &op.byte, 1, 0))
WAITS(writing, torc_file_write_all(NULL, &op.byte, 1))
WAITS(file_sync, torc_file_sync(NULL))
WAITS(file_stat, torc_file_stat(NULL, NULL))
WAITS(file_truncate, torc_file_truncate(NULL, 0))
WAITS(dir_open, torc_dir_open(NULL, ""))
WAITS(dir_next, torc_dir_next(NULL, NULL))
WAITS(process_spawn, torc_process_spawn(NULL, NULL))
WAITS(process_wait, torc_process_wait(NULL, NULL))
WAITS(process_stop, torc_process_stop(NULL, 0, NULL))
WAITS(signal_next, torc_signal_next(NULL))
WAITS(interrupt_wait, torc_interrupt_wait())

static const struct {
	void (*make)(void);
	const char *name;
} waits[] = {
	{ waits_recv, "torc_recv" },
	{ waits_read, "torc_read" },
	{ waits_read_vec, "torc_read_vec" },
	{ waits_send_all, "torc_send_all" },
	{ waits_send_vec, "torc_send_vec" },
	{ waits_send_fds, "torc_send_fds" },
	{ waits_recv_fds, "torc_recv_fds" },
	{ waits_send_file, "torc_send_file" },
	{ waits_accept, "torc_accept" },
	{ waits_connect, "torc_connect" },
	{ waits_pipe_read, "torc_pipe_read" },
	{ waits_pipe_write_all, "torc_pipe_write_all" },
	{ waits_file_open, "torc_file_open" },
	{ waits_reading, "reading a torc_file" },
	{ waits_writing, "writing a torc_file" },
	{ waits_file_sync, "torc_file_sync" },
	{ waits_file_stat, "torc_file_stat" },
	{ waits_file_truncate, "torc_file_truncate" },
	{ waits_dir_open, "torc_dir_open" },
	{ waits_dir_next, "torc_dir_next" },
	{ waits_process_spawn, "torc_process_spawn" },
	{ waits_process_wait, "torc_process_wait" },
	{ waits_process_stop, "torc_process_stop" },
	{ waits_signal_next, "torc_signal_next" },
	{ waits_interrupt_wait, "torc_interrupt_wait" },
};

static size_t wait_index;

static int
wait_outside_a_task(void)
{
	waits[wait_index].make();
	return 0;
}

static void
a_wait_outside_a_task_names_its_call(void **state)
{
	char line[64];

	(void)state;
	call = calls;
	for (wait_index = 0; wait_index < sizeof(waits) / sizeof(waits[0]);
		wait_index++) {
		snprintf(line, sizeof(line), "panic: %s outside a task",
			waits[wait_index].name);
		must_say(wait_outside_a_task, line);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_call_on_another_shard_names_both_and_the_remedy),
		cmocka_unit_test(a_call_after_the_close_is_named),
		cmocka_unit_test(a_thread_that_is_no_shard_is_told_of_a_door),
		cmocka_unit_test(a_wait_outside_a_task_names_its_call),
	};

	return cmocka_run_group_tests_name("core/io/owner", tests, NULL, NULL);
}
