/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_ADDRESS_H
#define TORC_CORE_IO_ADDRESS_H

/*
 * address - where to listen or connect, as text and as a socket address
 *
 *   HOST:PORT        TCP, like tcp:HOST:PORT
 *   udp:HOST:PORT    UDP
 *   unix:PATH        a stream socket in the file system
 *   @NAME            a stream socket in the abstract namespace; also
 *                    unix:@NAME (a file whose name begins with @ is
 *                    unix:./@...)
 *   unix-seqpacket:PATH, unix-seqpacket:@NAME   connections that keep
 *                    messages apart
 *   unix-dgram:PATH, unix-dgram:@NAME           datagrams; without a NAME
 *                    the kernel chooses one to bind, as with port 0
 *
 *   HOST   127.0.0.1   [::1]   [fe80::1%eth0]   a name   * or nothing
 *   PORT   0 to 65535; 0 lets the kernel choose one to listen on
 *
 * `*` and an empty host are 0.0.0.0: IPv4 only, on every machine the same.
 * Write [::] for IPv6 (and IPv4 too, unless the socket is IPV6_V6ONLY).
 * A name with several addresses gives its first IPv4 one, or else its first
 * IPv6 one.
 *
 * Lifetime  A plain value: copy it, keep it, forget it.
 * Core      Any thread. A numeric host never blocks. A name is looked up
 *           with getaddrinfo(3), which blocks and allocates: call it at
 *           start-up; a task has torc_resolve().
 * Errors    0 or -errno.
 */

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Enough for every text torc_address_format() makes, with its NUL. */
#define TORC_ADDRESS_TEXT_MAX 128

enum torc_address_type {
	TORC_TCP,
	TORC_UDP,
	TORC_UNIX, /* a stream */
	TORC_UNIX_SEQPACKET,
	TORC_UNIX_DGRAM,
};

struct torc_address {
	int type;      /* enum torc_address_type */
	socklen_t len; /* of the member below that is in use */
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
		struct sockaddr_storage storage;
	};
};

/*
 * Turn text into an address.
 *
 * After    On success *out is complete; on failure it is untouched.
 * Returns  0; -EINVAL for a text that is wrong; -ENAMETOOLONG for a socket
 *          path that does not fit; -ENODEV for a zone that is no interface;
 *          -ENOENT or -EAGAIN when a name was not found or could not be
 *          looked up; -ENOMEM. On failure *why (unless `why` is NULL) is a
 *          static phrase to show to a user: "port must be 0 to 65535".
 */
int torc_address_parse(struct torc_address *out, const char *text,
	const char **why) __attribute__((warn_unused_result));

/*
 * Write the canonical text, which torc_address_parse() takes back:
 * tcp:127.0.0.1:80, tcp:[::1]:80, udp:0.0.0.0:53, unix:/run/x, @name,
 * unix-seqpacket:/run/x, unix-dgram:@name.
 *
 * A peer without a name is "unix:". A NUL inside an abstract name comes out
 * as @, the way the kernel prints it; only such names do not come back.
 * Returns  the length without the NUL; -ENOSPC when `bytes` is too few;
 *          -EAFNOSUPPORT for a family that is none of ours.
 */
int torc_address_format(const struct torc_address *address, char *buf,
	size_t bytes) __attribute__((warn_unused_result));

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_ADDRESS_H */
