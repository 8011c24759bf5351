/* SPDX-License-Identifier: MIT */
#include "perf/load/pattern.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "perf/load/usage.h"

enum {
	PERIOD = 4093,
	MESSAGE_BYTES_MAX = 1 << 20,
};

void
load_pattern_make(struct load_pattern *p)
{
	static char data[PERIOD + LOAD_CHUNK_BYTES];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)((i % PERIOD) * 2654435761u >> 13);
	p->period = PERIOD;
	p->data = data;
	p->is_checked = true;
}

void
load_pattern_read(struct load_pattern *p, const char *path)
{
	static char data[MESSAGE_BYTES_MAX + LOAD_CHUNK_BYTES];
	FILE *file = fopen(path, "re");
	size_t bytes;

	if (!file)
		load_fail(errno, "cannot open %s", path);
	bytes = fread(data, 1, MESSAGE_BYTES_MAX, file);
	if (ferror(file))
		load_fail(errno, "cannot read %s", path);
	if (bytes == 0)
		load_fail(ENODATA, "no message in %s", path);
	if (fgetc(file) != EOF)
		load_fail(EFBIG, "the message of %s is over 1 MiB", path);
	fclose(file);
	for (size_t i = 0; i < LOAD_CHUNK_BYTES; i++)
		data[bytes + i] = data[i];
	p->period = bytes;
	p->data = data;
	p->is_checked = false;
}
