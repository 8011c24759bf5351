/* SPDX-License-Identifier: MIT */
/*
 * Goal    Each option reaches the kernel's own option of the sockets that it
 *         is documented for, comes back in its unit, and is refused
 *         elsewhere; who the peer is can be asked.
 * Method  The real kernel; what torc set is read with getsockopt(2). Options
 *         that need a privilege are only refused or taken.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/wait.h>

#include "tests/core/io/fixture.h"

enum { ON_TCP = 1, ON_UDP = 2, ON_UNIX = 4 };

struct expectation {
	enum torc_option option;
	int level, name;
	int value, kernels; /* as the kernel shows it */
	unsigned where;
};

#define PLAIN(option, level, name, value, where)           \
	{                                                  \
		option, level, name, value, value, (where) \
	}

static const struct expectation expectations[] = {
	PLAIN(TORC_NODELAY, IPPROTO_TCP, TCP_NODELAY, 0, ON_TCP),
	PLAIN(TORC_CORK, IPPROTO_TCP, TCP_CORK, 1, ON_TCP),
	PLAIN(TORC_KEEPALIVE, SOL_SOCKET, SO_KEEPALIVE, 1, ON_TCP),
	PLAIN(TORC_KEEPALIVE_IDLE_S, IPPROTO_TCP, TCP_KEEPIDLE, 77, ON_TCP),
	PLAIN(TORC_KEEPALIVE_GAP_S, IPPROTO_TCP, TCP_KEEPINTVL, 11, ON_TCP),
	PLAIN(TORC_KEEPALIVE_PROBES, IPPROTO_TCP, TCP_KEEPCNT, 3, ON_TCP),
	PLAIN(TORC_USER_TIMEOUT_MS, IPPROTO_TCP, TCP_USER_TIMEOUT, 4321,
		ON_TCP),
	PLAIN(TORC_UNSENT_BYTES, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 9000, ON_TCP),
	{ TORC_SEND_BUF_BYTES, SOL_SOCKET, SO_SNDBUF, 30000, 60000,
		ON_TCP | ON_UDP | ON_UNIX },
	{ TORC_RECV_BUF_BYTES, SOL_SOCKET, SO_RCVBUF, 20000, 40000,
		ON_TCP | ON_UDP | ON_UNIX },
	PLAIN(TORC_TOS, IPPROTO_IP, IP_TOS, 0x20, ON_TCP | ON_UDP),
	PLAIN(TORC_TTL, IPPROTO_IP, IP_TTL, 33, ON_TCP | ON_UDP),
	PLAIN(TORC_PRIORITY, SOL_SOCKET, SO_PRIORITY, 5,
		ON_TCP | ON_UDP | ON_UNIX),
	PLAIN(TORC_BROADCAST, SOL_SOCKET, SO_BROADCAST, 1, ON_UDP),
	PLAIN(TORC_MULTICAST_TTL, IPPROTO_IP, IP_MULTICAST_TTL, 7, ON_UDP),
	PLAIN(TORC_MULTICAST_LOOP, IPPROTO_IP, IP_MULTICAST_LOOP, 0, ON_UDP),
};

#define EXPECTATIONS_COUNT (sizeof(expectations) / sizeof(expectations[0]))

static int
kernels(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	must_be(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void
check_stream(struct torc_stream *stream, unsigned where)
{
	for (size_t i = 0; i < EXPECTATIONS_COUNT; i++) {
		const struct expectation *e = &expectations[i];
		int value = -1;

		if (!(e->where & where)) {
			must_be(torc_stream_option_set(stream, e->option, 1),
				-ENOPROTOOPT);
			must_be(torc_stream_option_get(
					stream, e->option, &value),
				-ENOPROTOOPT);
			must_be(value, -1);
			continue;
		}
		must_be(torc_stream_option_set(stream, e->option, e->value), 0);
		must_be(kernels(stream->fd, e->level, e->name), e->kernels);
		must_be(torc_stream_option_get(stream, e->option, &value), 0);
		must_be(value, e->kernels);
	}
}

static int
a_streams_options_are_the_kernels(void *unused)
{
	struct torc_stream *a, *b;
	struct pair pair;

	(void)unused;
	pair_open(&pair, TCP);
	must_be(kernels(pair.stream->fd, IPPROTO_TCP, TCP_NODELAY), 1);
	check_stream(pair.stream, ON_TCP);
	pair_close(&pair);
	must_be(torc_stream_pair(&a, &b), 0);
	check_stream(a, ON_UNIX);
	torc_close(a);
	torc_close(b);
	return 0;
}

static int
a_datagram_sockets_options_are_the_kernels(void *unused)
{
	struct torc_address any = address_of("udp:127.0.0.1:0");
	struct torc_udp *udp;

	(void)unused;
	must_be(torc_udp_bind(&udp, &any), 0);
	for (size_t i = 0; i < EXPECTATIONS_COUNT; i++) {
		const struct expectation *e = &expectations[i];
		int value = -1, ret = e->where & ON_UDP ? 0 : -ENOPROTOOPT;

		must_be(torc_udp_option_set(udp, e->option, e->value), ret);
		must_be(torc_udp_option_get(udp, e->option, &value), ret);
		must_be(value, ret == 0 ? e->kernels : -1);
	}
	torc_udp_close(udp);
	return 0;
}

static int
what_a_listener_has_its_connections_have(void *unused)
{
	struct torc_address any = address_of(TCP);
	struct pair pair;
	int value = 0;

	(void)unused;
	must_be(torc_listen(&pair.listener, &any, NULL), 0);
	torc_listener_address(pair.listener, &pair.address);
	must_be(torc_listener_option_set(
			pair.listener, TORC_KEEPALIVE_IDLE_S, 55),
		0);
	must_be(torc_listener_option_set(pair.listener, TORC_ACCEPT_DELAY_S, 0),
		0);
	must_be(torc_listener_option_set(pair.listener, TORC_FAST_OPEN, 16), 0);
	must_be(torc_listener_congestion_set(pair.listener, "reno"), 0);
	must_be(torc_listener_option_get(pair.listener, TORC_FAST_OPEN, &value),
		0);
	must_be(value, 16);

	pair_connect(&pair);

	must_be(kernels(pair.stream->fd, IPPROTO_TCP, TCP_KEEPIDLE), 55);
	torc_listener_stop(pair.listener);
	must_be(torc_listener_option_set(pair.listener, TORC_KEEPALIVE, 1),
		-ESHUTDOWN);
	must_be(torc_listener_congestion_set(pair.listener, "reno"),
		-ESHUTDOWN);
	pair_close(&pair);
	return 0;
}

static int
over_IPv6_they_are_those_of_IPv6(void *unused)
{
	struct torc_address any = address_of("udp:[::1]:0");
	struct torc_udp *udp;
	struct pair pair;
	int value;

	(void)unused;
	pair_open(&pair, "[::1]:0");
	must_be(torc_stream_option_set(pair.stream, TORC_TTL, 44), 0);
	must_be(torc_stream_option_set(pair.stream, TORC_TOS, 0x40), 0);
	must_be(kernels(pair.stream->fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS), 44);
	must_be(kernels(pair.stream->fd, IPPROTO_IPV6, IPV6_TCLASS), 0x40);
	pair_close(&pair);

	must_be(torc_udp_bind(&udp, &any), 0);
	must_be(torc_udp_option_set(udp, TORC_MULTICAST_TTL, 9), 0);
	must_be(torc_udp_option_get(udp, TORC_MULTICAST_TTL, &value), 0);
	must_be(value, 9);
	torc_udp_close(udp);
	return 0;
}

static int
values_out_of_range_are_the_kernels_errors(void *unused)
{
	struct pair pair;

	(void)unused;
	pair_open(&pair, TCP);
	must_be(torc_stream_option_set(pair.stream, TORC_KEEPALIVE_IDLE_S, 0),
		-EINVAL);
	must_be(torc_stream_option_set(
			pair.stream, TORC_KEEPALIVE_IDLE_S, 32768),
		-EINVAL);
	must_be(torc_stream_option_set(pair.stream, TORC_TTL, 256), -EINVAL);
	must_be(torc_stream_option_set(pair.stream, TORC_USER_TIMEOUT_MS, -1),
		-EINVAL);
	pair_close(&pair);
	return 0;
}

static int
privileged_options_are_taken_or_refused(void *unused)
{
	static const enum torc_option options[] = { TORC_MARK,
		TORC_BUSY_POLL_US };
	struct pair pair;

	(void)unused;
	pair_open(&pair, TCP);
	for (int i = 0; i < 2; i++) {
		int value = -1;
		int ret = torc_stream_option_set(pair.stream, options[i], 50);

		must(ret == 0 || ret == -EPERM);
		must_be(torc_stream_option_get(pair.stream, options[i], &value),
			0);
		must_be(value, ret == 0 ? 50 : value);
	}
	pair_close(&pair);
	return 0;
}

static int
congestion_control_goes_by_its_name(void *unused)
{
	char name[TORC_CONGESTION_MAX];
	struct torc_stream *a, *b;
	struct pair pair;

	(void)unused;
	pair_open(&pair, TCP);
	must_be(torc_stream_congestion_set(pair.stream, "reno"), 0);
	must_be(torc_stream_congestion_get(pair.stream, name), 0);
	must_be(strcmp(name, "reno"), 0);
	must_be(torc_stream_congestion_set(pair.stream, "nosuch"), -ENOENT);
	pair_close(&pair);

	must_be(torc_stream_pair(&a, &b), 0);
	must_be(torc_stream_congestion_set(a, "reno"), -ENOPROTOOPT);
	must_be(torc_stream_congestion_get(a, name), -ENOPROTOOPT);
	torc_close(a);
	torc_close(b);
	return 0;
}

/* ---- credentials ---- */

static int
a_peer_is_known_by_its_credentials(void *unused)
{
	struct torc_credentials peer;
	struct pair pair;

	(void)unused;
	pair_open(&pair, abstract_text());
	must_be(torc_stream_peer_credentials(pair.stream, &peer), 0);
	must_be(peer.pid, getpid());
	must_be(peer.uid, geteuid());
	must_be(peer.gid, getegid());
	pair_close(&pair);

	pair_open(&pair, TCP);
	must_be(torc_stream_peer_credentials(pair.stream, &peer), -EOPNOTSUPP);
	must_be(torc_stream_peer_pidfd(pair.stream), -EOPNOTSUPP);
	pair_close(&pair);
	return 0;
}

/* A child that connects, and is another process. */
static int
a_pidfd_is_the_peers(void *unused)
{
	struct torc_address any = address_of(abstract_text());
	struct torc_credentials peer;
	struct torc_listener *listener;
	struct torc_stream *stream;
	pid_t child;
	int fd;

	(void)unused;
	must_be(torc_listen(&listener, &any, NULL), 0);
	child = vfork();
	if (child == 0) {
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		_exit(fd < 0 || connect(fd, &any.sa, any.len) < 0);
	}
	must_be(torc_accept(listener, &stream), 0);
	must_be(torc_stream_peer_credentials(stream, &peer), 0);
	must_be(peer.pid, child);
	fd = torc_stream_peer_pidfd(stream);
	if (fd >= 0) {
		siginfo_t info = { 0 };

		must_be(waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOWAIT), 0);
		must_be(info.si_pid, child);
		close(fd);
	} else {
		must_be(fd, -ENOPROTOOPT);
	}
	must_be(waitpid(child, NULL, 0), child);
	torc_close(stream);
	torc_listener_close(listener);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(a_streams_options_are_the_kernels),
		WITH_TORC(a_datagram_sockets_options_are_the_kernels),
		WITH_TORC(what_a_listener_has_its_connections_have),
		WITH_TORC(over_IPv6_they_are_those_of_IPv6),
		WITH_TORC(values_out_of_range_are_the_kernels_errors),
		WITH_TORC(privileged_options_are_taken_or_refused),
		WITH_TORC(congestion_control_goes_by_its_name),
		WITH_TORC(a_peer_is_known_by_its_credentials),
		WITH_TORC(a_pidfd_is_the_peers),
	};

	return cmocka_run_group_tests_name("core/io/option", tests, NULL, NULL);
}
