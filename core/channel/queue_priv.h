/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_CHANNEL_QUEUE_PRIV_H
#define TORC_CORE_CHANNEL_QUEUE_PRIV_H

/*
 * queue - a bounded ring of items, many senders, one receiver, no lock
 *
 * Each slot has a stamp: the position that it is free for, or holds. A sender
 * claims a position by moving the tail, copies its item, then stamps; the
 * receiver copies, stamps the slot free for the next lap, then moves the head.
 *
 *   slot      FREE(p) --sender--> FULL(p) --receiver--> FREE(p + lap)
 *   position  lap number * lap + index; lap is a power of two, so that any
 *             capacity needs no division
 *
 * Who sleeps leaves a mark in the word that the other side must change to go
 * on, so that one of two atomic changes of one word comes first, and no fence
 * is needed:
 *  - the receiver's in the tail: the sender that claims the position clears it
 *    and so knows that it, and nobody else, wakes the receiver;
 *  - the senders' in the head: the receiver exchanges it, after the stamp. A
 *    sender marks, then looks at the slot once more: either it sees the new
 *    stamp, or the receiver sees the mark. Cost per item: two locked
 *    instructions, the claim and the exchange.
 *
 * A sender may lose its thread between claim and stamp. The receiver then
 * finds a position that is claimed and not there (TORC__QUEUE_SOON).
 */

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* In the tail, below the position. */
#define TORC__QUEUE_CLOSED 1u
#define TORC__QUEUE_RECEIVER_WAITS 2u
#define TORC__QUEUE_SENDERS_WAIT 4u /* none may pass them */
#define TORC__QUEUE_TAIL_SHIFT 3
/* In the head, below the position. */
#define TORC__QUEUE_SERVE 1u
#define TORC__QUEUE_HEAD_SHIFT 1

struct torc_slot {
	_Atomic uint64_t stamp; /* position * 2, + 1 when it is full */
	unsigned char item[];
};

struct torc_queue {
	uint64_t lap;
	uint32_t capacity;
	uint32_t item_bytes;
	uint32_t slot_bytes;
	unsigned char *slots;
	/* Written by every sender. */
	_Alignas(64) _Atomic uint64_t tail;
	/* On the tail's line: who clears the receiver's mark wants it next. */
	void *receiver;
	/* Written by the receiver, marked by senders that wait. */
	_Alignas(64) _Atomic uint64_t head;
};

enum torc_queue_look {
	TORC__QUEUE_READY,
	TORC__QUEUE_WAITING, /* the mark is set: somebody will clear it */
	TORC__QUEUE_SOON,
	TORC__QUEUE_ENDED
};

static inline struct torc_slot *
torc__queue_slot(const struct torc_queue *queue, uint64_t position)
{
	uint64_t index = position & (queue->lap - 1);

	return (struct torc_slot *)(void *)(queue->slots +
					    index * queue->slot_bytes);
}

static inline uint64_t
torc__queue_next(const struct torc_queue *queue, uint64_t position)
{
	uint64_t index = position & (queue->lap - 1);

	return index + 1 < queue->capacity ? position + 1
					   : position - index + queue->lap;
}

/* `slots` has capacity * torc__queue_slot_bytes(). */
static inline size_t
torc__queue_slot_bytes(size_t item_bytes)
{
	return sizeof(struct torc_slot) + (item_bytes + 7) / 8 * 8;
}

static inline void
torc__queue_init(struct torc_queue *queue, uint32_t capacity,
	uint32_t item_bytes, unsigned char *slots)
{
	queue->capacity = capacity;
	queue->item_bytes = item_bytes;
	queue->slot_bytes = (uint32_t)torc__queue_slot_bytes(item_bytes);
	queue->slots = slots;
	queue->receiver = NULL;
	queue->lap = 1;
	while (queue->lap < capacity)
		queue->lap *= 2;
	atomic_init(&queue->tail, 0);
	atomic_init(&queue->head, 0);
	for (uint64_t i = 0; i < capacity; i++)
		atomic_init(&torc__queue_slot(queue, i)->stamp, 2 * i);
}

/* Most items are a pointer or a number, and a call would cost as much. */
static inline void
torc__queue_copy(void *to, const void *from, uint32_t bytes)
{
	if (bytes == 8)
		memcpy(to, from, 8);
	else if (bytes != 0)
		memcpy(to, from, bytes);
}

/*
 * Any thread. 0; -EPIPE, closed; -EAGAIN, full; -EBUSY, all are held back, but
 * who `may_pass`. Sets *wakes when the receiver is to be woken by who called
 * this. Cost: two loads, one locked compare-and-exchange.
 */
static inline int
torc__queue_put(
	struct torc_queue *queue, const void *item, bool may_pass, bool *wakes)
{
	/* Pairs with the changes of the tail below: the receiver's too. */
	uint64_t tail =
		atomic_load_explicit(&queue->tail, memory_order_acquire);
	uint64_t position, stamp, again;
	struct torc_slot *slot;

	for (;;) {
		if (tail & TORC__QUEUE_CLOSED)
			return -EPIPE;
		if ((tail & TORC__QUEUE_SENDERS_WAIT) && !may_pass)
			return -EBUSY;
		position = tail >> TORC__QUEUE_TAIL_SHIFT;
		slot = torc__queue_slot(queue, position);
		/* Pairs with the release in torc__queue_take(). */
		stamp = atomic_load_explicit(
			&slot->stamp, memory_order_acquire);
		if (stamp != 2 * position) {
			again = atomic_load_explicit(
				&queue->tail, memory_order_acquire);
			if (again == tail)
				return -EAGAIN;
			tail = again;
			continue;
		}
		again = torc__queue_next(queue, position)
				<< TORC__QUEUE_TAIL_SHIFT |
			(tail & TORC__QUEUE_SENDERS_WAIT);
		/* Pairs with the exchange in torc__queue_wait(). */
		if (atomic_compare_exchange_weak_explicit(&queue->tail, &tail,
			    again, memory_order_acq_rel, memory_order_acquire))
			break;
	}
	torc__queue_copy(slot->item, item, queue->item_bytes);
	/* Pairs with the acquire in torc__queue_has_item(). */
	atomic_store_explicit(
		&slot->stamp, 2 * position + 1, memory_order_release);
	*wakes |= (tail & TORC__QUEUE_RECEIVER_WAITS) != 0;
	return 0;
}

/* The receiver's. */
static inline bool
torc__queue_has_item(struct torc_queue *queue, uint64_t position)
{
	struct torc_slot *slot = torc__queue_slot(queue, position);

	/* Pairs with the release in torc__queue_put(). */
	return atomic_load_explicit(&slot->stamp, memory_order_acquire) ==
	       2 * position + 1;
}

/*
 * The receiver. 0, or -EAGAIN when there is no item. Sets *serves when senders
 * wait for the room. Cost: two loads, one locked exchange.
 */
static inline int
torc__queue_take(struct torc_queue *queue, void *item, bool *serves)
{
	/* Nobody else moves it. */
	uint64_t head =
		atomic_load_explicit(&queue->head, memory_order_relaxed);
	uint64_t position = head >> TORC__QUEUE_HEAD_SHIFT;
	struct torc_slot *slot = torc__queue_slot(queue, position);

	if (!torc__queue_has_item(queue, position))
		return -EAGAIN;
	torc__queue_copy(item, slot->item, queue->item_bytes);
	/* Pairs with the acquire of the stamp in torc__queue_put(). */
	atomic_store_explicit(&slot->stamp, 2 * (position + queue->lap),
		memory_order_release);
	/* Pairs with torc__queue_ask_room(); after the stamp. */
	head = atomic_exchange_explicit(&queue->head,
		torc__queue_next(queue, position) << TORC__QUEUE_HEAD_SHIFT,
		memory_order_acq_rel);
	*serves = (head & TORC__QUEUE_SERVE) != 0;
	return 0;
}

/* The receiver: is it closed, with nothing left or on its way? */
static inline bool
torc__queue_is_over(struct torc_queue *queue)
{
	uint64_t head =
		atomic_load_explicit(&queue->head, memory_order_relaxed);
	uint64_t tail =
		atomic_load_explicit(&queue->tail, memory_order_acquire);

	return (tail & TORC__QUEUE_CLOSED) &&
	       tail >> TORC__QUEUE_TAIL_SHIFT == head >> TORC__QUEUE_HEAD_SHIFT;
}

/* The receiver, before it sleeps. */
static inline enum torc_queue_look
torc__queue_wait(struct torc_queue *queue)
{
	uint64_t position =
		atomic_load_explicit(&queue->head, memory_order_relaxed) >>
		TORC__QUEUE_HEAD_SHIFT;
	uint64_t tail =
		atomic_load_explicit(&queue->tail, memory_order_acquire);

	do {
		if (tail >> TORC__QUEUE_TAIL_SHIFT != position)
			return torc__queue_has_item(queue, position)
				       ? TORC__QUEUE_READY
				       : TORC__QUEUE_SOON;
		if (tail & TORC__QUEUE_CLOSED)
			return TORC__QUEUE_ENDED;
		/* Pairs with the claim in torc__queue_put(), and a close. */
	} while (!atomic_compare_exchange_weak_explicit(&queue->tail, &tail,
		tail | TORC__QUEUE_RECEIVER_WAITS, memory_order_acq_rel,
		memory_order_acquire));
	return TORC__QUEUE_WAITING;
}

/* The receiver. True: it waits no more; false: it is being woken. */
static inline bool
torc__queue_unwait(struct torc_queue *queue)
{
	/* Pairs with the claim in torc__queue_put(), and a close. */
	uint64_t tail = atomic_fetch_and_explicit(&queue->tail,
		~(uint64_t)TORC__QUEUE_RECEIVER_WAITS, memory_order_acq_rel);

	return (tail & TORC__QUEUE_RECEIVER_WAITS) != 0;
}

/* Any thread. True when the receiver is to be woken: there is nothing. */
static inline bool
torc__queue_close(struct torc_queue *queue)
{
	uint64_t tail =
		atomic_load_explicit(&queue->tail, memory_order_acquire);

	/* Pairs with torc__queue_wait() and torc__queue_unwait(). */
	while (!atomic_compare_exchange_weak_explicit(&queue->tail, &tail,
		(tail | TORC__QUEUE_CLOSED) &
			~(uint64_t)TORC__QUEUE_RECEIVER_WAITS,
		memory_order_acq_rel, memory_order_acquire))
		;
	return (tail & TORC__QUEUE_RECEIVER_WAITS) != 0;
}

/* Under the senders' lock: from now on nobody passes those that wait. */
static inline void
torc__queue_hold_back(struct torc_queue *queue)
{
	atomic_fetch_or_explicit(&queue->tail,
		(uint64_t)TORC__QUEUE_SENDERS_WAIT, memory_order_acq_rel);
}

static inline void
torc__queue_let_pass(struct torc_queue *queue)
{
	atomic_fetch_and_explicit(&queue->tail,
		~(uint64_t)TORC__QUEUE_SENDERS_WAIT, memory_order_acq_rel);
}

/*
 * Under the senders' lock, before each look whether there is room. Returns the
 * head: what it says of room is right, or somebody will serve again.
 */
static inline uint64_t
torc__queue_ask_room(struct torc_queue *queue)
{
	/* Pairs with the exchange in torc__queue_take(). */
	return atomic_fetch_or_explicit(&queue->head,
		(uint64_t)TORC__QUEUE_SERVE, memory_order_acq_rel);
}

/* How many items came before this position. */
static inline uint64_t
torc__queue_before(const struct torc_queue *queue, uint64_t position)
{
	return position / queue->lap * queue->capacity +
	       (position & (queue->lap - 1));
}

/*
 * Under the senders' lock, with all of them held back, so that nobody else
 * moves the tail: is there room for `count` more? No more than there is by a
 * head that is old.
 */
static inline bool
torc__queue_fits(struct torc_queue *queue, uint64_t head, uint64_t count)
{
	uint64_t tail =
		atomic_load_explicit(&queue->tail, memory_order_acquire);
	uint64_t sent =
		torc__queue_before(queue, tail >> TORC__QUEUE_TAIL_SHIFT);
	uint64_t taken =
		torc__queue_before(queue, head >> TORC__QUEUE_HEAD_SHIFT);

	return sent - taken + count <= queue->capacity;
}

#endif /* TORC_CORE_CHANNEL_QUEUE_PRIV_H */
