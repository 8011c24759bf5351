/* SPDX-License-Identifier: MIT */
/*
 * Goal    Unix datagrams are datagrams: whole, with a sender that can be
 *         answered; and unlike UDP's they are not lost: a sender waits for
 *         a receiver that is full.
 * Method  The real kernel, one shard, sockets in a folder of the test's own.
 */
#include <sys/stat.h>
#include <sys/un.h>

#include "tests/core/io/udp_fixture.h"

static char folder[] = "/tmp/torc-udp-XXXXXX";
static char path[128];

static struct torc_udp *
bind_path(const char *name)
{
	struct torc_address actual;
	char text[160];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	snprintf(text, sizeof(text), "unix-dgram:%s", path);
	return bind_at(text, &actual);
}

/* With a name that the kernel chooses. */
static struct torc_udp *
bind_any(void)
{
	struct torc_address actual;

	return bind_at("unix-dgram:@", &actual);
}

static struct torc_address
where(struct torc_udp *udp)
{
	struct torc_address address;

	must_be(torc_udp_address(udp, &address), 0);
	return address;
}

static int
a_datagram_is_whole_and_its_sender_can_be_answered(void *unused)
{
	struct torc_udp *server = bind_path("server"), *client = bind_any();
	struct torc_address to = where(server), from;
	uint8_t *large = copy_of_bytes(0, 60000);
	const void *data;

	(void)unused;
	must_be(torc_udp_send(client, large, 60000, &to), 60000);
	must_be(torc_udp_recv(server, &data, &from), 60000);
	must_be(memcmp(data, large, 60000), 0);
	must_be(from.type, TORC_UNIX_DGRAM);

	must_be(torc_udp_send(server, "ok", 2, &from), 2);
	must_be(torc_udp_recv(client, &data, &from), 2);
	must_be(memcmp(&from.un, &to.un, to.len), 0);
	free(large);
	torc_udp_close(client);
	torc_udp_close(server);
	return 0;
}

static int
the_file_goes_with_the_socket(void *unused)
{
	struct torc_udp *udp = bind_path("gone");
	struct stat st;

	(void)unused;
	must_be(stat(path, &st), 0);
	torc_udp_close(udp);
	wait_until(stat(path, &st) != 0);
	return 0;
}

static int
nobody_there_is_an_error_of_the_send(void *unused)
{
	struct torc_udp *gone = bind_path("nobody"), *client = bind_any();
	struct torc_address to = where(gone);
	struct stat st;

	(void)unused;
	torc_udp_close(gone);
	wait_until(stat(path, &st) != 0);

	must_be(torc_udp_send(client, "x", 1, &to), -ENOENT);
	must_be(torc_udp_connect(client, &to), -ENOENT);
	torc_udp_close(client);
	return 0;
}

struct flood {
	struct torc_udp *client;
	struct torc_address to;
	unsigned sent;
};

static int
send_many(void *arg)
{
	struct flood *flood = arg;
	ssize_t ret = 1;

	while (ret == 1 && flood->sent < 5000) {
		ret = torc_udp_send(flood->client, "x", 1, &flood->to);
		flood->sent += ret == 1;
	}
	return ret == 1 ? 0 : (int)ret;
}

static void
flood_and_receive(bool is_connected)
{
	struct torc_udp *server = bind_path("slow"), *client = bind_any();
	struct flood flood = { client, where(server), 0 };
	struct torc_task *task;
	const void *data;
	int result;

	if (is_connected)
		must_be(torc_udp_connect(client, &flood.to), 0);
	must_be(torc_spawn(&task, send_many, &flood), 0);
	/* Nobody receives: it must stop at what the kernel and torc hold. */
	must_be(torc_sleep(20 * TORC_MS), 0);
	must(flood.sent < 5000);
	for (unsigned i = 0; i < 5000; i++)
		must_be(torc_udp_recv(server, &data, NULL), 1);
	must_be(torc_join(task, &result), 0);
	must_be(result, 0);
	torc_udp_close(client);
	torc_udp_close(server);
}

static int
a_sender_waits_for_a_full_receiver_and_nothing_is_lost(void *unused)
{
	(void)unused;
	flood_and_receive(false);
	return 0;
}

static int
a_connected_sender_does_so_as_well(void *unused)
{
	(void)unused;
	flood_and_receive(true);
	return 0;
}

/* One more byte than the kernel hands over is not a datagram any more. */
static int
what_does_not_fit_a_buffer_is_emsgsize_and_not_cut(void *unused)
{
	struct torc_udp *server = bind_path("large"), *client = bind_any();
	struct torc_address to = where(server);
	uint8_t *large = copy_of_bytes(0, 100000);
	const void *data;

	(void)unused;
	must_be(torc_udp_send(client, large, 100000, &to), 100000);
	must_be(torc_udp_recv(server, &data, NULL), -EMSGSIZE);
	must_be(torc_udp_send(client, "x", 1, &to), 1);
	must_be(torc_udp_recv(server, &data, NULL), 1);
	free(large);
	torc_udp_close(client);
	torc_udp_close(server);
	return 0;
}

static int
what_does_not_fit_ends_a_batch_and_is_told_by_the_next(void *unused)
{
	struct torc_udp *server = bind_path("batch"), *client = bind_any();
	struct torc_address to = where(server);
	uint8_t *large = copy_of_bytes(0, 100000);
	struct torc_datagram shown[4];
	const void *data;

	(void)unused;
	must_be(torc_udp_try_recv(server, &data, NULL), -EAGAIN);
	must_be(torc_udp_send(client, "one", 3, &to), 3);
	must_be(torc_udp_send(client, large, 100000, &to), 100000);
	must_be(torc_udp_send(client, "three", 5, &to), 5);
	wait_until(server->held == 3);

	must_be(torc_udp_recv_many(server, shown, 4), 1);
	must_be(shown[0].bytes, 3);
	must_be(torc_udp_recv_many(server, shown, 4), -EMSGSIZE);
	must_be(torc_udp_recv_many(server, shown, 4), 1);
	must_be(shown[0].bytes, 5);
	free(large);
	torc_udp_close(client);
	torc_udp_close(server);
	return 0;
}

static int
segments_are_datagrams_of_their_own(void *unused)
{
	struct torc_udp *server = bind_any(), *client = bind_any();
	struct torc_address to = where(server);
	uint8_t *bytes = copy_of_bytes(0, 3000);
	const void *data;

	(void)unused;
	must_be(torc_udp_send_segments(client, bytes, 3000, 1000, &to), 3000);
	for (unsigned i = 0; i < 3; i++) {
		must_be(torc_udp_recv(server, &data, NULL), 1000);
		must_be(memcmp(data, bytes + (size_t)i * 1000, 1000), 0);
	}
	free(bytes);
	torc_udp_close(client);
	torc_udp_close(server);
	return 0;
}

static int
what_is_tried_may_be_64_kib_and_no_more(void *unused)
{
	struct torc_udp *server = bind_any(), *client = bind_any();
	struct torc_address to = where(server);
	uint8_t *bytes = copy_of_bytes(0, 65537);
	const void *data;

	(void)unused;
	must_be(torc_udp_try_send(client, bytes, 65537, &to), -EMSGSIZE);
	must_be(torc_udp_try_send(client, bytes, 65536, &to), 65536);
	must_be(torc_udp_recv(server, &data, NULL), 65536);
	must_be(memcmp(data, bytes, 65536), 0);
	free(bytes);
	torc_udp_close(client);
	torc_udp_close(server);
	return 0;
}

static int
the_longest_name_can_be_answered(void *unused)
{
	struct torc_address address = { .type = TORC_UNIX_DGRAM,
		.len = sizeof(address.un),
		.un.sun_family = AF_UNIX };
	struct torc_udp *server = bind_path("s"), *client;
	struct torc_address to = where(server), from;
	const void *data;

	(void)unused;
	memset(address.un.sun_path, 'n', sizeof(address.un.sun_path));
	memcpy(address.un.sun_path, folder, strlen(folder));
	address.un.sun_path[strlen(folder)] = '/';
	must_be(torc_udp_bind(&client, &address), 0);
	must_be(torc_udp_send(client, "x", 1, &to), 1);
	must_be(torc_udp_recv(server, &data, &from), 1);
	must_be(torc_udp_send(server, "y", 1, &from), 1);
	must_be(torc_udp_recv(client, &data, NULL), 1);
	torc_udp_close(client);
	torc_udp_close(server);
	return 0;
}

static int
a_send_that_waits_can_be_cancelled(void *unused)
{
	struct torc_udp *server = bind_path("full"), *client = bind_any();
	struct flood flood = { client, where(server), 0 };
	struct torc_task *task;
	const void *data;
	unsigned got = 0;
	int result;

	(void)unused;
	must_be(torc_spawn(&task, send_many, &flood), 0);
	must_be(torc_sleep(20 * TORC_MS), 0);
	torc_cancel_join(task, &result);
	must_be(result, -ECANCELED);

	/* What was told as sent arrives, and not one more. */
	while (got < flood.sent) {
		must_be(torc_udp_recv(server, &data, NULL), 1);
		got++;
	}
	must_be(torc_sleep(TORC_MS), 0);
	must_be(torc_udp_try_recv(server, &data, NULL), -EAGAIN);
	torc_udp_close(client);
	torc_udp_close(server);
	return 0;
}

static void
send_with_descriptor(int fd, const struct torc_address *to)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr alignment;
	} control = { 0 };
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	struct msghdr msg = { .msg_name = (void *)(uintptr_t)&to->sa,
		.msg_namelen = to->len,
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	must_be(sendmsg(fd, &msg, 0), 1);
}

/* Else whoever may send to it uses up all that this process can open. */
static int
descriptors_that_came_along_are_closed(void *unused)
{
	struct torc_udp *server = bind_path("closer");
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct torc_address to = where(server);
	unsigned before = fds_count();
	const void *data;

	(void)unused;
	for (int i = 0; i < 20; i++) {
		send_with_descriptor(fd, &to);
		must_be(torc_udp_recv(server, &data, NULL), 1);
	}
	must_be(fds_count(), before);
	close(fd);
	torc_udp_close(server);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(a_datagram_is_whole_and_its_sender_can_be_answered),
		WITH_TORC(the_file_goes_with_the_socket),
		WITH_TORC(nobody_there_is_an_error_of_the_send),
		WITH_TORC(
			a_sender_waits_for_a_full_receiver_and_nothing_is_lost),
		WITH_TORC(a_connected_sender_does_so_as_well),
		WITH_TORC(what_does_not_fit_a_buffer_is_emsgsize_and_not_cut),
		WITH_TORC(
			what_does_not_fit_ends_a_batch_and_is_told_by_the_next),
		WITH_TORC(segments_are_datagrams_of_their_own),
		WITH_TORC(descriptors_that_came_along_are_closed),
		WITH_TORC(what_is_tried_may_be_64_kib_and_no_more),
		WITH_TORC(the_longest_name_can_be_answered),
		WITH_TORC(a_send_that_waits_can_be_cancelled),
	};
	int failed;

	if (mkdtemp(folder) == NULL)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	return rmdir(folder) != 0 ? 1 : failed;
}
