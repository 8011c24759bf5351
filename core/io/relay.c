/* SPDX-License-Identifier: MIT */
#include <torc/core/io/relay.h>

#include <errno.h>

#include "core/io/stream_priv.h"

_Static_assert(sizeof(struct torc_send) <= TORC__BUF_NOTES_BYTES,
	"a buffer carries its own send");

enum half_state {
	HALF_FLOWS,
	HALF_ENDING, /* end of file seen; queued bytes still leave */
	HALF_ENDED,  /* and passed on */
};

static void on_readable(struct torc_future *readable);

static bool
is_over(const struct torc_relay *relay)
{
	return relay->_a == NULL;
}

static void
on_finish(struct torc_timer *timer)
{
	struct torc_relay *relay =
		torc__container_of(timer, struct torc_relay, _timer);

	torc_future_complete(&relay->done, relay->_error);
}

/*
 * Once no buffer of ours is queued any more the relay is done. The waiter
 * may free it, and callers further up still hold it: so not before the next
 * turn.
 */
static void
finish_when_quiet(struct torc_relay *relay)
{
	if (relay->a_to_b._queued + relay->b_to_a._queued > 0)
		return;
	relay->_timer.fn = on_finish;
	torc__wheel_arm(&torc__shard->wheel, &relay->_timer, 0);
}

/*
 * End now. Closing cancels the sends, whose completions give the buffers
 * back; the relay is done after the last of them.
 */
static void
end(struct torc_relay *relay, int error)
{
	struct torc_stream *a = relay->_a, *b = relay->_b;

	if (is_over(relay))
		return;
	relay->_error = error;
	relay->_a = relay->_b = NULL;
	torc__wheel_disarm(&a->shard->wheel, &relay->_timer);
	if (error == 0) {
		torc_close(a);
		torc_close(b);
	} else {
		torc__stream_abort(a);
		torc__stream_abort(b);
	}
	finish_when_quiet(relay);
}

/* A peer that half-closed may still reset while it waits for its answer. */
static void
on_reset(struct torc_future *readable)
{
	struct torc_relay_half *half = torc_future_waiter(readable);

	end(half->_relay, (int)readable->value);
}

/* All that was read before the end of file has left: pass the end on. */
static void
settle(struct torc_relay_half *half)
{
	struct torc_relay *relay = half->_relay;
	int ret;

	if (is_over(relay) || half->_state != HALF_ENDING || half->_queued > 0)
		return;
	half->_state = HALF_ENDED;
	if (relay->a_to_b._state == HALF_ENDED &&
		relay->b_to_a._state == HALF_ENDED) {
		end(relay, 0);
		return;
	}
	ret = torc_shutdown(half->_to);
	if (ret < 0)
		end(relay, ret);
}

static void
on_sent(struct torc_future *done)
{
	struct torc_send *send =
		torc__container_of(done, struct torc_send, done);
	struct torc_buf *buf = torc__buf_of_notes(send);
	struct torc_relay_half *half = torc_future_waiter(done);
	struct torc_relay *relay = half->_relay;

	half->bytes += send->sent_bytes;
	/* By the end of the runtime, and the put below may free one. */
	if (!is_over(relay) && (relay->_a->is_closing || relay->_b->is_closing))
		end(relay, -ECANCELED);
	half->_queued--;
	torc__stream_put(buf);
	if (is_over(relay)) {
		finish_when_quiet(relay);
		return;
	}
	relay->_moved_ns = torc__shard->now_ns;
	if (done->value < 0)
		end(relay, (int)done->value);
	else
		settle(half);
}

static void
send_buf(struct torc_relay_half *half, struct torc_buf *buf)
{
	struct torc_send *send = (struct torc_send *)(void *)buf->notes;

	send->data = buf->data;
	send->bytes = buf->bytes;
	half->_queued++;
	torc_send_start(half->_to, send);
	torc_future_then(&send->done, on_sent, half);
}

static void
pass_on(struct torc_relay_half *half)
{
	struct torc_buf *buf;

	while (!is_over(half->_relay) &&
		(buf = torc__stream_take(half->_from)) != NULL)
		send_buf(half, buf);
}

static void
listen_on(struct torc_relay_half *half)
{
	torc_recv_start(half->_from, &half->_readable);
	torc_future_then(&half->_readable, on_readable, half);
}

static void
on_readable(struct torc_future *readable)
{
	struct torc_relay_half *half = torc_future_waiter(readable);
	struct torc_relay *relay = half->_relay;

	/* Our own close cancels it. */
	if (is_over(relay))
		return;
	relay->_moved_ns = torc__shard->now_ns;
	if (readable->value < 0) {
		end(relay, (int)readable->value);
	} else if (readable->value == 0) {
		half->_state = HALF_ENDING;
		torc_reset_start(half->_from, readable);
		torc_future_then(readable, on_reset, half);
		settle(half);
	} else {
		pass_on(half);
		if (!is_over(relay))
			listen_on(half);
	}
}

/* Moved to the last movement instead of being armed anew by each. */
static void
on_idle(struct torc_timer *timer)
{
	struct torc_relay *relay =
		torc__container_of(timer, struct torc_relay, _timer);
	uint64_t moved_ns = relay->_moved_ns, until_ns;

	/* A slow reader takes a buffer piece by piece. */
	if (relay->_a->sent_ns > moved_ns)
		moved_ns = relay->_a->sent_ns;
	if (relay->_b->sent_ns > moved_ns)
		moved_ns = relay->_b->sent_ns;
	until_ns = moved_ns + relay->_idle_ns;
	if (torc__shard->now_ns >= until_ns)
		end(relay, -ETIMEDOUT);
	else
		torc__wheel_arm(&torc__shard->wheel, timer, until_ns);
}

static void
cancel_relay(struct torc_future *done)
{
	end(torc_future_source(done), -ECANCELED);
}

void
torc_relay_start(struct torc_relay *relay, struct torc_stream *a,
	struct torc_stream *b, uint64_t idle_ns)
{
	struct torc_shard *shard = torc__shard;

	torc_assert(a->shard == shard && b->shard == shard);
	*relay = (struct torc_relay){
		.a_to_b = { ._relay = relay, ._from = a, ._to = b },
		.b_to_a = { ._relay = relay, ._from = b, ._to = a },
		._a = a,
		._b = b,
		._timer = { .fn = on_idle },
		._idle_ns = idle_ns,
		._moved_ns = shard->now_ns,
	};
	torc_future_init(&relay->done, cancel_relay, relay);
	if (idle_ns != 0)
		torc__timer_arm_in(shard, &relay->_timer, idle_ns);
	listen_on(&relay->a_to_b);
	if (!is_over(relay))
		listen_on(&relay->b_to_a);
}

int
torc_relay(struct torc_stream *a, struct torc_stream *b, uint64_t idle_ns)
{
	struct torc_relay relay;

	torc_relay_start(&relay, a, b, idle_ns);
	return (int)torc_await(&relay.done);
}
