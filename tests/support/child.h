/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_SUPPORT_CHILD_H
#define TORC_TESTS_SUPPORT_CHILD_H

/*
 * child - a program of a test that runs in a process of its own
 *
 * For what ends a process: a mistake, which must end it with words that name
 * it, a signal, a limit that cannot be taken back. A child that hangs is
 * ended by SIGALRM after a minute.
 *
 * Texts that are returned are valid until the next child runs.
 */

#include <stddef.h>
#include <stdint.h>

#include <torc/core/task.h>

/*
 * Run fn in a child, which ends by _exit(fn's result). Returns its wait
 * status; what it wrote to stderr is in `text`.
 */
int run_in_child(int (*fn)(void), char *text, size_t text_bytes);

/* Run fn in a child, where it must return `expected`; what it wrote. */
const char *child_text(int (*fn)(void), int expected);

/* Run fn in a child, which must end by SIGABRT; what it wrote before. */
const char *last_words(int (*fn)(void));

/* The same of fn(arg) as the main task of a runtime of so many shards. */
const char *last_words_of_run(torc_task_fn *fn, void *arg, uint32_t shards);

/* The test fails, and shows both, unless `words` stand in `text`. */
void assert_says(const char *text, const char *words);

struct mistake_row {
	int (*fn)(void);
	const char *words;
};

/* Each of them, in a child of its own, ends by SIGABRT and with its words. */
#define assert_mistakes(rows) \
	assert_mistakes_of(rows, sizeof(rows) / sizeof((rows)[0]))
void assert_mistakes_of(const struct mistake_row *rows, size_t count);

/* How many descriptors this process has open. */
int fds_open(void);

#endif /* TORC_TESTS_SUPPORT_CHILD_H */
