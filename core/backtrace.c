/* SPDX-License-Identifier: MIT */
#include "core/backtrace_priv.h"

#include <execinfo.h>
#include <stdio.h>

/* What torc__switch() leaves at the top; see core/switch.S. */
#if defined(__x86_64__)
#define PARKED_FRAME_AT 40
#elif defined(__aarch64__)
#define PARKED_FRAME_AT 0
#endif

#define FRAMES_MAX 16

/* A caller's frame pointer, and the address to return to: on both machines. */
struct frame {
	const struct frame *caller;
	void *address;
};

unsigned
torc__task_backtrace(struct torc_shard *shard, const struct torc_task *task,
	void **frames, unsigned frames_max)
{
	const struct frame *frame =
		(const void *)((const char *)task->sp + PARKED_FRAME_AT);
	unsigned count = 0;
	void *low_void;
	size_t bytes;

	torc__stack_bounds(&shard->stacks, task->stack, &low_void, &bytes);

	uintptr_t low = (uintptr_t)low_void;
	uintptr_t end = low + bytes - sizeof(*frame);

	/* Callers lie further up, or the chain is none. */
	while (count < frames_max && (uintptr_t)frame >= low &&
		(uintptr_t)frame <= end && (uintptr_t)frame % 8 == 0) {
		if (frame->address == NULL)
			break;
		frames[count++] = frame->address;
		low = (uintptr_t)frame + sizeof(*frame);
		frame = frame->caller;
	}
	return count;
}

void
torc__tasks_print(struct torc_shard *shard, int fd)
{
	for (struct torc_link *link = shard->tasks.next; link != &shard->tasks;
		link = link->next) {
		struct torc_task *task =
			torc__container_of(link, struct torc_task, link);
		void *frames[FRAMES_MAX];
		unsigned count;

		if (task->state == TORC_TASK_DONE ||
			task->state == TORC_TASK_RUNNING)
			continue;
		dprintf(fd, "  shard %u, task %s waits in\n", shard->index,
			torc__task_name(task));
		count = torc__task_backtrace(shard, task, frames, FRAMES_MAX);
		backtrace_symbols_fd(frames, (int)count, fd);
	}
}
