/* SPDX-License-Identifier: MIT */
/*
 * What the two ends of a connection owe each other when one of them closes,
 * shuts, resets, or stops to listen.
 */
#include <errno.h>
#include <stdlib.h>

#include "uring/sim_world_priv.h"

static void
wake_all(struct torc_sim *sim, struct torc_sim_file *file)
{
	torc__sim_wake(sim, &file->readers);
	torc__sim_wake(sim, &file->writers);
	torc__sim_wake(sim, &file->pollers);
}

void
torc__sim_socket_ended(struct torc_sim *sim, struct torc_sim_file *file)
{
	torc__sim_note(sim, TORC__SIM_ARRIVE, 0, 1, file->serial, 0, 0);
	wake_all(sim, file);
}

void
torc__sim_socket_reset(
	struct torc_sim *sim, struct torc_sim_file *file, int error)
{
	if (file->state == TORC__SIM_DEAD)
		return;
	/* After the peer's FIN it is -EPIPE: tcp_reset() in CLOSE-WAIT. */
	if (error == 0)
		error = file->rx.end == TORC__SIM_PIPE_FIN &&
					file->rx.is_end_seen
				? EPIPE
				: ECONNRESET;
	file->state = TORC__SIM_DEAD;
	file->error = error;
	/* What arrived can still be read; what did not is lost. */
	file->rx.tail = file->rx.arrived;
	file->rx.marks_count = 0;
	torc__sim_event_disarm(sim, &file->rx.arrival);
	if (file->peer != NULL)
		file->peer->peer = NULL;
	file->peer = NULL;
	torc__sim_note(sim, TORC__SIM_ARRIVE, 0, 2, file->serial, -error, 0);
	wake_all(sim, file);
}

/* Bytes that nobody read: the sender must not think that they were. */
static void
cut_unix(struct torc_sim *sim, struct torc_sim_file *file)
{
	struct torc_sim_file *peer = file->peer;

	if (file->rx.head != file->rx.tail ||
		!torc__list_is_empty(&file->rx.notes))
		peer->error = ECONNRESET;
	torc__sim_pipe_finish(sim, &peer->rx, TORC__SIM_PIPE_FIN);
}

void
torc__sim_socket_cut(struct torc_sim *sim, struct torc_sim_file *file)
{
	struct torc_sim_file *peer = file->peer;

	if (peer == NULL)
		return;
	if (file->kind == TORC__SIM_UNIX) {
		cut_unix(sim, file);
		return;
	}
	if (peer->rx.is_end_seen)
		/* Its half has ended already: the reset comes by itself. */
		torc__sim_event_arm(
			sim, &peer->reset, sim->now_ns + peer->rx.latency_ns);
	else
		torc__sim_pipe_finish(sim, &peer->rx, TORC__SIM_PIPE_RESET);
}

/* close(2) of a connection. */
static void
leave(struct torc_sim *sim, struct torc_sim_file *file)
{
	struct torc_sim_file *peer = file->peer;
	bool is_unread = file->rx.arrived != file->rx.head;

	if (peer == NULL)
		return;
	if (file->is_linger_reset || is_unread ||
		file->kind == TORC__SIM_UNIX) {
		torc__sim_socket_cut(sim, file);
	} else {
		torc__sim_pipe_finish(sim, &peer->rx, TORC__SIM_PIPE_FIN);
		/* Bytes on their way here will find nobody. */
		if (file->rx.tail != file->rx.head)
			torc__sim_event_arm(sim, &peer->reset,
				sim->now_ns + file->rx.latency_ns +
					2 * peer->rx.latency_ns);
	}
	peer->peer = NULL;
	file->peer = NULL;
	/* Whoever waits for room to send finds out. */
	torc__sim_wake(sim, &peer->writers);
	torc__sim_wake(sim, &peer->pollers);
}

void
torc__sim_socket_unlisten(struct torc_sim *sim, struct torc_sim_file *file)
{
	struct torc_link *link;

	if (file->state != TORC__SIM_LISTENING)
		return;
	file->state = TORC__SIM_DEAD;
	torc__sim_name_unbind(sim, file);
	while ((link = torc__list_pop_front(&file->queue)) != NULL) {
		struct torc_sim_file *queued =
			torc__container_of(link, struct torc_sim_file, queued);

		file->queue_count--;
		queued->is_linger_reset = true;
		torc__sim_file_put(sim, queued);
	}
	wake_all(sim, file);
}

void
torc__sim_socket_release(struct torc_sim *sim, struct torc_sim_file *file)
{
	struct torc_link *link;

	torc__sim_socket_unlisten(sim, file);
	torc__sim_name_unbind(sim, file);
	leave(sim, file);
	torc__sim_notes_drop(sim, file);
	/* Whoever waits for its queue finds nobody. */
	if (file->is_starved)
		sim->starved_count--;
	file->is_starved = false;
	if (file->kind == TORC__SIM_UDP)
		torc__sim_datagram_room(sim, file);
	torc__sim_pipe_close(sim, &file->rx);
	while ((link = torc__list_pop_front(&file->datagrams)) != NULL)
		free(torc__container_of(link, struct torc_sim_datagram, link));
}
