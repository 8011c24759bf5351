/* SPDX-License-Identifier: MIT */
/*
 * Standard input, output and error of a program that was started without.
 * Whatever is opened next has their numbers: a ring that gets the log's lines,
 * a doorbell that a print rings.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <torc/base/log.h>

#include "core/runtime_priv.h"

/* Read: the end. Written: -EPERM. */
static int
open_empty(void)
{
	int fd = memfd_create("torc-standard", MFD_ALLOW_SEALING);

	if (fd >= 0)
		(void)fcntl(fd, F_ADD_SEALS,
			F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SEAL);
	return fd;
}

static int
hold(int fd)
{
	int opened;

	if (fcntl(fd, F_GETFD) >= 0)
		return 0;
	/* The lowest number that is free, which this one is. */
	opened = open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY);
	/* A root without /dev. */
	if (opened < 0)
		opened = open_empty();
	if (opened < 0)
		return -errno;
	/* Another thread was quicker. */
	if (opened > STDERR_FILENO)
		close(opened);
	return 0;
}

int
torc__standard_hold(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		int ret = hold(fd);

		if (ret == 0)
			continue;
		torc_log(TORC_LOG_ERROR,
			"descriptor %d is closed, and neither /dev/null nor an "
			"empty file can be opened in its place: %s",
			fd, strerror(-ret));
		return ret;
	}
	return 0;
}
