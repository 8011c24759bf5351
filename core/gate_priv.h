/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_GATE_PRIV_H
#define TORC_CORE_GATE_PRIV_H

/*
 * gate - keeps the shards in place while a foreign thread talks to them
 *
 *   CLOSED --open--> OPEN --end--> ENDING --close--> CLOSED
 *
 * Two doors, because a runtime that is ending takes no new work but its last
 * tasks may still wait for a word from outside.
 *
 * Lifetime  The process's: there is one, and it can always be asked.
 * Shard     enter and leave: any thread, for as long as a message takes. The
 *           rest: the thread of torc_run().
 */

#include <stdbool.h>

enum torc_gate {
	TORC__GATE_WORK, /* a task is to start */
	TORC__GATE_WAKE, /* somebody waits for this message */
	TORC__GATES
};

/* All shards are open. */
void torc__gate_open(void);

/* Which opening this is: what an earlier one left behind has another. */
unsigned torc__gate_run(void);

/* No new work: all that was let in before is in an inbox when this returns. */
void torc__gate_end(void);

/* No foreign thread touches a shard any more. Also without an open. */
void torc__gate_close(void);

/*
 * False: there is no runtime, or it is ending. After a true the shards stay
 * until torc__gate_leave().
 */
bool torc__gate_enter(enum torc_gate gate);
void torc__gate_leave(enum torc_gate gate);

#endif /* TORC_CORE_GATE_PRIV_H */
