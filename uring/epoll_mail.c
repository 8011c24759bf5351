/* SPDX-License-Identifier: MIT */
/*
 * Completions from one ring to another of the same process, and ops that come
 * back from a worker.
 *
 * A message is rare, a doorbell at most, so one lock for all rings will do;
 * it also keeps the receiver open while it is written to. Each ring has an
 * eventfd in its epoll set to be woken by. It is edge-triggered, and each
 * write is an edge: nobody has to read it.
 */
#include "uring/epoll_priv.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct torc_link rings = { &rings, &rings };

int
torc__epoll_mail_open(struct torc_epoll *epoll)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET,
		.data.u64 = TORC__EPOLL_MAIL };
	struct torc_epoll_mail *mail = &epoll->mail;

	mail->ring_fd = epoll->fd;
	mail->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (mail->bell_fd < 0)
		return -errno;
	if (epoll_ctl(epoll->fd, EPOLL_CTL_ADD, mail->bell_fd, &event) < 0)
		return -errno;
	pthread_mutex_lock(&lock);
	torc__list_push_back(&rings, &mail->link);
	pthread_mutex_unlock(&lock);
	return 0;
}

/* Nobody will hear of what these opened. */
static void
drop_worked(struct torc_epoll_mail *mail)
{
	struct torc_link *link;

	while ((link = torc__list_pop_front(&mail->worked)) != NULL) {
		const struct torc_epoll_op *op =
			torc__container_of(link, struct torc_epoll_op, link);

		if (op->sqe.opcode == IORING_OP_OPENAT && op->work_res >= 0)
			close(op->work_res);
	}
}

void
torc__epoll_mail_close(struct torc_epoll *epoll)
{
	struct torc_epoll_mail *mail = &epoll->mail;

	pthread_mutex_lock(&lock);
	torc__list_remove(&mail->link);
	pthread_mutex_unlock(&lock);
	drop_worked(mail);
	if (mail->bell_fd >= 0)
		close(mail->bell_fd);
	free(mail->letters);
}

static struct torc_epoll_mail *
find(int ring_fd)
{
	for (struct torc_link *link = rings.next; link != &rings;
		link = link->next) {
		struct torc_epoll_mail *mail =
			torc__container_of(link, struct torc_epoll_mail, link);

		if (mail->ring_fd == ring_fd)
			return mail;
	}
	return NULL;
}

static int
add(struct torc_epoll_mail *mail, const struct torc_epoll_letter *letter)
{
	if (mail->count == mail->max) {
		uint32_t max = mail->max ? 2 * mail->max : 16;
		struct torc_epoll_letter *letters =
			realloc(mail->letters, max * sizeof(*letters));

		if (letters == NULL)
			return -ENOMEM;
		mail->letters = letters;
		mail->max = max;
	}
	mail->letters[mail->count++] = *letter;
	return 0;
}

static bool
is_empty(const struct torc_epoll_mail *mail)
{
	return mail->count == 0 && torc__list_is_empty(&mail->worked);
}

static void
ring_bell(struct torc_epoll_mail *mail)
{
	uint64_t one = 1;
	ssize_t written = write(mail->bell_fd, &one, sizeof(one));

	torc_assert(written == sizeof(one));
}

int
torc__epoll_mail_send(int ring_fd, const struct torc_epoll_letter *letter)
{
	struct torc_epoll_mail *mail;
	int ret = -EBADFD;

	pthread_mutex_lock(&lock);
	mail = find(ring_fd);
	if (mail != NULL) {
		/* The first wakes; those after it are found with it. */
		bool is_first = is_empty(mail);

		ret = add(mail, letter);
		if (ret == 0 && is_first)
			ring_bell(mail);
	}
	pthread_mutex_unlock(&lock);
	return ret;
}

void
torc__epoll_mail_worked(struct torc_epoll *epoll, struct torc_epoll_op *op)
{
	struct torc_epoll_mail *mail = &epoll->mail;
	bool is_first;

	pthread_mutex_lock(&lock);
	is_first = is_empty(mail);
	torc__list_push_back(&mail->worked, &op->link);
	if (is_first)
		ring_bell(mail);
	pthread_mutex_unlock(&lock);
}

void
torc__epoll_mail_take(struct torc_ring *ring)
{
	struct torc_epoll_mail *mail = &torc__epoll_of(ring)->mail;
	struct torc_link worked, *link;

	torc__list_init(&worked);
	pthread_mutex_lock(&lock);
	torc__list_splice(&worked, &mail->worked);
	for (uint32_t i = 0; i < mail->count; i++)
		torc__soft_post(ring, mail->letters[i].user_data,
			mail->letters[i].res, mail->letters[i].cqe_flags);
	mail->count = 0;
	pthread_mutex_unlock(&lock);
	while ((link = torc__list_pop_front(&worked)) != NULL) {
		struct torc_epoll_op *op =
			torc__container_of(link, struct torc_epoll_op, link);

		torc__epoll_op_finish(ring, op, op->work_res);
	}
}
