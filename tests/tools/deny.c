/* SPDX-License-Identifier: MIT */
/*
 * deny ERRNO PROGRAM [ARGS...]: runs PROGRAM where io_uring_setup fails with
 * ERRNO (EPERM or ENOSYS), the way a container's seccomp profile does it.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The number is the same on every architecture that torc runs on. */
_Static_assert(SYS_io_uring_setup == 425, "io_uring_setup has its own number");

static int
forbid_io_uring(unsigned int err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {
		.len = sizeof(code) / sizeof(code[0]),
		.filter = code,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return -errno;
	return 0;
}

int
main(int argc, char **argv)
{
	unsigned int err = 0;

	if (argc > 2 && strcmp(argv[1], "EPERM") == 0)
		err = EPERM;
	else if (argc > 2 && strcmp(argv[1], "ENOSYS") == 0)
		err = ENOSYS;
	if (!err) {
		fprintf(stderr, "usage: deny EPERM|ENOSYS PROGRAM [ARGS...]\n");
		return 2;
	}

	int res = forbid_io_uring(err);
	if (res) {
		fprintf(stderr, "deny: seccomp: %s\n", strerror(-res));
		return 77;
	}
	execvp(argv[2], argv + 2);
	fprintf(stderr, "deny: %s: %s\n", argv[2], strerror(errno));
	return 127;
}
