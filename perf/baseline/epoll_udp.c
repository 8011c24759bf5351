/* SPDX-License-Identifier: MIT */
/*
 * epoll_udp - the UDP echo server that readiness allows, by hand
 *
 *   epoll_udp HOST:PORT
 *
 * One thread, one socket, edge-triggered. A batch of up to 64 datagrams is
 * taken by one recvmmsg() and answered by one sendmmsg(); a batch that is
 * not full emptied the socket, so that no call is made only to hear EAGAIN.
 * What a full socket does not take waits for its edge, and nothing more is
 * received until then: the kernel drops what it has no room for.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "perf/baseline/loop.h"

enum {
	BATCH = 64,
	DATAGRAM_BYTES = 64 * 1024,
	/* Off by an odd number of lines, or they would share cache sets. */
	STRIDE_BYTES = DATAGRAM_BYTES + 17 * 64,
};

#define UDP_EVENTS (EPOLLIN | EPOLLOUT | EPOLLET)

struct server {
	struct loop loop;
	int fd;
	unsigned count; /* datagrams of the batch at hand */
	unsigned sent;  /* of these, answered */
	char *memory;
	struct mmsghdr msgs[BATCH];
	struct iovec iovs[BATCH];
	struct sockaddr_in6 from[BATCH]; /* as long as IPv4 or longer */
};

/* As much room for each as there was before the last batch. */
static void
batch_reset(struct server *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		s->iovs[i].iov_len = DATAGRAM_BYTES;
		s->msgs[i].msg_hdr.msg_namelen = sizeof(s->from[i]);
	}
	s->count = 0;
	s->sent = 0;
}

static int
batch_receive(struct server *s)
{
	int count = recvmmsg(s->fd, s->msgs, BATCH, 0, NULL);

	if (count < 0)
		return -errno;
	s->count = (unsigned)count;
	for (unsigned i = 0; i < s->count; i++)
		s->iovs[i].iov_len = s->msgs[i].msg_len;
	return count;
}

/* False while the socket is full: an edge will come. */
static bool
batch_send(struct server *s)
{
	while (s->sent < s->count) {
		int sent = sendmmsg(s->fd, s->msgs + s->sent,
			s->count - s->sent, MSG_NOSIGNAL);

		if (sent < 0 && errno == EAGAIN)
			return false;
		/* One that cannot be answered is lost, like any datagram. */
		s->sent += sent > 0 ? (unsigned)sent : 1;
	}
	return true;
}

static void
on_socket(void *server, void *ptr, uint32_t events)
{
	struct server *s = server;

	(void)ptr;
	(void)events;
	for (int round = 0; round < LOOP_ROUNDS; round++) {
		int count;

		if (!batch_send(s))
			return;
		batch_reset(s);
		count = batch_receive(s);
		if (count < 0 && count != -EAGAIN)
			fprintf(stderr, "epoll_udp: cannot receive: %s\n",
				strerror(-count));
		if (count <= 0)
			return;
		if (count < BATCH) {
			batch_send(s);
			return;
		}
	}
	/* Not empty yet: make the kernel look again after the stop signal. */
	if (loop_watch(&s->loop, EPOLL_CTL_MOD, s->fd, UDP_EVENTS, s) < 0)
		net_fail("epoll_udp", "cannot watch the socket", errno);
}

static void
batch_open(struct server *s)
{
	s->memory = aligned_alloc(64, (size_t)BATCH * STRIDE_BYTES);
	if (s->memory == NULL)
		net_fail("epoll_udp", "no memory for the buffers", ENOMEM);
	for (unsigned i = 0; i < BATCH; i++) {
		s->iovs[i].iov_base = s->memory + (size_t)i * STRIDE_BYTES;
		s->msgs[i].msg_hdr = (struct msghdr){
			.msg_name = &s->from[i],
			.msg_iov = &s->iovs[i],
			.msg_iovlen = 1,
		};
	}
	s->count = BATCH;
	batch_reset(s);
}

int
main(int argc, char **argv)
{
	static struct server s;
	struct net_args args;

	net_args_read(&args, "epoll_udp", argc, argv, 0);
	batch_open(&s);
	loop_open(&s.loop, &args);
	s.fd = net_bind_udp(&args);
	if (loop_watch(&s.loop, EPOLL_CTL_ADD, s.fd, UDP_EVENTS, &s) < 0)
		net_fail("epoll_udp", "cannot watch the socket", errno);
	net_ready(&args, s.fd);
	while (loop_turn(&s.loop, NULL, on_socket, &s))
		;
	return 0;
}
