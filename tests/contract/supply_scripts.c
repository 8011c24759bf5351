/* SPDX-License-Identifier: MIT */
/* A receive that stays armed, and the buffers that it lives on. */
#include <errno.h>
#include <string.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"

#define BUF_MORE (F_BUFFER | F_MORE)

/*
 * Everything that is sent arrives, in order and whatever ends the receive
 * on the way. Buffers are given back at once.
 */
static void
receive_stream(struct contract *c, int fd, struct group *group, size_t bytes)
{
	size_t at = 0;
	bool is_armed = true;

	start_recvs(c, 1, fd, group);
	while (at < bytes) {
		struct torc_cqe cqe = expect(c, 1,
			BETWEEN_WITH(1, (int32_t)group->buf_bytes, BUF_MORE),
			BETWEEN_WITH(1, (int32_t)group->buf_bytes, F_BUFFER),
			RES(-ENOBUFS));
		const uint8_t *data = data_of(group, &cqe);

		for (int32_t i = 0; i < cqe.res; i++)
			require(c, data[i] == stream_byte(at + (size_t)i));
		if (cqe.res > 0) {
			at += (size_t)cqe.res;
			post(group, buf_of(&cqe));
		}
		is_armed = cqe.flags & F_MORE;
		if (!is_armed && at < bytes)
			start_recvs(c, 1, fd, group);
	}
	if (is_armed)
		end_starved(c, 1);
}

static void
a_message_larger_than_a_buffer_is_split(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 16, 64);

	give(c, pair.far, stream(c, 1000), 1000);
	settle(c);
	receive_stream(c, pair.near, &group, 1000);
	expect_nothing(c);
}

static void
a_stream_goes_through_few_buffers(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 4, 512);

	start_send(c, 2, pair.far, stream(c, 60000), 60000);
	push(c);
	receive_stream(c, pair.near, &group, 60000);
	expect(c, 2, RES(60000));
}

static void
a_full_cq_ends_it_and_loses_nothing(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 64, 16);

	give(c, pair.far, stream(c, 40 * 16), 40 * 16);
	settle(c);
	for (uint64_t id = 100; id < 116; id++)
		start_nop(c, id);
	require(c, torc__ring_enter(&c->ring, 0, 0) == 0);
	require(c, torc__ring_cq_count(&c->ring) == 16);
	receive_stream(c, pair.near, &group, 40 * 16);
	for (uint64_t id = 100; id < 116; id++)
		expect(c, id, RES(0));
	expect_nothing(c);
}

static void
without_buffers_it_ends_and_keeps_the_bytes(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 2, 4);
	struct torc_cqe cqe;

	start_recvs(c, 1, pair.near, &group);
	push(c);
	give(c, pair.far, "aaaabbbbcc", 10);
	cqe = expect(c, 1, RES_WITH(4, BUF_MORE));
	require_text(c, &group, &cqe, "aaaa");
	cqe = expect(c, 1, RES_WITH(4, BUF_MORE), RES_WITH(4, F_BUFFER));
	if (cqe.flags & F_MORE)
		expect(c, 1, RES(-ENOBUFS));
	take_text(c, pair.near, "cc");
}

static void
given_back_buffers_get_the_rest(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 1, 4);
	struct torc_cqe cqe;

	start_recvs(c, 1, pair.near, &group);
	push(c);
	give(c, pair.far, "aaaabbbb", 8);
	cqe = expect(c, 1, RES_WITH(4, BUF_MORE), RES_WITH(4, F_BUFFER));
	if (cqe.flags & F_MORE)
		expect(c, 1, RES(-ENOBUFS));
	post(&group, 0);
	start_recvs(c, 1, pair.near, &group);
	cqe = expect(c, 1, RES_WITH(4, BUF_MORE), RES_WITH(4, F_BUFFER));
	require_text(c, &group, &cqe, "bbbb");
	if (cqe.flags & F_MORE)
		end_starved(c, 1);
}

/* The kernel fails at once, even with nothing to receive. */
static void
arming_without_buffers_fails_or_waits(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_empty_group(c, 1, 4, 64);

	start_recvs(c, 1, pair.near, &group);
	settle(c);
	if (has_come(c, 1))
		expect(c, 1, RES(-ENOBUFS));
	else
		cancel_waiting(c, 1);
}

static void
bytes_without_a_buffer_are_never_lost(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_empty_group(c, 1, 4, 64);
	struct torc_cqe cqe;

	give(c, pair.far, "safe", 4);
	settle(c);
	start_recvs(c, 1, pair.near, &group);
	expect(c, 1, RES(-ENOBUFS));
	post(&group, 3);
	start_recvs(c, 1, pair.near, &group);
	cqe = expect(c, 1, RES_WITH(4, BUF_MORE), RES_WITH(4, F_BUFFER));
	require(c, buf_of(&cqe) == 3);
	require_text(c, &group, &cqe, "safe");
	if (cqe.flags & F_MORE)
		end_starved(c, 1);
}

static void
a_group_that_nobody_registered_has_no_buffers(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group none = { .id = 77 };

	give(c, pair.far, "x", 1);
	settle(c);
	start_recvs(c, 1, pair.near, &none);
	expect(c, 1, RES(-ENOBUFS), RES(-ENOENT));
}

/* Linux 6.17 counts; before, and elsewhere perhaps, it just goes on. */
static void
a_cap_ends_it_after_so_many_bytes(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 8, 1024);
	struct torc_cqe cqe;

	give(c, pair.far, stream(c, 4096), 4096);
	settle(c);
	start_recvs_capped(c, 1, pair.near, &group, 2048);
	expect(c, 1, RES_WITH(1024, BUF_MORE));
	cqe = expect(c, 1, RES_WITH(1024, F_BUFFER), RES_WITH(1024, BUF_MORE));
	if (!(cqe.flags & F_MORE)) {
		expect_nothing(c);
		return;
	}
	expect(c, 1, RES_WITH(1024, BUF_MORE));
	expect(c, 1, RES_WITH(1024, BUF_MORE));
	cancel_waiting(c, 1);
}

/* The buffer that reaches it may be filled, or there is no cap. */
static void
a_cap_counts_bytes_and_not_buffers(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 8, 1024);
	struct torc_cqe cqe;

	start_recvs_capped(c, 1, pair.near, &group, 1000);
	give(c, pair.far, "some", 4);
	expect(c, 1, RES_WITH(4, BUF_MORE));
	give(c, pair.far, stream(c, 2000), 2000);
	settle(c);
	cqe = expect(c, 1, BETWEEN_WITH(996, 1024, F_BUFFER),
		BETWEEN_WITH(997, 1024, BUF_MORE));
	if (cqe.flags & F_MORE) {
		expect(c, 1, RES_WITH(2000 - cqe.res, BUF_MORE));
		cancel_waiting(c, 1);
	}
	expect_nothing(c);
}

static void
each_buffer_has_one_owner(struct contract *c)
{
	struct pair pairs[4];
	struct group group = open_group(c, 1, 16, 8);
	bool is_taken[16] = { false };

	for (unsigned i = 0; i < 4; i++) {
		pairs[i] = open_pair(c);
		start_recvs(c, i, pairs[i].near, &group);
	}
	push(c);
	for (unsigned i = 0; i < 16; i++) {
		struct torc_cqe cqe;

		give(c, pairs[i % 4].far, "token", 5);
		cqe = expect(c, i % 4, RES_WITH(5, BUF_MORE));
		require(c, buf_of(&cqe) < 16 && !is_taken[buf_of(&cqe)]);
		is_taken[buf_of(&cqe)] = true;
	}
	for (unsigned i = 0; i < 4; i++)
		end_starved(c, i);
}

static void
the_ring_of_buffers_wraps_around(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 4, 8);

	start_recvs(c, 1, pair.near, &group);
	for (unsigned i = 0; i < 300; i++) {
		char text[8] = { 0 };
		struct torc_cqe cqe;

		snprintf(text, sizeof(text), "%u", i);
		give(c, pair.far, text, strlen(text));
		cqe = expect(c, 1, BETWEEN_WITH(1, 8, BUF_MORE));
		require_text(c, &group, &cqe, text);
		post(&group, buf_of(&cqe));
	}
	cancel_waiting(c, 1);
}

/* Who floods takes all buffers, and whoever shares them goes without. */
static void
a_flood_leaves_its_neighbour_without(struct contract *c)
{
	struct pair flood = open_pair(c), quiet = open_pair(c);
	struct group group = open_group(c, 1, 4, 16);
	struct torc_cqe cqe;

	start_recvs(c, 1, flood.near, &group);
	start_recvs(c, 2, quiet.near, &group);
	push(c);
	give(c, flood.far, stream(c, 1000), 1000);
	settle(c);
	give(c, quiet.far, "me too", 6);
	expect(c, 2, RES(-ENOBUFS));
	do
		cqe = expect(c, 1, RES_WITH(16, BUF_MORE),
			RES_WITH(16, F_BUFFER), RES(-ENOBUFS));
	while (cqe.flags & F_MORE);
	take_text(c, quiet.near, "me too");
}

static const struct contract_script scripts[] = {
	SCRIPT(a_message_larger_than_a_buffer_is_split, "provided buffers"),
	SCRIPT(a_stream_goes_through_few_buffers, "H10, H11"),
	SCRIPT(a_full_cq_ends_it_and_loses_nothing, "H10, H20",
		.cq_entries = 16),
	SCRIPT(without_buffers_it_ends_and_keeps_the_bytes, "H11 ENOBUFS"),
	SCRIPT(given_back_buffers_get_the_rest, "H11 ENOBUFS"),
	SCRIPT(arming_without_buffers_fails_or_waits, "H11 ENOBUFS"),
	SCRIPT(bytes_without_a_buffer_are_never_lost, "H11 ENOBUFS"),
	SCRIPT(a_group_that_nobody_registered_has_no_buffers, "H11 ENOBUFS"),
	SCRIPT(a_cap_ends_it_after_so_many_bytes, "H31 optlen (6.17)"),
	SCRIPT(a_cap_counts_bytes_and_not_buffers, "H31 optlen (6.17)"),
	SCRIPT(each_buffer_has_one_owner, "provided buffers"),
	SCRIPT(the_ring_of_buffers_wraps_around, "provided buffers"),
	SCRIPT(a_flood_leaves_its_neighbour_without, "H11 fairness"),
};

CONTRACT_FAMILY(supply);
