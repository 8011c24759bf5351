/* SPDX-License-Identifier: MIT */
#ifndef TORC_DOCTOR_REPORT_H
#define TORC_DOCTOR_REPORT_H

/*
 * report - what was found: a row per feature, printed as a table or as JSON
 *
 * Lifetime  report_init() to the end of the program; rows are copied.
 * Errors    None: what no longer fits ends the program with a line.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define REPORT_ROWS_MAX 96

enum row_state {
	ROW_YES,  /* there, and good */
	ROW_LESS, /* there, but less than torc could use */
	ROW_NO,
	ROW_NOTE, /* worth knowing, neither good nor bad */
};

struct row {
	const char *group;
	const char *feature;
	enum row_state state;
	char found[96];
	/* What torc does instead, and what to change; "" when all is well. */
	char instead[200];
	char change[320];
};

struct report {
	struct row rows[REPORT_ROWS_MAX];
	unsigned count;
	const char *group; /* of the rows that are added next */
};

/* Of this program. */
extern const char report_version[];

void report_init(struct report *report);

/* A row; `found` is a format. The two texts count unless it is ROW_YES. */
struct row *report_add(struct report *report, const char *feature,
	enum row_state state, const char *found, ...)
	__attribute__((format(printf, 4, 5)));
void row_advise(struct row *row, const char *instead, const char *change);

/* Yes or no, the commonest kind. */
void report_has(struct report *report, const char *feature, bool is_there,
	const char *instead, const char *change);

void report_print_table(const struct report *report, FILE *out);
void report_print_json(const struct report *report, const char *kernel,
	bool is_usable, FILE *out);

#endif /* TORC_DOCTOR_REPORT_H */
