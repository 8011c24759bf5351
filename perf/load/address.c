/* SPDX-License-Identifier: MIT */
#include "perf/load/address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

bool
load_address_read(struct load_address *a, const char *text)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV,
	};
	const char *colon = strrchr(text, ':');
	struct addrinfo *found;
	char host[256] = "";

	if (colon && colon != text && colon - text < (long)sizeof(host))
		memcpy(host, text, (size_t)(colon - text));
	if (host[0] == '[' && colon[-1] == ']') {
		host[colon - text - 1] = '\0';
		memmove(host, host + 1, strlen(host));
	}
	if (!host[0] || !colon[1] ||
		getaddrinfo(host, colon + 1, &hints, &found) != 0)
		return false;
	a->text = text;
	memcpy(&a->sa, found->ai_addr, found->ai_addrlen);
	a->sa_bytes = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

bool
load_address_is_loopback(const struct load_address *a)
{
	struct sockaddr_in in;

	if (a->sa.ss_family != AF_INET)
		return false;
	memcpy(&in, &a->sa, sizeof(in));
	return ntohl(in.sin_addr.s_addr) >> 24 == 127;
}
