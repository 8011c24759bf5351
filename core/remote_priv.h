/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_REMOTE_PRIV_H
#define TORC_CORE_REMOTE_PRIV_H

/*
 * seed - a task that has not begun: a function, its argument, and no stack
 *
 * It can lie in a queue, travel in a message and be given from shard to
 * shard, until one of them begins it; from then on its task stays there.
 *
 *   seed --> queues, shards --torc__seed_begin--> task --> _on_end
 *                                 \-- -ENOMEM: still a seed
 *
 * Lifetime  One without _on_end is detached: torc_malloc() gave it to who
 *           spawned it, and it is freed by what begins it. One with it is part
 *           of its owner (a call), who has it back when _on_end is called.
 * Shard     A seed is nobody's; begin, and _on_end, on the shard that runs it.
 */

#include <torc/core/remote.h>

/*
 * Make it a task of this shard. 0 (a detached seed is then gone), or -ENOMEM:
 * nothing has changed, and another shard may try.
 */
int torc__seed_begin(struct torc_seed *seed);

/*
 * It could not begin anywhere. _on_end is told, with _is_refused; of a
 * detached one the log is, and it is freed.
 */
void torc__seed_refuse(struct torc_seed *seed);

/* Have that shard begin it, or refuse it. From a shard, or inside the gate. */
void torc__seed_send_remote(struct torc_shard *shard, struct torc_seed *seed);

/*
 * The runtime has ended: whoever still waits in torc_block_on(), for a task
 * that was left behind, goes on with -ESHUTDOWN.
 */
void torc__block_on_give_up(void);

#endif /* TORC_CORE_REMOTE_PRIV_H */
