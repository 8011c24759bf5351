/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_CHANNEL_WAIT_H
#define TORC_CORE_CHANNEL_WAIT_H

/*
 * wait - one task's wait for what another shard or thread does
 *
 * What the _start() calls of core/channel take. The calls that await have one
 * on their own stack.
 *
 *   start --> PENDING --cancel--> READY, nothing was taken or sent
 *                \--somebody acts--> a message is on its way --> READY
 *
 * Lifetime  The runtime's from start until `done` is ready: a message may
 *           still be on its way to it when it is cancelled.
 *           What is pending when its runtime ends never becomes ready.
 * Shard     The one that started it.
 * Threads   One that pthread_cancel() reaches in a _blocking call goes on
 *           until its wait is over: others know what is on its stack.
 * Errors    `done` gets what is said at each _start(); -ECANCELED when the
 *           cancel came first.
 */

#include <stdbool.h>

#include <torc/base/list.h>
#include <torc/core/future.h>
#include <torc/core/message.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_shard;

struct torc_channel_wait {
	/* Result. */
	struct torc_future done;

	/* Runtime only. */
	struct torc_shard *_shard; /* NULL: a thread that torc did not make */
	unsigned _run;             /* of the runtime: its shards end with it */
	struct torc_msg _msg;
	int _value; /* for `done`, when it is woken */
	bool _is_queued;
	bool _is_canceled;
	bool _is_reserving;
	void *_object;
	const void *_item;
	struct torc_link _link; /* under the object's lock */
};

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_CHANNEL_WAIT_H */
