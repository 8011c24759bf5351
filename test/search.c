/* SPDX-License-Identifier: MIT */
/*
 * Many seeds, and the least that still fails of the first that does.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <torc/base/log.h>

#include "test/run_priv.h"
#include "uring/sim_priv.h"

#define FAULTS_TEXT_BYTES 512
/* A fault less makes another run of the same seed: others may fail too. */
#define SEEDS_NEAR 32

/* What is run again and again. */
struct search {
	struct torc_sim_options options;
	const struct torc_options *runtime;
	torc_task_fn *fn;
	void *arg;
	struct torc_sim_result *result;
};

static int
try_once(struct search *search)
{
	return torc__sim_run_once(&search->options, search->runtime, search->fn,
		search->arg, search->result);
}

/* True when this seed fails, or one soon after it, which then is the one. */
static bool
still_fails(struct search *search)
{
	uint64_t seed = search->options.seed;

	for (unsigned i = 0; i < SEEDS_NEAR; i++) {
		if (try_once(search) != 0)
			return true;
		search->options.seed++;
	}
	search->options.seed = seed;
	return false;
}

static void
format_faults(uint64_t faults, char *text, size_t bytes)
{
	size_t len = 0;

	snprintf(text, bytes, "none");
	for (unsigned i = 0; i < TORC__SIM_FAULT_COUNT; i++)
		if (faults >> i & 1)
			len += (size_t)snprintf(text + len, bytes - len, "%s%s",
				len > 0 ? "," : "", torc__sim_fault_name(i));
}

static int
find_fault(const char *name, size_t len)
{
	for (unsigned i = 0; i < TORC__SIM_FAULT_COUNT; i++)
		if (strlen(torc__sim_fault_name(i)) == len &&
			memcmp(torc__sim_fault_name(i), name, len) == 0)
			return (int)i;
	return -1;
}

static int
parse_faults(const char *text, uint64_t *faults)
{
	uint64_t sum = 0;

	if (strcmp(text, "none") == 0)
		text = "";
	while (*text != '\0') {
		size_t len = strcspn(text, ",");
		int fault = find_fault(text, len);

		if (fault < 0) {
			torc_log(TORC_LOG_ERROR,
				"TORC_SIM_FAULTS: %.*s is no fault; take the "
				"names from a replay line",
				(int)len, text);
			return -EINVAL;
		}
		sum |= UINT64_C(1) << fault;
		text += len + (text[len] == ',');
	}
	*faults = sum;
	return 0;
}

static int
parse_number(const char *name, const char *text, uint64_t *value)
{
	char *end;

	*value = strtoull(text, &end, 0);
	if (*end == '\0' && text[0] != '\0' && text[0] != '-')
		return 0;
	torc_log(TORC_LOG_ERROR, "%s=%s is no number, such as %s=42", name,
		text, name);
	return -EINVAL;
}

/* Returns 1 when the environment says which run it shall be. */
static int
ask_environment(struct torc_sim_options *options)
{
	const char *seed = getenv("TORC_SEED");
	const char *faults = getenv("TORC_SIM_FAULTS");
	const char *size = getenv("TORC_SIM_SIZE");
	uint64_t number;
	int ret;

	if (seed == NULL)
		return 0;
	ret = parse_number("TORC_SEED", seed, &options->seed);
	if (ret == 0 && faults != NULL)
		ret = parse_faults(faults, &options->faults);
	if (ret == 0 && size != NULL) {
		ret = parse_number("TORC_SIM_SIZE", size, &number);
		options->size = (uint32_t)number;
	}
	return ret < 0 ? ret : 1;
}

/* Fewer connections, as long as it still fails. */
static void
shrink_size(struct search *search)
{
	uint32_t *size = &search->options.size;

	while (*size > 1) {
		uint32_t before = *size;

		*size = before / 2;
		if (still_fails(search))
			continue;
		*size = before - 1;
		if (still_fails(search))
			continue;
		*size = before;
		return;
	}
}

/* Every kind of fault that it fails without. */
static void
shrink_faults(struct search *search)
{
	uint64_t *faults = &search->options.faults;

	for (unsigned i = 0; i < TORC__SIM_FAULT_COUNT; i++) {
		uint64_t before = *faults;

		if (!(before >> i & 1))
			continue;
		*faults = before & ~(UINT64_C(1) << i);
		if (!still_fails(search))
			*faults = before;
	}
}

static int
traced(void *arg)
{
	struct search *search = arg;
	int ret = search->fn(search->arg);

	fprintf(stderr, "  returned %d\n", ret);
	torc_sim_print(40);
	return ret;
}

/* Once more, and aloud. */
static int
show(struct search *search)
{
	char text[FAULTS_TEXT_BYTES];
	int ret;

	format_faults(search->options.faults, text, sizeof(text));
	fprintf(stderr,
		"torc: simulation: seed %" PRIu64 "; to see it again:\n"
		"  TORC_SEED=%" PRIu64 " TORC_SIM_FAULTS=%s TORC_SIM_SIZE=%u\n",
		search->options.seed, search->options.seed, text,
		search->options.size);
	search->options.is_quiet = false;
	ret = torc__sim_run_once(&search->options, search->runtime, traced,
		search, search->result);
	fprintf(stderr, "  the run's result is %d, its hash %016" PRIx64 "\n",
		ret, search->result->hash);
	return ret;
}

static int
shrink(struct search *search, bool is_quiet)
{
	shrink_faults(search);
	shrink_size(search);
	return is_quiet ? try_once(search) : show(search);
}

int
torc_sim_search(const struct torc_sim_options *options,
	const struct torc_options *runtime, uint32_t count, torc_task_fn *fn,
	void *arg, struct torc_sim_result *result)
{
	struct torc_sim_result own;
	struct search search = { .runtime = runtime,
		.fn = fn,
		.arg = arg,
		.result = result != NULL ? result : &own };
	bool is_quiet;
	int ret;

	if (options != NULL)
		search.options = *options;
	is_quiet = search.options.is_quiet;
	*search.result = (struct torc_sim_result){ 0 };
	if (search.options.size == 0)
		search.options.size = 1;
	if (search.options.seed == 0)
		search.options.seed = 1;
	ret = ask_environment(&search.options);
	if (ret < 0)
		return ret;
	if (ret > 0)
		return show(&search);
	search.options.is_quiet = true;
	for (uint32_t i = 0; i < count; i++) {
		ret = try_once(&search);
		if (ret != 0)
			return shrink(&search, is_quiet);
		search.options.seed++;
	}
	return 0;
}
