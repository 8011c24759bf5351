/* SPDX-License-Identifier: MIT */
#include "uring/engine_priv.h"

#include <string.h>

static const struct torc_engine *const engines[] = {
	&torc__engine_kernel,
	&torc__engine_epoll,
	&torc__engine_sim,
};

const struct torc_engine *
torc__engine_find(const char *name)
{
	for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++)
		if (strcmp(engines[i]->name, name) == 0)
			return engines[i];
	return NULL;
}

const char *
torc__engine_names(void)
{
	return "kernel, epoll, sim";
}
