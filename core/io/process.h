/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_IO_PROCESS_H
#define TORC_CORE_IO_PROCESS_H

/*
 * process - a child process: started, talked to by pipes, waited for, ended
 *
 *   const char *argv[] = { "sort", "-n", NULL };
 *   struct torc_process_options options = { .argv = argv,
 *           .in.how = TORC_PROCESS_PIPE };
 *
 *   ret = torc_process_spawn(&process, &options);
 *
 *   spawn --> RUNNING --it exits, and is reaped--> EXITED --close--> gone
 *                \---close: SIGKILL, reaped in the background---/
 *                 \--detach: runs on, reaped when it exits-----/
 *
 * The child  begins with no signal blocked and none handled; those that are
 *           ignored stay so (nohup), but for SIGPIPE. Of the descriptors it
 *           gets 0, 1 and 2 and no others, unless inherits_fds says so.
 * Spawning  is vfork and exec, on a thread of the blocking pool: the shard does
 *           not stop for it, no memory is copied, and what keeps the program
 *           from starting comes back as an error. What failed to start leaves
 *           nothing behind.
 * Lifetime  A handle that is closed, also by the end of the runtime, takes its
 *           child along: nothing outlives its owner by accident. Let go of one
 *           on purpose with torc_process_detach(). No zombie remains: a child
 *           is reaped as soon as it exits, waited for or not. SIGCHLD is left
 *           alone; who ignores it, or waits for any child, takes the status
 *           away: -ECHILD.
 * Cancel    A wait that is interrupted leaves the child running; closing it is
 *           what kills. One that never exits: torc_process_stop(), or a
 *           deadline around the wait and a close after it.
 * Shard     The one that spawned it. Calls that wait need a task.
 * Errors    -errno; -ECANCELED, -ETIMEDOUT. In a simulation there are no
 *           processes: spawning says -EOPNOTSUPP.
 * Kernel    5.4. Signals to a group whose leader has exited need 6.9.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <torc/core/blocking.h>
#include <torc/core/future.h>
#include <torc/core/io/pipe.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_process;

enum torc_process_how {
	TORC_PROCESS_INHERIT, /* what this process has there */
	TORC_PROCESS_NULL,    /* /dev/null */
	TORC_PROCESS_PIPE,    /* a pipe to torc_process_stdin() and its kin */
	TORC_PROCESS_FD,      /* a copy of `fd`, which stays the caller's */
};

struct torc_process_stdio {
	enum torc_process_how how;
	int fd; /* for TORC_PROCESS_FD */
};

/*
 * Whose a child is: real, effective and saved ids, and no other groups than
 * these. It takes CAP_SETUID and CAP_SETGID. The child has no capability left,
 * unless it is root.
 */
struct torc_process_user {
	uid_t uid;
	gid_t gid;
	const gid_t *groups; /* supplementary ones */
	size_t groups_count;
};

/* Zero means default. All of it is the caller's until the spawn is done. */
struct torc_process_options {
	/*
	 * Its arguments, NULL after the last. argv[0] is the program: a name
	 * is looked for in the PATH of the child's environment.
	 */
	const char *const *argv;
	const char *program;     /* NULL: argv[0] */
	const char *const *envp; /* "NAME=value"s and NULL; NULL: as here */
	const char *directory;   /* to begin in; NULL: as here */
	/*
	 * NULL: as here. Else `directory` is entered and the program found
	 * with its rights.
	 */
	const struct torc_process_user *user;
	struct torc_process_stdio in, out, err;
	/*
	 * A process group of its own, which signals and the close then reach
	 * as a whole: for what starts children itself, such as a shell.
	 */
	bool own_group;
	bool own_session;  /* and no terminal; a group of its own as well */
	bool inherits_fds; /* all that are not close-on-exec */
	/* Of torc_process_run(), for each of the two; 0: 16 MiB. */
	size_t output_bytes_max;
};

/*
 * Start a child. *process is set on success only.
 *
 * Returns  0; -ENOENT: no such program, or directory; -EACCES: it may not be
 *          executed, or is a directory; -ENOEXEC: no program; -E2BIG; -EAGAIN:
 *          no more processes or threads (ulimit -u); -EMFILE; -ENOMEM;
 *          -EBADF: a TORC_PROCESS_FD is not open; -EPERM, -EINVAL: not
 *          such a user.
 * Cost     0.3 to 1 ms until it runs, most of it the kernel's exec; none of it
 *          the shard's, but a pipe each.
 */
int torc_process_spawn(struct torc_process **process,
	const struct torc_process_options *options)
	__attribute__((warn_unused_result));

struct torc_process_spawn {
	/* Result. */
	struct torc_future done; /* value: 0, or -errno */
	struct torc_process *process;

	/* Runtime only. */
	struct torc_blocking _job;
};

/*
 * Start only. A cancel that comes before the child was made makes none; one
 * that comes later has no effect, and the process must be closed.
 */
void torc_process_spawn_start(struct torc_process_spawn *spawn,
	const struct torc_process_options *options);

/*
 * This side's ends of its pipes; NULL where there is none, or when it was
 * closed. They are the process's and go with it. Close torc_process_stdin()
 * yourself to let the child see the end of its input.
 */
struct torc_pipe *torc_process_stdin(struct torc_process *process);
struct torc_pipe *torc_process_stdout(struct torc_process *process);
struct torc_pipe *torc_process_stderr(struct torc_process *process);

/* Its number, for logs: once it has exited, another process may get it. */
pid_t torc_process_pid(const struct torc_process *process);

/* How it ended. */
struct torc_exit_status {
	int code;      /* 0 to 255; -1: a signal ended it */
	int signo;     /* that signal; 0: none */
	bool has_core; /* it left a core dump */
};

/*
 * Wait for its exit; one task at a time. `status` may be NULL. Once it has
 * exited this returns at once, any number of times.
 *
 * Returns  0; -ECANCELED, -ETIMEDOUT: it runs on; -ECHILD: see Lifetime.
 */
int torc_process_wait(struct torc_process *process,
	struct torc_exit_status *status) __attribute__((warn_unused_result));

/* Start only: ready once torc_process_wait() will not wait. */
void torc_process_wait_start(
	struct torc_process *process, struct torc_future *future);

/* The same as the wait, but -EAGAIN while it runs. */
int torc_process_try_wait(struct torc_process *process,
	struct torc_exit_status *status) __attribute__((warn_unused_result));

/*
 * Send it a signal, by a descriptor and never by a number that may be
 * another's. Returns 0; -ESRCH when it has exited; -EPERM; -EINVAL.
 */
int torc_process_kill(struct torc_process *process, int signo);

/*
 * Ask it to end with SIGTERM, send SIGKILL when `grace_ns` are over, and wait
 * for its exit. Works inside a shield.
 *
 * Returns  as torc_process_wait(); when interrupted, it had SIGTERM, unless
 *          the task was interrupted before the call: then it had nothing.
 */
int torc_process_stop(struct torc_process *process, uint64_t grace_ns,
	struct torc_exit_status *status) __attribute__((warn_unused_result));

/*
 * Never waits. A child that has not exited gets SIGKILL and is reaped in the
 * background; with own_group what is left of the group gets it too, also after
 * the child itself has exited (Linux 6.9): detach to spare it. One that we may
 * not signal (-EPERM: it is another user's by now) survives, and is reaped when
 * it exits. Its pipes are closed. Who waits for it gets -ECANCELED. NULL is
 * allowed.
 */
void torc_process_close(struct torc_process *process);

/*
 * Never waits. The child runs on without us. It is reaped when it exits while
 * the runtime is there; its pipes are closed, so give it something else.
 */
void torc_process_detach(struct torc_process *process);

/* What torc_process_run() brings back. */
struct torc_process_output {
	struct torc_exit_status status;
	char *out; /* with a NUL behind its bytes; NULL: it was no pipe */
	size_t out_bytes;
	char *err;
	size_t err_bytes;
};

/*
 * Run a child to its end: give it `input` (NULL: nothing, unless options->in
 * says otherwise) and take all that it writes. `out` and `err` are pipes where
 * options have nothing else. A child that does not read all its input is no
 * error, one that leaves its output to a process of its own is waited for
 * until that has closed it.
 *
 * Returns  0: *output is to be freed; else nothing is, and no child is left:
 *          as torc_process_spawn() and torc_process_wait(); -EMSGSIZE: more
 *          than output_bytes_max came; -ENOMEM; -ECANCELED, -ETIMEDOUT.
 */
int torc_process_run(const struct torc_process_options *options,
	const void *input, size_t input_bytes,
	struct torc_process_output *output) __attribute__((warn_unused_result));

void torc_process_output_free(struct torc_process_output *output);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_IO_PROCESS_H */
