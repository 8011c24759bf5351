/* SPDX-License-Identifier: MIT */
/* Buffers that the ring picks from, and receives into them. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/contract/steps.h"

/* Rings of a moment ago may still hold locked memory. */
#define REGISTER_TRIES 500

int
register_group(struct contract *c, void *entries, uint32_t count, uint16_t id)
{
	struct io_uring_buf_reg reg = {
		.ring_addr = (uintptr_t)entries,
		.ring_entries = count,
		.bgid = id,
	};

	unsigned tries = REGISTER_TRIES;
	int ret;

	do
		ret = c->engine->reg(
			&c->ring, IORING_REGISTER_PBUF_RING, &reg, 1);
	while (ret == -ENOMEM && tries-- > 0 && usleep(1000) == 0);
	return ret;
}

int
unregister_group(struct contract *c, uint16_t id)
{
	struct io_uring_buf_reg reg = { .bgid = id };

	return c->engine->reg(&c->ring, IORING_UNREGISTER_PBUF_RING, &reg, 1);
}

struct group
open_empty_group(
	struct contract *c, uint16_t id, uint16_t count, uint32_t buf_bytes)
{
	struct group group = {
		.entries = pages(c, count * sizeof(struct io_uring_buf)),
		.data = memory(c, (size_t)count * buf_bytes),
		.buf_bytes = buf_bytes,
		.id = id,
		.mask = (uint16_t)(count - 1),
	};
	int ret = register_group(c, group.entries, count, id);

	if (ret < 0)
		give_up(c, "register a group: %s", strerror(-ret));
	return group;
}

struct group
open_group(struct contract *c, uint16_t id, uint16_t count, uint32_t buf_bytes)
{
	struct group group = open_empty_group(c, id, count, buf_bytes);

	for (uint16_t i = 0; i < count; i++)
		post(&group, i);
	return group;
}

void
post(struct group *group, uint16_t buf)
{
	struct io_uring_buf *slot =
		&group->entries->bufs[group->tail & group->mask];

	slot->addr = (uintptr_t)(group->data + buf * group->buf_bytes);
	slot->len = group->buf_bytes;
	slot->bid = buf;
	group->posted++;
	/* Pairs with the engine's acquire of the tail when it picks one. */
	__atomic_store_n(
		&group->entries->tail, ++group->tail, __ATOMIC_RELEASE);
}

uint16_t
buf_of(const struct torc_cqe *cqe)
{
	return (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
}

const uint8_t *
data_of(const struct group *group, const struct torc_cqe *cqe)
{
	return group->data + buf_of(cqe) * group->buf_bytes;
}

void
start_recvs_capped(struct contract *c, uint64_t id, int fd,
	const struct group *group, uint32_t cap_bytes)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = group->id;
	sqe->optlen = cap_bytes;
	submit(c, sqe, id);
}

void
start_recvs(struct contract *c, uint64_t id, int fd, const struct group *group)
{
	start_recvs_capped(c, id, fd, group, 0);
}

void
require_text(struct contract *c, const struct group *group,
	const struct torc_cqe *cqe, const char *text)
{
	require(c, buf_of(cqe) <= group->mask);
	require(c, cqe->res == (int32_t)strlen(text));
	require(c, memcmp(data_of(group, cqe), text, strlen(text)) == 0);
}
