/* SPDX-License-Identifier: MIT */
#include "uring/engine_priv.h"

#include <stdio.h>
#include <string.h>

/* Linked into test builds only; NULL elsewhere. */
extern const struct torc_engine torc__engine_faulty
	__attribute__((weak, visibility("hidden")));

static const struct torc_engine *const engines[] = {
	&torc__engine_kernel,
	&torc__engine_epoll,
	&torc__engine_sim,
	&torc__engine_faulty,
};

#define ENGINES_COUNT (sizeof(engines) / sizeof(engines[0]))

const struct torc_engine *
torc__engine_find(const char *name)
{
	for (size_t i = 0; i < ENGINES_COUNT; i++)
		if (engines[i] != NULL && strcmp(engines[i]->name, name) == 0)
			return engines[i];
	return NULL;
}

void
torc__engine_names(char *text, size_t bytes)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < ENGINES_COUNT && used < bytes; i++)
		if (engines[i] != NULL)
			used += (size_t)snprintf(text + used, bytes - used,
				"%s%s", i > 0 ? ", " : "", engines[i]->name);
}
