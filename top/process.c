/* SPDX-License-Identifier: MIT */
#include "top/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/metrics_page_priv.h"

#define LINK "/memfd:" TORC__METRICS_PAGE_NAME
/* A number per PID namespace, the innermost last. */
#define NSPID "NSpid:"

static bool
is_out_of_fds(int error)
{
	return error == EMFILE || error == ENFILE;
}

/* Why it could not be looked at. */
static enum process_result
result_of(int error, enum process_result otherwise)
{
	if (is_out_of_fds(error))
		return PROCESS_NO_FD;
	if (error == ENOMEM)
		return PROCESS_NO_MEMORY;
	if (error == EACCES || error == EPERM)
		return PROCESS_DENIED;
	return otherwise;
}

/* A file of its folder as text. 0; -ESRCH: it has ended; -errno. */
static int
read_text(int folder_fd, const char *name, char *text, size_t bytes)
{
	int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = read(fd, text, bytes - 1);
	close(fd);
	if (got <= 0)
		return -ESRCH;
	text[got] = '\0';
	return 0;
}

/* The last number in a text, 0 when there is none. */
static unsigned long
last_number(const char *text)
{
	unsigned long number = 0;

	for (;;) {
		char *end;
		unsigned long next = strtoul(text, &end, 10);

		if (end == text)
			return number;
		number = next;
		text = end;
	}
}

/*
 * Found, if the page has what the process itself calls its number, which is
 * below lines of any length.
 */
static enum process_result
check_owner(int folder_fd, const struct page *page)
{
	int fd = openat(folder_fd, "status", O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	bool is = true; /* a kernel without namespaces */
	char *line = NULL;
	size_t bytes = 0;

	if (file == NULL) {
		enum process_result result = result_of(errno, PROCESS_NO_PAGE);

		if (fd >= 0)
			close(fd);
		return result;
	}
	while (getline(&line, &bytes, file) > 0)
		if (strncmp(line, NSPID, strlen(NSPID)) == 0)
			is = last_number(line + strlen(NSPID)) == page->pid;
	is = is && feof(file);
	free(line);
	fclose(file);
	return is ? PROCESS_FOUND : PROCESS_NO_PAGE;
}

static bool
has_name_of_page(int folder_fd, const char *name)
{
	char target[64] = "";

	return readlinkat(folder_fd, name, target, sizeof(target) - 1) > 0 &&
	       strncmp(target, LINK, strlen(LINK)) == 0;
}

/*
 * A descriptor to read what has a page's name, or -errno. Its process may put
 * another file behind the number at any moment, and to open that might do
 * something. So what is there is held first, without being opened; what is
 * held is looked at; and what was looked at is opened.
 */
static int
open_named(int fds_fd, const char *name)
{
	int held = openat(fds_fd, name, O_PATH | O_CLOEXEC), fd = -1;
	struct stat file;
	char path[32];

	if (held < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", held);
	errno = ENOENT;
	if (has_name_of_page(AT_FDCWD, path) && fstat(held, &file) == 0 &&
		S_ISREG(file.st_mode))
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		fd = -errno;
	close(held);
	return fd;
}

static enum process_result
open_page(struct page *page, int folder_fd, int fds_fd, const char *name)
{
	enum process_result result;
	int fd = open_named(fds_fd, name);

	if (fd < 0)
		return result_of(-fd, PROCESS_NO_PAGE);
	switch (page_open(page, fd)) {
	case PAGE_NONE:
		return PROCESS_NO_PAGE;
	case PAGE_VERSION:
		return PROCESS_VERSION;
	case PAGE_BROKEN:
		return PROCESS_BROKEN;
	case PAGE_FOUND:
		break;
	}
	/* A child that has not begun a program of its own has it, too. */
	result = check_owner(folder_fd, page);
	if (result != PROCESS_FOUND)
		page_close(page);
	return result;
}

static enum process_result
find_page(struct page *page, int folder_fd)
{
	enum process_result result = PROCESS_NO_PAGE;
	int fd = openat(folder_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (dir == NULL) {
		result = result_of(errno, PROCESS_NONE);
		if (fd >= 0)
			close(fd);
		return result;
	}
	while (result == PROCESS_NO_PAGE && (entry = readdir(dir)) != NULL)
		/* Nearly all are something else, which this look tells. */
		if (has_name_of_page(fd, entry->d_name))
			result = open_page(page, folder_fd, fd, entry->d_name);
	closedir(dir);
	return result;
}

static struct process *
make(pid_t pid, int folder_fd, const struct page *page)
{
	struct process *process = calloc(1,
		sizeof(*process) + page->shards_count * sizeof(struct shard));

	if (process == NULL)
		return NULL;
	process->pid = pid;
	process->folder_fd = folder_fd;
	process->page = *page;
	/* Whatever is told first is what happened since then. */
	for (uint32_t i = 0; i < page->shards_count; i++)
		process->shards[i].before.at_ns = page->began_ns;
	return process;
}

enum process_result
process_open(struct process **process, pid_t pid, uint32_t *version)
{
	enum process_result result;
	struct page page = { 0 };
	char path[32];
	int folder_fd;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	folder_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder_fd < 0)
		return result_of(errno, PROCESS_NONE);
	result = find_page(&page, folder_fd);
	*version = page.version;
	if (result == PROCESS_FOUND) {
		*process = make(pid, folder_fd, &page);
		if (*process != NULL)
			return PROCESS_FOUND;
		page_close(&page);
		result = PROCESS_NO_MEMORY;
	}
	close(folder_fd);
	return result;
}

void
process_close(struct process *process)
{
	page_close(&process->page);
	close(process->folder_fd);
	free(process);
}

/* False: it has ended, and may wait for its parent to notice. */
static bool
look_at_state(struct process *process)
{
	char text[1024];
	const char *end;
	uint64_t pages;
	int ret = read_text(process->folder_fd, "stat", text, sizeof(text));

	/* Without a descriptor it is taken to be as it was. */
	if (ret < 0)
		return is_out_of_fds(-ret);
	/* The name before it may hold anything. */
	end = strrchr(text, ')');
	if (end == NULL || end[1] != ' ')
		return false;
	process->state = end[2];
	if (process->state == 'Z' || process->state == 'X')
		return false;
	if (read_text(process->folder_fd, "statm", text, sizeof(text)) == 0 &&
		sscanf(text, "%*u %" SCNu64, &pages) == 1)
		process->rss_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	return true;
}

static void
look_at_shard(struct process *process, uint32_t index, uint64_t now_ns)
{
	struct shard *shard = &process->shards[index];
	struct slot slot;

	if (!page_read(&process->page, index, &slot))
		return;
	/* The next rates begin where these have ended. */
	if (shard->now.at_ns > shard->before.at_ns)
		shard->before = shard->now;
	shard->now = reading_of(&slot, now_ns);
	rates_between(&shard->rates, &shard->before, &shard->now);
}

bool
process_look(struct process *process, uint64_t now_ns)
{
	if (!look_at_state(process) || page_is_over(&process->page))
		return false;
	process->looked_ns = now_ns;
	for (uint32_t i = 0; i < process->page.shards_count; i++)
		look_at_shard(process, i, now_ns);
	return true;
}
