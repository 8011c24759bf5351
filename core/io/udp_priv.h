/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_UDP_PRIV_H
#define TORC_CORE_IO_UDP_PRIV_H

#include <torc/core/io/udp.h>

#include "core/shard_priv.h"

struct torc_udp {
	struct torc_op recv_op;
	struct torc_shard *shard;
	struct torc_resource resource;
	struct torc_parked parked;
	struct torc_address address;
	struct msghdr template;    /* how much room each part gets */
	struct torc_buf *rx_first; /* received, not all shown */
	struct torc_buf *rx_last;
	uint32_t rx_shown;      /* payload bytes of rx_first */
	struct torc_buf *views; /* what the last call showed */
	struct torc_future *reader;
	uint32_t held;
	uint32_t queued; /* by torc_udp_try_send(), on their way */
	int error;       /* reported once */
	int fd;
	bool is_closing;
	bool is_gone;
	bool is_adopted;     /* others may have the socket as well */
	bool is_without_gso; /* a Unix one, or kernel or device refused it */
	uint32_t pins;       /* tasks inside torc_udp_recv() */
	uint32_t sends;      /* awaited, on their way */
};

#define TORC__UDP_REMEDY "bind one on each shard"

/* Before anything is done with it: 0, or -ECANCELED as the runtime ends. */
static inline int
torc__udp_begin(const struct torc_udp *udp)
{
	torc__shard_own(udp->shard, "a udp socket", TORC__UDP_REMEDY);
	if (torc_likely(!udp->is_closing))
		return 0;
	return torc__resource_refusal(&udp->resource, "a udp socket");
}

/*
 * One with the socket that is bound there. It takes `fd`, but not to fail: 0
 * or -errno.
 */
int torc__udp_adopt(struct torc_udp **udp, struct torc_shard *shard, int fd,
	const struct torc_address *address);

/* From udp.c for udp_send.c: close when nothing in flight names the socket. */
void torc__udp_close_when_quiet(struct torc_udp *udp);

#endif /* TORC_CORE_IO_UDP_PRIV_H */
