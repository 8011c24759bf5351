/* SPDX-License-Identifier: MIT */
#ifndef TORC_H
#define TORC_H

/*
 * torc - a completion-based, thread-per-core runtime over io_uring
 *
 * All of the public interface. Each header stands alone as well and opens
 * with its contract: lifetime, which shard may call, errors, kernel.
 */

#include <torc/alloc/arena.h>
#include <torc/alloc/io.h>
#include <torc/base/clock.h>
#include <torc/base/histogram.h>
#include <torc/base/list.h>
#include <torc/base/log.h>
#include <torc/base/probe.h>
#include <torc/core/blocking.h>
#include <torc/core/channel/broadcast.h>
#include <torc/core/channel/channel.h>
#include <torc/core/channel/oneshot.h>
#include <torc/core/channel/wait.h>
#include <torc/core/channel/watch.h>
#include <torc/core/future.h>
#include <torc/core/group.h>
#include <torc/core/io/address.h>
#include <torc/core/io/adopt.h>
#include <torc/core/io/bytes.h>
#include <torc/core/io/connect.h>
#include <torc/core/io/copy.h>
#include <torc/core/io/credentials.h>
#include <torc/core/io/dir.h>
#include <torc/core/io/fds.h>
#include <torc/core/io/file.h>
#include <torc/core/io/listener.h>
#include <torc/core/io/option.h>
#include <torc/core/io/pair.h>
#include <torc/core/io/path.h>
#include <torc/core/io/pipe.h>
#include <torc/core/io/process.h>
#include <torc/core/io/reader.h>
#include <torc/core/io/relay.h>
#include <torc/core/io/resolve.h>
#include <torc/core/io/send_file.h>
#include <torc/core/io/signal.h>
#include <torc/core/io/source.h>
#include <torc/core/io/stat.h>
#include <torc/core/io/stdio.h>
#include <torc/core/io/stream.h>
#include <torc/core/io/udp.h>
#include <torc/core/io/writer.h>
#include <torc/core/local.h>
#include <torc/core/message.h>
#include <torc/core/metrics.h>
#include <torc/core/place.h>
#include <torc/core/remote.h>
#include <torc/core/runtime.h>
#include <torc/core/sleep.h>
#include <torc/core/sync/barrier.h>
#include <torc/core/sync/condition.h>
#include <torc/core/sync/mutex.h>
#include <torc/core/sync/notify.h>
#include <torc/core/sync/once.h>
#include <torc/core/sync/rwlock.h>
#include <torc/core/sync/semaphore.h>
#include <torc/core/sync/waiter.h>
#include <torc/core/task.h>
#include <torc/core/ticker.h>
#include <torc/core/timer.h>
#include <torc/uring/op.h>

#endif /* TORC_H */
