/* SPDX-License-Identifier: MIT */
#include <torc/base/log.h>

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert_priv.h"

#define LEVEL_UNKNOWN (-1) /* the environment was not read yet */

/*
 * Relaxed everywhere: neither value guards other memory, and the name
 * points to a string that was there before its address was stored.
 */
static _Atomic int log_level = LEVEL_UNKNOWN;
static const char *_Atomic log_program = "torc";

static const char *const level_words[] = {
	[TORC_LOG_ERROR] = "error",
	[TORC_LOG_WARN] = "warn",
	[TORC_LOG_INFO] = "info",
	[TORC_LOG_DEBUG] = "debug",
};

static int
level_from_environment(void)
{
	const char *word = getenv("TORC_LOG");

	for (int i = TORC_LOG_ERROR; word && i <= TORC_LOG_DEBUG; i++) {
		if (strcmp(word, level_words[i]) == 0)
			return i;
	}
	return TORC_LOG_INFO;
}

static int
level_now(void)
{
	int level = atomic_load_explicit(&log_level, memory_order_relaxed);

	if (torc_likely(level != LEVEL_UNKNOWN))
		return level;

	/* Compare and swap: a level_set() meanwhile must not be undone. */
	int found = level_from_environment();

	if (atomic_compare_exchange_strong_explicit(&log_level, &level, found,
		    memory_order_relaxed, memory_order_relaxed))
		return found;
	return level;
}

void
torc_log_level_set(enum torc_log_level level)
{
	atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

void
torc_log_name(const char *name)
{
	torc_assert(name != NULL);
	atomic_store_explicit(&log_program, name, memory_order_relaxed);
}

/* A line under construction; one byte stays reserved for the newline. */
struct line {
	char bytes[TORC_LOG_LINE_MAX];
	size_t len;
	bool is_cut;
};

#define LINE_TEXT_MAX (TORC_LOG_LINE_MAX - 1)

static void
line_append(struct line *line, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;
		char piece[5] = { (char)byte, '\0' };
		size_t len = 1;

		if (byte < 0x20 || byte == 0x7f)
			len = (size_t)snprintf(
				piece, sizeof(piece), "\\x%02x", byte);
		if (line->len + len > LINE_TEXT_MAX) {
			line->is_cut = true;
			return;
		}
		memcpy(line->bytes + line->len, piece, len);
		line->len += len;
	}
}

static void
line_write(struct line *line)
{
	static const char dots[] = "...";

	if (line->is_cut) {
		size_t keep = LINE_TEXT_MAX - (sizeof(dots) - 1);

		if (line->len > keep)
			line->len = keep;
		memcpy(line->bytes + line->len, dots, sizeof(dots) - 1);
		line->len += sizeof(dots) - 1;
	}
	line->bytes[line->len++] = '\n';

	/* A log that cannot be written has no one to complain to. */
	while (write(STDERR_FILENO, line->bytes, line->len) < 0 &&
		errno == EINTR)
		;
}

void
torc_log(enum torc_log_level level, const char *fmt, ...)
{
	char text[TORC_LOG_LINE_MAX];
	struct line line;
	int errno_saved = errno;
	va_list args;

	if ((int)level > level_now())
		return;

	va_start(args, fmt);
	int len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (len < 0)
		text[0] = '\0';

	line.len = 0;
	line.is_cut = false;
	line_append(&line,
		atomic_load_explicit(&log_program, memory_order_relaxed));
	line_append(&line, ": ");
	if (level != TORC_LOG_INFO) {
		line_append(&line, level_words[level]);
		line_append(&line, ": ");
	}
	line_append(&line, text);
	if (len >= (int)sizeof(text))
		line.is_cut = true;
	line_write(&line);
	errno = errno_saved;
}
