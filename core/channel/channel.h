/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_CHANNEL_CHANNEL_H
#define TORC_CORE_CHANNEL_CHANNEL_H

/*
 * channel - a bounded queue of items from many senders to one receiver
 *
 * Items are copied by value, so an item is what crosses, not what it points
 * to. A full channel makes senders wait, first come first served; an empty
 * one makes the receiver wait. Of one sender, items arrive in order.
 *
 *   senders on any shard or thread --> [ . . items . . ] --> one receiver
 *
 *   OPEN --torc_channel_close--> DRAINING --the last recv--> DRAINED
 *   send  0, or waits            -EPIPE                      -EPIPE
 *   recv  0, or waits            0: what is left             -EPIPE
 *
 * Room can be reserved, to be used once by a send that then neither waits nor
 * fails: make sure of the room first, then make the item, or take it from
 * where it cannot be put back. What is inside and what is reserved is never
 * more than the capacity. A place in the order comes with the send, not with
 * the reservation. A channel that is closed is DRAINING as long as room is
 * reserved: then recv waits for what may still be sent.
 *
 *   ret = torc_channel_reserve(channel);
 *   if (ret == 0)
 *           torc_channel_send_reserved(channel, &item);
 *
 * Lifetime  Counted: create gives one reference, torc_channel_hold() one more,
 *           each is given back by torc_channel_release(), the last one frees
 *           it with what is left inside. A task or thread that uses the
 *           channel owns a reference while it does; so hold before you spawn.
 *           A release ends nothing: who sends last says torc_channel_close().
 *           Who has reserved holds it until that is used: asserted.
 * Shard     Any task of any shard. try_, send_reserved, unreserve, close, hold,
 *           release and count also from any thread; the _blocking calls only
 *           from threads that are no shard. One task or thread at a time
 *           receives: asserted where one of them waits.
 * Errors    -EPIPE as drawn; -EAGAIN from try_; -ECANCELED and -ETIMEDOUT from
 *           what awaits: nothing was sent, or taken.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <torc/core/channel/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_channel;

/*
 * A channel for `capacity` items of `item_bytes` each; 0 bytes: they only
 * count. The memory for all of them is taken here.
 *
 * Returns  0; -EINVAL: no capacity, or more than 2^31 or of items over 1 GiB;
 *          -ENOMEM.
 */
int torc_channel_create(struct torc_channel **channel, size_t item_bytes,
	uint32_t capacity) __attribute__((warn_unused_result));

/* One more reference; returns its argument. Cost: one locked addition. */
struct torc_channel *torc_channel_hold(struct torc_channel *channel);

/* Gives one back. With the last, nobody may wait any more: asserted. */
void torc_channel_release(struct torc_channel *channel);

/*
 * Copy the item in, when there is room and all who waited before have sent.
 *
 * Returns  0; -EPIPE; -ECANCELED or -ETIMEDOUT: it was not sent.
 * Cost     under 15 ns when there is room; a sleeping receiver on another
 *          shard takes one message more.
 */
int torc_channel_send(struct torc_channel *channel, const void *item)
	__attribute__((warn_unused_result));

/*
 * 0; -EPIPE; -EAGAIN: it is full, or others wait to send. Cost: as the send;
 * a lock while others wait, or room is reserved.
 */
int torc_channel_try_send(struct torc_channel *channel, const void *item)
	__attribute__((warn_unused_result));

/*
 * Start only. `item` is read until wait->done is ready: 0, it was sent, or
 * -EPIPE or -ECANCELED, it was not. A loser of torc_select() whose value is 0
 * has sent all the same.
 */
void torc_channel_send_start(struct torc_channel *channel, const void *item,
	struct torc_channel_wait *wait);

/* torc_channel_send() that blocks the calling thread, which is no shard. */
int torc_channel_send_blocking(struct torc_channel *channel, const void *item)
	__attribute__((warn_unused_result));

/*
 * Reserve room for one item, when there is some and all who waited before have
 * sent. It is the channel's until one torc_channel_send_reserved() or
 * torc_channel_unreserve(), of any task or thread.
 *
 * Returns  0; -EPIPE; -ECANCELED or -ETIMEDOUT: nothing is reserved.
 * Cost     a lock. While room is reserved, sends of others take it, too.
 */
int torc_channel_reserve(struct torc_channel *channel)
	__attribute__((warn_unused_result));

/* 0; -EPIPE; -EAGAIN: it is full, or others wait to send. */
int torc_channel_try_reserve(struct torc_channel *channel)
	__attribute__((warn_unused_result));

/*
 * Start only. A loser of torc_select() whose value is 0 has reserved all the
 * same, and gives it back.
 */
void torc_channel_reserve_start(
	struct torc_channel *channel, struct torc_channel_wait *wait);

/*
 * Send by a reservation, which is used up: never waits, never fails, also
 * after a close. Asserted: there is one.
 */
void torc_channel_send_reserved(struct torc_channel *channel, const void *item);

/* Give a reservation back: the room is for others. Asserted: there is one. */
void torc_channel_unreserve(struct torc_channel *channel);

/*
 * Take the oldest item, when there is one.
 *
 * Returns  0; -EPIPE: closed, and nothing is left; -ECANCELED or -ETIMEDOUT:
 *          nothing was taken.
 * Cost     under 15 ns when there is one.
 */
int torc_channel_recv(struct torc_channel *channel, void *item)
	__attribute__((warn_unused_result));

/* 0; -EPIPE; -EAGAIN: there is none yet. */
int torc_channel_try_recv(struct torc_channel *channel, void *item)
	__attribute__((warn_unused_result));

/*
 * Start to wait for an item, and take none: wait->done gets 0 when
 * torc_channel_try_recv() will succeed, or -EPIPE. So a loser of
 * torc_select() loses nothing, whatever its value is.
 */
void torc_channel_recv_start(
	struct torc_channel *channel, struct torc_channel_wait *wait);

/* torc_channel_recv() that blocks the calling thread, which is no shard. */
int torc_channel_recv_blocking(struct torc_channel *channel, void *item)
	__attribute__((warn_unused_result));

/*
 * No more is sent, but by those who have reserved: who waits to send gets
 * -EPIPE; what is inside can still be received. Either side may say it, and
 * say it again.
 */
void torc_channel_close(struct torc_channel *channel);
bool torc_channel_is_closed(const struct torc_channel *channel);

/* How many items are inside: exact when nothing moves. */
uint32_t torc_channel_count(const struct torc_channel *channel);
uint32_t torc_channel_capacity(const struct torc_channel *channel);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_CHANNEL_CHANNEL_H */
