/* SPDX-License-Identifier: MIT */
#ifndef TORC_TOP_SCREEN_H
#define TORC_TOP_SCREEN_H

/*
 * screen - a terminal that is drawn again and again, and given back as it was
 *
 * Lifetime  open to close, once. While it is open the signals that a terminal
 *           sends come out of screen_wait(): whatever ends the program, the
 *           terminal is given back first.
 */

#include <stddef.h>
#include <stdint.h>

enum screen_event {
	SCREEN_TIME,   /* the time is over */
	SCREEN_REDRAW, /* it has another size, or was away for a while */
	SCREEN_QUIT    /* q, Ctrl-C, SIGTERM, or the terminal is gone */
};

void screen_open(void);
void screen_close(void);

/*
 * These lines, each with a newline and without a NUL, and nothing else. What
 * is too wide is cut; where there are too many rows the last one says so.
 */
void screen_draw(const char *text, size_t bytes);

/* Wait until then, on CLOCK_MONOTONIC, or for whatever comes before. */
enum screen_event screen_wait(uint64_t until_ns);

#endif /* TORC_TOP_SCREEN_H */
