/* SPDX-License-Identifier: MIT */
#include "top/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <torc/base/clock.h>

/* The terminal's other page, without a cursor; and back. */
#define ENTER "\033[?1049h\033[?25l"
#define LEAVE "\033[?25h\033[?1049l"

static struct {
	struct termios before;
	bool has_keys; /* stdin is a terminal, too */
	int signals_fd;
} screen;

static void
enter(void)
{
	struct termios raw = screen.before;

	/* Ctrl-C and Ctrl-Z stay signals. */
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	if (screen.has_keys)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	fputs(ENTER, stdout);
	fflush(stdout);
}

static void
leave(void)
{
	fputs(LEAVE, stdout);
	fflush(stdout);
	if (screen.has_keys)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &screen.before);
}

void
screen_open(void)
{
	static const int ours[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP,
		SIGCONT, SIGWINCH };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		sigaddset(&set, ours[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	screen.signals_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	screen.has_keys = tcgetattr(STDIN_FILENO, &screen.before) == 0;
	enter();
}

void
screen_close(void)
{
	leave();
	close(screen.signals_fd);
}

static struct winsize
size_now(void)
{
	struct winsize size = { 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 ||
		size.ws_col == 0)
		size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	return size;
}

static unsigned
count_lines(const char *text, size_t bytes)
{
	unsigned count = 0;

	for (size_t i = 0; i < bytes; i++)
		count += text[i] == '\n';
	return count;
}

void
screen_draw(const char *text, size_t bytes)
{
	struct winsize size = size_now();
	unsigned count = count_lines(text, bytes), rows = count;

	if (count > size.ws_row)
		rows = size.ws_row - 1u;
	fputs("\033[H", stdout);
	for (unsigned row = 0; row < rows; row++) {
		const char *end = strchr(text, '\n');
		size_t len = (size_t)(end - text);

		/* A full last column would begin a new line here and there. */
		fwrite(text, 1, len < size.ws_col ? len : size.ws_col - 1u,
			stdout);
		fputs(row + 1 < count ? "\033[K\n" : "\033[K", stdout);
		text = end + 1;
	}
	if (rows < count)
		fprintf(stdout, "\033[K%.*s", size.ws_col - 1,
			"... and more: enlarge the terminal, or use -b");
	fputs("\033[J", stdout);
	fflush(stdout);
}

static enum screen_event
take_signal(void)
{
	struct signalfd_siginfo info;

	if (read(screen.signals_fd, &info, sizeof(info)) != sizeof(info))
		return SCREEN_TIME;
	switch ((int)info.ssi_signo) {
	case SIGWINCH:
		return SCREEN_REDRAW;
	case SIGTSTP:
		leave();
		raise(SIGSTOP);
		/* It stood still here until SIGCONT. */
		enter();
		return SCREEN_REDRAW;
	case SIGCONT:
		/* After a SIGSTOP of somebody else's. */
		enter();
		return SCREEN_REDRAW;
	}
	return SCREEN_QUIT;
}

static enum screen_event
take_key(void)
{
	char key;
	ssize_t got = read(STDIN_FILENO, &key, 1);

	if (got == 0 || (got < 0 && errno != EINTR))
		return SCREEN_QUIT;
	return got == 1 && (key == 'q' || key == 'Q') ? SCREEN_QUIT
						      : SCREEN_TIME;
}

enum screen_event
screen_wait(uint64_t until_ns)
{
	struct pollfd fds[] = {
		{ .fd = screen.signals_fd, .events = POLLIN },
		{ .fd = screen.has_keys ? STDIN_FILENO : -1, .events = POLLIN },
	};
	enum screen_event event = SCREEN_TIME;
	uint64_t now_ns;

	while (event == SCREEN_TIME && (now_ns = torc_clock_ns()) < until_ns) {
		uint64_t wait_ms = (until_ns - now_ns + TORC_MS - 1) / TORC_MS;

		if (poll(fds, 2, (int)wait_ms) <= 0)
			continue;
		if (fds[0].revents != 0)
			event = take_signal();
		else if (fds[1].revents != 0)
			event = take_key();
	}
	return event;
}
