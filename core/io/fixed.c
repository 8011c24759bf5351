/* SPDX-License-Identifier: MIT */
#include "core/io/fixed_priv.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>

#include <torc/base/log.h>

static __attribute__((cold)) void
say_refused(const struct torc_shard *shard, int error)
{
	static atomic_flag is_said = ATOMIC_FLAG_INIT;

	if (atomic_flag_test_and_set(&is_said))
		return;
	if (error == -ENOMEM)
		torc_log(TORC_LOG_WARN,
			"the locked-memory limit is too small to register the "
			"memory of torc_io_alloc(): going on without, which "
			"pins pages for each operation; set ulimit -l (or "
			"LimitMEMLOCK=) to %zu KiB per shard, or "
			"torc_options.io_bytes_max lower",
			shard->io.region.bytes / 1024 + TORC__MEMLOCK_KIB);
	else
		torc_log(TORC_LOG_WARN,
			"the %s engine does not register the memory of "
			"torc_io_alloc() (%s): going on without",
			shard->ring.engine->name, strerror(-error));
}

__attribute__((noinline, cold)) bool
torc__fixed_register(struct torc_shard *shard)
{
	struct torc_io *io = &shard->io;
	struct iovec all = { io->region.base, io->region.bytes };
	int ret = shard->ring.engine->reg(
		&shard->ring, IORING_REGISTER_BUFFERS, &all, 1);

	io->is_tried = true;
	io->is_fixed = ret == 0;
	if (ret < 0)
		say_refused(shard, ret);
	return io->is_fixed;
}
