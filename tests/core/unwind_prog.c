/* SPDX-License-Identifier: MIT */
/*
 * What tests/core/unwind_gdb_test.sh looks at: two contexts that switch to
 * each other once, and a function inside the second one to stop in.
 */
#include <stdio.h>

#include "core/switch_priv.h"

#define STACK_BYTES ((size_t)64 * 1024)

void stop_here(void);

static _Alignas(16) char stack[STACK_BYTES];
static void *main_sp, *context_sp;

__attribute__((noinline)) void
stop_here(void)
{
	(void)puts("in the context");
}

__attribute__((noinline)) static void
inner(void)
{
	stop_here();
	__asm__ volatile(""); /* no tail call: the frame is to be seen */
}

static void
context_main(void *arg)
{
	(void)arg;
	for (;;) {
		inner();
		torc__switch(&context_sp, main_sp);
	}
}

int
main(void)
{
	context_sp =
		torc__switch_prepare(stack + sizeof(stack), context_main, NULL);
	torc__switch(&main_sp, context_sp);
	torc__switch(&main_sp, context_sp);
	return 0;
}
