/* SPDX-License-Identifier: MIT */
#include "tests/contract/contract.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"
#include "tests/contract/watchdog.h"

/* 6.6; older headers lack it. */
#define NO_SQARRAY (1U << 16)

#define SETUP_PLAIN (IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP)

const struct contract_config contract_configs[] = {
	{ "kernel deferred", "kernel",
		SETUP_PLAIN | IORING_SETUP_SINGLE_ISSUER |
			IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
			IORING_SETUP_SUBMIT_ALL },
	{ "kernel cooperative", "kernel",
		SETUP_PLAIN | IORING_SETUP_COOP_TASKRUN |
			IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL },
	{ "kernel plain", "kernel", SETUP_PLAIN },
	{ "epoll", "epoll", 0 },
	{ "sim", "sim", 0 },
};
const size_t contract_configs_count =
	sizeof(contract_configs) / sizeof(contract_configs[0]);

static const struct contract_family *const families[] = {
	&contract_ring_family,
	&contract_accept_family,
	&contract_connect_family,
	&contract_recv_family,
	&contract_multishot_family,
	&contract_supply_family,
	&contract_buffer_family,
	&contract_send_family,
	&contract_close_family,
	&contract_stream_family,
	&contract_datagram_family,
	&contract_unix_stream_family,
	&contract_poll_family,
	&contract_event_family,
	&contract_file_family,
	&contract_path_family,
	&contract_link_family,
	&contract_pipe_family,
	&contract_message_family,
	&contract_timeout_family,
	&contract_cancel_family,
	&contract_refusal_family,
};

#define FAMILIES (sizeof(families) / sizeof(families[0]))

/* Descriptors below it are looked at for leaks. */
#define FDS_LOOKED_AT 1024
/* Rings of a moment ago may still hold locked memory. */
#define OPEN_TRIES 200

unsigned
contract_scripts_count(void)
{
	unsigned count = 0;

	for (size_t i = 0; i < FAMILIES; i++)
		count += (unsigned)families[i]->count;
	return count;
}

unsigned
contract_scripts_shared(void)
{
	unsigned count = 0;

	for (size_t i = 0; i < FAMILIES; i++)
		for (size_t k = 0; k < families[i]->count; k++)
			count += families[i]->scripts[k].only == CONTRACT_ALL;
	return count;
}

static bool
is_real(const struct contract_config *config)
{
	return strcmp(config->engine, "sim") != 0;
}

static bool
applies(const struct contract_config *config,
	const struct contract_script *script)
{
	switch (script->only) {
	case CONTRACT_ALL:
		return true;
	case CONTRACT_REAL:
		return is_real(config);
	case CONTRACT_KERNEL:
		return strcmp(config->engine, "kernel") == 0;
	case CONTRACT_DEFERRED:
		return (config->setup_flags & IORING_SETUP_DEFER_TASKRUN) != 0;
	}
	return false;
}

static unsigned
count_fds(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < FDS_LOOKED_AT; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

int
contract_open_ring(
	struct contract *c, struct torc_ring *ring, uint32_t cq_entries)
{
	static const struct timespec moment = { .tv_nsec = 5000000 };
	struct torc_ring_options options = {
		.sq_entries = 16,
		.cq_entries = cq_entries ? cq_entries : 64,
		.setup_flags = c->config->setup_flags,
	};
	int ret = torc__ring_open(ring, c->engine, &options);

	for (unsigned i = 0; ret == -ENOMEM && i < OPEN_TRIES; i++) {
		nanosleep(&moment, NULL);
		ret = torc__ring_open(ring, c->engine, &options);
	}
	return ret;
}

/* Who expected nothing more must have got nothing more. */
static void
check_left(struct contract *c)
{
	if (c->came_count != 0 && c->why[0] == '\0')
		snprintf(c->why, sizeof(c->why),
			"%u completions that it did not expect, the first of "
			"id %llu: res %d, flags 0x%x",
			c->came_count, (unsigned long long)c->came[0].user_data,
			c->came[0].res, c->came[0].flags & 0xffff);
}

/* On its own, so that no variable of the caller's lives across setjmp(). */
static __attribute__((noinline)) void
play(struct contract *c)
{
	if (setjmp(c->escape) == 0)
		c->script->run(c);
}

static void
run_script(struct contract *c)
{
	unsigned fds = count_fds();

	c->came_count = 0;
	c->fds_count = 0;
	c->memory_used = 0;
	c->why[0] = '\0';
	c->dir[0] = '\0';
	if (contract_open_ring(c, &c->ring, c->script->cq_entries) < 0) {
		snprintf(c->why, sizeof(c->why), "no ring could be opened");
		return;
	}
	play(c);
	check_left(c);
	for (uint32_t i = 0; i < c->fds_count; i++)
		c->engine->close_fd(&c->ring, c->fds[i]);
	torc__ring_close(&c->ring);
	if (is_real(c->config))
		files_clean(c);
	if (is_real(c->config) && c->why[0] == '\0' && count_fds() != fds)
		snprintf(c->why, sizeof(c->why),
			"%d descriptors more after it than before",
			(int)count_fds() - (int)fds);
}

static void
run_family(struct contract *c, const struct contract_family *family,
	const char *part, struct contract_result *result, FILE *out)
{
	for (size_t i = 0; i < family->count; i++) {
		c->script = &family->scripts[i];
		if (part != NULL && strstr(c->script->name, part) == NULL)
			continue;
		if (!applies(c->config, c->script)) {
			result->elsewhere++;
			continue;
		}
		result->ran++;
		watchdog_feed(c);
		run_script(c);
		if (c->why[0] == '\0') {
			result->inside++;
			continue;
		}
		fprintf(out, "%s: %s/%s (%s): %s\n", c->config->name,
			family->name, c->script->name, c->script->about,
			c->why);
		fflush(out);
	}
}

/* The names of a ring's flags that make a difference. */
static void
name_setup(const struct torc_ring *ring, char *text, size_t bytes)
{
	static const struct {
		const char *name;
		uint32_t flag;
	} names[] = {
		{ "SINGLE_ISSUER", IORING_SETUP_SINGLE_ISSUER },
		{ "DEFER_TASKRUN", IORING_SETUP_DEFER_TASKRUN },
		{ "COOP_TASKRUN", IORING_SETUP_COOP_TASKRUN },
		{ "TASKRUN_FLAG", IORING_SETUP_TASKRUN_FLAG },
		{ "SUBMIT_ALL", IORING_SETUP_SUBMIT_ALL },
	};
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (ring->uring.flags & names[i].flag)
			at += (size_t)snprintf(text + at, bytes - at, "%s%s",
				at ? " " : "", names[i].name);
}

/* What was asked for, but for what the library adds to it. */
static bool
is_as_asked(const struct contract *c)
{
	uint32_t differ = c->ring.uring.flags ^ c->config->setup_flags;

	return c->config->setup_flags == 0 || (differ & ~NO_SQARRAY) == 0;
}

/* Whether there is such a ring at all; its flags in words. */
static int
try_ring(struct contract *c, char *text, size_t bytes)
{
	int ret = contract_open_ring(c, &c->ring, 0);

	text[0] = '\0';
	if (ret < 0)
		return ret;
	name_setup(&c->ring, text, bytes);
	if (!is_as_asked(c))
		ret = -EBADRQC;
	torc__ring_close(&c->ring);
	return ret;
}

/* There is one, because late completions may still write to its memory. */
static struct contract *
begin(const struct contract_config *config)
{
	static struct contract contract;

	memset(&contract, 0, sizeof(contract));
	contract.config = config;
	contract.engine = torc__engine_find(config->engine);
	return &contract;
}

const char *
contract_show(const struct contract_config *config,
	const struct contract_script *script)
{
	struct contract *c = begin(config);

	c->script = script;
	run_script(c);
	return c->why[0] != '\0' ? c->why : NULL;
}

struct contract_result
contract_run(const struct contract_config *config, const char *part, FILE *out)
{
	struct contract *c = begin(config);
	struct contract_result result = { 0 };
	char text[512], setup[128];

	result.error =
		c->engine == NULL ? -ENOENT : try_ring(c, setup, sizeof(setup));
	if (result.error == -ENOENT) {
		fprintf(out, "%s: not built\n", config->name);
		return result;
	}
	if (result.error < 0) {
		c->engine->explain(result.error, text, sizeof(text));
		fprintf(out, "%s: no such ring here: %s\n", config->name, text);
		return result;
	}
	/* What was printed so far must not be lost to it. */
	fflush(out);
	watchdog_start();
	for (size_t i = 0; i < FAMILIES; i++)
		run_family(c, families[i], part, &result, out);
	watchdog_stop();
	fprintf(out, "%s: %u scripts, %u inside the model", config->name,
		result.ran, result.inside);
	if (result.elsewhere != 0)
		fprintf(out, "; %u more are about other engines",
			result.elsewhere);
	fprintf(out, "%s%s\n", setup[0] != '\0' ? "; " : "", setup);
	return result;
}
