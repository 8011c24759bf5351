/* SPDX-License-Identifier: MIT */
#include "uring/engine_priv.h"

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

const struct torc_engine *
torc__engine_find(const char *name)
{
	for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++)
		if (engines[i] != NULL && strcmp(engines[i]->name, name) == 0)
			return engines[i];
	return NULL;
}

const char *
torc__engine_names(void)
{
	return "kernel, epoll, sim";
}
