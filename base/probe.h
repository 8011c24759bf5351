/* SPDX-License-Identifier: MIT */
#ifndef TORC_BASE_PROBE_H
#define TORC_BASE_PROBE_H

/*
 * probe - a named point of a running program that others can look at
 *
 * TORC_PROBE2(shop, order__begin, order, cents) is one nop, and beside it, in
 * a section that is not loaded, a note: where the nop is, and in which
 * register or memory its arguments are. perf, bpftrace, gdb and SystemTap
 * read such notes (USDT) and put a breakpoint there; a program that nobody
 * looks at runs over the nop. torc's own are in torc(7), under PROBES, and
 * perf/probes/ has scripts for them.
 *
 * Names      provider and probe are written as they are, not quoted; two
 *            underscores stand where dtrace writes a dash. The same name may
 *            be at several places, with as many arguments.
 * Arguments  Integers and pointers that are in a register or in memory
 *            anyway cost nothing. What has to be computed first is computed
 *            every time, looked at or not. An array is its address.
 * Shard      Any thread.
 * Errors     None.
 * Kernel     Any; needs gcc 9 or clang 11. With TORC_PROBES defined as 0 there
 *            is nothing, and arguments are not evaluated.
 */

#ifdef __cplusplus
#include <type_traits>
#endif

#ifndef TORC_PROBES
#define TORC_PROBES 1
#endif

#if TORC_PROBES

#ifdef __cplusplus
#define TORC_PROBE_SIGNED(x) \
	std::is_signed<typename std::decay<decltype(x)>::type>::value
#else
/* clang-format off */
#define TORC_PROBE_SIGNED(x) \
	_Generic((x), char: (char)-1 < 0, signed char: 1, short: 1, int: 1, \
		long: 1, long long: 1, default: 0)
/* clang-format on */
#endif

/* Where it is. Of "nor" clang makes "o", and stores first what is in none. */
#ifdef __clang__
#define TORC_PROBE_ANYWHERE "nr"
#else
#define TORC_PROBE_ANYWHERE "nor"
#endif

/* Of an array, class 5 like the pointer that it decays to, that pointer's. */
#define TORC_PROBE_BYTES(x) \
	((int)(__builtin_classify_type(x) == 5 ? sizeof(void *) : sizeof(x)))

/* %n prints a number the other way round: "8" is unsigned, "-8" is signed. */
#define TORC_PROBE_ARG(x)                                 \
	"n"(TORC_PROBE_SIGNED(x) ? TORC_PROBE_BYTES(x)    \
				 : -TORC_PROBE_BYTES(x)), \
		TORC_PROBE_ANYWHERE(x)

/*
 * For TORC_PROBE_EMIT(): an argument that is a field, described where it lies
 * even if a register holds it too, or the compiler knows its value: perf 6.1
 * drops constants, and refuses a probe that has one at some places only.
 */
#define TORC_PROBE_FIELD(x) \
	"n"(TORC_PROBE_SIGNED(x) ? (int)sizeof(x) : -(int)sizeof(x)), "m"(x)

/*
 * The note's layout is that of SystemTap's version 3: lengths and type; owner;
 * address of the nop, of the base, of no semaphore; provider, name, arguments
 * as SIZE@OPERAND. By the base, of which a program has one, readers see
 * whether somebody moved its segments. "inline": else the compiler takes each
 * line for an instruction, and no longer inlines the function around it.
 */
#define TORC_PROBE_EMIT(provider, name, args, ...)                    \
	__asm__ __inline__ __volatile__(                              \
		"990:	nop\n"                                          \
		"	.pushsection .note.stapsdt, \"?\", \"note\"\n"      \
		"	.balign 4\n"                                        \
		"	.4byte 992f - 991f, 994f - 993f, 3\n"               \
		"991:	.asciz \"stapsdt\"\n"                           \
		"992:	.balign 4\n"                                    \
		"993:	.8byte 990b\n"                                  \
		"	.8byte _.stapsdt.base\n"                            \
		"	.8byte 0\n"                                         \
		"	.asciz \"" provider "\"\n"                    \
		"	.asciz \"" name "\"\n"                        \
		"	.asciz \"" args "\"\n"                        \
		"994:	.balign 4\n"                                    \
		"	.popsection\n"                                      \
		"	.ifndef _.stapsdt.base\n"                           \
		"	.pushsection .stapsdt.base, \"aG\", \"progbits\", " \
		".stapsdt.base, comdat\n"                             \
		"	.weak _.stapsdt.base\n"                             \
		"	.hidden _.stapsdt.base\n"                           \
		"_.stapsdt.base: .space 1\n"                          \
		"	.size _.stapsdt.base, 1\n"                          \
		"	.popsection\n"                                      \
		"	.endif\n" ::__VA_ARGS__)

#define TORC_PROBE_1 "%n0@%1"
#define TORC_PROBE_2 TORC_PROBE_1 " %n2@%3"
#define TORC_PROBE_3 TORC_PROBE_2 " %n4@%5"
#define TORC_PROBE_4 TORC_PROBE_3 " %n6@%7"
#define TORC_PROBE_5 TORC_PROBE_4 " %n8@%9"

#define TORC_PROBE1(provider, name, a) \
	TORC_PROBE_EMIT(#provider, #name, TORC_PROBE_1, TORC_PROBE_ARG(a))
#define TORC_PROBE2(provider, name, a, b)                                  \
	TORC_PROBE_EMIT(#provider, #name, TORC_PROBE_2, TORC_PROBE_ARG(a), \
		TORC_PROBE_ARG(b))
#define TORC_PROBE3(provider, name, a, b, c)                               \
	TORC_PROBE_EMIT(#provider, #name, TORC_PROBE_3, TORC_PROBE_ARG(a), \
		TORC_PROBE_ARG(b), TORC_PROBE_ARG(c))
#define TORC_PROBE4(provider, name, a, b, c, d)                            \
	TORC_PROBE_EMIT(#provider, #name, TORC_PROBE_4, TORC_PROBE_ARG(a), \
		TORC_PROBE_ARG(b), TORC_PROBE_ARG(c), TORC_PROBE_ARG(d))
#define TORC_PROBE5(provider, name, a, b, c, d, e)                         \
	TORC_PROBE_EMIT(#provider, #name, TORC_PROBE_5, TORC_PROBE_ARG(a), \
		TORC_PROBE_ARG(b), TORC_PROBE_ARG(c), TORC_PROBE_ARG(d),   \
		TORC_PROBE_ARG(e))

#else

#define TORC_PROBE_EMIT(provider, name, args, ...) ((void)0)
#define TORC_PROBE1(provider, name, a) ((void)sizeof(a))
#define TORC_PROBE2(provider, name, a, b) ((void)sizeof(a), (void)sizeof(b))
#define TORC_PROBE3(provider, name, a, b, c) \
	(TORC_PROBE2(provider, name, a, b), (void)sizeof(c))
#define TORC_PROBE4(provider, name, a, b, c, d) \
	(TORC_PROBE3(provider, name, a, b, c), (void)sizeof(d))
#define TORC_PROBE5(provider, name, a, b, c, d, e) \
	(TORC_PROBE4(provider, name, a, b, c, d), (void)sizeof(e))

#endif

#endif /* TORC_BASE_PROBE_H */
