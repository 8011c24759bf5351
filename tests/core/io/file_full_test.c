/* SPDX-License-Identifier: MIT */
/*
 * Goal    A disk that fills up is told with how far the write came, and what
 *         was written before stays right.
 * Method  A tiny tmpfs in a mount namespace of the test's own.
 */
#include <sched.h>
#include <sys/mount.h>

#include "tests/core/io/folder.h"

#define ROOM ((size_t)256 << 10)

static int
a_full_disk_tells_how_far_it_came(void *unused)
{
	struct torc_file *file = file_open(path_of("full"), O_RDWR | O_CREAT);
	uint8_t *data = copy_of_bytes(0, 4 * ROOM), *back = malloc(4 * ROOM);
	struct torc_file_op op;

	(void)unused;
	torc_file_write_all_start(file, data, 4 * ROOM, &op);
	must_be(torc_await(&op.done), -ENOSPC);
	must_be(op.done_bytes, ROOM);
	must_be(torc_file_position(file), ROOM);
	must_be(torc_file_pread_exact(file, back, 4 * ROOM, 0), ROOM);
	must(is_right(back, 0, ROOM));
	torc_file_close(file);
	must_be(torc_path_unlink(path_of("full")), 0);
	free(data);
	free(back);
	return 0;
}

static int
a_plain_write_is_short_and_the_next_fails(void *unused)
{
	struct torc_file *file = file_open(path_of("short"), O_RDWR | O_CREAT);
	uint8_t *data = copy_of_bytes(0, 2 * ROOM);
	char byte = 1;

	(void)unused;
	must_be(torc_file_pwrite(file, data, 2 * ROOM, 0), ROOM);
	must_be(torc_file_pwrite(file, &byte, 1, ROOM), -ENOSPC);
	must_be(torc_file_truncate(file, ROOM / 2), 0);
	must_be(torc_file_pwrite_all(file, &byte, 1, ROOM - 1), 1);
	torc_file_close(file);
	must_be(torc_path_unlink(path_of("short")), 0);
	free(data);
	return 0;
}

static int
there_is_no_room_for_names_either(void *unused)
{
	char name[32];
	int ret = 0;

	(void)unused;
	for (unsigned i = 0; ret == 0; i++) {
		must(i < 100);
		snprintf(name, sizeof(name), "dir-%u", i);
		ret = torc_path_mkdir(path_of(name), 0700);
	}
	must_be(ret, -ENOSPC);
	return 0;
}

static bool
write_line(const char *path, const char *line)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t written = fd < 0 ? -1 : write(fd, line, strlen(line));

	if (fd >= 0)
		close(fd);
	return written > 0;
}

/* A user namespace in which we are root, and nobody else is anybody. */
static bool
become_root(void)
{
	char user[32], group[32];

	snprintf(user, sizeof(user), "0 %u 1", getuid());
	snprintf(group, sizeof(group), "0 %u 1", getgid());
	return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
	       write_line("/proc/self/setgroups", "deny") &&
	       write_line("/proc/self/uid_map", user) &&
	       write_line("/proc/self/gid_map", group);
}

/* False, with the reason in errno, where this user may not. */
static bool
mount_tiny(void)
{
	if (unshare(CLONE_NEWNS) < 0 && !become_root())
		return false;
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("tiny", folder, "tmpfs", 0, "size=256k,nr_inodes=16") == 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(a_full_disk_tells_how_far_it_came),
		WITH_TORC(a_plain_write_is_short_and_the_next_fails),
		WITH_TORC(there_is_no_room_for_names_either),
	};
	int ret = 77;

	(void)argc;
	forget_stacks(argv);
	if (folder_make(NULL) < 0)
		return 1;
	if (mount_tiny()) {
		ret = cmocka_run_group_tests_name(
			"core/io/file_full", tests, NULL, NULL);
		umount2(folder, MNT_DETACH);
	} else {
		printf("skipped: no file system of its own (%s): run it as "
		       "root, or allow user namespaces\n",
			strerror(errno));
	}
	rmdir(folder);
	return ret;
}
