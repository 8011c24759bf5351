/* SPDX-License-Identifier: MIT */
/*
 * torc-proxy - relays connections, built on torc's public headers only
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "proxy/config.h"
#include "proxy/worker.h"

static void
explain_listen(const struct config *config, int error)
{
	const char *remedy = "";

	switch (-error) {
	case EADDRINUSE:
		remedy = "; another program has it: ss -lnp tells which";
		break;
	case EACCES:
		remedy = "; choose a port from 1024 up, or grant "
			 "CAP_NET_BIND_SERVICE";
		break;
	case EADDRNOTAVAIL:
		remedy = "; no interface of this machine has that address";
		break;
	case ENOENT:
		remedy = "; the folder does not exist";
		break;
	}
	torc_log(TORC_LOG_ERROR, "cannot listen on %s: %s%s",
		config->listen_text, strerror(-error), remedy);
}

static void
say_ready(const struct config *config)
{
	torc_log(TORC_LOG_INFO,
		"listening on %s for %u backend%s, %u shard%s, at most %u "
		"connections",
		config->listen_text, config->backends_count,
		config->backends_count == 1 ? "" : "s", torc_shard_count(),
		torc_shard_count() == 1 ? "" : "s", config->connections_max);
}

static int
serve_on_shards(void *proxy)
{
	return torc_run_on_shards(worker_run, proxy);
}

/* Signals until the service is over: the first drains, the second ends. */
static int
supervise(struct proxy *proxy, struct torc_signals *signals,
	struct torc_task *service)
{
	bool is_draining = false;

	for (;;) {
		struct torc_future ended, caught;
		struct torc_future *const both[] = { &ended, &caught };
		int ret;

		torc_join_start(service, &ended);
		torc_signal_start(signals, &caught);
		ret = torc_select(both, 2);
		if (ret < 0 || ended.value == 0)
			return ret < 0 ? ret : 0;
		if (caught.value == SIGINT || is_draining)
			return 0;
		is_draining = true;
		torc_log(TORC_LOG_INFO,
			"draining: no new connections; a second signal ends "
			"at once");
		ret = torc_run_on_shards(worker_drain, proxy);
		if (ret < 0)
			return ret;
	}
}

static int
run(void *arg)
{
	struct proxy *proxy = arg;
	struct torc_signals *signals;
	struct torc_task *service;
	sigset_t set;
	int ret, result;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGINT);
	ret = torc_signals_open(&signals, &set);
	if (ret < 0)
		return ret;
	proxy->workers =
		torc_calloc(torc_shard_count(), sizeof(struct worker *));
	ret = proxy->workers == NULL ? -ENOMEM
				     : torc_run_on_shards(worker_open, proxy);
	if (ret < 0) {
		explain_listen(proxy->config, ret);
		goto out;
	}
	say_ready(proxy->config);
	ret = torc_spawn(&service, serve_on_shards, proxy);
	if (ret == 0) {
		ret = supervise(proxy, signals, service);
		torc_cancel_join(service, &result);
		if (ret == 0 && result != -ECANCELED)
			ret = result;
	}
out:
	torc_free(proxy->workers);
	torc_signals_close(signals);
	return ret;
}

/* How many shards there will be, before they are started. */
static unsigned
count_shards(const struct config *config)
{
	return config->runtime.shards != 0 ? config->runtime.shards
					   : torc_shards_usable();
}

int
main(int argc, char **argv)
{
	struct config config;
	struct proxy proxy = { .config = &config };
	int ret;

	torc_log_name("torc-proxy");
	ret = config_parse(&config, argc, argv);
	if (ret >= 0)
		return ret;
	config.runtime.shards = count_shards(&config);
	if (config_fit(&config, config.runtime.shards) < 0)
		return 1;
	return torc_run(&config.runtime, run, &proxy) != 0;
}
