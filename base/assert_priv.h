/* SPDX-License-Identifier: MIT */
#ifndef TORC_BASE_ASSERT_PRIV_H
#define TORC_BASE_ASSERT_PRIV_H

/*
 * assert - three strengths of "this cannot happen", and a last word
 *
 *   torc_assert(e)  always on; e is cheap (a load and a compare)
 *   torc_check(e)   on unless TORC_CHECK=0; e may walk a few fields
 *   torc_audit(e)   on when TORC_CHECK=2; e may walk a whole structure
 *   torc__panic()   no way on, and a sentence is needed to say why
 *
 * They are for bugs. What a peer, the kernel or the machine can cause is
 * an error value, never an assertion. Each writes one line to stderr with
 * one write(2) and aborts; none allocates or takes a lock.
 */

#include <stddef.h>

#ifndef TORC_CHECK
#define TORC_CHECK 1
#endif

#define torc_likely(e) __builtin_expect(!!(e), 1)
#define torc_unlikely(e) __builtin_expect(!!(e), 0)

void torc__assert_fail(const char *expr, const char *file, int line)
	__attribute__((noreturn, cold));

void torc__panic(const char *fmt, ...)
	__attribute__((noreturn, cold, format(printf, 1, 2)));

/*
 * What ends each of these lines: it writes at most `bytes` with the NUL, and
 * returns how long it is. It runs in a program that is broken already.
 */
typedef int torc_panic_context_fn(char *text, size_t bytes);
void torc__panic_context_set(torc_panic_context_fn *fn);

#define torc_assert(e) \
	(torc_likely(e) ? (void)0 : torc__assert_fail(#e, __FILE__, __LINE__))

#if TORC_CHECK >= 1
#define torc_check(e) torc_assert(e)
#else
#define torc_check(e) ((void)sizeof(!(e)))
#endif

#if TORC_CHECK >= 2
#define torc_audit(e) torc_assert(e)
#else
#define torc_audit(e) ((void)sizeof(!(e)))
#endif

#endif /* TORC_BASE_ASSERT_PRIV_H */
