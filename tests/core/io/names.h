/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_CORE_IO_NAMES_H
#define TORC_TESTS_CORE_IO_NAMES_H

/*
 * names - what the machine's resolver finds is what a test says
 *
 * Mount and network namespaces of the test's own, with its own /etc/hosts, and
 * 127.0.0.1 for a name server. Where namespaces are forbidden NAMES() cases are
 * skipped, and that is said.
 */

#include <net/if.h>
#include <netdb.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "tests/core/io/fixture.h"

static bool has_world;

static inline bool
put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bool is_put;

	if (fd < 0)
		return false;
	is_put = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return is_put;
}

/* Over a file of the machine's, seen by this process only. */
static inline bool
cover(const char *dir, const char *name, const char *text)
{
	char from[128], to[128];

	snprintf(from, sizeof(from), "%s/%s", dir, name);
	snprintf(to, sizeof(to), "/etc/%s", name);
	return put(from, text) && mount(from, to, NULL, MS_BIND, NULL) == 0;
}

static inline bool
raise_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is_up;

	if (fd < 0)
		return false;
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	is_up = ioctl(fd, SIOCSIFFLAGS, &request) == 0;
	close(fd);
	return is_up;
}

static inline bool
become_root_of_own(void)
{
	unsigned uid = getuid(), gid = getgid();
	char text[32];

	if (uid == 0)
		return unshare(CLONE_NEWNS | CLONE_NEWNET) == 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) != 0)
		return false;
	snprintf(text, sizeof(text), "0 %u 1", uid);
	if (!put("/proc/self/uid_map", text) ||
		!put("/proc/self/setgroups", "deny"))
		return false;
	snprintf(text, sizeof(text), "0 %u 1", gid);
	return put("/proc/self/gid_map", text);
}

static inline bool
make_world(const char *hosts)
{
	/* Of this process, too: nothing is left of it. */
	const char *dir = "/tmp";

	if (!become_root_of_own() ||
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		mount("none", dir, "tmpfs", 0, NULL) != 0)
		return false;
	return raise_loopback() && cover(dir, "hosts", hosts) &&
	       cover(dir, "host.conf", "multi on\n") &&
	       cover(dir, "nsswitch.conf", "hosts: files dns\n") &&
	       cover(dir, "resolv.conf",
		       "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
}

static inline struct torc_blocking_counts
counts(void)
{
	struct torc_blocking_counts now;

	torc_blocking_counts(&now);
	return now;
}

static inline void
name_case(void **state)
{
	if (!has_world) {
		print_message("skip: no namespaces of one's own here, and so "
			      "no names of one's own\n");
		skip();
	}
	run_case(state);
}

#define NAMES(fn_, threads)                                     \
	{                                                       \
		.name = #fn_, .test_func = name_case,           \
		.initial_state = &(struct torc_case)            \
		{                                               \
			.fn = fn_, .options = {                 \
				.shards = 1,                    \
				.blocking_threads_max = threads \
			}                                       \
		}                                               \
	}

static inline int
look_up_for_long(void *arg)
{
	struct addrinfo *list;

	(void)arg;
	must_be(getaddrinfo("localhost", NULL, NULL, &list), 0);
	freeaddrinfo(list);
	return usleep(20000);
}

/*
 * The C library keeps what its first look-ups have read, and the stacks of a
 * few threads with what belongs to them.
 */
static inline int
fill_caches(void *arg)
{
	struct torc_blocking jobs[16];
	struct torc_address found[1];

	(void)arg;
	for (int i = 0; i < 16; i++)
		torc_blocking_start(&jobs[i], look_up_for_long, NULL);
	for (int i = 0; i < 16; i++)
		must_be(torc_await(&jobs[i].done), 0);
	must_be(torc_resolve("localhost:80", found, 1), 1);
	return 0;
}

#endif /* TORC_TESTS_CORE_IO_NAMES_H */
