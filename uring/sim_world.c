/* SPDX-License-Identifier: MIT */
/*
 * The world: its beginning, its end, and what a test does to it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <torc/base/clock.h>
#include <torc/base/log.h>

#include "uring/sim_disk_priv.h"

/* Not 0: core takes that for "never". */
#define CLOCK_START_NS TORC_S
#define LATENCY_MIN_NS (20 * TORC_US)
#define LATENCY_MAX_NS (200 * TORC_US)
#define BYTES_PER_S UINT64_C(1000000000)
#define BUF_BYTES (64u << 10)
#define FDS_MAX 65536
#define DISK_BYTES (UINT64_C(64) << 20)
#define TIME_MAX_NS (30 * 86400 * TORC_S)

struct torc_sim *torc__sim;

void
torc__sim_config_init(struct torc_sim_config *config)
{
	*config = (struct torc_sim_config){ .seed = 1 };
}

static void
fill_config(struct torc_sim_config *config)
{
	if (config->latency_min_ns == 0)
		config->latency_min_ns = LATENCY_MIN_NS;
	if (config->latency_max_ns == 0)
		config->latency_max_ns = LATENCY_MAX_NS;
	if (config->latency_max_ns < config->latency_min_ns)
		config->latency_max_ns = config->latency_min_ns;
	if (config->bytes_per_s == 0)
		config->bytes_per_s = BYTES_PER_S;
	if (config->sndbuf_bytes == 0)
		config->sndbuf_bytes = BUF_BYTES;
	if (config->rcvbuf_bytes == 0)
		config->rcvbuf_bytes = BUF_BYTES;
	if (config->fds_max == 0)
		config->fds_max = FDS_MAX;
	if (config->disk_bytes == 0)
		config->disk_bytes = DISK_BYTES;
	if (config->steps_max == 0)
		config->steps_max = UINT64_MAX;
	if (config->time_max_ns == 0)
		config->time_max_ns = TIME_MAX_NS;
}

static void
seed(struct torc_sim *sim)
{
	uint64_t state = sim->config.seed;

	for (int i = 0; i < 4; i++) {
		uint64_t word = state += UINT64_C(0x9e3779b97f4a7c15);

		word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
		sim->random[i] = word ^ word >> 31;
	}
}

int
torc__sim_begin(const struct torc_sim_config *config)
{
	struct torc_sim *sim;

	if (torc__sim != NULL)
		return -EBUSY;
	sim = calloc(1, sizeof(*sim));
	if (sim == NULL)
		return -ENOMEM;
	sim->config = *config;
	fill_config(&sim->config);
	sim->is_explicit = true;
	sim->now_ns = sim->began_ns = CLOCK_START_NS;
	sim->counts.hash = UINT64_C(0xcbf29ce484222325);
	pthread_mutex_init(&sim->lock, NULL);
	torc__list_init(&sim->files);
	torc__list_init(&sim->bound);
	torc__list_init(&sim->paths);
	torc__list_init(&sim->spare_ops);
	torc__list_init(&sim->flying);
	seed(sim);
	sim->is_cap_refused = torc__sim_strikes(sim, TORC__SIM_NO_CAP);
	torc__sim = sim;
	return 0;
}

static void
free_spares(struct torc_sim *sim)
{
	struct torc_link *link;

	while ((link = torc__list_pop_front(&sim->spare_ops)) != NULL)
		free(torc__container_of(link, struct torc_sim_op, all));
	while ((link = torc__list_pop_front(&sim->flying)) != NULL)
		free(torc__container_of(link, struct torc_sim_datagram, link));
	for (int i = 0; i < 32; i++) {
		while (sim->spare_pipes[i] != NULL) {
			void *next;

			memcpy(&next, sim->spare_pipes[i], sizeof(next));
			free(sim->spare_pipes[i]);
			sim->spare_pipes[i] = next;
		}
	}
}

/* A socket may be on its way through itself, and then nothing else ends it. */
static void
drop_notes(struct torc_sim *sim)
{
	struct torc_link *link = sim->files.next;

	while (link != &sim->files) {
		struct torc_sim_file *file =
			torc__container_of(link, struct torc_sim_file, all);

		link = link->next;
		if (torc__list_is_empty(&file->rx.notes))
			continue;
		file->refs_count++;
		torc__sim_notes_drop(sim, file);
		torc__sim_file_put(sim, file);
		/* Others may have gone with it. */
		link = sim->files.next;
	}
}

void
torc__sim_end(struct torc_sim_counts *counts)
{
	struct torc_sim *sim = torc__sim;
	struct torc_link *link;

	torc_assert(sim != NULL && sim->rings_count == 0);
	sim->counts.elapsed_ns = sim->now_ns - sim->began_ns;
	sim->counts.fds_left = sim->fds_count;
	torc_log(TORC_LOG_DEBUG,
		"simulation, seed %llu: %llu completions in %.6f virtual "
		"seconds, hash %016llx",
		(unsigned long long)sim->config.seed,
		(unsigned long long)sim->counts.completions,
		(double)sim->counts.elapsed_ns / TORC_S,
		(unsigned long long)sim->counts.hash);
	if (counts != NULL)
		*counts = sim->counts;
	drop_notes(sim);
	for (uint32_t i = 0; i < sim->fds_top; i++)
		if (sim->fds[i] != NULL)
			torc__sim_fd_close(sim, TORC__SIM_FD_BASE + (int)i);
	while ((link = torc__list_first(&sim->paths)) != NULL)
		torc__sim_path_remove(sim,
			torc__container_of(link, struct torc_sim_path, link));
	torc__sim_disk_free(sim);
	free_spares(sim);
	free(sim->events);
	free(sim->fds);
	free(sim->fds_free);
	pthread_mutex_destroy(&sim->lock);
	free(sim);
	torc__sim = NULL;
}

uint64_t
torc__sim_now_ns(void)
{
	return __atomic_load_n(&torc__sim->now_ns, __ATOMIC_RELAXED);
}

void
torc__sim_raise(int signo)
{
	struct torc_sim *sim = torc__sim;

	torc_assert(signo > 0 && signo < 64);
	pthread_mutex_lock(&sim->lock);
	for (struct torc_link *link = sim->files.next; link != &sim->files;
		link = link->next) {
		struct torc_sim_file *file =
			torc__container_of(link, struct torc_sim_file, all);

		if (file->kind != TORC__SIM_SIGNALS ||
			!(file->mask >> signo & 1))
			continue;
		file->raised |= UINT64_C(1) << signo;
		torc__sim_wake(sim, &file->readers);
		torc__sim_wake(sim, &file->pollers);
	}
	pthread_mutex_unlock(&sim->lock);
}

void
torc__sim_reset(int fd)
{
	struct torc_sim *sim = torc__sim;
	struct torc_sim_file *file, *peer;

	pthread_mutex_lock(&sim->lock);
	file = torc__sim_fd_file(sim, fd);
	if (file != NULL && file->kind == TORC__SIM_TCP) {
		peer = file->peer;
		if (peer != NULL)
			torc__sim_socket_reset(sim, peer, 0);
		torc__sim_socket_reset(sim, file, 0);
	}
	pthread_mutex_unlock(&sim->lock);
}
