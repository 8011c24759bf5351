/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_PAIR_H
#define TORC_CORE_IO_PAIR_H

/*
 * pair - two streams connected to each other, in one process
 *
 * For tests of what speaks over a connection, and for two tasks that have
 * bytes for each other. What one sends the other receives, in both
 * directions, as over a Unix socket; each is closed for itself.
 *
 *   a  --torc_send_all-->  --torc_recv-->  b
 *      <-----------------  <-------------
 *
 * Lifetime  Until each was closed.
 * Shard     The caller's, for both. To talk to another shard use a channel,
 *           or connect to a listener there.
 * Errors    -errno; on an error neither is set.
 */

#include <torc/core/io/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Two ends of a byte stream. Never waits.
 *
 * Returns  0; -EMFILE when descriptors ran out; -ENOMEM.
 * Cost     one system call; two descriptors.
 */
int torc_stream_pair(struct torc_stream **a, struct torc_stream **b)
	__attribute__((warn_unused_result));

/* The same as a seqpacket: see Packets in stream.h. */
int torc_packet_pair(struct torc_stream **a, struct torc_stream **b)
	__attribute__((warn_unused_result));

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_PAIR_H */
