/* SPDX-License-Identifier: MIT */
/*
 * The child between clone and exec. It shares all memory with this process,
 * whose other threads run on: it has a stack of its own and changes nothing
 * that it did not bring. Every call is syscall(2), because the C library's own,
 * and a sanitizer's in front of them, keep books that are the parent's.
 *
 * No fork: nothing of the rings is copied, and what the child holds of their
 * descriptors goes with the exec.
 */
#include "core/io/process_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sanitizer_priv.h"

#define STACK_BYTES ((size_t)32 << 10)

#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

/* The kernel's: 64 signals, one bit each. */
#define SIGNALS_MAX 64
#define SIGNALS_BYTES 8

/* Not in the headers of every C library that torc is built with. */
#define CLOSE_RANGE_CLOEXEC_FLAG 4u

/*
 * TSan's clone() takes every child for a fork's, and has it begin its books
 * anew, which here are the parent's.
 */
#ifdef TORC__TSAN
int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
#define real_clone __clone
#else
#define real_clone clone
#endif

#ifdef TORC__ASAN
void __asan_unpoison_memory_region(const volatile void *low, size_t bytes);
#endif

/* What the child works with, made by the parent. */
struct child {
	const struct torc_process_options *options;
	const char *program;
	const char *search; /* PATH; NULL: program is a path already */
	char *const *argv;
	char *const *envp;
	int fds[3]; /* -1: inherited */
	int error;  /* written by the child */
	char path[PATH_MAX];
};

/* Handlers are the parent's code: none may run here, nor SIGPIPE be ignored. */
static void
reset_signals(void)
{
	/* As the kernel has it on every architecture: the handler first. */
	uintptr_t action[16], by_default[16];

	memset(by_default, 0, sizeof(by_default));
	for (int signo = 1; signo <= SIGNALS_MAX; signo++) {
		if (syscall(SYS_rt_sigaction, signo, NULL, action,
			    SIGNALS_BYTES) < 0 ||
			action[0] == (uintptr_t)SIG_DFL ||
			(action[0] == (uintptr_t)SIG_IGN && signo != SIGPIPE))
			continue;
		syscall(SYS_rt_sigaction, signo, by_default, NULL,
			SIGNALS_BYTES);
	}
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, by_default, NULL,
		SIGNALS_BYTES);
}

/* Above 2 first, so that none is overwritten before it was copied. */
static int
place_fds(int fds[3])
{
	for (int i = 0; i < 3; i++) {
		if (fds[i] < 0 || fds[i] > 2)
			continue;
		fds[i] = (int)syscall(SYS_fcntl, fds[i], F_DUPFD_CLOEXEC, 3);
		if (fds[i] < 0)
			return -1;
	}
	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0 && syscall(SYS_dup3, fds[i], i, 0) < 0)
			return -1;
	return 0;
}

/*
 * All of them, also those that an exec would pass on: from root the change of
 * the user does it, from a user with capabilities it does not.
 */
static int
drop_capabilities(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[2];

	memset(none, 0, sizeof(none));
	return (int)syscall(SYS_capset, &header, none);
}

/* The groups first: who has given up his user may not. */
static int
become(const struct torc_process_user *user)
{
	if (syscall(SYS_setgroups, user->groups_count, user->groups) < 0)
		return -1;
	if (syscall(SYS_setresgid, user->gid, user->gid, user->gid) < 0)
		return -1;
	if (syscall(SYS_setresuid, user->uid, user->uid, user->uid) < 0)
		return -1;
	return user->uid == 0 ? 0 : drop_capabilities();
}

static int
prepare(struct child *child)
{
	const struct torc_process_options *options = child->options;

	if (options->own_session && syscall(SYS_setsid) < 0)
		return -1;
	if (options->own_group && !options->own_session &&
		syscall(SYS_setpgid, 0, 0) < 0)
		return -1;
	if (place_fds(child->fds) < 0)
		return -1;
	/* 5.11; where it is refused, who was careful loses nothing. */
	if (!options->inherits_fds)
		syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC_FLAG);
	if (options->user != NULL && become(options->user) < 0)
		return -1;
	if (options->directory != NULL &&
		syscall(SYS_chdir, options->directory) < 0)
		return -1;
	reset_signals();
	return 0;
}

/* The next candidate into child->path; NULL: that was the last. */
static const char *
next_candidate(struct child *child, const char *search)
{
	size_t len = strcspn(search, ":");
	size_t program_len = strlen(child->program);
	char *at = child->path;

	/* An empty one is the current directory. */
	if (len + program_len + 2 > sizeof(child->path)) {
		*at = '\0';
	} else {
		memcpy(at, search, len);
		at += len;
		if (len > 0)
			*at++ = '/';
		memcpy(at, child->program, program_len + 1);
	}
	return search[len] == ':' ? search + len + 1 : NULL;
}

/* Returns only with an error. */
static int
exec_search(struct child *child)
{
	const char *search = child->search;
	int error = ENOENT;

	while (search != NULL) {
		search = next_candidate(child, search);
		syscall(SYS_execve, child->path, child->argv, child->envp);
		if (errno == EACCES)
			error = EACCES;
		else if (errno != ENOENT && errno != ENOTDIR)
			return errno;
	}
	return error;
}

static int
run_child(void *arg)
{
	struct child *child = arg;

	if (prepare(child) < 0) {
		child->error = errno;
	} else if (child->search != NULL) {
		child->error = exec_search(child);
	} else {
		syscall(SYS_execve, child->program, child->argv, child->envp);
		child->error = errno;
	}
	syscall(SYS_exit_group, 127);
	return 127;
}

/* ---- the parent's side ---- */

static const char *
path_in(char *const *envp)
{
	for (; *envp != NULL; envp++)
		if (strncmp(*envp, "PATH=", 5) == 0)
			return *envp + 5;
	return PATH_DEFAULT;
}

/* Returns when the child has exec'd or failed. Its pid or -errno. */
static pid_t
clone_child(struct child *child, int *pidfd)
{
	char stack[STACK_BYTES] __attribute__((aligned(64)));
	sigset_t all, before;
	pid_t pid;

	/* No handler may run in the child before it has none. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = real_clone(run_child, stack + sizeof(stack),
		CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, child, pidfd);
	if (pid < 0)
		pid = -errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
#ifdef TORC__ASAN
	/* The child's functions never returned: their marks are still there. */
	__asan_unpoison_memory_region(stack, sizeof(stack));
#endif
	return pid;
}

static void
reap(int pidfd)
{
	siginfo_t info;

	while (waitid(TORC__WAIT_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 &&
		errno == EINTR)
		continue;
	close(pidfd);
}

/* One for all that want it: its descriptor in *null, -1 if none does. */
static int
open_null(struct torc_birth *birth, int *null)
{
	const struct torc_process_options *options = birth->options;
	const struct torc_process_stdio *stdio[3] = { &options->in,
		&options->out, &options->err };

	*null = -1;
	for (int i = 0; i < 3; i++) {
		if (stdio[i]->how != TORC_PROCESS_NULL)
			continue;
		if (*null < 0)
			*null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (*null < 0)
			return -errno;
		birth->fds[i] = *null;
	}
	return 0;
}

/*
 * A child that becomes another user makes the memory that it still shares
 * undumpable, this process's: which keeps that user's debuggers out of it, and
 * has to be undone once the child has a memory of its own.
 */
static pid_t
clone_other_user(struct child *child, int *pidfd)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	bool was_dumpable;
	pid_t pid;

	/* One at a time: each must see what was there before all of them. */
	pthread_mutex_lock(&lock);
	was_dumpable = prctl(PR_GET_DUMPABLE) == 1;
	pid = clone_child(child, pidfd);
	if (was_dumpable)
		prctl(PR_SET_DUMPABLE, 1);
	pthread_mutex_unlock(&lock);
	return pid;
}

static int
make_child(struct torc_birth *birth)
{
	const struct torc_process_options *options = birth->options;
	struct child child;
	int pidfd = -1;

	/* To the kernel -1 means to stay what one is. */
	if (options->user != NULL && (options->user->uid == (uid_t)-1 ||
					     options->user->gid == (gid_t)-1))
		return -EINVAL;
	child.options = options;
	child.program = options->program ? options->program : options->argv[0];
	if (child.program[0] == '\0')
		return -ENOENT;
	/* exec(3) takes them so, and changes none. */
	child.argv = (char *const *)(uintptr_t)options->argv;
	child.envp = options->envp ? (char *const *)(uintptr_t)options->envp
				   : environ;
	child.search = NULL;
	if (strchr(child.program, '/') == NULL)
		child.search = path_in(child.envp);
	memcpy(child.fds, birth->fds, sizeof(child.fds));
	child.error = 0;
	birth->pid = options->user != NULL ? clone_other_user(&child, &pidfd)
					   : clone_child(&child, &pidfd);
	if (birth->pid < 0)
		return birth->pid;
	if (child.error != 0) {
		reap(pidfd);
		return -child.error;
	}
	birth->pidfd = pidfd;
	return 0;
}

int
torc__process_birth(void *arg)
{
	struct torc_birth *birth = arg;
	int null;
	int ret = open_null(birth, &null);

	if (ret == 0)
		ret = make_child(birth);
	if (null >= 0)
		close(null);
	return ret;
}
