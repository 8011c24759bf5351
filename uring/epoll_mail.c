/* SPDX-License-Identifier: MIT */
/*
 * Completions from one ring to another of the same process.
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

void
torc__epoll_mail_close(struct torc_epoll *epoll)
{
	struct torc_epoll_mail *mail = &epoll->mail;

	pthread_mutex_lock(&lock);
	torc__list_remove(&mail->link);
	pthread_mutex_unlock(&lock);
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

int
torc__epoll_mail_send(int ring_fd, const struct torc_epoll_letter *letter)
{
	struct torc_epoll_mail *mail;
	uint64_t one = 1;
	ssize_t written = sizeof(one);
	int ret = -EBADFD;

	pthread_mutex_lock(&lock);
	mail = find(ring_fd);
	if (mail != NULL)
		ret = add(mail, letter);
	/* The first wakes; those after it are found with it. */
	if (ret == 0 && mail->count == 1)
		written = write(mail->bell_fd, &one, sizeof(one));
	torc_assert(written == sizeof(one));
	pthread_mutex_unlock(&lock);
	return ret;
}

void
torc__epoll_mail_take(struct torc_ring *ring)
{
	struct torc_epoll_mail *mail = &torc__epoll_of(ring)->mail;

	pthread_mutex_lock(&lock);
	for (uint32_t i = 0; i < mail->count; i++)
		torc__soft_post(ring, mail->letters[i].user_data,
			mail->letters[i].res, mail->letters[i].cqe_flags);
	mail->count = 0;
	pthread_mutex_unlock(&lock);
}
