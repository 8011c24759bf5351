/* SPDX-License-Identifier: MIT */
/*
 * Goal    A switch keeps what the ABI says a call keeps, comes back in the
 *         order it was left, and every stack can be unwound to its end.
 * Method  Contexts on plain static stacks. Registers are filled and compared
 *         in assembler, where no compiler can save them by itself.
 */
#include <execinfo.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unwind.h>

#include "tests/test.h"
#include "core/switch_priv.h"

#define STACK_BYTES ((size_t)256 * 1024)
#define ENTRY_BYTES_MAX 64 /* torc_task_entry is shorter than that */

struct context {
	void *sp;
	_Alignas(64) char stack[STACK_BYTES];
};

static struct context one, two;
static void *main_sp;

/*
 * Fill each callee-saved register with seed + its number, switch, and
 * return 0 if all of them came back.
 */
uint64_t torc_test_switch_filled(void **save_sp, void *load_sp, uint64_t seed);

/* clang-format off */
#if defined(__x86_64__)
__asm__(".text\n"
	".p2align 4\n"
	".globl torc_test_switch_filled\n"
	".type torc_test_switch_filled, @function\n"
	"torc_test_switch_filled:\n"
	"	push %rbx\n	push %rbp\n	push %r12\n	push %r13\n"
	"	push %r14\n	push %r15\n	push %rdx\n"
	"	lea 1(%rdx), %rbx\n	lea 2(%rdx), %rbp\n"
	"	lea 3(%rdx), %r12\n	lea 4(%rdx), %r13\n"
	"	lea 5(%rdx), %r14\n	lea 6(%rdx), %r15\n"
	"	call torc__switch\n"
	"	pop %rdx\n"
	"	xor %eax, %eax\n"
	"	sub $1, %rbx\n	sub $2, %rbp\n	sub $3, %r12\n"
	"	sub $4, %r13\n	sub $5, %r14\n	sub $6, %r15\n"
	"	xor %rdx, %rbx\n	or %rbx, %rax\n"
	"	xor %rdx, %rbp\n	or %rbp, %rax\n"
	"	xor %rdx, %r12\n	or %r12, %rax\n"
	"	xor %rdx, %r13\n	or %r13, %rax\n"
	"	xor %rdx, %r14\n	or %r14, %rax\n"
	"	xor %rdx, %r15\n	or %r15, %rax\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n"
	"	pop %rbp\n	pop %rbx\n	ret\n"
	".size torc_test_switch_filled, . - torc_test_switch_filled\n");
#elif defined(__aarch64__)
#define FILL(n) "	add x9, x2, #" #n "\n	mov x" #n ", x9\n"
#define FILL_D(n) "	add x9, x2, #" #n "\n	fmov d" #n ", x9\n"
#define TEST(n) "	sub x9, x" #n ", #" #n "\n" \
	"	eor x9, x9, x2\n	orr x0, x0, x9\n"
#define TEST_D(n) "	fmov x9, d" #n "\n	sub x9, x9, #" #n "\n" \
	"	eor x9, x9, x2\n	orr x0, x0, x9\n"
__asm__(".text\n"
	".p2align 4\n"
	".globl torc_test_switch_filled\n"
	".type torc_test_switch_filled, %function\n"
	"torc_test_switch_filled:\n"
	"	sub sp, sp, #176\n"
	"	stp x29, x30, [sp]\n	stp x19, x20, [sp, #16]\n"
	"	stp x21, x22, [sp, #32]\n	stp x23, x24, [sp, #48]\n"
	"	stp x25, x26, [sp, #64]\n	stp x27, x28, [sp, #80]\n"
	"	stp d8, d9, [sp, #96]\n	stp d10, d11, [sp, #112]\n"
	"	stp d12, d13, [sp, #128]\n	stp d14, d15, [sp, #144]\n"
	"	str x2, [sp, #160]\n"
	FILL(19) FILL(20) FILL(21) FILL(22) FILL(23) FILL(24)
	FILL(25) FILL(26) FILL(27) FILL(28) FILL(29)
	FILL_D(8) FILL_D(9) FILL_D(10) FILL_D(11)
	FILL_D(12) FILL_D(13) FILL_D(14) FILL_D(15)
	"	bl torc__switch\n"
	"	ldr x2, [sp, #160]\n	mov x0, #0\n"
	TEST(19) TEST(20) TEST(21) TEST(22) TEST(23) TEST(24)
	TEST(25) TEST(26) TEST(27) TEST(28) TEST(29)
	TEST_D(8) TEST_D(9) TEST_D(10) TEST_D(11)
	TEST_D(12) TEST_D(13) TEST_D(14) TEST_D(15)
	"	ldp d14, d15, [sp, #144]\n	ldp d12, d13, [sp, #128]\n"
	"	ldp d10, d11, [sp, #112]\n	ldp d8, d9, [sp, #96]\n"
	"	ldp x27, x28, [sp, #80]\n	ldp x25, x26, [sp, #64]\n"
	"	ldp x23, x24, [sp, #48]\n	ldp x21, x22, [sp, #32]\n"
	"	ldp x19, x20, [sp, #16]\n	ldp x29, x30, [sp]\n"
	"	add sp, sp, #176\n	ret\n"
	".size torc_test_switch_filled, . - torc_test_switch_filled\n");
#endif
/* clang-format on */

static void
context_prepare(struct context *context, void (*entry)(void *), void *arg)
{
	context->sp =
		torc__switch_prepare(context->stack + STACK_BYTES, entry, arg);
}

static void
context_run(struct context *context)
{
	torc__switch(&main_sp, context->sp);
}

/* An entry's last act. Were it resumed, its return would be the trap. */
static void
leave_for_good(struct context *context)
{
	torc__switch(&context->sp, main_sp);
}

static char trace[64];

static void
trace_add(const char *step)
{
	size_t used = strlen(trace);

	snprintf(trace + used, sizeof(trace) - used, "%s", step);
}

static void
hand_to_two(void *arg)
{
	trace_add(arg);
	torc__switch(&one.sp, two.sp);
	trace_add(arg);
	torc__switch(&one.sp, two.sp);
	trace_add(arg);
	leave_for_good(&one);
}

static void
hand_to_one(void *arg)
{
	for (;;) {
		trace_add(arg);
		torc__switch(&two.sp, one.sp);
	}
}

static void
contexts_go_on_where_they_left(void **unused)
{
	char a[] = "a", b[] = "b";

	(void)unused;
	trace[0] = '\0';
	context_prepare(&one, hand_to_two, a);
	context_prepare(&two, hand_to_one, b);

	context_run(&one);

	assert_string_equal(trace, "ababa");
}

static uint64_t lost_in_context;

static void
switch_filled_forever(void *arg)
{
	uint64_t seed = *(uint64_t *)arg;

	for (;; seed *= 3)
		lost_in_context |=
			torc_test_switch_filled(&one.sp, main_sp, seed);
}

static void
callee_saved_registers_survive(void **unused)
{
	uint64_t seed = 0x1234567890abcdef, lost = 0;

	(void)unused;
	lost_in_context = 0;
	context_prepare(&one, switch_filled_forever, &seed);

	for (uint64_t i = 0; i < 1000; i++)
		lost |= torc_test_switch_filled(&main_sp, one.sp, i << 32);

	assert_int_equal(lost, 0);
	assert_int_equal(lost_in_context, 0);
}

static uintptr_t entry_sp;
static void *entry_arg;

static void
note_entry(void *arg)
{
	_Alignas(16) volatile char aligned[16] = { 0 };

	entry_sp = (uintptr_t)aligned;
	entry_arg = arg;
	leave_for_good(&one);
}

static void
entry_gets_its_argument_on_an_aligned_stack(void **unused)
{
	(void)unused;
	for (size_t cut = 0; cut < 32; cut++) {
		entry_sp = 1;
		one.sp = torc__switch_prepare(
			one.stack + STACK_BYTES - cut, note_entry, &cut);
		context_run(&one);

		assert_ptr_equal(entry_arg, &cut);
		assert_int_equal(entry_sp % 16, 0);
		assert_in_range(entry_sp, (uintptr_t)one.stack,
			(uintptr_t)one.stack + STACK_BYTES);
	}
}

static bool
is_task_entry(const void *return_address)
{
	uintptr_t at = (uintptr_t)return_address - 1;
	uintptr_t entry = (uintptr_t)torc_task_entry;

	return at >= entry && at < entry + ENTRY_BYTES_MAX;
}

static void *frames[64];
static int frames_count;
static _Unwind_Reason_Code unwind_code;

static _Unwind_Reason_Code
note_frame(struct _Unwind_Context *context, void *unused)
{
	uintptr_t ip = _Unwind_GetIP(context);

	(void)unused;
	if (frames_count == 64)
		return _URC_NORMAL_STOP; /* it does not end */
	if (ip != 0) /* some unwinders show the end as a frame, too */
		frames[frames_count++] = (void *)ip;
	return _URC_NO_REASON;
}

__attribute__((noinline)) static void
take_backtrace(void)
{
	frames_count = backtrace(frames, 64);
	__asm__ volatile("");
}

__attribute__((noinline)) static void
take_unwind(void)
{
	frames_count = 0;
	unwind_code = _Unwind_Backtrace(note_frame, NULL);
	__asm__ volatile("");
}

__attribute__((noinline)) static void
call_deeper(void (*take)(void), int depth)
{
	if (depth > 0)
		call_deeper(take, depth - 1);
	else
		take();
	__asm__ volatile(""); /* no tail call: one frame for each depth */
}

static void
take_in_context(void *arg)
{
	void (**take)(void) = arg;

	call_deeper(*take, 3);
	leave_for_good(&one);
}

/* take, four times call_deeper, the entry function, torc_task_entry. */
#define FRAMES_EXPECTED 7

static void
backtrace_ends_at_torc_task_entry(void **unused)
{
	void (*take)(void) = take_backtrace;

	(void)unused;
	take_backtrace(); /* its first call loads a library: not in there */
	context_prepare(&one, take_in_context, &take);
	context_run(&one);

	/* A sanitizer puts a frame of its own around backtrace(). */
	assert_in_range(frames_count, FRAMES_EXPECTED, FRAMES_EXPECTED + 1);
	for (int i = 0; i < frames_count; i++)
		assert_int_equal(
			is_task_entry(frames[i]), i == frames_count - 1);
}

static void
unwinding_reaches_the_end_of_the_stack(void **unused)
{
	void (*take)(void) = take_unwind;

	(void)unused;
	context_prepare(&one, take_in_context, &take);
	context_run(&one);

	assert_int_equal(unwind_code, _URC_END_OF_STACK);
	assert_int_equal(frames_count, FRAMES_EXPECTED);
	assert_true(is_task_entry(frames[FRAMES_EXPECTED - 1]));
}

static uintptr_t frame_record[2];

static void
note_frame_record(void *arg)
{
	const uintptr_t *record = __builtin_frame_address(0);

	(void)arg;
	frame_record[0] = record[0];
	frame_record[1] = record[1];
	leave_for_good(&one);
}

static void
the_chain_of_frame_pointers_ends_in_torc_task_entry(void **unused)
{
	(void)unused;
	context_prepare(&one, note_frame_record, NULL);
	context_run(&one);

	assert_int_equal(frame_record[0], 0);
	assert_true(is_task_entry((void *)frame_record[1]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contexts_go_on_where_they_left),
		cmocka_unit_test(callee_saved_registers_survive),
		cmocka_unit_test(entry_gets_its_argument_on_an_aligned_stack),
		cmocka_unit_test(backtrace_ends_at_torc_task_entry),
		cmocka_unit_test(unwinding_reaches_the_end_of_the_stack),
		cmocka_unit_test(
			the_chain_of_frame_pointers_ends_in_torc_task_entry),
	};

	return cmocka_run_group_tests_name("core/switch", tests, NULL, NULL);
}
