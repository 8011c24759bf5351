/* SPDX-License-Identifier: MIT */
#include "doctor/report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_priv.h"
#include "base/version_priv.h"

const char report_version[] = TORC__VERSION;

void
report_init(struct report *report)
{
	memset(report, 0, sizeof(*report));
}

struct row *
report_add(struct report *report, const char *feature, enum row_state state,
	const char *found, ...)
{
	struct row *row = &report->rows[report->count];
	va_list args;

	if (report->count == REPORT_ROWS_MAX) {
		fprintf(stderr,
			"torc-doctor: more than %u rows; raise "
			"REPORT_ROWS_MAX\n",
			REPORT_ROWS_MAX);
		exit(1);
	}
	report->count++;
	row->group = report->group;
	row->feature = feature;
	row->state = state;
	va_start(args, found);
	vsnprintf(row->found, sizeof(row->found), found, args);
	va_end(args);
	return row;
}

void
row_advise(struct row *row, const char *instead, const char *change)
{
	if (row->state == ROW_YES)
		return;
	snprintf(row->instead, sizeof(row->instead), "%s", instead);
	snprintf(row->change, sizeof(row->change), "%s", change);
}

void
report_has(struct report *report, const char *feature, bool is_there,
	const char *instead, const char *change)
{
	row_advise(report_add(report, feature, is_there ? ROW_YES : ROW_NO,
			   is_there ? "yes" : "no"),
		instead, change);
}

/* ---- the table ---- */

/* Columns of text; with what lies between them, 119 in all. */
enum { COLUMNS = 4 };
static const int widths[COLUMNS] = { 25, 24, 29, 35 };

/* How many bytes of `text` go into a line of `width`, broken at a space. */
static int
break_at(const char *text, int width)
{
	int bytes = (int)strlen(text);

	if (bytes <= width)
		return bytes;
	for (int at = width; at > 0; at--)
		if (text[at] == ' ')
			return at;
	return width;
}

static void
print_cells(const char *const *cells, FILE *out)
{
	const char *rest[COLUMNS];
	bool is_more = true;

	memcpy(rest, cells, sizeof(rest));
	while (is_more) {
		int last = -1;

		is_more = false;
		for (int i = 0; i < COLUMNS; i++)
			if (rest[i][0] != '\0')
				last = i;
		for (int i = 0; i <= last; i++) {
			int bytes = break_at(rest[i], widths[i]);

			fprintf(out, "%s%-*.*s", i ? "  " : "",
				i == last ? bytes : widths[i], bytes, rest[i]);
			rest[i] += bytes;
			while (rest[i][0] == ' ')
				rest[i]++;
			is_more |= rest[i][0] != '\0';
		}
		fputc('\n', out);
	}
}

void
report_print_table(const struct report *report, FILE *out)
{
	static const char *const heads[COLUMNS] = { "feature", "present",
		"what torc does instead", "what to change" };
	const char *group = NULL;

	print_cells(heads, out);
	for (unsigned i = 0; i < report->count; i++) {
		const struct row *row = &report->rows[i];
		const char *const cells[COLUMNS] = { row->feature, row->found,
			row->instead, row->change };

		if (group == NULL || strcmp(group, row->group) != 0)
			fprintf(out, "\n%s\n", row->group);
		group = row->group;
		print_cells(cells, out);
	}
}

/* ---- JSON ---- */

static void
print_member(const char *name, const char *text, FILE *out)
{
	fprintf(out, ", \"%s\": ", name);
	torc__json_print(text, out);
}

void
report_print_json(const struct report *report, const char *kernel,
	bool is_usable, FILE *out)
{
	static const char *const states[] = { "yes", "less", "no", "note" };

	fprintf(out, "{\"torc\": \"%s\"", report_version);
	print_member("kernel", kernel, out);
	print_member("engine", is_usable ? "kernel" : "epoll", out);
	fprintf(out, ", \"features\": [");
	for (unsigned i = 0; i < report->count; i++) {
		const struct row *row = &report->rows[i];

		fprintf(out, "%s\n  {\"group\": ", i ? "," : "");
		torc__json_print(row->group, out);
		print_member("feature", row->feature, out);
		print_member("state", states[row->state], out);
		print_member("found", row->found, out);
		print_member("instead", row->instead, out);
		print_member("change", row->change, out);
		fputc('}', out);
	}
	fprintf(out, "\n]}\n");
}
