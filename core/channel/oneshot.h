/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_CHANNEL_ONESHOT_H
#define TORC_CORE_CHANNEL_ONESHOT_H

/*
 * oneshot - one item from one sender to one receiver, once
 *
 *   EMPTY --send--> SENT --recv--> TAKEN        send never waits
 *      \              \
 *       +--close-------+--> CLOSED: a send gets -EPIPE, and a recv too, unless
 *                           the item was sent before
 *
 * Lifetime  Counted: create gives one reference, torc_oneshot_hold() one more,
 *           each is given back by torc_oneshot_release(), the last one frees
 *           it. Sender and receiver own one each. A release ends nothing: who
 *           will not send, or receive, says torc_oneshot_close().
 * Shard     recv: a task of any shard. All else: any shard or thread; the
 *           _blocking call only a thread that is no shard.
 * Errors    -EPIPE as drawn; -EAGAIN from try_recv; -ECANCELED, -ETIMEDOUT.
 *           Asserted: two sends, two receives, a second receiver.
 */

#include <stdbool.h>
#include <stddef.h>

#include <torc/core/channel/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_oneshot;

/* 0; -EINVAL: more than 1 GiB; -ENOMEM. An item may have 0 bytes. */
int torc_oneshot_create(struct torc_oneshot **oneshot, size_t item_bytes)
	__attribute__((warn_unused_result));

/* One more reference; returns its argument. */
struct torc_oneshot *torc_oneshot_hold(struct torc_oneshot *oneshot);

/* Gives one back. With the last, nobody may wait any more: asserted. */
void torc_oneshot_release(struct torc_oneshot *oneshot);

/* 0; -EPIPE: the other end has closed, and the item goes nowhere. */
int torc_oneshot_send(struct torc_oneshot *oneshot, const void *item)
	__attribute__((warn_unused_result));

/* 0; -EPIPE: nothing will come; -ECANCELED or -ETIMEDOUT: nothing was taken. */
int torc_oneshot_recv(struct torc_oneshot *oneshot, void *item)
	__attribute__((warn_unused_result));

/* 0; -EPIPE; -EAGAIN: nothing has come yet. */
int torc_oneshot_try_recv(struct torc_oneshot *oneshot, void *item)
	__attribute__((warn_unused_result));

/*
 * Start to wait, and take nothing: wait->done gets 0 when
 * torc_oneshot_try_recv() will succeed, or -EPIPE.
 */
void torc_oneshot_recv_start(
	struct torc_oneshot *oneshot, struct torc_channel_wait *wait);

/* torc_oneshot_recv() that blocks the calling thread, which is no shard. */
int torc_oneshot_recv_blocking(struct torc_oneshot *oneshot, void *item)
	__attribute__((warn_unused_result));

/* From either end, and also when it is over anyway. */
void torc_oneshot_close(struct torc_oneshot *oneshot);

/* So that a sender need not work for nobody. Cost: one load. */
bool torc_oneshot_is_closed(const struct torc_oneshot *oneshot);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_CHANNEL_ONESHOT_H */
