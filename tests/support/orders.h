/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_SUPPORT_ORDERS_H
#define TORC_TESTS_SUPPORT_ORDERS_H

/*
 * orders - all orders in which a few actors can take their steps
 *
 *   static struct orders orders;
 *   do {
 *           orders_begin(&orders);
 *           ... orders_choose(&orders, count) says who goes, until all did
 *   } while (orders_next(&orders));
 *
 * The same choices must lead to the same ones again: what a test runs in the
 * loop begins anew each time.
 */

#include <stdbool.h>
#include <string.h>

#include "tests/test.h"

#define ORDERS_STEPS_MAX 512

/* Zero is the first order of all. */
struct orders {
	/* Which of so many was chosen, step by step; 0 of 0: never came here.
	 */
	unsigned chosen[ORDERS_STEPS_MAX], choices[ORDERS_STEPS_MAX];
	unsigned depth;
	unsigned count; /* of those that were begun */
};

static inline void
orders_begin(struct orders *orders)
{
	orders->depth = 0;
	orders->count++;
}

/* No order has come as far as this with the same choices. */
static inline bool
orders_is_new(const struct orders *orders)
{
	return orders->choices[orders->depth] == 0;
}

/* From 0 to count - 1; how many there are counts where it is new. */
static inline unsigned
orders_choose(struct orders *orders, unsigned count)
{
	assert_true(orders->depth < ORDERS_STEPS_MAX);
	if (orders_is_new(orders))
		orders->choices[orders->depth] = count;
	return orders->chosen[orders->depth++];
}

/* The last choice that has an alternative takes it; false: that was all. */
static inline bool
orders_next(struct orders *orders)
{
	unsigned d = orders->depth;

	while (d > 0 && orders->chosen[d - 1] + 1 >= orders->choices[d - 1])
		d--;
	if (d == 0)
		return false;
	orders->chosen[d - 1]++;
	memset(orders->chosen + d, 0,
		(ORDERS_STEPS_MAX - d) * sizeof(orders->chosen[0]));
	memset(orders->choices + d, 0,
		(ORDERS_STEPS_MAX - d) * sizeof(orders->choices[0]));
	return true;
}

#endif /* TORC_TESTS_SUPPORT_ORDERS_H */
