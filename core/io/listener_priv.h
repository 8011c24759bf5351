/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_LISTENER_PRIV_H
#define TORC_CORE_IO_LISTENER_PRIV_H

#include <torc/core/io/listener.h>

struct torc_shard;

/* One with a socket that listens there. It takes `fd`, but not to fail: NULL.
 */
struct torc_listener *torc__listener_adopt(
	struct torc_shard *shard, int fd, const struct torc_address *address);

/* Its socket; -ESHUTDOWN once it has stopped; -ECANCELED: the runtime ends. */
int torc__listener_fd(const struct torc_listener *listener);

#endif /* TORC_CORE_IO_LISTENER_PRIV_H */
