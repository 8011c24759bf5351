/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_CONTRACT_CONTRACT_H
#define TORC_TESTS_CONTRACT_CONTRACT_H

/*
 * contract - small scripts that show what a ring does, run on every engine
 *
 * Each script drives one ring of its own and states, for every completion,
 * the set of results and flags that code above the ring has to live with.
 * What an engine does must lie inside that set. The same scripts are run on
 * the kernel with three kinds of ring, on every other engine, and at the
 * place of installation by torc-doctor.
 *
 * Lifetime  A script's ring, descriptors and memory last as long as it runs.
 * Shard     One thread runs all scripts, one after the other.
 * Errors    A script that leaves its set ends there; the others go on.
 */

#include <setjmp.h>
#include <stdio.h>

#include "uring/ring_priv.h"

#define CONTRACT_FDS_MAX 512
#define CONTRACT_CQES_MAX 2048

struct contract;

/* Which engines a script can be shown on. */
enum contract_only {
	CONTRACT_ALL,
	/* Those on sockets and signals of the system: what torc never asks
	 * for need not be simulated. */
	CONTRACT_REAL,
	CONTRACT_KERNEL,   /* io_uring, and no other has to do the same */
	CONTRACT_DEFERRED, /* io_uring with DEFER_TASKRUN */
};

struct contract_script {
	const char *name; /* a sentence, with underscores */
	/* What torc rests on it for: a feature or a hazard. */
	const char *about;
	void (*run)(struct contract *);
	enum contract_only only;
	int arg;             /* what it is run with, see c->script->arg */
	uint32_t cq_entries; /* 0: 64 */
};

struct contract_family {
	const char *name;
	const struct contract_script *scripts;
	size_t count;
};

/* An engine, and for the kernel the flags of its ring. */
struct contract_config {
	const char *name;
	const char *engine;
	uint32_t setup_flags;
};

struct contract {
	const struct contract_config *config;
	const struct contract_script *script;
	const struct torc_engine *engine;
	struct torc_ring ring;

	/* Completions that no script has asked for yet, oldest first. */
	struct torc_cqe came[CONTRACT_CQES_MAX];
	uint32_t came_count;

	int fds[CONTRACT_FDS_MAX]; /* closed behind the script */
	uint32_t fds_count;
	size_t memory_used;
	uint64_t serial; /* of the harness's own operations */
	char dir[64];    /* of the script's files; "": none yet */

	jmp_buf escape;
	char why[512];
};

struct contract_result {
	unsigned ran;
	unsigned inside;
	unsigned elsewhere; /* not to be shown on this engine */
	int error;          /* -ENOENT: not built; else why no ring opened */
};

extern const struct contract_config contract_configs[];
extern const size_t contract_configs_count;

/* Scripts in all families, and those of them that every engine runs. */
unsigned contract_scripts_count(void);
unsigned contract_scripts_shared(void);

/*
 * Run every script whose name contains `part` (NULL: all) and print to
 * `out`: a line for each that left its set, and one for all.
 */
struct contract_result contract_run(
	const struct contract_config *config, const char *part, FILE *out);

/* A ring of this kind; waits for locked memory that is on its way back. */
int contract_open_ring(
	struct contract *c, struct torc_ring *ring, uint32_t cq_entries);

/* One script: what it did outside its set, or NULL. For tests of this. */
const char *contract_show(const struct contract_config *config,
	const struct contract_script *script);

#endif /* TORC_TESTS_CONTRACT_CONTRACT_H */
