/* SPDX-License-Identifier: MIT */
/*
 * The contract is in core/switch_priv.h. Three functions for each machine:
 *
 *   torc__switch          park this context, go on with another
 *   torc__switch_prepare  write the frame a new context starts from
 *   torc_task_entry       the outermost frame of every context
 *
 * A parked frame looks the same in each context. Therefore the offsets the
 * unwinder is told stay true when the stack pointer moves from one to the
 * other, and nothing has to be said about the move itself.
 *
 * A switch ends in an indirect jump. A return would be predicted to go back
 * to where this call came from, the one place it never goes; the jump is
 * predicted from where it went before, which halves the cost of a switch.
 */

	.text

#if defined(__x86_64__)

/*
 * sp ->  0 r15   8 r14   16 r13   24 r12   32 rbx   40 rbp   48 return
 *        56 the caller's frame
 */
	.p2align 4
	.globl	torc__switch
	.hidden	torc__switch
	.type	torc__switch, @function
torc__switch:
	.cfi_startproc
	endbr64
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	movq	%rsp, %rbp
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0

	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	/* A profiler that follows rbp sees the new chain from here on. */
	leaq	40(%rsp), %rbp

	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	/* Not ret, see above. The address stays readable below rsp. */
	popq	%rdx
	.cfi_adjust_cfa_offset -8
	jmp	*%rdx
	.cfi_endproc
	.size	torc__switch, . - torc__switch

/*
 * The frame and, above it, two zeroes: whoever guesses a return address
 * there finds the end. torc_task_entry starts with rsp on the zeroes, a
 * multiple of 16, so that its call leaves the stack as the ABI wants it.
 */
	.p2align 4
	.globl	torc__switch_prepare
	.hidden	torc__switch_prepare
	.type	torc__switch_prepare, @function
torc__switch_prepare:
	.cfi_startproc
	endbr64
	andq	$-16, %rdi
	leaq	-72(%rdi), %rax
	xorl	%ecx, %ecx
	movq	%rcx, 0(%rax)
	movq	%rcx, 8(%rax)
	movq	%rdx, 16(%rax)
	movq	%rsi, 24(%rax)
	movq	%rcx, 32(%rax)
	movq	%rcx, 40(%rax)
	leaq	.Ltask_start(%rip), %rdx
	movq	%rdx, 48(%rax)
	movq	%rcx, 56(%rax)
	movq	%rcx, 64(%rax)
	ret
	.cfi_endproc
	.size	torc__switch_prepare, . - torc__switch_prepare

/*
 * r12 = entry, r13 = arg. Unwinders look one byte before a return address:
 * the nop makes that byte ours in a context that has not started yet.
 */
	.p2align 4
	.globl	torc_task_entry
	.hidden	torc_task_entry
	.type	torc_task_entry, @function
torc_task_entry:
	.cfi_startproc
	.cfi_undefined rip
	nop
.Ltask_start:
	xorl	%ebp, %ebp
	movq	%r13, %rdi
	/* Not call: entry never returns, see core/resume_priv.h. */
	leaq	.Ltask_end(%rip), %rdx
	pushq	%rdx
	jmp	*%r12
.Ltask_end:
	ud2
	.cfi_endproc
	.size	torc_task_entry, . - torc_task_entry

#elif defined(__aarch64__)

#define FRAME 160

/*
 * sp ->  0 x29, x30   16 x19 .. x28   96 d8 .. d15   160 the caller's frame
 *
 * x29 and x30 lie lowest, so that sp is also a frame record. Only the low
 * halves of v8 to v15 are the callee's to keep.
 */
	.p2align 4
	.globl	torc__switch
	.hidden	torc__switch
	.type	torc__switch, %function
torc__switch:
	.cfi_startproc
	hint	#34	/* bti c */
	stp	x29, x30, [sp, #-FRAME]!
	.cfi_def_cfa_offset FRAME
	.cfi_rel_offset x29, 0
	.cfi_rel_offset x30, 8
	mov	x29, sp
	stp	x19, x20, [sp, #16]
	.cfi_rel_offset x19, 16
	.cfi_rel_offset x20, 24
	stp	x21, x22, [sp, #32]
	.cfi_rel_offset x21, 32
	.cfi_rel_offset x22, 40
	stp	x23, x24, [sp, #48]
	.cfi_rel_offset x23, 48
	.cfi_rel_offset x24, 56
	stp	x25, x26, [sp, #64]
	.cfi_rel_offset x25, 64
	.cfi_rel_offset x26, 72
	stp	x27, x28, [sp, #80]
	.cfi_rel_offset x27, 80
	.cfi_rel_offset x28, 88
	stp	d8, d9, [sp, #96]
	.cfi_rel_offset d8, 96
	.cfi_rel_offset d9, 104
	stp	d10, d11, [sp, #112]
	.cfi_rel_offset d10, 112
	.cfi_rel_offset d11, 120
	stp	d12, d13, [sp, #128]
	.cfi_rel_offset d12, 128
	.cfi_rel_offset d13, 136
	stp	d14, d15, [sp, #144]
	.cfi_rel_offset d14, 144
	.cfi_rel_offset d15, 152

	mov	x9, sp
	str	x9, [x0]
	mov	sp, x1
	mov	x29, sp

	/* What is not said is still true: the slots keep their values. */
	ldp	d14, d15, [sp, #144]
	ldp	d12, d13, [sp, #128]
	ldp	d10, d11, [sp, #112]
	ldp	d8, d9, [sp, #96]
	ldp	x27, x28, [sp, #80]
	ldp	x25, x26, [sp, #64]
	ldp	x23, x24, [sp, #48]
	ldp	x21, x22, [sp, #32]
	ldp	x19, x20, [sp, #16]
	ldp	x29, x30, [sp], #FRAME
	.cfi_def_cfa_offset 0
	.cfi_restore x29
	.cfi_restore x30
	.cfi_restore x19
	.cfi_restore x20
	.cfi_restore x21
	.cfi_restore x22
	.cfi_restore x23
	.cfi_restore x24
	.cfi_restore x25
	.cfi_restore x26
	.cfi_restore x27
	.cfi_restore x28
	.cfi_restore d8
	.cfi_restore d9
	.cfi_restore d10
	.cfi_restore d11
	.cfi_restore d12
	.cfi_restore d13
	.cfi_restore d14
	.cfi_restore d15
	br	x30	/* not ret, see above */
	.cfi_endproc
	.size	torc__switch, . - torc__switch

/*
 * d8 to d15 start as whatever the stack's last user left: a new context
 * reads none of them before it has written them.
 */
	.p2align 4
	.globl	torc__switch_prepare
	.hidden	torc__switch_prepare
	.type	torc__switch_prepare, %function
torc__switch_prepare:
	.cfi_startproc
	hint	#34	/* bti c */
	and	x0, x0, #-16
	sub	x0, x0, #(FRAME + 16)
	adr	x9, .Ltask_start
	stp	xzr, x9, [x0]
	stp	x1, x2, [x0, #16]
	stp	xzr, xzr, [x0, #32]
	stp	xzr, xzr, [x0, #48]
	stp	xzr, xzr, [x0, #64]
	stp	xzr, xzr, [x0, #80]
	stp	xzr, xzr, [x0, #FRAME]
	ret
	.cfi_endproc
	.size	torc__switch_prepare, . - torc__switch_prepare

/*
 * x19 = entry, x20 = arg. Unwinders look before a return address: the nop
 * makes that place ours in a context that has not started yet.
 */
	.p2align 4
	.globl	torc_task_entry
	.hidden	torc_task_entry
	.type	torc_task_entry, %function
torc_task_entry:
	.cfi_startproc
	.cfi_undefined x30
	nop
.Ltask_start:
	mov	x29, #0
	mov	x30, #0
	mov	x0, x20
	blr	x19
	brk	#1
	.cfi_endproc
	.size	torc_task_entry, . - torc_task_entry

#else
#error "torc switches contexts on x86-64 and aarch64 only"
#endif

	.section .note.GNU-stack, "", %progbits
