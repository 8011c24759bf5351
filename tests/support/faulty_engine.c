/* SPDX-License-Identifier: MIT */
#include "tests/support/faulty_engine.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <torc/base/clock.h>

#include "uring/sys_priv.h"

#define SEED_DEFAULT 1
#define PER_MILLE_DEFAULT 10

#define FAULT_NAME(id, name) name,

static const char *const fault_names[] = { FAULTS(FAULT_NAME) };
static _Atomic uint64_t struck[FAULTS_COUNT];
static _Atomic uint64_t rings;

__attribute__((destructor)) static void
tell(void)
{
	if (atomic_load(&rings) == 0)
		return;
	fputs("faults:", stderr);
	for (int i = 0; i < FAULTS_COUNT; i++)
		fprintf(stderr, " %s=%llu", fault_names[i],
			(unsigned long long)atomic_load(&struck[i]));
	fputc('\n', stderr);
}

static struct faulty *
faulty_of(const struct torc_ring *ring)
{
	return torc__soft_of(ring)->engine;
}

/* splitmix64 */
uint64_t
faulty_draw(struct faulty *f, uint64_t bound)
{
	uint64_t z = f->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31) % bound;
}

bool
faulty_strikes(struct faulty *f)
{
	return faulty_draw(f, 1000) < f->per_mille;
}

void
faulty_count(enum fault fault)
{
	atomic_fetch_add_explicit(&struck[fault], 1, memory_order_relaxed);
}

struct altered *
faulty_find(struct faulty *f, uint64_t user_data)
{
	struct altered *at = f->altered;

	while (at != NULL && at->user_data != user_data)
		at = at->next;
	return at;
}

struct altered *
faulty_alter(struct faulty *f, uint64_t user_data, enum fault plan, size_t iovs)
{
	struct altered *made =
		calloc(1, sizeof(*made) + iovs * sizeof(made->iov[0]));

	if (made == NULL)
		torc__panic("out of memory for a fault");
	made->user_data = user_data;
	made->plan = plan;
	made->next = f->altered;
	f->altered = made;
	return made;
}

void
faulty_forget(struct faulty *f, struct altered *altered)
{
	struct altered **at = &f->altered;

	while (*at != altered)
		at = &(*at)->next;
	*at = altered->next;
	free(altered);
}

static int
faulty_enter(struct torc_ring *ring, uint32_t to_submit, uint32_t min_complete,
	uint64_t timeout_ns)
{
	static const int errors[] = { -EAGAIN, -EBUSY, -ENOMEM, -EINTR };
	struct faulty *f = faulty_of(ring);
	int ret;

	if (faulty_strikes(f)) {
		faulty_count(FAULT_FAILED_ENTER);
		/* Only who waits is interrupted. */
		return errors[faulty_draw(f, min_complete != 0 ? 4 : 3)];
	}
	torc__soft_flush(ring);
	faulty_release_held(ring, f);
	faulty_pass_down(ring, f);
	if (torc__ring_cq_count(ring) != 0 || f->held_count != 0)
		min_complete = 0;
	if (min_complete != 0 && faulty_strikes(f)) {
		faulty_count(FAULT_EMPTY_WAIT);
		min_complete = 0;
	}
	ret = torc__ring_enter(&f->inner, min_complete, timeout_ns);
	faulty_pass_up(ring, f);
	/* Cancels of our own. */
	if (ret == 0 && torc__ring_has_sqes(&f->inner)) {
		ret = torc__ring_enter(&f->inner, 0, 0);
		faulty_pass_up(ring, f);
	}
	return ret < 0 ? ret : (int)to_submit;
}

/* What was wrong with a setting; the caller of open asks for it at once. */
static __thread char complaint[128];

static int
read_setting(const char *name, uint64_t max, uint64_t *value)
{
	const char *text = getenv(name);
	char *end;

	if (text == NULL || text[0] == '\0')
		return 0;
	*value = strtoull(text, &end, 0);
	if (*end == '\0' && *value <= max)
		return 0;
	snprintf(complaint, sizeof(complaint),
		"%s=%.40s: not a number from 0 to %llu", name, text,
		(unsigned long long)max);
	return -EINVAL;
}

static int
faulty_open(struct torc_ring *ring, const struct torc_ring_options *options)
{
	uint64_t seed = SEED_DEFAULT, per_mille = PER_MILLE_DEFAULT;
	struct faulty *f;
	int ret;

	ret = read_setting("TORC_SEED", UINT64_MAX, &seed);
	if (ret == 0)
		ret = read_setting("TORC_FAULTS", 1000, &per_mille);
	if (ret < 0)
		return ret;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return -ENOMEM;
	ret = torc__ring_open(&f->inner, &torc__engine_kernel, options);
	if (ret == 0) {
		ret = torc__soft_open(ring, options, f);
		if (ret < 0)
			torc__ring_close(&f->inner);
	}
	if (ret < 0) {
		free(f);
		return ret;
	}
	/* The kernel's own, so that who spins sees what is deferred. */
	ring->uring.sq.kflags = f->inner.uring.sq.kflags;
	f->per_mille = per_mille;
	f->random = seed + (atomic_fetch_add(&rings, 1) << 32);
	return 0;
}

static void
faulty_close(struct torc_ring *ring)
{
	struct faulty *f = faulty_of(ring);

	torc__ring_close(&f->inner);
	while (f->altered != NULL)
		faulty_forget(f, f->altered);
	free(f->held);
	free(f);
	torc__soft_close(ring);
}

static int
faulty_reg(struct torc_ring *ring, uint32_t opcode, const void *arg,
	uint32_t arg_count)
{
	struct faulty *f = faulty_of(ring);

	return f->inner.engine->reg(&f->inner, opcode, arg, arg_count);
}

static uint64_t
faulty_now_ns(struct torc_ring *ring)
{
	(void)ring;
	return torc_clock_ns();
}

static void
faulty_explain(int error, char *text, size_t bytes)
{
	if (complaint[0] != '\0')
		snprintf(text, bytes, "%s", complaint);
	else
		torc__engine_kernel.explain(error, text, bytes);
}

const struct torc_engine torc__engine_faulty = {
	.name = "faulty",
	.open = faulty_open,
	.close = faulty_close,
	.enter = faulty_enter,
	.reg = faulty_reg,
	.now_ns = faulty_now_ns,
	.explain = faulty_explain,
	TORC__SYS_CALLS,
};
