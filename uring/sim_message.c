/* SPDX-License-Identifier: MIT */
/*
 * What is more than bytes on a Unix socket: the borders of packets, and
 * descriptors that travel with bytes. A note of either lies beside the bytes
 * in the pipe, from which byte to which.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "uring/sim_world_priv.h"

/* SCM_MAX_FD. */
#define FDS_MAX 253
#define MSG_KNOWN (MSG_NOSIGNAL | MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC)

struct torc_sim_note {
	struct torc_link link;
	uint64_t from, upto;
	uint32_t count;
	struct torc_sim_file *files[];
};

static struct torc_sim_note *
first_note(const struct torc_sim_file *file)
{
	struct torc_link *link = torc__list_first(&file->rx.notes);

	return link != NULL
		       ? torc__container_of(link, struct torc_sim_note, link)
		       : NULL;
}

static void
note_free(struct torc_sim *sim, struct torc_sim_note *note)
{
	torc__list_remove(&note->link);
	for (uint32_t i = 0; i < note->count; i++)
		torc__sim_file_put(sim, note->files[i]);
	free(note);
}

void
torc__sim_notes_drop(struct torc_sim *sim, struct torc_sim_file *file)
{
	struct torc_sim_note *note;

	while ((note = first_note(file)) != NULL)
		note_free(sim, note);
}

/* ---- sending ---- */

/* The descriptors of a message: how many, or -errno. */
static int
find_fds(const struct msghdr *msg, const int **fds)
{
	const struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	size_t count;

	*fds = NULL;
	if (cmsg == NULL)
		return 0;
	if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS ||
		cmsg->cmsg_len > msg->msg_controllen ||
		cmsg->cmsg_len < CMSG_LEN(0))
		return -EINVAL;
	count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	*fds = (const int *)(const void *)CMSG_DATA(cmsg);
	return count > FDS_MAX ? -EINVAL : (int)count;
}

/* The files behind them, held; or -EBADF and none. */
static int
hold_files(struct torc_sim *sim, struct torc_sim_note *note, const int *fds)
{
	for (uint32_t i = 0; i < note->count; i++) {
		note->files[i] = torc__sim_fd_file(sim, fds[i]);
		if (note->files[i] == NULL)
			return -EBADF;
	}
	for (uint32_t i = 0; i < note->count; i++)
		note->files[i]->refs_count++;
	return 0;
}

int
torc__sim_note_make(struct torc_sim *sim, const struct torc_sim_op *op,
	const struct msghdr *msg, struct torc_sim_note **made)
{
	const int *fds = NULL;
	int ret, count = msg != NULL ? find_fds(msg, &fds) : 0;
	struct torc_sim_note *note;

	*made = NULL;
	if (count < 0)
		return count;
	if (count > 0 && op->file->kind != TORC__SIM_UNIX)
		return -EOPNOTSUPP;
	/* The rest of a send that waited has been told already. */
	if (op->done_bytes > 0 || (count == 0 && !op->file->is_packet))
		return 0;
	note = calloc(
		1, sizeof(*note) + (size_t)count * sizeof(note->files[0]));
	if (note == NULL)
		return -ENOMEM;
	note->count = (uint32_t)count;
	ret = hold_files(sim, note, fds);
	if (ret < 0) {
		free(note);
		return ret;
	}
	*made = note;
	return 0;
}

void
torc__sim_note_put(struct torc_sim *sim, struct torc_sim_file *to,
	uint64_t bytes, struct torc_sim_note *note)
{
	if (note == NULL)
		return;
	/* Nobody is there, or nothing went. */
	if (to == NULL || (bytes == 0 && !to->is_packet)) {
		note_free(sim, note);
		return;
	}
	note->upto = to->rx.tail;
	note->from = note->upto - bytes;
	torc__list_push_back(&to->rx.notes, &note->link);
	torc__sim_wake(sim, &to->readers);
	torc__sim_wake(sim, &to->pollers);
}

void
torc__sim_note_drop(struct torc_sim *sim, struct torc_sim_note *note)
{
	if (note != NULL)
		note_free(sim, note);
}

/* ---- receiving ---- */

bool
torc__sim_take_begin(struct torc_sim *sim, struct torc_sim_file *file,
	uint32_t max, struct torc_sim_take *take)
{
	struct torc_sim_note *note = first_note(file);
	struct torc_sim_pipe *pipe = &file->rx;
	uint64_t there = pipe->arrived - pipe->head;

	*take = (struct torc_sim_take){ 0 };
	if (file->is_packet) {
		if (note == NULL)
			return false;
		take->note = note;
		take->whole = (uint32_t)(note->upto - note->from);
		take->bytes = take->whole < max ? take->whole : max;
		take->skip = take->whole - take->bytes;
		return true;
	}
	/* It stops short behind bytes that descriptors came with. */
	if (note != NULL && there > note->upto - pipe->head)
		there = note->upto - pipe->head;
	take->bytes = there < max ? (uint32_t)there : max;
	if (take->bytes > 1 && torc__sim_strikes(sim, TORC__SIM_SHORT_RECV))
		take->bytes = 1 + (uint32_t)torc__sim_draw_below(
					  sim, take->bytes - 1);
	take->whole = take->bytes;
	if (note != NULL && pipe->head + take->bytes > note->from)
		take->note = note;
	return take->bytes > 0;
}

/* Into the room for control data; what there is no room for is lost. */
static void
give_fds(struct torc_sim *sim, struct torc_sim_note *note, struct msghdr *msg)
{
	struct cmsghdr *cmsg = msg->msg_control;
	size_t room =
		msg->msg_controllen > CMSG_LEN(0)
			? (msg->msg_controllen - CMSG_LEN(0)) / sizeof(int)
			: 0;
	uint32_t given = 0;

	while (given < note->count && given < room) {
		struct torc_sim_file *file = note->files[given];
		int fd = torc__sim_strikes(sim, TORC__SIM_EMFILE)
				 ? -EMFILE
				 : torc__sim_fd_open(sim, file);

		if (fd < 0)
			break;
		file->refs_count++;
		memcpy(CMSG_DATA(cmsg) + given * sizeof(int), &fd, sizeof(fd));
		given++;
	}
	msg->msg_controllen = 0;
	if (given < note->count)
		msg->msg_flags |= MSG_CTRUNC;
	if (given == 0)
		return;
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(given * sizeof(int));
	msg->msg_controllen = CMSG_SPACE(given * sizeof(int));
}

void
torc__sim_take_end(struct torc_sim *sim, struct torc_sim_file *file,
	struct torc_sim_take *take, struct msghdr *msg)
{
	if (take->skip > 0)
		torc__sim_pipe_skip(sim, &file->rx, take->skip);
	if (take->note != NULL && take->note->count > 0 && msg != NULL)
		give_fds(sim, take->note, msg);
	else if (msg != NULL)
		msg->msg_controllen = 0;
	if (take->note == NULL)
		return;
	note_free(sim, take->note);
	/* An empty packet took no room of bytes. */
	if (file->is_packet && file->peer != NULL)
		torc__sim_wake(sim, &file->peer->writers);
}

static uint64_t
room_of(const struct msghdr *msg)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < msg->msg_iovlen; i++)
		bytes += msg->msg_iov[i].iov_len;
	return bytes < INT32_MAX ? bytes : INT32_MAX;
}

static void
scatter(struct torc_sim *sim, struct torc_sim_pipe *pipe,
	const struct msghdr *msg, uint32_t bytes)
{
	for (size_t i = 0; i < msg->msg_iovlen && bytes > 0; i++) {
		size_t now = msg->msg_iov[i].iov_len;

		if (now > bytes)
			now = bytes;
		if (now > 0)
			torc__sim_pipe_get(sim, pipe, msg->msg_iov[i].iov_base,
				(uint32_t)now);
		bytes -= (uint32_t)now;
	}
}

enum torc_sim_attempt
torc__sim_recv_message(struct torc_sim *sim, struct torc_sim_op *op)
{
	struct msghdr *msg = (void *)(uintptr_t)op->sqe.addr;
	struct torc_sim_file *file = op->file;
	struct torc_sim_take take;
	bool is_whole = op->sqe.msg_flags & MSG_TRUNC;

	if (op->sqe.msg_flags & ~(uint32_t)MSG_KNOWN || op->sqe.optlen != 0)
		return torc__sim_done(op, -EOPNOTSUPP);
	if (!torc__sim_take_begin(sim, file, (uint32_t)room_of(msg), &take)) {
		enum torc_sim_attempt how = torc__sim_recv_nothing(op);

		if (how == TORC__SIM_DONE && op->res == 0)
			msg->msg_controllen = msg->msg_namelen = 0;
		return how;
	}
	msg->msg_namelen = 0;
	msg->msg_flags = take.skip > 0 ? MSG_TRUNC : 0;
	scatter(sim, &file->rx, msg, take.bytes);
	torc__sim_take_end(sim, file, &take, msg);
	return torc__sim_done(
		op, (int32_t)(is_whole ? take.whole : take.bytes));
}
