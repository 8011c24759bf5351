/* SPDX-License-Identifier: MIT */
#include <torc/core/future.h>

#include <stddef.h>

#include "base/assert_priv.h"

void
torc_future_init(
	struct torc_future *future, torc_future_fn *cancel, void *source)
{
	*future = (struct torc_future){ ._cancel = cancel, ._source = source };
}

void
torc_future_complete(struct torc_future *future, int64_t value)
{
	torc_assert(!torc_future_is_ready(future));

	future->value = value;
	future->_state = 1;
	/* The waiter may free the future: nothing touches it after this. */
	if (future->_wake != NULL)
		future->_wake(future);
}

void
torc_future_then(struct torc_future *future, torc_future_fn *fn, void *waiter)
{
	torc_assert(future->_wake == NULL);

	future->_waiter = waiter;
	future->_wake = fn;
	if (torc_future_is_ready(future))
		fn(future);
}

void
torc_future_cancel(struct torc_future *future)
{
	if (!torc_future_is_ready(future) && future->_cancel != NULL)
		future->_cancel(future);
}
