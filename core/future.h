/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_FUTURE_H
#define TORC_CORE_FUTURE_H

/*
 * future - where one value will arrive, with at most one waiter
 *
 * Whoever starts something gives it a future to complete; whoever wants the
 * value awaits the future, selects on it, or has a function called. The
 * memory is the caller's, on a task's stack as often as not.
 *
 *   PENDING --the producer completes it--> READY
 *      \--torc_future_cancel: the producer is asked to hurry--/
 *
 * Lifetime  From start until it is READY it belongs to the producer: do not
 *           move or free it. No await returns sooner, not even a cancelled
 *           one: a cancel makes the producer finish early, it does not
 *           abandon it. A task that returns while one on its stack is pending
 *           has freed it under its producer, as any function would; only
 *           AddressSanitizer notices.
 * Shard     The one that started it: there it is awaited and cancelled. It
 *           does not know which that is. An await elsewhere ends the process
 *           when the value arrives; a cancel elsewhere is a data race, which
 *           only ThreadSanitizer notices. See remote.h and channel/ for what
 *           may be waited for from other shards.
 * Errors    value is what the call would have returned: a count, or -errno.
 *           -ECANCELED when it was cancelled before it happened; a success
 *           that beat the cancel is delivered as a success.
 */

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_future;

typedef void torc_future_fn(struct torc_future *future);

struct torc_future {
	/* Result: valid once it is ready. */
	int64_t value;

	/* Runtime only. */
	torc_future_fn *_wake;   /* NULL: nobody waits yet */
	void *_waiter;           /* whatever _wake wants */
	torc_future_fn *_cancel; /* NULL: cannot be hurried */
	void *_source;           /* whatever _cancel wants */
	uint32_t _state;
	uint32_t _index; /* in a select */
};

/* True once value is there. Cost: one load. */
static inline bool
torc_future_is_ready(const struct torc_future *future)
{
	return future->_state != 0;
}

/*
 * Have fn called when the value arrives: by the shard's loop, or inside a call
 * that brings it about, such as a cancel or a close. fn must not await.
 * `waiter` is kept for torc_future_waiter(). When the value is there already,
 * fn is called before this returns.
 */
void torc_future_then(
	struct torc_future *future, torc_future_fn *fn, void *waiter);

static inline void *
torc_future_waiter(const struct torc_future *future)
{
	return future->_waiter;
}

static inline void *
torc_future_source(const struct torc_future *future)
{
	return future->_source;
}

/*
 * Ask the producer to finish early. The future still becomes ready exactly
 * once: at once, or in a later turn, with -ECANCELED or with a result that
 * was on its way. Does nothing when it is ready or cannot be hurried.
 */
void torc_future_cancel(struct torc_future *future);

/*
 * For producers: a future that is pending, and its completion. `cancel` may
 * complete the future inside the call, or later; it may be called again
 * until then. NULL: the future takes as long as it takes. `source` is kept
 * for torc_future_source().
 */
void torc_future_init(
	struct torc_future *future, torc_future_fn *cancel, void *source);
void torc_future_complete(struct torc_future *future, int64_t value);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_FUTURE_H */
