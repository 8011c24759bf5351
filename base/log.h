/* SPDX-License-Identifier: MIT */
#ifndef TORC_BASE_LOG_H
#define TORC_BASE_LOG_H

/*
 * log - one line to stderr for a person to read
 *
 *   torc: listening on tcp:127.0.0.1:80        info carries no word
 *   torc: warn: memlock is 64 KiB; ...         error, warn and debug do
 *
 * A message names the likely cause and the next step. It is for rare
 * events: nothing on the data path logs.
 *
 * Core      Any thread. Each line is one write(2), so that lines of several
 *           threads do not mix. Never allocates; errno is preserved.
 * Limits    A line is at most TORC_LOG_LINE_MAX bytes with its newline; a
 *           longer one is cut and ends in "...". Control characters come
 *           out as \xHH: text from a peer cannot forge a line.
 * Level     TORC_LOG=error|warn|info|debug in the environment, else info.
 *           torc_log_level_set() overrides both.
 */

#ifdef __cplusplus
extern "C" {
#endif

#define TORC_LOG_LINE_MAX 1024

enum torc_log_level {
	TORC_LOG_ERROR, /* something the user asked for did not happen */
	TORC_LOG_WARN,  /* it happens, but worse than it could */
	TORC_LOG_INFO,  /* what an operator wants to see once */
	TORC_LOG_DEBUG  /* what a developer wants to see */
};

/* Write one line; fmt as for printf, without a newline at its end. */
void torc_log(enum torc_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Drop lines that matter less than `level` from now on. */
void torc_log_level_set(enum torc_log_level level);

/* The word lines begin with; `name` is kept, not copied. Default "torc". */
void torc_log_name(const char *name);

#ifdef __cplusplus
}
#endif

#endif /* TORC_BASE_LOG_H */
