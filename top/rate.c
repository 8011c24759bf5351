/* SPDX-License-Identifier: MIT */
#include "top/rate.h"

struct reading
reading_of(const struct slot *slot, uint64_t now_ns)
{
	struct reading reading = {
		.at_ns = slot->told_ns,
		.is_asleep = slot->awake_since_ns == 0,
		.metrics = slot->metrics,
	};
	/* It told before it slept, and has slept until then. */
	uint64_t until_ns = reading.is_asleep ? now_ns : slot->awake_since_ns;

	if (slot->told_ns == 0)
		return (struct reading){ 0 };
	if (until_ns > slot->told_ns) {
		reading.at_ns = until_ns;
		reading.metrics.waited_ns += until_ns - slot->told_ns;
		reading.metrics.asleep_ns += until_ns - slot->told_ns;
	}
	if (now_ns > reading.at_ns && now_ns - reading.at_ns >= RATE_STUCK_NS) {
		reading.stuck_ns = now_ns - reading.at_ns;
		reading.at_ns = now_ns;
	}
	return reading;
}

/* A count that goes down is of another run, or a lie. */
static double
grown(uint64_t before, uint64_t after)
{
	return after > before ? (double)(after - before) : 0;
}

static double
share(double part, double whole)
{
	return part < whole ? part / whole : 1;
}

void
rates_between(struct rates *rates, const struct reading *before,
	const struct reading *after)
{
	const struct torc_metrics *a = &before->metrics, *b = &after->metrics;
	double ns = grown(before->at_ns, after->at_ns);
	double seconds = ns / 1e9, waited;

	if (ns <= 0)
		return;
	waited = share(grown(a->waited_ns, b->waited_ns), ns);
	*rates = (struct rates){
		.seconds = seconds,
		.busy = 1 - waited,
		.asleep = share(grown(a->asleep_ns, b->asleep_ns), ns),
		.turns = grown(a->turns, b->turns) / seconds,
		.sleeps = grown(a->sleeps_count, b->sleeps_count) / seconds,
		.enters = grown(a->enters_count, b->enters_count) / seconds,
		.sqes = grown(a->sqes_count, b->sqes_count) / seconds,
		.cqes = grown(a->cqes_count, b->cqes_count) / seconds,
		.messages =
			grown(a->messages_count, b->messages_count) / seconds,
		.spawned = grown(a->spawned_count, b->spawned_count) / seconds,
		.buffers_lack =
			grown(a->buffers_lack_count, b->buffers_lack_count) /
			seconds,
	};
	if (rates->asleep > waited)
		rates->asleep = waited;
	rates->looking = waited - rates->asleep;
}
