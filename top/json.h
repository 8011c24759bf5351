/* SPDX-License-Identifier: MIT */
#ifndef TORC_TOP_JSON_H
#define TORC_TOP_JSON_H

/*
 * json - a process as one line for programs; torc-top(1) says what is in it
 */

#include <stdio.h>

#include "top/process.h"

/* `time_s`: of the wall clock. */
void json_print(const struct process *process, double time_s, FILE *out);

/* It has ended, and this is the last line about it. */
void json_print_end(const struct process *process, double time_s, FILE *out);

#endif /* TORC_TOP_JSON_H */
