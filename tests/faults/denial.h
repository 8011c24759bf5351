/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_FAULTS_DENIAL_H
#define TORC_TESTS_FAULTS_DENIAL_H

/*
 * denial - a task that needs all that torc can do with sockets
 *
 * Streams with a clean end, with a reset after it, vectored sends, deadlines,
 * datagrams, signals. Each step that fails is told in one line, "STEP: why",
 * and the next one goes on; none takes longer than its deadline.
 */

/* For torc_run(): the number of steps that failed. */
int denial_use_everything(void *unused);

#endif /* TORC_TESTS_FAULTS_DENIAL_H */
