/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_LOAD_COMPANIONS_H
#define TORC_PERF_LOAD_COMPANIONS_H

/*
 * companions - connections that make it harder, and are not measured
 *
 *   idle   nothing moves
 *   bulk   sends without a pause, and reads all that comes back
 *   stuck  sends and never reads
 *
 * Errors  One that the server closes ends the run: what is measured beside
 *         it would no longer be what was asked for.
 */

struct load;

void load_companions_open(struct load *l);

#endif /* TORC_PERF_LOAD_COMPANIONS_H */
