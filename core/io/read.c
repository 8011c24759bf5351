/* SPDX-License-Identifier: MIT */
/* What was received, as a task takes it: shown where it lies, or copied. */
#include <errno.h>
#include <string.h>

#include "core/io/stream_priv.h"

/* Wait until view has bytes that nobody took. 1; 0 at the end; -errno. */
static ssize_t
fill_view(struct torc_stream *s, const char *call)
{
	int64_t ret = torc__interrupted(call);

	torc__stream_own(s);
	if (ret < 0)
		return ret;
	if (s->view != NULL && s->view_used == s->view->bytes) {
		torc__stream_put(s->view);
		s->view = NULL;
	}
	/* Another task may close the stream before this one runs again. */
	s->pins++;
	ret = 1;
	if (s->view != NULL || s->rx_first != NULL) {
		torc__budget_spend();
	} else {
		struct torc_future future;

		torc__stream_recv(s, &future);
		ret = torc_await(&future);
	}
	s->pins--;
	if (torc_unlikely(s->is_closing)) {
		torc__stream_release(s);
		return ret < 0 ? ret : -ECANCELED;
	}
	if (ret <= 0)
		return ret;
	if (s->view == NULL) {
		s->view = torc__stream_take(s);
		s->view_used = 0;
	}
	return 1;
}

ssize_t
torc_recv(struct torc_stream *s, const void **data)
{
	ssize_t ret = fill_view(s, "torc_recv");
	size_t bytes;

	if (ret <= 0)
		return ret;
	bytes = s->view->bytes - s->view_used;
	*data = s->view->data + s->view_used;
	s->view_used = s->view->bytes;
	return (ssize_t)bytes;
}

ssize_t
torc_read(struct torc_stream *s, void *buf, size_t bytes)
{
	ssize_t ret = fill_view(s, "torc_read");

	if (ret <= 0)
		return ret;
	if (bytes > s->view->bytes - s->view_used)
		bytes = s->view->bytes - s->view_used;
	memcpy(buf, s->view->data + s->view_used, bytes);
	s->view_used += (uint32_t)bytes;
	return (ssize_t)bytes;
}

/* From the view into `iov` from byte `at` on; how many there was room for. */
static size_t
scatter(struct torc_stream *s, const struct iovec *iov, unsigned iov_count,
	size_t at)
{
	size_t done = 0;

	for (unsigned i = 0; i < iov_count; i++) {
		size_t left = s->view->bytes - s->view_used;
		size_t part;

		if (at >= iov[i].iov_len) {
			at -= iov[i].iov_len;
			continue;
		}
		part = iov[i].iov_len - at < left ? iov[i].iov_len - at : left;
		memcpy((char *)iov[i].iov_base + at,
			s->view->data + s->view_used, part);
		s->view_used += (uint32_t)part;
		done += part;
		at = 0;
		if (part == left)
			break;
	}
	return done;
}

ssize_t
torc_read_vec(
	struct torc_stream *s, const struct iovec *iov, unsigned iov_count)
{
	ssize_t ret = fill_view(s, "torc_read_vec");
	size_t done;

	if (ret <= 0)
		return ret;
	done = scatter(s, iov, iov_count, 0);
	/* What is there already, and no wait for more. */
	while (s->view_used == s->view->bytes && s->rx_first != NULL &&
		!s->is_packet) {
		torc__stream_put(s->view);
		s->view = torc__stream_take(s);
		s->view_used = 0;
		done += scatter(s, iov, iov_count, done);
	}
	return (ssize_t)done;
}

ssize_t
torc_read_exact(struct torc_stream *s, void *buf, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		ssize_t ret = torc_read(s, (char *)buf + done, bytes - done);

		if (ret < 0)
			return ret;
		if (ret == 0)
			break;
		done += (size_t)ret;
	}
	return (ssize_t)done;
}
