/* SPDX-License-Identifier: MIT */
#include "alloc/stack_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d61
#endif
#ifndef PR_SET_VMA_ANON_NAME
#define PR_SET_VMA_ANON_NAME 0 /* Linux 5.17, CONFIG_ANON_VMA_NAME */
#endif

#define STACK_BYTES_MIN ((size_t)4096)
#define STACK_BYTES_MAX ((size_t)1 << 30)

struct torc_stack_slab {
	struct torc_stack_slab *next;
	char *base;
	uint64_t cold; /* bit = this slot has no memory and no record */
};

_Static_assert(TORC_STACK_SLOTS == 64, "cold has one bit for each slot");
_Static_assert(TORC_STACK_COLOUR_BYTES >= sizeof(struct torc_stack),
	"a record fits what its colour leaves free");
_Static_assert(TORC_STACK_COLOUR_BYTES % 16 == 0, "a top is aligned");

/*
 * Tried, not looked up: there are layers that take any advice and return 0.
 * access() reads the page for us and reports a fault as an error.
 */
static bool
guard_light_works(size_t page)
{
	char *base = mmap(NULL, page, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool works;

	if (base == MAP_FAILED)
		return false;
	works = madvise(base, page, MADV_GUARD_INSTALL) == 0 &&
		access(base, F_OK) < 0 && errno == EFAULT;
	(void)munmap(base, page);
	return works;
}

int
torc__stacks_init(struct torc_stacks *pool, size_t stack_bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t colours = TORC_STACK_COLOURS * TORC_STACK_COLOUR_BYTES;
	size_t pages;

	if (stack_bytes < STACK_BYTES_MIN || stack_bytes > STACK_BYTES_MAX)
		return -EINVAL;

	/* What is asked for is had whatever the colour. */
	pages = (stack_bytes + colours + page - 1) / page + 1;
	pages |= 1; /* see Colour in the header */
	*pool = (struct torc_stacks){
		.slot_bytes = pages * page,
		.guard_bytes = page,
		.is_guard_light = guard_light_works(page),
	};
	return 0;
}

void
torc__stacks_fini(struct torc_stacks *pool)
{
	struct torc_stack_slab *slab = pool->slabs;

	torc_assert(pool->taken_count == 0);
	while (slab != NULL) {
		struct torc_stack_slab *next = slab->next;

		(void)munmap(slab->base, TORC_STACK_SLOTS * pool->slot_bytes);
		free(slab);
		slab = next;
	}
	*pool = (struct torc_stacks){ .slot_bytes = 0 };
}

static int
guard_install(struct torc_stacks *pool, char *guard)
{
	if (pool->is_guard_light) {
		if (madvise(guard, pool->guard_bytes, MADV_GUARD_INSTALL) == 0)
			return 0;
		/* Memory that is locked (mlockall) takes no light guard. */
		if (errno != EINVAL)
			return -errno;
		pool->is_guard_light = false;
	}
	return mprotect(guard, pool->guard_bytes, PROT_NONE) == 0 ? 0 : -errno;
}

static char *
slab_map(struct torc_stacks *pool)
{
	size_t bytes = TORC_STACK_SLOTS * pool->slot_bytes;
	char *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

	if (base == MAP_FAILED)
		return NULL;

	/* MAP_STACK implies it since Linux 6.7 only. */
	(void)madvise(base, bytes, MADV_NOHUGEPAGE);
	(void)prctl(
		PR_SET_VMA, PR_SET_VMA_ANON_NAME, base, bytes, "torc-stack");

	for (size_t i = 0; i < TORC_STACK_SLOTS; i++) {
		if (guard_install(pool, base + i * pool->slot_bytes) < 0) {
			(void)munmap(base, bytes);
			return NULL;
		}
	}
	return base;
}

static struct torc_stack_slab *
slab_add(struct torc_stacks *pool)
{
	struct torc_stack_slab *slab = malloc(sizeof(*slab));

	if (slab == NULL)
		return NULL;
	slab->base = slab_map(pool);
	if (slab->base == NULL) {
		free(slab);
		return NULL;
	}
	slab->cold = UINT64_MAX;
	slab->next = pool->slabs;
	/* Complete before it is linked: a handler may walk the list. */
	__atomic_signal_fence(__ATOMIC_RELEASE);
	pool->slabs = slab;
	pool->cold_count += TORC_STACK_SLOTS;
	return slab;
}

static struct torc_stack *
stack_at(const struct torc_stacks *pool, const struct torc_stack_slab *slab,
	uint32_t slot)
{
	size_t colour = slot % TORC_STACK_COLOURS + 1;
	char *end = slab->base + (slot + 1) * pool->slot_bytes;

	return (struct torc_stack *)(void *)(end -
					     colour * TORC_STACK_COLOUR_BYTES);
}

/*
 * A slab with cold stacks. It moves to the front, so that the next calls
 * find it at once: a walk past full slabs is paid once in 64 calls.
 */
static struct torc_stack_slab *
slab_find(struct torc_stacks *pool)
{
	struct torc_stack_slab **link = &pool->slabs, *slab;

	if (pool->cold_count == 0)
		return slab_add(pool);
	while ((*link)->cold == 0)
		link = &(*link)->next;
	slab = *link;
	*link = slab->next;
	slab->next = pool->slabs;
	pool->slabs = slab;
	return slab;
}

__attribute__((cold, noinline)) void *
torc__stack_get_slow(struct torc_stacks *pool)
{
	struct torc_stack_slab *slab = slab_find(pool);

	if (slab == NULL)
		return NULL;

	uint32_t slot = (uint32_t)__builtin_ctzll(slab->cold);
	struct torc_stack *stack = stack_at(pool, slab, slot);

	slab->cold &= slab->cold - 1;
	pool->cold_count--;
	*stack = (struct torc_stack){
		.low = slab->base + slot * pool->slot_bytes + pool->guard_bytes,
		.slab = slab,
		.slot = slot,
		.is_taken = 1,
	};
	pool->taken_count++;
	return stack;
}

unsigned
torc__stacks_trim(struct torc_stacks *pool, unsigned keep)
{
	struct torc_stack **link = &pool->free, *stack;
	unsigned count = 0;

	while (*link != NULL && keep > 0) {
		link = &(*link)->next;
		keep--;
	}
	stack = *link;
	*link = NULL;

	while (stack != NULL) {
		struct torc_stack_slab *slab = stack->slab;
		struct torc_stack *next = stack->next;
		uint32_t slot = stack->slot;
		char *low = stack->low;

		/* Takes the record away with the rest; guards stay. */
		(void)madvise(low, pool->slot_bytes - pool->guard_bytes,
			MADV_DONTNEED);
		slab->cold |= (uint64_t)1 << slot;
		stack = next;
		count++;
	}
	pool->free_count -= count;
	pool->cold_count += count;
	return count;
}

void
torc__stack_bounds(const struct torc_stacks *pool, const void *top, void **low,
	size_t *bytes)
{
	const struct torc_stack *stack = top;

	(void)pool;
	torc_assert(stack->is_taken == 1);
	*low = stack->low;
	*bytes = (size_t)((const char *)top - stack->low);
}

bool
torc__stack_is_guard(const struct torc_stacks *pool, const void *addr)
{
	size_t slab_bytes = TORC_STACK_SLOTS * pool->slot_bytes;
	const struct torc_stack_slab *slab = pool->slabs;

	for (; slab != NULL; slab = slab->next) {
		size_t offset =
			(size_t)((uintptr_t)addr - (uintptr_t)slab->base);

		if (offset < slab_bytes)
			return offset % pool->slot_bytes < pool->guard_bytes;
	}
	return false;
}

size_t
torc__stack_high_water(const struct torc_stacks *pool, const void *top)
{
	size_t page = pool->guard_bytes, bytes, used;
	unsigned char resident[256];
	void *low_void;

	torc__stack_bounds(pool, top, &low_void, &bytes);

	char *low = low_void;
	char *end = low + pool->slot_bytes - pool->guard_bytes;

	while (low < end) {
		size_t chunk = (size_t)(end - low);

		if (chunk > sizeof(resident) * page)
			chunk = sizeof(resident) * page;
		if (mincore(low, chunk, resident) < 0)
			return bytes;
		for (size_t i = 0; i < chunk / page; i++) {
			if (resident[i] & 1) {
				used = (size_t)((const char *)top - low) -
				       i * page;
				return used < bytes ? used : bytes;
			}
		}
		low += chunk;
	}
	return 0;
}
