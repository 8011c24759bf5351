/* SPDX-License-Identifier: MIT */
/* Groups of buffers: how they are registered, and what they are given as. */
#include <errno.h>
#include <string.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"

#define BUF_MORE (F_BUFFER | F_MORE)

static void
a_group_is_registered_and_taken_back(struct contract *c)
{
	void *entries = pages(c, 4096);

	require(c, register_group(c, entries, 256, 5) == 0);
	require(c, unregister_group(c, 5) == 0);
}

static void
an_id_is_given_once(struct contract *c)
{
	require(c, register_group(c, pages(c, 4096), 8, 5) == 0);
	require(c, register_group(c, pages(c, 4096), 8, 5) == -EEXIST);
}

static void
an_id_can_be_used_again(struct contract *c)
{
	void *entries = pages(c, 4096);

	for (unsigned i = 0; i < 20; i++) {
		require(c, register_group(c, entries, 8, 5) == 0);
		require(c, unregister_group(c, 5) == 0);
	}
}

static void
what_is_not_there_is_not_taken_back(struct contract *c)
{
	require(c, unregister_group(c, 9) == -ENOENT);
}

static void
sizes_are_powers_of_two(struct contract *c)
{
	void *entries = pages(c, 4096);

	require(c, register_group(c, entries, 0, 5) == -EINVAL);
	require(c, register_group(c, entries, 3, 5) == -EINVAL);
	require(c, register_group(c, entries, 65536, 5) == -EINVAL);
}

static void
entries_begin_on_a_page(struct contract *c)
{
	uint8_t *entries = pages(c, 8192);

	require(c, register_group(c, entries + 64, 8, 5) == -EINVAL);
}

static void
several_groups_are_there_at_once(struct contract *c)
{
	struct pair pair = open_pair(c), other = open_pair(c);
	struct group small = open_group(c, 1, 4, 4);
	struct group large = open_group(c, 2, 4, 4096);

	start_recvs(c, 1, pair.near, &small);
	start_recvs(c, 2, other.near, &large);
	push(c);
	give(c, pair.far, "12345", 5);
	expect(c, 1, RES_WITH(4, BUF_MORE));
	expect(c, 1, RES_WITH(1, BUF_MORE));
	give(c, other.far, "12345", 5);
	expect(c, 2, RES_WITH(5, BUF_MORE));
	cancel_waiting(c, 1);
	cancel_waiting(c, 2);
}

static void
the_largest_id_is_as_good_as_any(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, UINT16_MAX, 4, 64);

	start_recvs(c, 1, pair.near, &group);
	give(c, pair.far, "x", 1);
	expect(c, 1, RES_WITH(1, BUF_MORE));
	cancel_waiting(c, 1);
}

static void
buffers_are_picked_in_the_order_of_the_ring(struct contract *c)
{
	static const uint16_t order[] = { 6, 1, 7, 0 };
	struct pair pair = open_pair(c);
	struct group group = open_empty_group(c, 1, 8, 8);

	for (unsigned i = 0; i < 4; i++)
		post(&group, order[i]);
	start_recvs(c, 1, pair.near, &group);
	for (unsigned i = 0; i < 4; i++) {
		struct torc_cqe cqe;

		give(c, pair.far, "x", 1);
		cqe = expect(c, 1, RES_WITH(1, BUF_MORE));
		require(c, buf_of(&cqe) == order[i]);
	}
	end_starved(c, 1);
}

static void
ids_need_not_be_small(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_empty_group(c, 1, 2, 8);
	struct torc_cqe cqe;

	group.entries->bufs[0] = (struct io_uring_buf){
		.addr = (uintptr_t)group.data, .len = 8, .bid = 65535
	};
	__atomic_store_n(&group.entries->tail, 1, __ATOMIC_RELEASE);
	start_recvs(c, 1, pair.near, &group);
	give(c, pair.far, "x", 1);
	cqe = expect(c, 1, RES_WITH(1, BUF_MORE));
	require(c, buf_of(&cqe) == 65535);
	end_starved(c, 1);
}

/* The tail may not sit where the head of an empty ring would be lost. */
static void
a_full_ring_of_buffers_is_full_and_not_empty(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 2, 8);

	bool is_armed = true;

	start_recvs(c, 1, pair.near, &group);
	for (unsigned i = 0; i < 2; i++) {
		give(c, pair.far, "x", 1);
		is_armed = expect(c, 1, RES_WITH(1, BUF_MORE),
				   RES_WITH(1, F_BUFFER))
				   .flags &
			   F_MORE;
	}
	if (is_armed)
		end_starved(c, 1);
}

static void
a_buffer_is_written_as_far_as_there_are_bytes(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 2, 64);
	struct torc_cqe cqe;

	memset(group.data, 0xee, 128);
	start_recvs(c, 1, pair.near, &group);
	give(c, pair.far, "abc", 3);
	cqe = expect(c, 1, RES_WITH(3, BUF_MORE));
	for (unsigned i = 3; i < 64; i++)
		require(c, data_of(&group, &cqe)[i] == 0xee);
	cancel_waiting(c, 1);
	for (unsigned i = 0; i < 64; i++)
		require(c, group.data[(buf_of(&cqe) ^ 1u) * 64u + i] == 0xee);
}

/* It may have been found missing in between, and then ends the receive. */
static void
a_buffer_given_back_is_picked_again(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 1, 64);
	struct torc_cqe cqe;

	start_recvs(c, 1, pair.near, &group);
	for (unsigned i = 0; i < 5; i++) {
		give(c, pair.far, "again", 5);
		cqe = expect(
			c, 1, RES_WITH(5, BUF_MORE), RES_WITH(5, F_BUFFER));
		require(c, buf_of(&cqe) == 0);
		if (cqe.flags & F_MORE)
			end_starved(c, 1);
		post(&group, 0);
		start_recvs(c, 1, pair.near, &group);
	}
	cancel_waiting(c, 1);
}

static void
a_group_that_is_gone_ends_its_receives(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 4, 64);

	start_recvs(c, 1, pair.near, &group);
	push(c);
	require(c, unregister_group(c, 1) == 0);
	give(c, pair.far, "kept", 4);
	expect(c, 1, RES(-ENOBUFS), RES(-ENOENT));
	take_text(c, pair.near, "kept");
}

static void
a_register_call_that_is_unknown_is_invalid(struct contract *c)
{
	require(c, c->engine->reg(&c->ring, 250, NULL, 0) == -EINVAL);
}

static const struct contract_script scripts[] = {
	SCRIPT(a_group_is_registered_and_taken_back, "PBUF_RING"),
	SCRIPT(an_id_is_given_once, "PBUF_RING"),
	SCRIPT(an_id_can_be_used_again, "PBUF_RING"),
	SCRIPT(what_is_not_there_is_not_taken_back, "PBUF_RING"),
	SCRIPT(sizes_are_powers_of_two, "PBUF_RING"),
	SCRIPT(entries_begin_on_a_page, "PBUF_RING"),
	SCRIPT(several_groups_are_there_at_once, "PBUF_RING"),
	SCRIPT(the_largest_id_is_as_good_as_any, "PBUF_RING"),
	SCRIPT(buffers_are_picked_in_the_order_of_the_ring, "H12"),
	SCRIPT(ids_need_not_be_small, "provided buffers"),
	SCRIPT(a_full_ring_of_buffers_is_full_and_not_empty, "H12"),
	SCRIPT(a_buffer_is_written_as_far_as_there_are_bytes, "H1, H12"),
	SCRIPT(a_buffer_given_back_is_picked_again, "H11"),
	SCRIPT(a_group_that_is_gone_ends_its_receives, "H11"),
	SCRIPT(a_register_call_that_is_unknown_is_invalid, "register"),
};

CONTRACT_FAMILY(buffer);
