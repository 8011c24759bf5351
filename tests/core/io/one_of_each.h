/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_CORE_IO_ONE_OF_EACH_H
#define TORC_TESTS_CORE_IO_ONE_OF_EACH_H

/*
 * one_of_each - an object of each kind that holds a descriptor
 */

#include <signal.h>

#include "tests/core/io/fixture.h"

struct one_of_each {
	struct torc_stream *near, *far; /* connected to each other */
	struct torc_listener *listener;
	struct torc_udp *udp;
	struct torc_pipe *reader, *writer;
	struct torc_file *file;
	struct torc_dir *dir;
	struct torc_process *process;
	struct torc_signals *signals; /* SIGUSR1 */
};

static struct one_of_each all;

static inline void
open_usr1(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	must_be(torc_signals_open(&all.signals, &set), 0);
}

/* The process is as `options` say. */
static inline void
open_one_of_each(const struct torc_process_options *options)
{
	struct torc_address address = address_of(TCP);
	struct torc_address datagrams = address_of("udp:127.0.0.1:0");

	must_be(torc_stream_pair(&all.near, &all.far), 0);
	must_be(torc_listen(&all.listener, &address, NULL), 0);
	must_be(torc_udp_bind(&all.udp, &datagrams), 0);
	must_be(torc_pipe_open(&all.reader, &all.writer), 0);
	must_be(torc_file_open(&all.file, "/dev/null", O_RDWR, 0), 0);
	must_be(torc_dir_open(&all.dir, "/"), 0);
	must_be(torc_process_spawn(&all.process, options), 0);
	open_usr1();
}

#endif /* TORC_TESTS_CORE_IO_ONE_OF_EACH_H */
