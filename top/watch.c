/* SPDX-License-Identifier: MIT */
#include "top/watch.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/metrics_page_priv.h"
#include "top/options.h"

static void
append(struct watch *watch, struct process *process)
{
	struct process **last = &watch->first;

	while (*last != NULL)
		last = &(*last)->next;
	*last = process;
}

static bool
is_watched(const struct watch *watch, pid_t pid)
{
	const struct process *process = watch->first;

	while (process != NULL && process->pid != pid)
		process = process->next;
	return process != NULL;
}

static void
say_version(pid_t pid, uint32_t version)
{
	fprintf(stderr,
		"torc-top: %d: its metrics are of version %u and this "
		"torc-top reads %u: use the one that came with its torc\n",
		(int)pid, version, TORC__METRICS_VERSION);
}

static void
say_refusal(pid_t pid, enum process_result result, uint32_t version)
{
	const char *why = "";

	switch (result) {
	case PROCESS_FOUND:
		return;
	case PROCESS_VERSION:
		say_version(pid, version);
		return;
	case PROCESS_NONE:
		why = "there is no such process";
		break;
	case PROCESS_DENIED:
		why = "it may not be looked at: be its user, or root";
		break;
	case PROCESS_NO_PAGE:
		why = "it does not run torc now; torc_run() makes the page "
		      "that is looked for, except for a simulation";
		break;
	case PROCESS_BROKEN:
		why = "its metrics make no sense: it is not torc that wrote "
		      "them";
		break;
	case PROCESS_NO_FD:
		why = "no descriptor is free: raise ulimit -n";
		break;
	case PROCESS_NO_MEMORY:
		why = "out of memory";
		break;
	}
	fprintf(stderr, "torc-top: %d: %s\n", (int)pid, why);
}

bool
watch_add(struct watch *watch, pid_t pid)
{
	struct process *process;
	enum process_result result;
	uint32_t version;

	if (is_watched(watch, pid))
		return true;
	result = process_open(&process, pid, &version);
	if (result == PROCESS_FOUND)
		append(watch, process);
	say_refusal(pid, result, version);
	return result == PROCESS_FOUND;
}

bool
watch_find(struct watch *watch, uint64_t now_ns)
{
	bool is_first = watch->found_ns == 0;
	const struct dirent *entry;
	DIR *dir = opendir("/proc");

	watch->found_ns = now_ns;
	watch->is_out_of_fds =
		dir == NULL && (errno == EMFILE || errno == ENFILE);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		pid_t pid = options_pid(entry->d_name);
		enum process_result result;
		struct process *process;
		uint32_t version;

		if (pid == 0 || pid == getpid() || is_watched(watch, pid))
			continue;
		result = process_open(&process, pid, &version);
		if (result == PROCESS_FOUND)
			append(watch, process);
		else if (result == PROCESS_VERSION && is_first)
			say_version(pid, version);
		else if (result == PROCESS_NO_FD)
			watch->is_out_of_fds = true;
	}
	if (dir != NULL)
		closedir(dir);
	return watch->first != NULL;
}

void
watch_look(
	struct watch *watch, uint64_t now_ns, watch_ended_fn *ended, void *arg)
{
	struct process **at = &watch->first;

	while (*at != NULL) {
		struct process *process = *at;

		if (process_look(process, now_ns)) {
			at = &process->next;
			continue;
		}
		*at = process->next;
		ended(process, arg);
		process_close(process);
	}
}

void
watch_close(struct watch *watch)
{
	while (watch->first != NULL) {
		struct process *process = watch->first;

		watch->first = process->next;
		process_close(process);
	}
}
