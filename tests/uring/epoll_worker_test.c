/* SPDX-License-Identifier: MIT */
/*
 * Goal    Calls on files hold up no ring: they run on threads, come back as
 *         completions, and can be cancelled until they run.
 * Method  Opens of a fifo wait for its other end, and so keep a worker each
 *         for as long as the test wants.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/uring/epoll_fixture.h"

/* As epoll_worker.c has it. */
#define WORKERS_MAX 16

/* That workers wait in; "" when none does. */
static char held[96];

struct folder {
	char path[64];
	char fifo[96];
	char file[96];
};

static struct folder
make_folder(void)
{
	struct folder folder = { .path = "/tmp/torc-workers-XXXXXX" };
	int fd;

	assert_non_null(mkdtemp(folder.path));
	snprintf(folder.fifo, sizeof(folder.fifo), "%s/fifo", folder.path);
	snprintf(folder.file, sizeof(folder.file), "%s/file", folder.path);
	assert_int_equal(mkfifo(folder.fifo, 0600), 0);
	fd = open(folder.file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	write_all(fd, "hello");
	close(fd);
	return folder;
}

static void
remove_folder(const struct folder *folder)
{
	unlink(folder->fifo);
	unlink(folder->file);
	assert_int_equal(rmdir(folder->path), 0);
}

static void
open_later(struct torc_ring *ring, const char *path, int flags, uint64_t id)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(ring);

	io_uring_prep_openat(sqe, AT_FDCWD, path, flags | O_CLOEXEC, 0);
	add(sqe, id);
}

/* Of a file of a thread; "" when the thread is gone. */
static void
read_task(const char *task, const char *name, char *text, int bytes)
{
	char path[300];
	FILE *file;

	text[0] = '\0';
	snprintf(path, sizeof(path), "/proc/self/task/%s/%s", task, name);
	file = fopen(path, "re");
	if (file == NULL)
		return;
	if (fgets(text, bytes, file) == NULL)
		text[0] = '\0';
	fclose(file);
}

/* How many workers there are, and how many of them wait in openat(2). */
static int
count_workers(int *opening)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	int count = 0;

	*opening = 0;
	while ((entry = readdir(dir)) != NULL) {
		char name[32], call[256];

		read_task(entry->d_name, "comm", name, sizeof(name));
		if (strcmp(name, "torc-worker\n") != 0)
			continue;
		count++;
		read_task(entry->d_name, "syscall", call, sizeof(call));
		*opening += strtol(call, NULL, 10) == SYS_openat;
	}
	closedir(dir);
	return count;
}

static int
workers(void)
{
	int opening;

	return count_workers(&opening);
}

/* All of them wait in an open; ids 1 to WORKERS_MAX. */
static void
hold_workers(struct fixture *f, const struct folder *folder)
{
	static const struct timespec moment = { .tv_nsec = 1000000 };
	int opening = 0;

	memcpy(held, folder->fifo, sizeof(held));
	for (uint64_t id = 1; id <= WORKERS_MAX; id++)
		open_later(&f->ring, folder->fifo, O_RDONLY, id);
	turn(f);
	for (int i = 0; i < 10000 && opening < WORKERS_MAX; i++) {
		assert_in_range(count_workers(&opening), 0, WORKERS_MAX);
		nanosleep(&moment, NULL);
	}
	assert_int_equal(opening, WORKERS_MAX);
}

/* Their other end comes, and goes. */
static void
release_workers(const struct folder *folder)
{
	close(open(folder->fifo, O_WRONLY | O_CLOEXEC));
	held[0] = '\0';
}

/* A test that failed in between must not hang in the close of its ring. */
static int
tear_down(void **state)
{
	if (held[0] != '\0')
		(void)open(held, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	held[0] = '\0';
	return fixture_tear_down(state);
}

#define WITH_WORKERS(test) \
	cmocka_unit_test_setup_teardown(test, fixture_set_up, tear_down)

/* The next CQE, whosever it is. */
static struct torc_cqe
await_any(struct fixture *f)
{
	while (torc__ring_cq_count(&f->ring) == 0)
		assert_int_equal(torc__ring_enter(&f->ring, 1, PATIENCE_NS), 0);
	return torc__ring_pop(&f->ring);
}

static void
end_held(struct fixture *f, const struct folder *folder)
{
	release_workers(folder);
	for (int i = 0; i < WORKERS_MAX; i++) {
		struct torc_cqe cqe = await_any(f);

		assert_in_range(cqe.user_data, 1, WORKERS_MAX);
		assert_true(cqe.res >= 0);
		close(cqe.res);
	}
}

static void
what_waits_for_a_worker_is_cancelled(void **state)
{
	struct fixture *f = *state;
	struct folder folder = make_folder();

	hold_workers(f, &folder);
	open_later(&f->ring, folder.file, O_RDONLY, 100);
	assert_silent(f);
	cancel(f, 100, 101);
	assert_ends(f, 100, -ECANCELED);
	assert_ends(f, 101, 0);

	end_held(f, &folder);
	assert_silent(f);
	remove_folder(&folder);
}

static void
what_runs_is_not_cancelled_and_completes(void **state)
{
	struct fixture *f = *state;
	struct folder folder = make_folder();

	hold_workers(f, &folder);
	cancel(f, 7, 100);
	assert_ends(f, 100, -EALREADY);
	end_held(f, &folder);
	cancel(f, 7, 101);
	assert_ends(f, 101, -ENOENT);
	remove_folder(&folder);
}

static void
the_rest_of_a_ring_goes_on_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct folder folder = make_folder();
	struct io_uring_sqe *sqe;

	hold_workers(f, &folder);
	sqe = torc__ring_sqe(&f->ring);
	io_uring_prep_nop(sqe);
	submit(f, sqe, 100);
	assert_ends(f, 100, 0);
	end_held(f, &folder);
	remove_folder(&folder);
}

static void
more_than_there_are_workers_all_come(void **state)
{
	struct fixture *f = *state;
	struct folder folder = make_folder();
	bool has_come[1000] = { false };

	for (uint64_t id = 0; id < 1000; id++)
		open_later(&f->ring, folder.file, O_RDONLY, id);
	for (int i = 0; i < 1000; i++) {
		struct torc_cqe cqe = await_any(f);

		assert_true(cqe.res >= 0 && !has_come[cqe.user_data]);
		has_come[cqe.user_data] = true;
		close(cqe.res);
	}
	assert_in_range(workers(), 1, WORKERS_MAX);
	remove_folder(&folder);
}

/* Its number must not come to mean another file under the worker. */
static void
a_closed_descriptor_lives_until_its_worker_is_done(void **state)
{
	struct fixture *f = *state;
	struct folder folder = make_folder();
	int fd = open(folder.file, O_RDWR | O_CLOEXEC);
	struct io_uring_sqe *sqe;

	hold_workers(f, &folder);
	sqe = torc__ring_sqe(&f->ring);
	io_uring_prep_write(sqe, fd, "HELLO", 5, 0);
	submit(f, sqe, 100);
	f->ring.engine->close_fd(&f->ring, fd);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	sqe = torc__ring_sqe(&f->ring);
	io_uring_prep_close(sqe, fd);
	submit(f, sqe, 101);
	assert_ends(f, 101, -EBADF);

	release_workers(&folder);
	for (int i = 0; i < WORKERS_MAX + 1; i++) {
		struct torc_cqe cqe = await_any(f);

		if (cqe.user_data == 100)
			assert_int_equal(cqe.res, 5);
		else
			close(cqe.res);
	}
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	remove_folder(&folder);
}

/* Nobody would ever hear of what they opened. */
static void
a_ring_that_closes_leaves_no_descriptor(void **state)
{
	struct torc_ring_options options = { 0 };
	struct folder folder = make_folder();
	int before = fds_open();
	struct torc_ring ring;

	(void)state;
	for (int round = 0; round < 20; round++) {
		assert_int_equal(
			torc__ring_open(&ring, &torc__engine_epoll, &options),
			0);
		for (uint64_t id = 0; id < 100; id++)
			open_later(&ring, folder.file, O_RDONLY, id);
		assert_int_equal(torc__ring_enter(&ring, 0, 0), 0);
		while (torc__ring_cq_count(&ring) > 0)
			close(torc__ring_pop(&ring).res);
		torc__ring_close(&ring);
	}
	assert_int_equal(fds_open(), before);
	remove_folder(&folder);
}

static void
workers_end_with_the_last_ring(void **state)
{
	struct torc_ring_options options = { 0 };
	struct torc_ring rings[2];
	struct torc_cqe cqe;

	(void)state;
	assert_int_equal(workers(), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(torc__ring_open(&rings[i], &torc__engine_epoll,
					 &options),
			0);
	assert_int_equal(workers(), 0);
	open_later(&rings[0], "/", O_RDONLY, 1);
	assert_int_equal(torc__ring_enter(&rings[0], 1, PATIENCE_NS), 0);
	cqe = torc__ring_pop(&rings[0]);
	close(cqe.res);
	assert_int_equal(workers(), 1);
	torc__ring_close(&rings[0]);
	assert_int_equal(workers(), 1);
	torc__ring_close(&rings[1]);
	assert_int_equal(workers(), 0);
}

/* Else a handler would run on a stack that is made for system calls. */
static void
signals_are_for_other_threads(void **state)
{
	struct fixture *f = *state;
	char line[128], task[300];
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned long long blocked = 0;

	open_later(&f->ring, "/", O_RDONLY, 1);
	turn(f);
	close(await_any(f).res);
	while ((entry = readdir(dir)) != NULL) {
		FILE *file;

		read_task(entry->d_name, "comm", line, sizeof(line));
		if (strcmp(line, "torc-worker\n") != 0)
			continue;
		snprintf(task, sizeof(task), "/proc/self/task/%s/status",
			entry->d_name);
		file = fopen(task, "re");
		while (fgets(line, sizeof(line), file) != NULL)
			if (strncmp(line, "SigBlk:", 7) == 0)
				blocked = strtoull(line + 7, NULL, 16);
		fclose(file);
	}
	closedir(dir);
	assert_true(blocked >> (SIGTERM - 1) & 1);
	assert_true(blocked >> (SIGPROF - 1) & 1);
	assert_true(blocked >> (SIGPIPE - 1) & 1);
}

/* Somebody whom limits bind, and who may have no thread more. */
static bool
forbid_threads(void)
{
	static const struct rlimit none = { 0, 0 };

	return (getuid() != 0 || setresuid(65534, 65534, 65534) == 0) &&
	       setrlimit(RLIMIT_NPROC, &none) == 0;
}

static int
open_without_threads(void)
{
	struct torc_ring_options options = { 0 };
	struct torc_ring ring;
	struct torc_cqe cqe;

	if (torc__ring_open(&ring, &torc__engine_epoll, &options) < 0)
		return 1;
	open_later(&ring, "/", O_RDONLY, 1);
	if (!forbid_threads())
		return 2;
	torc__ring_enter(&ring, 1, PATIENCE_NS);
	cqe = torc__ring_pop(&ring);
	torc__ring_close(&ring);
	return cqe.res == -ENOMEM ? 0 : 3;
}

static void
without_a_thread_it_is_said_so(void **state)
{
	char text[1024];
	int status = run_in_child(open_without_threads, text, sizeof(text));

	(void)state;
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORKERS(what_waits_for_a_worker_is_cancelled),
		WITH_WORKERS(what_runs_is_not_cancelled_and_completes),
		WITH_WORKERS(the_rest_of_a_ring_goes_on_meanwhile),
		WITH_WORKERS(more_than_there_are_workers_all_come),
		WITH_WORKERS(
			a_closed_descriptor_lives_until_its_worker_is_done),
		cmocka_unit_test(a_ring_that_closes_leaves_no_descriptor),
		cmocka_unit_test(workers_end_with_the_last_ring),
		WITH_WORKERS(signals_are_for_other_threads),
		cmocka_unit_test(without_a_thread_it_is_said_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
