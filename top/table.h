/* SPDX-License-Identifier: MIT */
#ifndef TORC_TOP_TABLE_H
#define TORC_TOP_TABLE_H

/*
 * table - a process as lines for a person: a head, a row per shard, advice
 */

#include <stdio.h>

#include "top/process.h"

/* Room for a number of this table and a NUL. */
#define TABLE_NUMBER_BYTES 8

/* At most five columns: 7.5, 42, 9999, 12.3k, 456M, or lots. */
void table_number(char *text, double number);

/* At most 79 columns, but for the head's names and for advice. */
void table_print(const struct process *process, FILE *out);

#endif /* TORC_TOP_TABLE_H */
