/* SPDX-License-Identifier: MIT */
#include "core/stall_priv.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <torc/base/clock.h>
#include <torc/base/log.h>
#include <torc/base/probe.h>

#include "base/condition_priv.h"
#include "core/runtime_priv.h"
#include "core/shard_priv.h"

#define FRAMES_MAX 24
/* The handler's own, and the one that the kernel puts below it. */
#define FRAMES_OURS 2
#define NAME_BYTES 64

#define REPORTS_PER_MINUTE 5
#define LIMIT_MAX_NS (3600 * TORC_S)
#define MINUTE (60 * TORC_S)
#define PARK_AFTER_NS TORC_S
#define CAPTURE_WAIT_NS (100 * TORC_MS)

enum stall { STALL_NONE, STALL_COMPUTES, STALL_BLOCKS };

enum capture_state {
	CAPTURE_IDLE,
	CAPTURE_ASKED,   /* the watcher has sent the signal */
	CAPTURE_WRITING, /* the handler has begun */
	CAPTURE_THERE,   /* the watcher may read */
};

/* What the interrupted thread writes down. */
struct capture {
	_Atomic int state; /* enum capture_state */
	uint64_t beat;
	const void *task; /* to compare, not to look into; NULL: the loop */
	char name[NAME_BYTES];
	void *frames[FRAMES_MAX];
	int frames_count;
};

struct watched {
	/* NULL: not joined yet, or gone. */
	struct torc_shard *shard;
	pthread_t thread;
	pid_t tid;
	clockid_t cpu_clock;

	/* The watcher's. */
	uint64_t beat;
	uint64_t since_ns; /* when this beat was first seen */
	uint64_t cpu_ns;   /* what the thread had used then */
	bool is_reported;
	struct capture capture;
};

struct torc_stalls {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_ending;
	uint64_t limit_ns;
	uint64_t moved_ns; /* when a pulse last moved */

	uint64_t minute_ns; /* when the minute of these began */
	unsigned reports;
	unsigned unsaid;

	struct sigaction old_action;
	bool is_blind; /* SIGURG is the program's: names and calls stay out */
	unsigned count;
	struct watched shards[];
};

_Atomic bool torc__stalls_parked;

/* On the stalled shard's thread, wherever it is. */
static void
on_interrupt(int signo)
{
	struct torc_shard *shard = torc__shard;
	struct watched *watched;
	struct capture *capture;
	int asked = CAPTURE_ASKED, saved = errno;

	(void)signo;
	watched = shard != NULL ? shard->pulse.watched : NULL;
	if (watched == NULL)
		return;
	capture = &watched->capture;
	/* Pairs with the stores in ask() and take_capture(). */
	if (!atomic_compare_exchange_strong(
		    &capture->state, &asked, CAPTURE_WRITING))
		return;
	capture->beat = atomic_load(&shard->pulse.beat);
	capture->task = shard->current;
	capture->name[0] = '\0';
	if (shard->current != NULL)
		strncpy(capture->name, torc__task_name(shard->current),
			NAME_BYTES - 1);
	capture->frames_count = backtrace(capture->frames, FRAMES_MAX);
	/* Pairs with the load in take_capture(). */
	atomic_store(&capture->state, CAPTURE_THERE);
	errno = saved;
}

static uint64_t
cpu_of(const struct watched *watched)
{
	struct timespec ts;

	if (clock_gettime(watched->cpu_clock, &ts) != 0)
		return 0;
	return (uint64_t)ts.tv_sec * TORC_S + (uint64_t)ts.tv_nsec;
}

/* R, S, D ...: the field behind the name, which may hold anything. */
static char
state_of(const struct watched *watched)
{
	char path[64], text[256];
	const char *end;
	ssize_t bytes;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat",
		(int)watched->tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return '?';
	bytes = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (bytes <= 0)
		return '?';
	text[bytes] = '\0';
	end = strrchr(text, ')');
	return end != NULL && end[1] == ' ' ? end[2] : '?';
}

/*
 * What a shard does that has not turned for too long; none when it has, when
 * it was told before, or when it merely waits for a CPU.
 */
static enum stall
look_at(struct torc_stalls *stalls, struct watched *watched, uint64_t now_ns)
{
	uint64_t beat = atomic_load(&watched->shard->pulse.beat);
	uint64_t cpu_ns = cpu_of(watched);
	char state;

	if (beat != watched->beat) {
		watched->beat = beat;
		watched->since_ns = now_ns;
		watched->cpu_ns = cpu_ns;
		watched->is_reported = false;
		stalls->moved_ns = now_ns;
		return STALL_NONE;
	}
	if (beat & 1)
		return STALL_NONE;
	/* It runs: the watcher may not park. */
	stalls->moved_ns = now_ns;
	if (watched->is_reported ||
		now_ns - watched->since_ns < stalls->limit_ns)
		return STALL_NONE;
	if (cpu_ns - watched->cpu_ns >= stalls->limit_ns)
		return STALL_COMPUTES;
	state = state_of(watched);
	return state == 'S' || state == 'D' ? STALL_BLOCKS : STALL_NONE;
}

static void
say_unsaid(struct torc_stalls *stalls)
{
	if (stalls->unsaid > 0)
		torc_log(TORC_LOG_WARN, "%u more stalls in that minute",
			stalls->unsaid);
	stalls->unsaid = 0;
}

/* Under the lock the thread is still there. */
static void
ask(struct torc_stalls *stalls, struct watched *watched)
{
	pthread_mutex_lock(&stalls->lock);
	if (watched->shard != NULL) {
		atomic_store(&watched->capture.state, CAPTURE_ASKED);
		pthread_kill(watched->thread, SIGURG);
	}
	pthread_mutex_unlock(&stalls->lock);
}

/* Wait for the answer. False: there is none, or it is of a later turn. */
static bool
take_capture(struct watched *watched)
{
	uint64_t until_ns = torc_clock_ns() + CAPTURE_WAIT_NS;
	struct timespec pause = { .tv_nsec = (long)TORC_MS };
	int asked = CAPTURE_ASKED;

	while (atomic_load(&watched->capture.state) != CAPTURE_THERE) {
		if (torc_clock_ns() >= until_ns &&
			atomic_compare_exchange_strong(
				&watched->capture.state, &asked, CAPTURE_IDLE))
			return false;
		if (asked == CAPTURE_IDLE)
			return false;
		asked = CAPTURE_ASKED;
		nanosleep(&pause, NULL);
	}
	return watched->capture.beat == watched->beat;
}

/*
 * One turn resumes up to 256 tasks. Whoever still runs a moment later is the
 * one; who is blocked in a call is, too.
 */
static bool
is_one_task(struct torc_stalls *stalls, struct watched *watched)
{
	const void *task = watched->capture.task;
	struct timespec pause = { .tv_nsec = (long)TORC_MS };

	nanosleep(&pause, NULL);
	ask(stalls, watched);
	return take_capture(watched) && watched->capture.task == task;
}

/* At most so many a minute; the others are counted. */
static bool
may_say(struct torc_stalls *stalls, uint64_t now_ns)
{
	if (now_ns - stalls->minute_ns >= MINUTE) {
		say_unsaid(stalls);
		stalls->minute_ns = now_ns;
		stalls->reports = 0;
	}
	if (stalls->reports < REPORTS_PER_MINUTE) {
		stalls->reports++;
		return true;
	}
	stalls->unsaid++;
	return false;
}

static void
say_calls(const struct capture *capture)
{
	char **lines =
		backtrace_symbols(capture->frames, capture->frames_count);

	for (int i = FRAMES_OURS; lines && i < capture->frames_count; i++)
		torc_log(TORC_LOG_WARN, "  %s", lines[i]);
	free(lines);
}

static void
say(struct torc_stalls *stalls, struct watched *watched, unsigned index,
	enum stall stall, uint64_t stalled_ns)
{
	struct capture *capture = &watched->capture;
	unsigned stalled_ms = (unsigned)(stalled_ns / TORC_MS);
	bool is_known = false;

	if (!stalls->is_blind) {
		ask(stalls, watched);
		is_known = take_capture(watched);
	}
	if (is_known && stall == STALL_COMPUTES &&
		!is_one_task(stalls, watched)) {
		torc_log(TORC_LOG_WARN,
			"shard %u has not turned for %u ms: many tasks compute "
			"in one turn; none of them for long, but I/O waits",
			index, stalled_ms);
		return;
	}
	torc_log(TORC_LOG_WARN,
		"shard %u has not turned for %u ms: %s%s %s, and all other "
		"tasks wait; torc_yield() between steps, or torc_blocking()",
		index, stalled_ms,
		is_known && capture->task != NULL ? "task " : "",
		!is_known               ? "something"
		: capture->task != NULL ? capture->name
					: "a function of the loop",
		stall == STALL_COMPUTES ? "computes"
					: "is blocked in a system call");
	if (is_known)
		say_calls(capture);
}

/* Under the lock the shard is still there. */
static void
note(struct watched *watched)
{
	watched->is_reported = true;
	/* A number for metrics, with nothing behind it. */
	atomic_fetch_add_explicit(
		&watched->shard->pulse.stalled, 1, memory_order_relaxed);
}

static void
look_at_all(struct torc_stalls *stalls)
{
	for (unsigned i = 0; i < stalls->count; i++) {
		struct watched *watched = &stalls->shards[i];
		uint64_t now_ns = torc_clock_ns();
		enum stall stall = STALL_NONE;

		pthread_mutex_lock(&stalls->lock);
		if (watched->shard != NULL)
			stall = look_at(stalls, watched, now_ns);
		if (stall != STALL_NONE)
			note(watched);
		pthread_mutex_unlock(&stalls->lock);
		if (stall == STALL_NONE)
			continue;
		TORC_PROBE3(torc, stall, i, now_ns - watched->since_ns, stall);
		if (may_say(stalls, now_ns))
			say(stalls, watched, i, stall,
				now_ns - watched->since_ns);
	}
}

static bool
all_rest(struct torc_stalls *stalls)
{
	for (unsigned i = 0; i < stalls->count; i++) {
		struct watched *watched = &stalls->shards[i];

		if (watched->shard != NULL &&
			atomic_load(&watched->shard->pulse.beat) !=
				watched->beat)
			return false;
	}
	return true;
}

/* Until the next look; under the lock. */
static void
wait_for_look(struct torc_stalls *stalls)
{
	uint64_t now_ns = torc_clock_ns();

	if (now_ns - stalls->moved_ns < PARK_AFTER_NS) {
		(void)torc__condition_wait_until(&stalls->changed,
			&stalls->lock, now_ns + stalls->limit_ns);
		return;
	}
	/* Pairs with torc__pulse_wake(): park, then look once more. */
	atomic_store(&torc__stalls_parked, true);
	while (atomic_load(&torc__stalls_parked) && all_rest(stalls) &&
		!stalls->is_ending)
		pthread_cond_wait(&stalls->changed, &stalls->lock);
	atomic_store(&torc__stalls_parked, false);
	stalls->moved_ns = torc_clock_ns();
}

static void *
watch(void *arg)
{
	struct torc_stalls *stalls = arg;
	bool is_ending = false;

	pthread_setname_np(pthread_self(), "torc-watch");
	while (!is_ending) {
		look_at_all(stalls);
		pthread_mutex_lock(&stalls->lock);
		if (!stalls->is_ending)
			wait_for_look(stalls);
		is_ending = stalls->is_ending;
		pthread_mutex_unlock(&stalls->lock);
	}
	return NULL;
}

void
torc__stalls_unpark(struct torc_stalls *stalls)
{
	if (!atomic_exchange(&torc__stalls_parked, false))
		return;
	pthread_mutex_lock(&stalls->lock);
	pthread_cond_signal(&stalls->changed);
	pthread_mutex_unlock(&stalls->lock);
}

/* A handler that the program has had before stays; one from later as well. */
static void
take_signal(struct torc_stalls *stalls)
{
	struct sigaction action = { .sa_handler = on_interrupt,
		.sa_flags = SA_RESTART | SA_ONSTACK };
	void *frame;

	/* Its first call loads a library, which no handler may do. */
	backtrace(&frame, 1);
	sigemptyset(&action.sa_mask);
	sigaction(SIGURG, NULL, &stalls->old_action);
	stalls->is_blind = (stalls->old_action.sa_flags & SA_SIGINFO) ||
			   (stalls->old_action.sa_handler != SIG_DFL &&
				   stalls->old_action.sa_handler != SIG_IGN);
	if (stalls->is_blind)
		torc_log(TORC_LOG_INFO,
			"SIGURG has a handler: shards that stall will be "
			"named, but not what runs there");
	else
		sigaction(SIGURG, &action, NULL);
}

static void
give_signal_back(struct torc_stalls *stalls)
{
	struct sigaction now;

	sigaction(SIGURG, NULL, &now);
	if (!(now.sa_flags & SA_SIGINFO) && now.sa_handler == on_interrupt)
		sigaction(SIGURG, &stalls->old_action, NULL);
}

int
torc__stalls_open(struct torc_stalls **out, unsigned count, uint64_t limit_ns,
	const cpu_set_t *cpus)
{
	struct torc_stalls *stalls =
		calloc(1, sizeof(*stalls) + count * sizeof(struct watched));
	sigset_t before;
	int ret;

	if (stalls == NULL)
		return -ENOMEM;
	stalls->count = count;
	stalls->limit_ns = limit_ns < LIMIT_MAX_NS ? limit_ns : LIMIT_MAX_NS;
	stalls->moved_ns = stalls->minute_ns = torc_clock_ns();
	pthread_mutex_init(&stalls->lock, NULL);
	torc__condition_init(&stalls->changed);
	take_signal(stalls);
	/* From its first instruction on: a signal is for those who wait. */
	torc__signals_block(&before);
	ret = pthread_create(&stalls->thread, NULL, watch, stalls);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret != 0) {
		give_signal_back(stalls);
		pthread_cond_destroy(&stalls->changed);
		pthread_mutex_destroy(&stalls->lock);
		free(stalls);
		return -ret;
	}
	/* Shard 0's thread is pinned by now, and made this one. */
	pthread_setaffinity_np(stalls->thread, sizeof(*cpus), cpus);
	*out = stalls;
	return 0;
}

void
torc__stalls_close(struct torc_stalls *stalls)
{
	if (stalls == NULL)
		return;
	pthread_mutex_lock(&stalls->lock);
	stalls->is_ending = true;
	pthread_cond_signal(&stalls->changed);
	pthread_mutex_unlock(&stalls->lock);
	pthread_join(stalls->thread, NULL);
	say_unsaid(stalls);
	give_signal_back(stalls);
	pthread_cond_destroy(&stalls->changed);
	pthread_mutex_destroy(&stalls->lock);
	free(stalls);
}

void
torc__stalls_join(struct torc_stalls *stalls, struct torc_shard *shard)
{
	struct watched *watched;

	if (stalls == NULL)
		return;
	watched = &stalls->shards[shard->index];
	pthread_mutex_lock(&stalls->lock);
	watched->thread = pthread_self();
	watched->tid = gettid();
	watched->cpu_clock = CLOCK_THREAD_CPUTIME_ID;
	pthread_getcpuclockid(watched->thread, &watched->cpu_clock);
	watched->beat = UINT64_MAX; /* none: the first look begins to count */
	watched->shard = shard;
	shard->pulse.watched = watched;
	shard->pulse.stalls = stalls;
	pthread_mutex_unlock(&stalls->lock);
}

void
torc__stalls_leave(struct torc_shard *shard)
{
	struct torc_stalls *stalls = shard->pulse.stalls;
	struct watched *watched = shard->pulse.watched;

	if (stalls == NULL)
		return;
	pthread_mutex_lock(&stalls->lock);
	watched->shard = NULL;
	pthread_mutex_unlock(&stalls->lock);
	shard->pulse.stalls = NULL;
	shard->pulse.watched = NULL;
}
