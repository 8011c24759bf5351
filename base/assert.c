/* SPDX-License-Identifier: MIT */
#include "base/assert_priv.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_MAX_BYTES 512

/* Set once, by whoever knows about tasks; store and load pair. */
static torc_panic_context_fn *_Atomic context;

void
torc__panic_context_set(torc_panic_context_fn *fn)
{
	atomic_store(&context, fn);
}

/* What is in the line when `len` bytes were to be; one stays for the end. */
static int
cut(int len, size_t bytes)
{
	return len > (int)bytes - 1 ? (int)bytes - 1 : len;
}

/*
 * One write(2) and no stdio stream: stdio may hold its lock, or be the very
 * thing that is broken.
 */
static void
last_line(const char *prefix, const char *fmt, va_list args)
{
	char line[LINE_MAX_BYTES];
	int len = snprintf(line, sizeof(line), "%s", prefix);
	int text = vsnprintf(line + len, sizeof(line) - (size_t)len, fmt, args);
	torc_panic_context_fn *where;

	if (text > 0)
		len += text;
	len = cut(len, sizeof(line));
	where = atomic_load(&context);
	if (where != NULL) {
		text = where(line + len, sizeof(line) - (size_t)len);
		len = cut(len + text, sizeof(line));
	}
	line[len] = '\n';
	if (write(STDERR_FILENO, line, (size_t)len + 1) < 0)
		return; /* nobody is left to be told */
}

void
torc__panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	last_line("torc: panic: ", fmt, args);
	va_end(args);
	abort();
}

__attribute__((noreturn, cold, format(printf, 1, 2))) static void
fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	last_line("", fmt, args);
	va_end(args);
	abort();
}

void
torc__assert_fail(const char *expr, const char *file, int line)
{
	fail("%s:%d: torc_assert(%s)", file, line, expr);
}
