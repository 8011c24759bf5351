/* SPDX-License-Identifier: MIT */
/*
 * Most of what a program needs, as C11 and as C++17: tasks, select, deadline,
 * channel, lock, blocking call, file, signal.
 */
#define _DEFAULT_SOURCE /* kill(2), usleep(3) */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <torc.h>

#define must(condition)                                            \
	do {                                                       \
		if (!(condition)) {                                \
			fprintf(stderr, "line %d: %s\n", __LINE__, \
				#condition);                       \
			return -1;                                 \
		}                                                  \
	} while (0)

static int
send_squares(void *arg)
{
	struct torc_channel *channel = (struct torc_channel *)arg;
	int ret = 0;

	for (int i = 0; ret == 0 && i < 10; i++) {
		int square = i * i;

		ret = torc_channel_send(channel, &square);
	}
	torc_channel_close(channel);
	torc_channel_release(channel);
	return ret;
}

static int
use_channel(void)
{
	struct torc_channel *channel;
	struct torc_task *task;
	int item, sum = 0, result;

	must(torc_channel_create(&channel, sizeof(item), 3) == 0);
	must(torc_spawn(&task, send_squares, torc_channel_hold(channel)) == 0);
	while (torc_channel_recv(channel, &item) == 0)
		sum += item;
	torc_channel_release(channel);
	must(torc_join(task, &result) == 0 && result == 0);
	must(sum == 285);
	return 0;
}

static int
use_select_and_deadline(void)
{
	struct torc_sleep quick, slow;
	struct torc_future *both[2];
	struct torc_deadline deadline;

	torc_sleep_start(&slow, 3600 * TORC_S);
	torc_sleep_start(&quick, TORC_MS);
	both[0] = &slow.done;
	both[1] = &quick.done;
	must(torc_select(both, 2) == 1);
	must(slow.done.value == -ECANCELED);

	torc_deadline_begin(&deadline, TORC_MS);
	must(torc_sleep(3600 * TORC_S) == -ETIMEDOUT);
	torc_deadline_end(&deadline);
	must(torc_sleep(TORC_MS) == 0);
	return 0;
}

static int
count_letters(void *text)
{
	usleep(1000);
	return (int)strlen((const char *)text);
}

static int
use_blocking(void)
{
	char text[] = "seven!!";
	int result;

	must(torc_blocking(count_letters, text, &result) == 0);
	must(result == 7);
	return 0;
}

static int
use_file(const char *path)
{
	struct torc_file *file;
	struct torc_stat stat;
	char back[6] = "";

	must(torc_file_open(&file, path, O_RDWR | O_CREAT | O_TRUNC, 0600) ==
		0);
	must(torc_file_pwrite_all(file, "hello", 5, 0) == 5);
	must(torc_file_sync(file) == 0);
	must(torc_file_pread_exact(file, back, 5, 0) == 5);
	must(torc_file_stat(file, &stat) == 0 && stat.bytes == 5);
	torc_file_close(file);
	must(strcmp(back, "hello") == 0);
	must(torc_path_unlink(path) == 0);
	return 0;
}

static int
use_signal(void)
{
	struct torc_signals *signals;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	must(torc_signals_open(&signals, &set) == 0);
	must(kill(getpid(), SIGUSR1) == 0);
	must(torc_signal_next(signals) == SIGUSR1);
	torc_signals_close(signals);
	return 0;
}

static int
run(void *path)
{
	struct torc_mutex mutex;

	torc_mutex_init(&mutex);
	must(torc_mutex_lock(&mutex) == 0);
	must(use_channel() == 0);
	must(use_select_and_deadline() == 0);
	must(use_blocking() == 0);
	must(use_file((const char *)path) == 0);
	must(use_signal() == 0);
	torc_mutex_unlock(&mutex);
	return 0;
}

int
main(int argc, char **argv)
{
	struct torc_options options;

	memset(&options, 0, sizeof(options));
	options.shards = 2;
	if (argc != 2 || torc_run(&options, run, argv[1]) != 0)
		return 1;
	puts("the tour is over");
	return 0;
}
