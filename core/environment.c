/* SPDX-License-Identifier: MIT */
/*
 * What the environment says about options that the program left at zero.
 */
#include <errno.h>
#include <stdlib.h>

#include <torc/base/clock.h>
#include <torc/base/log.h>

#include "core/cpus_priv.h"
#include "core/runtime_priv.h"
#include "core/shard_priv.h"

/* 1: it is set, and a number up to max; 0: it is not set; or -EINVAL. */
static int
find_number(const char *name, unsigned long max, unsigned long *number)
{
	const char *text = getenv(name);
	char *end;

	if (text == NULL || text[0] == '\0')
		return 0;
	*number = strtoul(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && *number <= max)
		return 1;
	return -EINVAL;
}

static int
read_number(const char *name, unsigned long max, unsigned long *number)
{
	int ret = find_number(name, max, number);

	if (ret < 0)
		torc_log(TORC_LOG_ERROR, "%s=%s: give a number from 0 to %lu",
			name, getenv(name), max);
	return ret;
}

/* What TORC_SHARDS says, where it was found and is not 0. */
static unsigned
shards_or_cpus(int found, unsigned long number)
{
	return found > 0 && number > 0 ? (unsigned)number : torc__cpus_usable();
}

unsigned
torc_shards_usable(void)
{
	unsigned long number = 0;
	int ret = find_number("TORC_SHARDS", TORC__SHARDS_MAX, &number);

	return shards_or_cpus(ret, number);
}

static int
apply_shards(struct torc_options *options)
{
	unsigned long number = 0;
	int ret;

	if (options->shards != 0)
		return 0;
	ret = read_number("TORC_SHARDS", TORC__SHARDS_MAX, &number);
	options->shards = shards_or_cpus(ret, number);
	return ret;
}

static int
apply_busy_poll(struct torc_options *options)
{
	unsigned long number;
	int ret = read_number("TORC_BUSY_POLL", 1, &number);

	if (ret > 0 && number == 1)
		options->busy_poll = true;
	return ret;
}

static int
apply_stall(struct torc_options *options)
{
	unsigned long number;
	int ret = 0;

	if (options->stall_ns == 0)
		ret = read_number("TORC_STALL_MS", 3600 * 1000, &number);
	if (ret > 0)
		options->stall_ns =
			number == 0 ? TORC_STALL_NEVER : number * TORC_MS;
	return ret;
}

int
torc__environment_apply(struct torc_options *options)
{
	int ret = apply_shards(options);

	if (ret >= 0)
		ret = apply_busy_poll(options);
	if (ret >= 0)
		ret = apply_stall(options);
	return ret < 0 ? ret : 0;
}

int
torc__environment_engine(struct torc_shard_options *options, const char *name)
{
	const char *from = "torc_options.engine";
	char names[64];

	if (name == NULL) {
		name = getenv("TORC_ENGINE");
		from = "TORC_ENGINE";
	}
	if (name == NULL || name[0] == '\0') {
		options->engine = &torc__engine_kernel;
		options->fallback = torc__engine_find("epoll");
		return 0;
	}
	options->engine = torc__engine_find(name);
	if (options->engine != NULL)
		return 0;
	torc__engine_names(names, sizeof(names));
	torc_log(TORC_LOG_ERROR, "%s=%s: there is no such engine; there are %s",
		from, name, names);
	return -EINVAL;
}
