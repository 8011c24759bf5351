/* SPDX-License-Identifier: MIT */
#ifndef TORC_URING_SIM_PRIV_H
#define TORC_URING_SIM_PRIV_H

/*
 * sim - an engine whose network, clock and kernel come from one seed
 *
 * All rings of a process share one world. Its time stands still while tasks
 * run and jumps when every shard waits. Whatever the kernel is free to do is
 * drawn from the seed: the same seed and program give the same run, down to
 * the order of completions, and torc_sim_result.hash proves it.
 *
 * Lifetime  A world begins with torc__sim_begin() and ends with
 *           torc__sim_end(); without them (TORC_ENGINE=sim) it begins with
 *           the first ring and ends with the last descriptor.
 * Shard     torc__sim_begin() and torc__sim_end(): outside a runtime. The
 *           rest: a task of a shard.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uring/engine_priv.h"

/* What an adversary may do; each is legal, or happens on real networks. */
#define TORC__SIM_FAULTS(X)                                                 \
	X(SHORT_SEND, "short-send", "a send or write takes a part")         \
	X(SHORT_RECV, "short-recv", "a receive or read gives a part")       \
	X(NO_BUFS, "no-bufs", "-ENOBUFS although buffers exist")            \
	X(MULTISHOT_END, "multishot-end", "a multishot ends with a result") \
	X(REORDER, "reorder", "completions change places")                  \
	X(PUNT, "punt", "what could complete at once comes later")          \
	X(CANCEL_LATE, "cancel-late", "a cancel leaves its target running") \
	X(CQ_SMALL, "cq-small", "the completion queue overflows")           \
	X(ENTER_EINTR, "eintr", "a wait ends with -EINTR")                  \
	X(ENTER_EMPTY, "empty-wait", "a wait ends with nothing")            \
	X(ENTER_REFUSED, "enter-refused", "-EAGAIN, -EBUSY or -ENOMEM")     \
	X(ENTER_SHORT, "short-submit", "a part of the SQEs is taken")       \
	X(EMFILE, "emfile", "what opens one finds no descriptor")           \
	X(NO_CAP, "no-cap", "a kernel that refuses a capped receive")       \
	X(SWALLOW, "swallow", "a send that gives a part takes the error")   \
	X(RESET, "reset", "the network resets a connection")                \
	X(REFUSE, "refuse", "a connect is refused")                         \
	X(BLACKHOLE, "blackhole", "a connect is never answered")            \
	X(ABORTED, "aborted", "accept finds the connection gone")           \
	X(LOSS, "loss", "a datagram is lost")                               \
	X(SHUFFLE, "shuffle", "datagrams overtake each other")              \
	X(SLOW, "slow", "a connection is slow or has tiny buffers")         \
	X(SWITCH, "switch", "another shard runs in between")                \
	X(DISK_ERROR, "disk-error", "a file's read, write or sync fails")

enum torc_sim_fault_kind {
#define X(name, text, what) TORC__SIM_##name,
	TORC__SIM_FAULTS(X)
#undef X
		TORC__SIM_FAULT_COUNT
};

/* A rate of 65536 is always. */
#define TORC__SIM_ALWAYS 65536u

/* Why a run cannot go on. */
enum torc_sim_stuck_kind {
	TORC__SIM_FINE,
	TORC__SIM_DEADLOCK,
	TORC__SIM_STEPS_OVER,
	TORC__SIM_TIME_OVER,
};

/* Zero means default. */
struct torc_sim_config {
	uint64_t seed;
	uint64_t latency_min_ns; /* one way; drawn per connection */
	uint64_t latency_max_ns;
	uint64_t bytes_per_s;
	uint32_t sndbuf_bytes;
	uint32_t rcvbuf_bytes;
	uint32_t fds_max;
	uint64_t disk_bytes;
	uint64_t steps_max;
	uint64_t time_max_ns;
	uint32_t rates[TORC__SIM_FAULT_COUNT];

	/*
	 * The run cannot go on; called once. It should make tasks end. NULL:
	 * the process ends.
	 */
	void (*on_stuck)(enum torc_sim_stuck_kind kind);
};

struct torc_sim_counts {
	uint64_t hash;
	uint64_t completions;
	uint64_t steps;
	uint64_t faults;
	uint64_t elapsed_ns; /* virtual */
	uint64_t accepted;
	enum torc_sim_stuck_kind stuck;
	uint32_t fds_left;
	uint32_t ops_left; /* in flight when their ring closed */
};

void torc__sim_config_init(struct torc_sim_config *config);

/* 0; -EBUSY while another world exists; -ENOMEM. */
int torc__sim_begin(const struct torc_sim_config *config);

/* Everything since torc__sim_begin(), and the world is gone. */
void torc__sim_end(struct torc_sim_counts *counts);

/* What happened last and what waits, to stderr, at most `events` lines. */
void torc__sim_report(unsigned events);

/* As kill(2) would send it. */
void torc__sim_raise(int signo);

/* The network resets the connection of this descriptor. */
void torc__sim_reset(int fd);

uint64_t torc__sim_now_ns(void);

/* The name and the description of a fault. */
const char *torc__sim_fault_name(enum torc_sim_fault_kind kind);
const char *torc__sim_fault_what(enum torc_sim_fault_kind kind);

#endif /* TORC_URING_SIM_PRIV_H */
