/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_CONTRACT_WATCHDOG_H
#define TORC_TESTS_CONTRACT_WATCHDOG_H

/*
 * watchdog - ends the program, with a line, when a script does not end
 *
 * Every wait of a script has a limit, but the engine that does not keep to it
 * is the very thing to be found.
 *
 * Errors  Without a timer to be had there is no watchdog.
 */

#include "tests/contract/contract.h"

void watchdog_start(void);
/* `c`'s script begins; it has a minute. */
void watchdog_feed(const struct contract *c);
void watchdog_stop(void);

#endif /* TORC_TESTS_CONTRACT_WATCHDOG_H */
