/* SPDX-License-Identifier: MIT */
#ifndef TORC_DOCTOR_PROBES_H
#define TORC_DOCTOR_PROBES_H

/*
 * probes - what is tried, one group of rows each
 *
 * Everything is tried on rings and sockets that are thrown away, and nothing
 * waits for longer than a second.
 */

#include <stddef.h>
#include <stdint.h>

#include "doctor/report.h"

struct io_uring;

/* io_uring as a whole; true when the kernel engine is usable. */
bool probe_engine(struct report *report);

/* These need a ring; call them only where there is one. */
void probe_setup(struct report *report);
void probe_opcodes(struct report *report);
void probe_operations(struct report *report);

void probe_limits(struct report *report, bool has_ring);
void probe_machine(struct report *report);
void probe_network(struct report *report);

/* 0, or -ENODEV when there is no such interface. */
int probe_nic(struct report *report, const char *name);

/* ---- what they share ---- */

/*
 * A ring that is closed holds its locked memory for a moment longer: wait
 * that moment, and true to try again, as long as `tries` lasts.
 */
bool is_worth_another_try(int error, unsigned *tries);
#define PROBE_TRIES 100

/* A small ring: 0 or -errno. */
int open_small_ring(struct io_uring *ring, uint32_t setup_flags);

/* The first line of a small file without its end; false when unreadable. */
bool read_line(const char *path, char *line, size_t bytes);

#endif /* TORC_DOCTOR_PROBES_H */
