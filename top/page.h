/* SPDX-License-Identifier: MIT */
#ifndef TORC_TOP_PAGE_H
#define TORC_TOP_PAGE_H

/*
 * page - the numbers that another process tells, read and not believed
 *
 * It is read with pread(2) and not mapped: a page that its process makes
 * shorter is then a short read here, and no SIGBUS.
 *
 * Lifetime  open takes the descriptor, close gives it back. A page outlives
 *           its process for as long as it is open here.
 * Errors    Whatever is not exactly a page of this version is none.
 */

#include <stdbool.h>
#include <stdint.h>

#include <torc/core/metrics.h>

enum page_result {
	PAGE_FOUND,
	PAGE_NONE,    /* something else, or not written yet */
	PAGE_VERSION, /* of another torc: see page->version */
	PAGE_BROKEN   /* it contradicts itself */
};

struct page {
	int fd;
	uint32_t version;
	uint32_t shards_count;
	uint32_t pid; /* as its process knows itself */
	uint64_t began_ns;
	/* Printable, whatever is there. */
	char engine[17];
	char program[33];
};

/* What a shard told last. */
struct slot {
	uint64_t told_ns;        /* 0: nothing yet */
	uint64_t awake_since_ns; /* 0: asleep since told_ns */
	struct torc_metrics metrics;
};

/* Takes `fd`, also when it is no page. */
enum page_result page_open(struct page *page, int fd);
void page_close(struct page *page);

/* The runtime that wrote it has ended; its process may go on. */
bool page_is_over(const struct page *page);

/*
 * A copy of one moment. False: there was none to be had, since the writer was
 * in the middle of it each time, or the page has become too short.
 */
bool page_read(const struct page *page, uint32_t index, struct slot *slot);

#endif /* TORC_TOP_PAGE_H */
