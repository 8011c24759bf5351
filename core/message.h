/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_MESSAGE_H
#define TORC_CORE_MESSAGE_H

/*
 * message - what one thread leaves in the inbox of another's shard
 *
 * A member of what public headers declare, a call or who waits for a channel:
 * there is nothing to call here, a program has remote.h and channel/ for that.
 * It is embedded in whatever has something to say to another shard, so that
 * saying it takes no memory and cannot fail.
 *
 * Lifetime  From its post until fn is called it belongs to the runtime.
 * Shard     fn runs on the receiving shard's loop.
 */

#ifdef __cplusplus
extern "C" {
#endif

struct torc_msg;
typedef void torc_msg_fn(struct torc_msg *msg);

struct torc_msg {
	/* Runtime only. */
	torc_msg_fn *fn; /* owns the message, and may post it again */
	struct torc_msg *_next;
};

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_MESSAGE_H */
