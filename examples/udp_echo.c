/* SPDX-License-Identifier: MIT */
/*
 * Answers datagrams and says from whom they came: udp_echo [udp:HOST:PORT]
 */
#include <stdio.h>
#include <string.h>

#include <torc.h>

static int
answer_all(void *address)
{
	struct torc_udp *udp;
	const void *data;
	ssize_t bytes = torc_udp_bind(&udp, address);

	while (bytes >= 0) {
		char name[TORC_ADDRESS_TEXT_MAX] = "somebody";
		struct torc_address from;

		bytes = torc_udp_recv(udp, &data, &from);
		if (bytes < 0)
			break;
		(void)!torc_address_format(&from, name, sizeof(name));
		printf("%zd bytes from %s\n", bytes, name);
		fflush(stdout);
		if (torc_udp_send(udp, data, (size_t)bytes, &from) < 0)
			fprintf(stderr, "udp_echo: no answer to %s\n", name);
	}
	fprintf(stderr, "udp_echo: %s\n", strerror((int)-bytes));
	return -1;
}

int
main(int argc, char **argv)
{
	const char *text = argc > 1 ? argv[1] : "udp:127.0.0.1:7000", *why;
	struct torc_options options = { .shards = 1 };
	struct torc_address address;

	if (torc_address_parse(&address, text, &why) < 0 ||
		address.type != TORC_UDP) {
		fprintf(stderr, "udp_echo: %s is no udp:HOST:PORT\n", text);
		return 2;
	}
	return torc_run(&options, answer_all, &address) != 0;
}
