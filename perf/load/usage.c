/* SPDX-License-Identifier: MIT */
#include "perf/load/usage.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char modes_text[] =
	"usage: torc-load MODE [options] HOST:PORT\n"
	"\n"
	"Loads a server and measures it, from sockets that are polled and "
	"never\n"
	"slept on. HOST is a name, an IPv4 address or an [IPv6 address].\n"
	"\n"
	"modes:\n"
	"  echo    messages that must come back; every byte is checked\n"
	"  udp     datagrams that must come back; every byte is checked. One "
	"that\n"
	"          is not back in 100 ms is lost, and the next is sent\n"
	"  churn   connect, one message and its answer, close\n"
	"  stream  one way, as fast as the server reads; it discards\n"
	"  fanout  each message goes to the server on one connection and must\n"
	"          reach all of --conns others; then the next is sent\n"
	"  idle    open connections, print 'ready conns=N' and hold them "
	"until\n"
	"          stdin ends or SIGTERM comes\n"
	"\n";

static const char load_text[] =
	"load (default):\n"
	"  --conns N       connections; fanout: subscribers (64)\n"
	"  --size BYTES    of a message; stream: of a send; udp: 8 to 65507 "
	"(64)\n"
	"  --pipeline N    echo, udp: messages on their way per connection "
	"(1)\n"
	"  --seconds S     measured (5)\n"
	"  --warmup S      before that, not measured (1)\n"
	"  --rate R        echo, udp, churn: R messages per second over all\n"
	"                  connections, whether or not the server keeps up "
	"(open\n"
	"                  loop). Times are drawn in advance: exponential "
	"gaps, as\n"
	"                  of many independent clients, from a fixed seed. "
	"Latency\n"
	"                  counts from the time a message was due, not from "
	"when\n"
	"                  it could be sent. Without: a closed loop\n"
	"  --direct H:P    echo: as many connections and the same rate against "
	"this\n"
	"                  address too, counted apart. What a proxy adds is "
	"the\n"
	"                  difference\n"
	"  --idle N --bulk N --stuck N\n"
	"                  echo: N more connections on which nothing moves; "
	"that\n"
	"                  send without a pause and read (and check) what "
	"returns;\n"
	"                  that send and never read\n"
	"  --message FILE --reply BYTES\n"
	"                  echo: send the content of FILE as the message and "
	"take\n"
	"                  BYTES bytes, unchecked, for its answer\n"
	"  --cpu N         run on this CPU\n"
	"  --cubic         use this congestion control\n"
	"\n";

static const char output_text[] =
	"output:\n"
	"  --pid PID       CPU time of that process over the measured seconds\n"
	"  --table         one figure per line, to be read\n"
	"  --rows          a line per second on stderr\n"
	"  --csv FILE      a row per second\n"
	"  --hgrm FILE     all percentiles, in HdrHistogram's text form\n"
	"  --lateness FILE the same of the generator's own lateness (--rate)\n"
	"  --help          this text\n"
	"\n"
	"One line of key=value ends the run. A request is a message that came "
	"back\n"
	"(stream: a send that the kernel took; fanout: a message that reached "
	"one\n"
	"subscriber). With --rate, requests= and the percentiles are of "
	"messages\n"
	"that were due in the measured seconds, waited for up to 1 s more; "
	"what is\n"
	"unanswered then is lost=; rps= is what was answered within the "
	"seconds.\n"
	"bytes= is payload one way, late_*= how late the generator sent.\n"
	"\n"
	"examples:\n"
	"  torc-load echo --conns 1 127.0.0.1:7000\n"
	"  torc-load echo --rate 20000 --direct 127.0.0.1:7001 127.0.0.1:7000\n"
	"  torc-load churn --rate 500 --rows --hgrm churn.hgrm [::1]:7000\n"
	"  torc-load stream --conns 4 --size 65536 --pid 4711 127.0.0.1:7000\n"
	"  torc-load idle --conns 18000 127.0.0.1:7000\n"
	"\n"
	"exit status: 0 all went well; 1 the machine or the server failed, "
	"stderr\n"
	"names the first error; 2 the command line is wrong.\n";

void
load_usage_print(void)
{
	fputs(modes_text, stdout);
	fputs(load_text, stdout);
	fputs(output_text, stdout);
}

void
load_usage_leave(const char *format, ...)
{
	va_list args;

	fputs("torc-load: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("; torc-load --help tells more\n", stderr);
	exit(2);
}

void
load_fail(int error, const char *format, ...)
{
	va_list args;

	fputs("torc-load: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(1);
}
