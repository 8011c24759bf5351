/* SPDX-License-Identifier: MIT */
#include <torc/base/probe.h>
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

static void
on_finish(struct torc_timer *timer)
{
	struct torc_relay *relay =
		torc__container_of(timer, struct torc_relay, _timer);

	TORC_PROBE5(torc, relay__end, torc__shard->index, relay,
		relay->a_to_b.bytes, relay->b_to_a.bytes, relay->_error);
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

/* A direction that did not end by itself. */
static void
cut_off(struct torc_relay_half *half, int error)
{
	if (half->ended_ns != 0)
		return;
	half->ended_ns = torc__shard->now_ns;
	half->error = error;
}

/*
 * End now. Closing cancels the sends, whose completions give the buffers
 * back; the relay is done after the last of them.
 */
static void
end(struct torc_relay *relay, int error)
{
	struct torc_stream *a = relay->a_to_b._from;
	struct torc_stream *b = relay->b_to_a._from;

	if (relay->_is_over)
		return;
	relay->_error = error;
	cut_off(&relay->a_to_b, error == -ETIMEDOUT ? error : -ECANCELED);
	cut_off(&relay->b_to_a, error == -ETIMEDOUT ? error : -ECANCELED);
	relay->_is_over = true;
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

/* This direction failed, and with it both. */
static void
fail(struct torc_relay_half *half, int error)
{
	if (!half->_relay->_is_over)
		cut_off(half, error);
	end(half->_relay, error);
}

static struct torc_relay_half *
other_of(struct torc_relay_half *half)
{
	struct torc_relay *relay = half->_relay;

	return half == &relay->a_to_b ? &relay->b_to_a : &relay->a_to_b;
}

/* A peer that half-closed may still reset while it waits for its answer. */
static void
on_reset(struct torc_future *readable)
{
	struct torc_relay_half *half = torc_future_waiter(readable);

	/* What it had to say is passed on: it is the answer that is lost. */
	if (half->_state == HALF_ENDED)
		half = other_of(half);
	fail(half, (int)readable->value);
}

/* All that was read before the end of file has left: pass the end on. */
static void
settle(struct torc_relay_half *half)
{
	struct torc_relay *relay = half->_relay;
	int ret;

	if (relay->_is_over || half->_state != HALF_ENDING || half->_queued > 0)
		return;
	half->_state = HALF_ENDED;
	half->ended_ns = torc__shard->now_ns;
	if (relay->a_to_b._state == HALF_ENDED &&
		relay->b_to_a._state == HALF_ENDED) {
		end(relay, 0);
		return;
	}
	ret = torc_shutdown(half->_to);
	if (ret < 0) {
		half->error = ret;
		end(relay, ret);
	}
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
	if (!relay->_is_over &&
		(half->_from->is_closing || half->_to->is_closing))
		end(relay, -ECANCELED);
	half->_queued--;
	torc__stream_put(buf);
	if (relay->_is_over) {
		finish_when_quiet(relay);
		return;
	}
	relay->_moved_ns = torc__shard->now_ns;
	if (done->value < 0)
		fail(half, (int)done->value);
	else
		settle(half);
}

static void
send_from(struct torc_relay_half *half, struct torc_buf *buf, uint32_t at)
{
	struct torc_send *send = (struct torc_send *)(void *)buf->notes;

	send->data = buf->data + at;
	send->bytes = buf->bytes - at;
	half->_queued++;
	torc_send_start(half->_to, send);
	torc_future_then(&send->done, on_sent, half);
}

static void
pass_on(struct torc_relay_half *half)
{
	struct torc_buf *buf;

	while (!half->_relay->_is_over &&
		(buf = torc__stream_take(half->_from)) != NULL)
		send_from(half, buf, 0);
}

/* What a torc_read() before the relay has left of a buffer. */
static void
pass_on_view(struct torc_relay_half *half)
{
	struct torc_stream *from = half->_from;
	struct torc_buf *view = from->view;

	if (view == NULL)
		return;
	from->view = NULL;
	if (from->view_used < view->bytes)
		send_from(half, view, from->view_used);
	else
		torc__stream_put(view);
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
	if (relay->_is_over)
		return;
	relay->_moved_ns = torc__shard->now_ns;
	if (readable->value < 0) {
		fail(half, (int)readable->value);
	} else if (readable->value == 0) {
		half->_state = HALF_ENDING;
		torc_reset_start(half->_from, readable);
		torc_future_then(readable, on_reset, half);
		settle(half);
	} else {
		pass_on(half);
		if (!relay->_is_over)
			listen_on(half);
	}
}

/* Moved to the last movement instead of being armed anew by each. */
static void
on_idle(struct torc_timer *timer)
{
	struct torc_relay *relay =
		torc__container_of(timer, struct torc_relay, _timer);
	const struct torc_stream *a = relay->a_to_b._from;
	const struct torc_stream *b = relay->b_to_a._from;
	uint64_t moved_ns = relay->_moved_ns, until_ns;

	/* A slow reader takes a buffer piece by piece. */
	if (a->sent_ns > moved_ns)
		moved_ns = a->sent_ns;
	if (b->sent_ns > moved_ns)
		moved_ns = b->sent_ns;
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

	torc__stream_own(a);
	torc__stream_own(b);
	*relay = (struct torc_relay){
		.a_to_b = { ._relay = relay, ._from = a, ._to = b },
		.b_to_a = { ._relay = relay, ._from = b, ._to = a },
		._timer = { .fn = on_idle },
		._idle_ns = idle_ns,
		._moved_ns = shard->now_ns,
	};
	torc_future_init(&relay->done, cancel_relay, relay);
	TORC_PROBE4(torc, relay__begin, shard->index, relay, a->fd, b->fd);
	if (idle_ns != 0)
		torc__timer_arm_in(shard, &relay->_timer, idle_ns);
	pass_on_view(&relay->a_to_b);
	if (!relay->_is_over)
		pass_on_view(&relay->b_to_a);
	if (!relay->_is_over)
		listen_on(&relay->a_to_b);
	if (!relay->_is_over)
		listen_on(&relay->b_to_a);
}

int
torc_relay_counted(struct torc_stream *a, struct torc_stream *b,
	uint64_t idle_ns, struct torc_relay_bytes *bytes)
{
	struct torc_relay relay;
	int64_t ret;

	torc_relay_start(&relay, a, b, idle_ns);
	ret = torc_await(&relay.done);
	*bytes = (struct torc_relay_bytes){ relay.a_to_b.bytes,
		relay.b_to_a.bytes };
	return (int)ret;
}

int
torc_relay(struct torc_stream *a, struct torc_stream *b, uint64_t idle_ns)
{
	struct torc_relay_bytes bytes;

	return torc_relay_counted(a, b, idle_ns, &bytes);
}
