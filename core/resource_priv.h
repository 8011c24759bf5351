/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_RESOURCE_PRIV_H
#define TORC_CORE_RESOURCE_PRIV_H

/*
 * resource - what must be closed before its shard can end
 *
 * The end of the runtime closes what was left open. Its owner hears of that
 * in a callback, if at all, and may then close it as after any error, or
 * begin something else with it:
 *
 *   OPEN --the owner closes it--> CLOSING --last CQE--> gone, freed
 *     \                              ^                        ^
 *      \                      the owner closes it      the owner closes it
 *       \                            |                        |
 *        \--the runtime ends--> ENDING ------last CQE------> KEPT
 *
 * What is ENDING or KEPT refuses to begin anything with -ECANCELED. What is
 * KEPT until the shard has closed all it has is freed then.
 *
 * Lifetime  A part of the object. Linked from its opening until it is freed.
 * Shard     One.
 */

#include <stdbool.h>
#include <stdint.h>

#include <torc/base/list.h>

struct torc_future;
struct torc_shard;

struct torc_resource {
	struct torc_link link;
	/*
	 * By torc__resources_close(): close it unless that has been done, and
	 * say so in is_ending. By torc__resources_free(): it is gone, free it.
	 */
	void (*close)(struct torc_resource *);
	bool is_ending; /* closed by the runtime, and not by its owner */
	bool is_joined; /* on shard->resources, and counted there */
};

/* Onto its shard's list: from now on the runtime's end closes it. */
void torc__resource_join(
	struct torc_shard *shard, struct torc_resource *resource);

/* Off whichever list it is on, if any. */
void torc__resource_leave(
	struct torc_shard *shard, struct torc_resource *resource);

/* Close each that is open, while closing one may close or open others. */
void torc__resources_close(struct torc_shard *shard);

/* After the last of them is gone. */
void torc__resources_free(struct torc_shard *shard);

/*
 * No op names it any more. To be freed now unless is_ending, which makes it
 * KEPT.
 */
void torc__resource_gone(
	struct torc_shard *shard, struct torc_resource *resource);

/*
 * Its owner closes what is closing or gone: the runtime's doing, and
 * is_ending no longer, or a mistake. `what` is for the message: "a stream".
 */
void torc__resource_close_again(
	struct torc_resource *resource, const char *what);

/* Begin something with it all the same: -ECANCELED, or a mistake. */
int torc__resource_refusal(
	const struct torc_resource *resource, const char *what);
void torc__resource_refuse(const struct torc_resource *resource,
	const char *what, struct torc_future *future);

#endif /* TORC_CORE_RESOURCE_PRIV_H */
