/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_OPTION_H
#define TORC_CORE_IO_OPTION_H

/*
 * option - a socket's settings, by name, each with its unit
 *
 * An int each; switches are 0 and 1. What is set on a listener holds for the
 * connections that it accepts from then on, at no cost per connection.
 *
 *                            TCP  UDP  Unix
 *   TORC_NODELAY              x             on already
 *   TORC_CORK                 x             keep parts of a segment back
 *   TORC_KEEPALIVE            x             probe a silent peer
 *   TORC_KEEPALIVE_IDLE_S     x             silence before the first probe
 *   TORC_KEEPALIVE_GAP_S      x             between two probes
 *   TORC_KEEPALIVE_PROBES     x             unanswered before the reset
 *   TORC_USER_TIMEOUT_MS      x             sent bytes unanswered until then
 *   TORC_UNSENT_BYTES         x             a send waits with more not sent
 *   TORC_SEGMENT_BYTES        x             largest; set it on the listener
 *   TORC_ACCEPT_DELAY_S       x             a listener waits for first bytes
 *   TORC_FAST_OPEN            x             a listener's pending ones, at most
 *   TORC_SEND_BUF_BYTES       x    x    x   the kernel doubles both, and get
 *   TORC_RECV_BUF_BYTES       x    x    x     shows the double
 *   TORC_TOS                  x    x        the DS field, 0 to 255
 *   TORC_TTL                  x    x        hops, 1 to 255
 *   TORC_PRIORITY             x    x    x   0 to 6
 *   TORC_MARK                 x    x        for routes; privileged
 *   TORC_BUSY_POLL_US         x    x        raising it is privileged
 *   TORC_BROADCAST                 x        allow sending to one
 *   TORC_MULTICAST_TTL             x        of what is sent to a group
 *   TORC_MULTICAST_LOOP            x        hear what one sends to a group
 *
 * TCP congestion control has a text for a value and calls of its own. How a
 * connection ends has torc_close() and torc_abort() instead of SO_LINGER,
 * which would block the shard.
 *
 * Shard   That of the socket.
 * Errors  0; -ENOPROTOOPT for an option that this socket has not, or the
 *         kernel; -EINVAL and -EDOM for a value; -EPERM without the
 *         privilege; -ESHUTDOWN for a listener that has stopped; -ECANCELED
 *         for what the end of the runtime has closed. In the simulation every
 *         option can be set, changes nothing, and cannot be read.
 * Cost    one system call.
 */

#include <stddef.h>

#include <torc/core/io/listener.h>
#include <torc/core/io/stream.h>
#include <torc/core/io/udp.h>

#ifdef __cplusplus
extern "C" {
#endif

enum torc_option {
	TORC_NODELAY,
	TORC_CORK,
	TORC_KEEPALIVE,
	TORC_KEEPALIVE_IDLE_S,
	TORC_KEEPALIVE_GAP_S,
	TORC_KEEPALIVE_PROBES,
	TORC_USER_TIMEOUT_MS,
	TORC_UNSENT_BYTES,
	TORC_SEGMENT_BYTES,
	TORC_ACCEPT_DELAY_S,
	TORC_FAST_OPEN,
	TORC_SEND_BUF_BYTES,
	TORC_RECV_BUF_BYTES,
	TORC_TOS,
	TORC_TTL,
	TORC_PRIORITY,
	TORC_MARK,
	TORC_BUSY_POLL_US,
	TORC_BROADCAST,
	TORC_MULTICAST_TTL,
	TORC_MULTICAST_LOOP,
};

int torc_stream_option_set(struct torc_stream *stream, enum torc_option option,
	int value) __attribute__((warn_unused_result));
int torc_stream_option_get(struct torc_stream *stream, enum torc_option option,
	int *value) __attribute__((warn_unused_result));

int torc_listener_option_set(struct torc_listener *listener,
	enum torc_option option, int value) __attribute__((warn_unused_result));
int torc_listener_option_get(
	struct torc_listener *listener, enum torc_option option, int *value)
	__attribute__((warn_unused_result));

int torc_udp_option_set(struct torc_udp *udp, enum torc_option option,
	int value) __attribute__((warn_unused_result));
int torc_udp_option_get(struct torc_udp *udp, enum torc_option option,
	int *value) __attribute__((warn_unused_result));

/* Room for every name of a congestion control, with its NUL. */
#define TORC_CONGESTION_MAX 16

/*
 * TCP's congestion control: "cubic", "bbr", "reno" ... -ENOENT when the
 * kernel has none of that name; -EPERM when it is not allowed to all.
 */
int torc_stream_congestion_set(struct torc_stream *stream, const char *name)
	__attribute__((warn_unused_result));
int torc_stream_congestion_get(struct torc_stream *stream,
	char name[TORC_CONGESTION_MAX]) __attribute__((warn_unused_result));
int torc_listener_congestion_set(struct torc_listener *listener,
	const char *name) __attribute__((warn_unused_result));

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_OPTION_H */
