/* SPDX-License-Identifier: MIT */
/*
 * How a shard waits when it has nothing to do.
 *
 * Waking a thread that sleeps in the kernel takes 20 to 60 us on the
 * machines that this was measured on; looking at the ring's memory takes
 * nanoseconds and no system call. So a shard whose completions follow each
 * other closely looks for a while before it sleeps, and one that has been
 * quiet sleeps at once: nothing is spent when nothing moves.
 */
#include <torc/base/clock.h>
#include <torc/base/probe.h>

#include "core/shard_priv.h"
#include "core/spin_priv.h"

/* A shard that slept this long gives back memory, once. */
#define QUIET_NS TORC_S
#define STACKS_KEPT 64

static bool
has_work(struct torc_shard *shard)
{
	return torc__ring_cq_count(&shard->ring) != 0 ||
	       torc__ring_wants_enter(&shard->ring) ||
	       !torc__inbox_is_empty(&shard->inbox);
}

/* Look until there is work (true) or `until_ns` is reached (false). */
static bool
spin(struct torc_shard *shard, uint64_t until_ns)
{
	do {
		for (int i = 0; i < TORC__LOOKS_PER_CLOCK_READ; i++) {
			if (has_work(shard))
				return true;
			torc__spin_relax();
		}
	} while (torc__ring_now_ns(&shard->ring) < until_ns);
	return false;
}

/* What a past rush left behind: buffers, stacks, and the heap's spare. */
static void
trim(struct torc_shard *shard)
{
	shard->is_untrimmed = false;
	torc__buffers_trim(&shard->streams);
	if (shard->has_datagrams)
		torc__buffers_trim(&shard->datagrams);
	torc__stacks_trim(&shard->stacks, STACKS_KEPT);
	torc__arena_trim(&shard->arena);
}

static int
sleep_until(struct torc_shard *shard, uint64_t now_ns, uint64_t next_ns)
{
	uint64_t timeout_ns = UINT64_MAX;
	uint32_t cqes;
	bool may_trim;
	int ret;

	if (next_ns != UINT64_MAX)
		timeout_ns = next_ns > now_ns ? next_ns - now_ns : 0;
	may_trim = shard->is_untrimmed && timeout_ns > QUIET_NS;
	if (may_trim)
		timeout_ns = QUIET_NS;
	if (!torc__inbox_sleep(&shard->inbox))
		return torc__ring_enter(&shard->ring, 0, 0);
	TORC_PROBE2(torc, sleep, shard->index, timeout_ns);
	shard->asleep_since_ns = now_ns;
	torc__metrics_tell(shard, now_ns, true);
	ret = torc__ring_enter(&shard->ring, 1, timeout_ns);
	torc__inbox_wake(&shard->inbox);
	cqes = torc__ring_cq_count(&shard->ring);
	TORC_PROBE2(torc, wake, shard->index, cqes);
	if (cqes != 0)
		shard->is_untrimmed = true;
	else if (may_trim &&
		 torc__ring_now_ns(&shard->ring) - now_ns >= QUIET_NS)
		trim(shard);
	return ret;
}

static void
note_wait(struct torc_shard *shard, uint64_t began_ns, uint64_t ended_ns)
{
	shard->gap_ns = torc__spin_gap(
		shard->gap_ns, ended_ns - began_ns, shard->spin_ns);
	shard->waited_ns += ended_ns - began_ns;
	if (shard->asleep_since_ns == 0)
		return;
	shard->sleeps_count++;
	shard->asleep_ns += ended_ns - shard->asleep_since_ns;
	shard->asleep_since_ns = 0;
	torc__metrics_wake(shard->slot, ended_ns);
}

/* There is nothing to do and nothing to submit. */
static int
wait_idle(struct torc_shard *shard, uint64_t now_ns, uint64_t next_ns)
{
	bool is_blind = shard->ring.engine->is_blind;
	uint64_t until_ns = next_ns;

	/* To look would be an enter each time. */
	if (is_blind && shard->busy_poll)
		return torc__ring_enter(&shard->ring, 0, 0);
	if (!shard->busy_poll) {
		if (is_blind || shard->gap_ns >= shard->spin_ns)
			return sleep_until(shard, now_ns, next_ns);
		if (now_ns + shard->spin_ns < until_ns)
			until_ns = now_ns + shard->spin_ns;
	}
	if (shard->busy_poll && until_ns > shard->tell_ns)
		until_ns = shard->tell_ns;
	if (!spin(shard, until_ns) && until_ns != next_ns && !shard->busy_poll)
		return sleep_until(shard, until_ns, next_ns);
	if (torc__ring_wants_enter(&shard->ring))
		return torc__ring_enter(&shard->ring, 0, 0);
	return 0;
}

int
torc__shard_wait(struct torc_shard *shard)
{
	uint64_t began_ns;
	int ret = 0;

	/*
	 * On its own, so that what follows is nothing but waiting: submitting
	 * is most of a server's work, and counted as a gap it would make a
	 * busy shard look quiet. A send completes inside its enter, which
	 * therefore would not have slept either.
	 */
	if (torc__ring_has_sqes(&shard->ring)) {
		ret = torc__ring_enter(&shard->ring, 0, 0);
		/* What the kernel had no memory for goes out next turn. */
		if (ret < 0 || torc__ring_cq_count(&shard->ring) != 0 ||
			torc__ring_has_sqes(&shard->ring))
			return ret;
	}
	began_ns = torc__ring_now_ns(&shard->ring);
	ret = wait_idle(shard, began_ns, torc__wheel_next_ns(&shard->wheel));
	note_wait(shard, began_ns, torc__ring_now_ns(&shard->ring));
	return ret;
}
