/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_ENGINE_H
#define TORC_PERF_ENGINE_H

/*
 * engine - a kernel in a few instructions, the same ones every time
 *
 * It answers each SQE inside the enter that takes it. Sockets come in pairs,
 * an even descriptor and the odd one behind it: what one sends has arrived
 * at the other, whose multishot receive gets a provided buffer of that size.
 * No byte is copied. A connect gives its pair to the one listener; a
 * datagram comes back to its sender.
 *
 * Clock     Passes only in an enter that waits with a time-out.
 * Waiting   An enter that would wait for ever returns, and is counted.
 * Limits    One message at a time per socket, and its reader is waiting.
 */

#include "uring/engine_priv.h"

extern const struct torc_engine path_engine;

/* A pair of connected sockets: this one and the one behind it. */
int path_socket_pair(void);

uint32_t path_stalls_count(void);

#endif /* TORC_PERF_ENGINE_H */
