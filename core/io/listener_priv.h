/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_LISTENER_PRIV_H
#define TORC_CORE_IO_LISTENER_PRIV_H

#include <torc/core/io/listener.h>

/* Its socket; -ESHUTDOWN once it has stopped; -ECANCELED: the runtime ends. */
int torc__listener_fd(const struct torc_listener *listener);

#endif /* TORC_CORE_IO_LISTENER_PRIV_H */
