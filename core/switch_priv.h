/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_SWITCH_PRIV_H
#define TORC_CORE_SWITCH_PRIV_H

/*
 * switch - leave one stack and go on with another
 *
 * A parked context is one pointer: the stack pointer of a frame that holds
 * the callee-saved registers and the address to return to. Each frame has
 * the same layout, so the unwind information of torc__switch is right
 * before and after the stack pointer changes, and so is the chain of frame
 * pointers.
 *
 * Not switched, on purpose:
 *   mxcsr, x87 control word, fpcr  rounding and trap modes belong to the
 *       thread, like errno. Loading them costs more than all the rest, and
 *       no code changes them around a call that may wait.
 *   signal mask, thread pointer    also the thread's; a context never
 *       leaves its thread once it has run.
 *   shadow stack                   there is none: the object carries no CET
 *       property, so the linker leaves the feature off in the program.
 */

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Park the running context and go on with another one.
 *
 * Before   load_sp is a stack pointer that an earlier switch saved, or
 *          that torc__switch_prepare returned, and nobody used it since.
 * After    *save_sp is the parked context; the call returns when somebody
 *          loads it. The store comes before the stack changes, hence
 *          save_sp may lie on either stack.
 * Cost     6 pushes, 6 pops and a return; no system call.
 */
void torc__switch(void **save_sp, void *load_sp);

/*
 * The same, inline, and reached by a jump: a call would leave its return
 * address on the CPU's stack of predictions, where no return takes it off.
 *
 * Behind it everything that a call may change has changed. The first lea
 * keeps clear of the red zone, in which a function that calls nothing may
 * have its variables. Unwinders find the caller's frame all the same, by its
 * frame pointer; the Makefile asks for one.
 */
static inline __attribute__((always_inline)) void
torc__switch_inline(void **save_sp, void *load_sp)
{
#if defined(__x86_64__)
	__asm__ volatile("leaq	-128(%%rsp), %%rsp\n\t"
			 "leaq	1f(%%rip), %%rdx\n\t"
			 "pushq	%%rdx\n\t"
			 "jmp	torc__switch\n"
			 "1:\n\t"
			 "leaq	128(%%rsp), %%rsp"
			 : "+D"(save_sp), "+S"(load_sp)
			 :
			 : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11",
			 "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
			 "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
			 "xmm13", "xmm14", "xmm15",
#if defined(__AVX512F__)
			 "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21",
			 "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27",
			 "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2",
			 "k3", "k4", "k5", "k6", "k7",
#endif
			 "cc", "memory");
#else
	torc__switch(save_sp, load_sp);
#endif
}

/*
 * Make a context that runs entry(arg) on the stack that ends at `top`.
 *
 * Before   `top` is one past the stack's highest byte; it is rounded down
 *          to 16. entry never returns: it switches away for good.
 * Returns  what the first torc__switch into it has to load.
 */
void *torc__switch_prepare(void *top, void (*entry)(void *), void *arg);

/*
 * Where every such context begins: the outermost frame in a backtrace.
 * Not to be called; it is named here for those who print stacks.
 */
extern const char torc_task_entry[];

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_SWITCH_PRIV_H */
