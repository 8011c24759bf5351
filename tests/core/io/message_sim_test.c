/* SPDX-License-Identifier: MIT */
/*
 * Goal    Whatever the kernel is free to do, messages come whole, once and in
 *         order, and descriptors with the bytes that they were sent with;
 *         none is left behind by a cancel.
 * Method  Hundreds of seeds, all faults, virtual time. Sends and receives are
 *         cancelled at any moment; each message says its number and length,
 *         and the simulation counts the descriptors that are left.
 */
#include <errno.h>

#include <torc.h>
#include <torc/test/sim.h>

#include "tests/sim/support.h"
#include "tests/core/io/chance.h"
#include "tests/test.h"

#define BYTES_MAX 60000
#define MESSAGES 20

struct head {
	uint64_t number;
	uint64_t bytes; /* with the head */
};

struct flow {
	struct torc_stream *from, *to;
	uint64_t sent_count;
	bool is_sent; /* all of it */
};

typedef int send_fn(struct flow *flow, uint64_t number);
typedef int receive_fn(struct flow *flow, uint64_t *number);

/* All or nothing left. 0 or -errno. */
static int
note_sent(struct flow *flow, const struct torc_send *send, int ret)
{
	if (send->done.value == -ECANCELED)
		return send->sent_bytes == 0 ? ret : -EBADMSG;
	if (send->done.value < 0)
		return (int)send->done.value;
	flow->sent_count++;
	return send->sent_bytes == send->bytes ? ret : -EBADMSG;
}

/* ---- packets ---- */

static int
send_packet(struct flow *flow, uint64_t number)
{
	static uint8_t data[BYTES_MAX];
	struct head head = { .number = number };
	struct iovec pieces[] = { { &head, sizeof(head) }, { data, 0 },
		{ data, 0 } };
	struct torc_send send;
	size_t bytes = torc_sim_random(BYTES_MAX - sizeof(head));

	head.bytes = sizeof(head) + bytes;
	pattern_fill(data, number, 0, bytes);
	pieces[1].iov_len = torc_sim_random(bytes + 1);
	pieces[2] = (struct iovec){ data + pieces[1].iov_len,
		bytes - pieces[1].iov_len };
	torc_send_vec_start(flow->from, &send, pieces, 3);
	return note_sent(flow, &send, end_by_chance(&send.done));
}

static int
receive_packet(struct flow *flow, uint64_t *number)
{
	struct torc_deadline deadline;
	struct head head;
	const void *data;
	ssize_t got;

	torc_deadline_begin(&deadline, torc_sim_random(TORC_MS));
	got = torc_recv(flow->to, &data);
	torc_deadline_end(&deadline);
	if (got <= 0)
		return (int)got;
	if ((size_t)got < sizeof(head))
		return -EBADMSG;
	memcpy(&head, data, sizeof(head));
	if (head.bytes != (uint64_t)got ||
		!pattern_is((const uint8_t *)data + sizeof(head), head.number,
			0, (size_t)got - sizeof(head)))
		return -EBADMSG;
	*number = head.number;
	return 1;
}

/* ---- descriptors ---- */

/* A stream in which its own number stands. */
static int
send_stream(struct flow *flow, uint64_t number)
{
	struct torc_stream *kept, *passed;
	struct torc_send_fds send;
	int ret = torc_stream_pair(&kept, &passed), fd;

	if (ret < 0)
		return ret == -EMFILE ? 0 : ret;
	ret = (int)torc_send_all(kept, &number, sizeof(number));
	if (ret < 0) {
		torc_close(kept);
		torc_close(passed);
		return ret;
	}
	fd = torc_stream_fd(passed);
	torc_send_fds_start(flow->from, &send, &number, sizeof(number), &fd, 1);
	ret = end_by_chance(&send.send.done);
	torc_close(passed);
	torc_close(kept);
	return note_sent(flow, &send.send, ret);
}

/* 0 when it is what it should be. */
static int
check_stream(int fd, uint64_t number)
{
	struct torc_stream *stream;
	uint64_t inside = 0;
	int ret = torc_stream_adopt(&stream, fd);
	ssize_t got;

	if (ret < 0)
		return ret;
	got = torc_read_exact(stream, &inside, sizeof(inside));
	torc_close(stream);
	if (got < 0)
		return (int)got;
	return got == sizeof(inside) && inside == number ? 0 : -EBADMSG;
}

static int
receive_stream(struct flow *flow, uint64_t *number)
{
	struct torc_recv_fds recv = { .buf = number, .bytes = sizeof(*number) };
	int fd, ret;

	recv.fds = &fd;
	recv.fds_max = 1;
	torc_recv_fds_start(flow->to, &recv);
	ret = end_by_chance(&recv.done);
	if (ret < 0)
		return ret;
	if (recv.done.value == -ECANCELED)
		return -ETIMEDOUT;
	/* The bytes came, and what came with them found no room. */
	if (recv.done.value == -EMFILE)
		return recv.fds_count == 0 ? 1 : -EBADMSG;
	if (recv.done.value <= 0)
		return (int)recv.done.value;
	if (recv.done.value != sizeof(*number) || recv.fds_count != 1)
		return -EBADMSG;
	ret = check_stream(fd, *number);
	return ret < 0 ? ret : 1;
}

/* ---- both ---- */

struct kind {
	send_fn *send;
	receive_fn *receive;
};

static const struct kind packets = { send_packet, receive_packet };
static const struct kind streams = { send_stream, receive_stream };

struct sender {
	struct flow *flow;
	send_fn *send;
};

static int
send_all(void *arg)
{
	struct sender *sender = arg;
	struct flow *flow = sender->flow;
	uint64_t count = torc_sim_size() * MESSAGES;
	int ret = 0;

	for (uint64_t number = 1; number <= count && ret == 0; number++)
		ret = sender->send(flow, number);
	flow->is_sent = true;
	torc_close(flow->from);
	return ret;
}

static int
receive_all(struct flow *flow, receive_fn *receive)
{
	uint64_t count = 0, last = 0, number = 0;
	int ret;

	while ((ret = receive(flow, &number)) != 0) {
		if (ret == -ETIMEDOUT)
			continue;
		if (ret < 0)
			return ret;
		if (number <= last)
			return -EILSEQ;
		last = number;
		count++;
	}
	return flow->is_sent && count == flow->sent_count ? 0 : -ENODATA;
}

static int
scenario(void *arg)
{
	const struct kind *kind = arg;
	struct flow flow = { 0 };
	struct sender sender = { &flow, kind->send };
	struct torc_task *task;
	int ret = torc_packet_pair(&flow.from, &flow.to), result;

	if (ret < 0)
		return ret == -EMFILE ? 0 : ret;
	ret = torc_spawn(&task, send_all, &sender);
	if (ret < 0)
		return ret;
	ret = receive_all(&flow, kind->receive);
	torc_close(flow.to);
	if (ret < 0)
		torc_cancel(task);
	torc_cancel_join(task, &result);
	return ret < 0 ? ret : result;
}

static void
search(uint64_t faults, const struct kind *kind)
{
	struct torc_sim_options options = { .faults = faults, .size = 4 };
	struct torc_sim_result result;
	int ret = torc_sim_search(&options, NULL, seeds_count(300), scenario,
		(void *)(uintptr_t)kind, &result);

	note_runs(&result);
	assert_int_equal(ret, 0);
	assert_true(result.completions > 0);
}

static void
messages_arrive_on_a_friendly_machine(void **state)
{
	(void)state;
	search(0, &packets);
}

static void
messages_survive_what_a_kernel_is_free_to_do(void **state)
{
	(void)state;
	search(TORC_SIM_ALL, &packets);
}

static void
descriptors_arrive_on_a_friendly_machine(void **state)
{
	(void)state;
	search(0, &streams);
}

static void
descriptors_survive_what_a_kernel_is_free_to_do(void **state)
{
	(void)state;
	search(TORC_SIM_ALL, &streams);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_arrive_on_a_friendly_machine),
		cmocka_unit_test(messages_survive_what_a_kernel_is_free_to_do),
		cmocka_unit_test(descriptors_arrive_on_a_friendly_machine),
		cmocka_unit_test(
			descriptors_survive_what_a_kernel_is_free_to_do),
	};

	return cmocka_run_group_tests_name(
		"core/io/message_sim", tests, NULL, NULL);
}
