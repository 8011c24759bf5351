/* SPDX-License-Identifier: MIT */
/*
 * Goal    The end of the runtime closes what was left open, and who hears of
 *         it in a callback may close the same object, any other, or begin
 *         something: nothing is freed twice or too early, nothing leaks.
 * Method  The real kernel. Cases return with everything open and pending, and
 *         count the callbacks that closed something. To see what is gone for
 *         good, callbacks keep the shard turning with new pipes.
 */
#include "tests/core/io/one_of_each.h"

static struct torc_stream *left, *right; /* two more, connected */

/* A future whose callback does something when it is cancelled. */
struct hook {
	void (*fn)(void *object);
	void *object;
};

static struct hook hooks[16];
static unsigned hooks_count, ended_count;

static void
on_end(struct torc_future *future)
{
	struct hook *hook = torc_future_waiter(future);

	/* 0: the other end of a pipe was closed before the cancel came. */
	must(future->value == -ECANCELED || future->value == 0);
	ended_count++;
	hook->fn(hook->object);
}

static void
at_end(struct torc_future *future, void (*fn)(void *), void *object)
{
	struct hook *hook = &hooks[hooks_count++];

	*hook = (struct hook){ .fn = fn, .object = object };
	torc_future_then(future, on_end, hook);
}

/* ---- closing, with one signature ---- */

static void
close_stream(void *object)
{
	torc_close(object);
}

static void
abort_stream(void *object)
{
	torc_abort(object);
}

static void
close_listener(void *object)
{
	torc_listener_close(object);
}

static void
close_pipe(void *object)
{
	torc_pipe_close(object);
}

static void
close_file(void *object)
{
	torc_file_close(object);
}

static void
close_process(void *object)
{
	torc_process_close(object);
}

static void
close_signals(void *object)
{
	torc_signals_close(object);
}

static void
close_all(void *unused)
{
	(void)unused;
	torc_close(all.near);
	torc_abort(all.far);
	torc_listener_close(all.listener);
	torc_udp_close(all.udp);
	torc_pipe_close(all.reader);
	torc_pipe_close(all.writer);
	torc_file_close(all.file);
	torc_dir_close(all.dir);
	torc_process_close(all.process);
	torc_signals_close(all.signals);
}

/* ---- opening ---- */

static const struct torc_process_options sleeper = {
	.argv = (const char *const[]){ "sleep", "1000", NULL },
	.in = { .how = TORC_PROCESS_PIPE },
	.out = { .how = TORC_PROCESS_PIPE },
};

static void
start_process(void)
{
	must_be(torc_process_spawn(&all.process, &sleeper), 0);
}

static void
open_all(void)
{
	/* First, so that the signals are the last of all. */
	must_be(torc_stream_pair(&left, &right), 0);
	open_one_of_each(&sleeper);
}

static bool
is_process_gone(pid_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

/* ---- the cases ---- */

static int
a_stream_closes_itself(void *unused)
{
	static struct torc_future readable[2];

	(void)unused;
	must_be(torc_stream_pair(&all.near, &all.far), 0);
	torc_recv_start(all.near, &readable[0]);
	at_end(&readable[0], close_stream, all.near);
	torc_recv_start(all.far, &readable[1]);
	at_end(&readable[1], abort_stream, all.far);
	return torc_yield();
}

static int
a_stream_closes_itself_when_its_send_is_over(void *unused)
{
	static char bytes[16 << 20];
	static struct torc_send send;

	(void)unused;
	must_be(torc_stream_pair(&all.near, &all.far), 0);
	send.data = bytes;
	send.bytes = sizeof(bytes);
	torc_send_start(all.near, &send);
	at_end(&send.done, close_stream, all.near);
	turn();
	return 0;
}

static int
a_stream_closes_itself_when_no_message_comes(void *unused)
{
	static struct torc_recv_fds recv;
	static char buf[16];

	(void)unused;
	must_be(torc_packet_pair(&all.near, &all.far), 0);
	recv.buf = buf;
	recv.bytes = sizeof(buf);
	torc_recv_fds_start(all.near, &recv);
	at_end(&recv.done, close_stream, all.near);
	turn();
	return 0;
}

static int
a_listener_closes_itself(void *unused)
{
	struct torc_address address = address_of(TCP);
	static struct torc_future accepted;

	(void)unused;
	must_be(torc_listen(&all.listener, &address, NULL), 0);
	torc_accept_start(all.listener, &accepted);
	at_end(&accepted, close_listener, all.listener);
	turn();
	return 0;
}

static int
a_pipe_closes_itself(void *unused)
{
	static char bytes[1 << 20];
	static struct torc_pipe_read read;
	static struct torc_pipe_write writes[2];

	(void)unused;
	must_be(torc_pipe_open(&all.reader, &all.writer), 0);
	for (int i = 0; i < 2; i++) {
		writes[i].data = bytes;
		writes[i].bytes = sizeof(bytes);
		torc_pipe_write_start(all.writer, &writes[i]);
	}
	/* The second waits for the first, and is the first to end. */
	at_end(&writes[1].done, close_pipe, all.writer);
	must_be(torc_pipe_open(&all.reader, &all.writer), 0);
	read.buf = bytes;
	read.bytes = 1;
	torc_pipe_read_start(all.reader, &read);
	at_end(&read.done, close_pipe, all.reader);
	turn();
	return 0;
}

/* One file that waits: a FIFO that is open for both and empty. */
static int
a_file_closes_itself(void *unused)
{
	char path[64];
	static char byte;
	static struct torc_file_op op;

	(void)unused;
	snprintf(path, sizeof(path), "/tmp/torc-ending-%d", getpid());
	must_be(mkfifo(path, 0600), 0);
	must_be(torc_file_open(&all.file, path, O_RDWR, 0), 0);
	must_be(unlink(path), 0);
	torc_file_read_start(all.file, &byte, 1, &op);
	at_end(&op.done, close_file, all.file);
	turn();
	return 0;
}

static int
a_process_closes_itself(void *unused)
{
	static struct torc_future exited;

	(void)unused;
	start_process();
	torc_process_wait_start(all.process, &exited);
	at_end(&exited, close_process, all.process);
	return 0;
}

/* Its pipes are its own, and the runtime's as well. */
static int
a_pipe_closes_the_process_that_it_leads_to(void *unused)
{
	static char byte;
	static struct torc_pipe_read read;

	(void)unused;
	start_process();
	read.buf = &byte;
	read.bytes = 1;
	torc_pipe_read_start(torc_process_stdout(all.process), &read);
	at_end(&read.done, close_process, all.process);
	turn();
	return 0;
}

static int
signals_close_themselves(void *unused)
{
	static struct torc_future caught;

	(void)unused;
	open_usr1();
	torc_signal_start(all.signals, &caught);
	at_end(&caught, close_signals, all.signals);
	return 0;
}

/* Those that are freed in their close are next on the shard's list. */
static int
one_closes_all_that_come_after_it(void *unused)
{
	static struct torc_future readable;

	(void)unused;
	open_all();
	torc_recv_start(all.far, &readable);
	at_end(&readable, close_all, NULL);
	return 0;
}

static int
the_last_closes_all_that_come_before_it(void *unused)
{
	static struct torc_future caught;

	(void)unused;
	open_all();
	torc_signal_start(all.signals, &caught);
	at_end(&caught, close_all, NULL);
	return 0;
}

static int
what_nobody_closes_is_freed(void *unused)
{
	(void)unused;
	open_all();
	return 0;
}

/* ---- after the last of an object ---- */

static struct {
	void (*fn)(void);
	struct torc_pipe *reader, *writer;
	struct torc_pipe_read read;
	char byte;
	pid_t pid;
} later;

/* Another pipe, which the runtime closes when it looks again. */
static void
look_again(void *unused)
{
	(void)unused;
	if (all.near->is_closed && all.far->is_closed &&
		is_process_gone(later.pid)) {
		later.fn();
		return;
	}
	must_be(torc_pipe_open(&later.reader, &later.writer), 0);
	later.read.buf = &later.byte;
	later.read.bytes = 1;
	torc_pipe_read_start(later.reader, &later.read);
	hooks_count--;
	ended_count--;
	at_end(&later.read.done, look_again, NULL);
}

static void
when_all_are_gone(void (*fn)(void))
{
	static struct torc_future readable;

	open_all();
	later.fn = fn;
	later.pid = torc_process_pid(all.process);
	torc_recv_start(all.far, &readable);
	at_end(&readable, look_again, NULL);
}

static void
close_all_late(void)
{
	close_all(NULL);
}

static int
what_is_gone_is_closed_by_its_owner(void *unused)
{
	(void)unused;
	when_all_are_gone(close_all_late);
	return 0;
}

static void
begin_with_streams(void)
{
	static struct torc_send_fds with_fds;
	static struct torc_recv_fds recv;
	static struct torc_send_file of_file;
	struct torc_send send = { .data = "x", .bytes = 1 };
	struct iovec piece = { &later.byte, 1 };
	struct torc_future readable;

	torc_recv_start(all.near, &readable);
	must_be(readable.value, -ECANCELED);
	torc_send_start(all.near, &send);
	must_be(send.done.value, -ECANCELED);
	torc_send_vec_start(all.near, &send, &piece, 1);
	must_be(send.done.value, -ECANCELED);
	torc_send_fds_start(all.near, &with_fds, "x", 1, NULL, 0);
	must_be(with_fds.send.done.value, -ECANCELED);
	torc_send_file_start(all.near, &of_file, all.file, 0, 1);
	must_be(of_file.done.value, -ECANCELED);
	recv.buf = &later.byte;
	recv.bytes = 1;
	torc_recv_fds_start(all.near, &recv);
	must_be(recv.done.value, -ECANCELED);
	must_be(torc_shutdown(all.near), -ECANCELED);
}

/* Where they are is remembered, all else was the descriptor's. */
static void
ask_the_sockets(void)
{
	enum torc_option bytes = TORC_SEND_BUF_BYTES;
	struct torc_credentials peer;
	char name[TORC_CONGESTION_MAX];
	struct torc_address at;
	int value;

	must_be(torc_stream_local(all.near, &at), -ECANCELED);
	must_be(torc_stream_peer(all.near, &at), -ECANCELED);
	must_be(torc_stream_fd(all.near), -ECANCELED);
	must_be(torc_stream_option_set(all.near, bytes, 1), -ECANCELED);
	must_be(torc_stream_option_get(all.near, bytes, &value), -ECANCELED);
	must_be(torc_stream_congestion_set(all.near, "reno"), -ECANCELED);
	must_be(torc_stream_congestion_get(all.near, name), -ECANCELED);
	must_be(torc_stream_peer_credentials(all.near, &peer), -ECANCELED);
	must_be(torc_stream_peer_pidfd(all.near), -ECANCELED);
	must_be(torc_listener_address(all.listener, &at), 0);
	must_be(torc_listener_option_set(all.listener, bytes, 1), -ECANCELED);
	must_be(torc_listener_option_get(all.listener, bytes, &value),
		-ECANCELED);
	must_be(torc_listener_congestion_set(all.listener, "reno"), -ECANCELED);
	must_be(torc_udp_address(all.udp, &at), 0);
	must_be(torc_udp_option_set(all.udp, bytes, 1), -ECANCELED);
	must_be(torc_udp_option_get(all.udp, bytes, &value), -ECANCELED);
	must_be(torc_udp_join_set(all.udp, true), -ECANCELED);
	must_be(torc_udp_multicast_join(all.udp, &at, 0), -ECANCELED);
	must_be(torc_udp_multicast_leave(all.udp, &at, 0), -ECANCELED);
}

static void
begin_with_the_rest(void)
{
	struct torc_pipe_write write = { .data = "x", .bytes = 1 };
	struct torc_file_op op;
	struct torc_future future;
	const void *data;

	torc_accept_start(all.listener, &future);
	must_be(future.value, -ECANCELED);
	torc_listener_stop(all.listener);
	torc_listener_ahead_set(all.listener, 1);
	torc_udp_recv_start(all.udp, &future);
	must_be(future.value, -ECANCELED);
	must_be(torc_udp_try_recv(all.udp, &data, NULL), -ECANCELED);
	must_be(torc_udp_try_send(all.udp, "x", 1, NULL), -ECANCELED);
	later.read.bytes = 1;
	torc_pipe_read_start(all.reader, &later.read);
	must_be(later.read.done.value, -ECANCELED);
	torc_pipe_write_start(all.writer, &write);
	must_be(write.done.value, -ECANCELED);
	torc_file_pread_start(all.file, &later.byte, 1, 0, &op);
	must_be(op.done.value, -ECANCELED);
	torc_dir_next_start(all.dir, &future);
	must_be(future.value, -ECANCELED);
	torc_process_wait_start(all.process, &future);
	must_be(future.value, -ECANCELED);
	must_be(torc_process_kill(all.process, SIGTERM), -ECANCELED);
	must_be(torc_process_try_wait(all.process, NULL), -ECANCELED);
	torc_signal_start(all.signals, &future);
	must_be(future.value, -ECANCELED);
}

static void
begin_all(void)
{
	begin_with_streams();
	ask_the_sockets();
	begin_with_the_rest();
}

static int
with_what_has_ended_nothing_begins(void *unused)
{
	(void)unused;
	when_all_are_gone(begin_all);
	return 0;
}

static void
do_no_more(void *unused)
{
	(void)unused;
}

/* The relay is done in a later turn, and ends by closing both streams. */
static void
join_what_has_ended(void)
{
	static struct torc_relay relay;

	torc_relay_start(&relay, left, right, 0);
	at_end(&relay.done, do_no_more, NULL);
	must_be(torc_pipe_open(&later.reader, &later.writer), 0);
}

static int
a_relay_of_two_that_have_ended_is_over(void *unused)
{
	(void)unused;
	when_all_are_gone(join_what_has_ended);
	return 0;
}

/* The callbacks of a case are done when its runtime is. */
static void
run_to_the_end(void **state)
{
	hooks_count = ended_count = 0;
	run_case(state);
	assert_int_equal(ended_count, hooks_count);
}

#define ENDS(fn_)                                          \
	{                                                  \
		.name = #fn_, .test_func = run_to_the_end, \
		.initial_state = &(struct torc_case)       \
		{                                          \
			.fn = fn_, .is_left_open = true,   \
		}                                          \
	}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		ENDS(a_stream_closes_itself),
		ENDS(a_stream_closes_itself_when_its_send_is_over),
		ENDS(a_stream_closes_itself_when_no_message_comes),
		ENDS(a_listener_closes_itself),
		ENDS(a_pipe_closes_itself),
		ENDS(a_file_closes_itself),
		ENDS(a_process_closes_itself),
		ENDS(a_pipe_closes_the_process_that_it_leads_to),
		ENDS(signals_close_themselves),
		ENDS(one_closes_all_that_come_after_it),
		ENDS(the_last_closes_all_that_come_before_it),
		ENDS(what_nobody_closes_is_freed),
		ENDS(what_is_gone_is_closed_by_its_owner),
		ENDS(with_what_has_ended_nothing_begins),
		ENDS(a_relay_of_two_that_have_ended_is_over),
	};

	(void)argc;
	forget_stacks(argv);
	return cmocka_run_group_tests_name("core/io/ending", tests, NULL, NULL);
}
