/* SPDX-License-Identifier: MIT */
#ifndef TORC_PROXY_CONFIG_H
#define TORC_PROXY_CONFIG_H

/*
 * config - what the command line asks for, checked as a whole
 *
 * Lifetime  Filled once by config_parse(), constant afterwards.
 * Errors    One line to stderr that names the option or address.
 */

#include <stdint.h>

#include <torc.h>

/* More would be a config file's business. */
#define BACKENDS_MAX 64

struct config {
	struct torc_address listen;
	const char *listen_text;
	struct torc_address backends[BACKENDS_MAX];
	const char *backend_texts[BACKENDS_MAX];
	unsigned backends_count;

	struct torc_options runtime;
	uint64_t connect_timeout_ns; /* 0: none */
	uint64_t idle_timeout_ns;    /* 0: none */
	uint64_t drain_ns;
	unsigned connections_max; /* of all shards together */
};

/*
 * Returns  -1 when the program is to go on; else its exit status: 0 after
 *          --help and --version, 2 after a mistake.
 */
int config_parse(struct config *config, int argc, char **argv);

/*
 * Fit connections_max to the descriptors that `shards` leave over, raising
 * the soft limit as far as the hard one allows. 0, or -1 when not one
 * connection fits.
 */
int config_fit(struct config *config, unsigned shards);

#endif /* TORC_PROXY_CONFIG_H */
