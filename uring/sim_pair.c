/* SPDX-License-Identifier: MIT */
/* Two files that are each other's ends from the start: pipes and sockets. */
#include <errno.h>

#include "uring/sim_world_priv.h"

/* As pipe(7) has it. */
#define PIPE_BYTES (64u << 10)

/* Two descriptors for them, or none and no files. */
static int
give_fds(struct torc_sim *sim, struct torc_sim_file *const files[2], int fds[2])
{
	int ret = 0;

	if (torc__sim_strikes(sim, TORC__SIM_EMFILE))
		ret = -EMFILE;
	for (int i = 0; i < 2 && ret == 0; i++) {
		fds[i] = torc__sim_fd_open(sim, files[i]);
		if (fds[i] >= 0)
			continue;
		ret = fds[i];
		if (i == 1) {
			files[0]->refs_count++;
			torc__sim_fd_close(sim, fds[0]);
		}
	}
	for (int i = 0; i < 2 && ret < 0; i++)
		torc__sim_file_put(sim, files[i]);
	return ret;
}

static int
open_two(struct torc_sim *sim, enum torc_sim_kind kind,
	struct torc_sim_file *files[2])
{
	for (int i = 0; i < 2; i++) {
		files[i] = torc__sim_file_new(sim, kind);
		if (files[i] == NULL) {
			if (i == 1)
				torc__sim_file_put(sim, files[0]);
			return -ENOMEM;
		}
		files[i]->state = TORC__SIM_CONNECTED;
		(void)torc__sim_pipe_open(sim, &files[i]->rx, files[i]);
	}
	files[0]->peer = files[1];
	files[1]->peer = files[0];
	return 0;
}

int
torc__sim_pair_open(struct torc_sim *sim, int type, int fds[2])
{
	struct torc_sim_file *files[2];
	int ret;

	type &= ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (type != SOCK_STREAM && type != SOCK_SEQPACKET)
		return -EOPNOTSUPP;
	ret = open_two(sim, TORC__SIM_UNIX, files);
	if (ret < 0)
		return ret;
	files[0]->family = files[1]->family = AF_UNIX;
	files[0]->is_packet = files[1]->is_packet = type == SOCK_SEQPACKET;
	return give_fds(sim, files, fds);
}

int
torc__sim_fifo_open(struct torc_sim *sim, int fds[2])
{
	struct torc_sim_file *files[2];
	int ret = open_two(sim, TORC__SIM_FIFO, files);

	if (ret < 0)
		return ret;
	files[0]->rx.sndbuf_bytes = PIPE_BYTES;
	files[1]->is_writer = true;
	return give_fds(sim, files, fds);
}

void
torc__sim_fifo_release(struct torc_sim *sim, struct torc_sim_file *file)
{
	struct torc_sim_file *peer = file->peer;

	if (peer != NULL) {
		peer->peer = NULL;
		if (file->is_writer)
			torc__sim_pipe_finish(
				sim, &peer->rx, TORC__SIM_PIPE_FIN);
		torc__sim_wake(sim, &peer->writers);
		torc__sim_wake(sim, &peer->pollers);
	}
	torc__sim_pipe_close(sim, &file->rx);
}
