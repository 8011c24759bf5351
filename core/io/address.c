/* SPDX-License-Identifier: MIT */
#include "core/io/address_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert_priv.h"

#define PORT_MAX 65535
#define PATH_BYTES_MAX sizeof(((struct sockaddr_un *)NULL)->sun_path)

_Static_assert(
	TORC_ADDRESS_TEXT_MAX >= sizeof("unix-seqpacket:./") + PATH_BYTES_MAX,
	"every socket path fits");
_Static_assert(TORC_ADDRESS_TEXT_MAX >=
		       sizeof("tcp:[%]:65535") + INET6_ADDRSTRLEN + IF_NAMESIZE,
	"every internet address fits");

static int
refuse(const char **why, const char *reason, int error)
{
	*why = reason;
	return error;
}

/* If text begins with prefix, step over it. */
static bool
skip_prefix(const char **text, const char *prefix)
{
	size_t len = strlen(prefix);

	if (strncmp(*text, prefix, len) != 0)
		return false;
	*text += len;
	return true;
}

static int
parse_port(const char *text, uint16_t *port, const char **why)
{
	unsigned value = 0;

	if (*text == '\0')
		return refuse(why, "port is missing after the colon", -EINVAL);
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return refuse(why, "port must be a number", -EINVAL);
		value = value * 10 + (unsigned)(*text - '0');
		if (value > PORT_MAX)
			return refuse(why, "port must be 0 to 65535", -EINVAL);
	}
	*port = (uint16_t)value;
	return 0;
}

static void
set_in(struct torc_address *out, struct in_addr host, uint16_t port)
{
	out->len = sizeof(out->in);
	out->in.sin_family = AF_INET;
	out->in.sin_addr = host;
	out->in.sin_port = htons(port);
}

static void
set_in6(struct torc_address *out, const struct in6_addr *host, uint16_t port,
	uint32_t scope)
{
	out->len = sizeof(out->in6);
	out->in6.sin6_family = AF_INET6;
	out->in6.sin6_addr = *host;
	out->in6.sin6_port = htons(port);
	out->in6.sin6_scope_id = scope;
}

/* An interface's name, or its number. */
static int
parse_zone(const char *zone, uint32_t *scope, const char **why)
{
	char *end;

	if (*zone == '\0')
		return refuse(why, "zone is missing after the %", -EINVAL);
	*scope = if_nametoindex(zone);
	if (*scope != 0)
		return 0;

	unsigned long index = strtoul(zone, &end, 10);

	if (*zone < '0' || *zone > '9' || *end != '\0' || index == 0 ||
		index > UINT32_MAX)
		return refuse(why, "no interface has that name", -ENODEV);
	*scope = (uint32_t)index;
	return 0;
}

/* `host` is what stands between the brackets; it is written to. */
static int
parse_in6(struct torc_address *out, char *host, uint16_t port, const char **why)
{
	char *zone = strchr(host, '%');
	struct in6_addr addr;
	uint32_t scope = 0;
	int err;

	if (zone != NULL)
		*zone++ = '\0';
	if (inet_pton(AF_INET6, host, &addr) != 1)
		return refuse(
			why, "not an IPv6 address in the brackets", -EINVAL);
	if (zone != NULL) {
		err = parse_zone(zone, &scope, why);
		if (err < 0)
			return err;
	}
	set_in6(out, &addr, port, scope);
	return 0;
}

static int
refuse_lookup(int eai, const char **why)
{
	switch (eai) {
	case EAI_NONAME:
	case EAI_NODATA:
	case EAI_ADDRFAMILY:
		return refuse(why, "host name has no address", -ENOENT);
	case EAI_AGAIN:
		return refuse(why,
			"host name could not be looked up: no answer from "
			"the name server",
			-EAGAIN);
	case EAI_MEMORY:
		return refuse(why, "out of memory", -ENOMEM);
	default:
		return refuse(why,
			"host name could not be looked up: check "
			"/etc/resolv.conf and /etc/nsswitch.conf",
			-ENOENT);
	}
}

static bool
is_name_missing(int eai)
{
	return eai == EAI_NONAME || eai == EAI_NODATA || eai == EAI_ADDRFAMILY;
}

/*
 * First as the machine's own addresses suggest, so that a machine with
 * IPv6 alone is not given an IPv4 address it cannot reach; then without
 * regard to them, so that localhost works on a machine without a network.
 */
int
torc__address_lookup(const char *host, struct addrinfo **list, const char **why)
{
	struct addrinfo hints = {
		.ai_flags = AI_ADDRCONFIG,
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
	};
	int eai = getaddrinfo(host, NULL, &hints, list);

	if (is_name_missing(eai)) {
		hints.ai_flags = 0;
		eai = getaddrinfo(host, NULL, &hints, list);
	}
	return eai == 0 ? 0 : refuse_lookup(eai, why);
}

bool
torc__address_set(
	struct torc_address *out, const struct addrinfo *info, uint16_t port)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	switch (info->ai_family) {
	case AF_INET:
		memcpy(&in, info->ai_addr, sizeof(in));
		set_in(out, in.sin_addr, port);
		return true;
	case AF_INET6:
		memcpy(&in6, info->ai_addr, sizeof(in6));
		set_in6(out, &in6.sin6_addr, port, in6.sin6_scope_id);
		return true;
	}
	return false;
}

static int
parse_name(struct torc_address *out, const struct torc_address_name *name,
	const char **why)
{
	struct addrinfo *list = NULL, *chosen;
	int err = torc__address_lookup(name->host, &list, why);

	if (err < 0)
		return err;
	for (chosen = list; chosen != NULL; chosen = chosen->ai_next) {
		if (chosen->ai_family == AF_INET)
			break;
	}
	(void)torc__address_set(
		out, chosen != NULL ? chosen : list, name->port);
	freeaddrinfo(list);
	return 0;
}

/* 1: it is a name. */
static int
parse_host(struct torc_address *out, struct torc_address_name *name,
	const char **why)
{
	const char *host = name->host;
	struct in_addr addr;

	if (*host == '\0' || strcmp(host, "*") == 0) {
		set_in(out, (struct in_addr){ htonl(INADDR_ANY) }, name->port);
		return 0;
	}
	if (inet_pton(AF_INET, host, &addr) == 1) {
		set_in(out, addr, name->port);
		return 0;
	}
	for (const char *c = host; *c != '\0'; c++) {
		if ((unsigned char)*c <= ' ' || *c == '/' || *c == 0x7f)
			return refuse(why,
				"host holds a character no name can have",
				-EINVAL);
	}
	return 1;
}

/* HOST:PORT, or [HOST]:PORT. 1: HOST is a name. */
static int
parse_internet(struct torc_address *out, struct torc_address_name *name,
	const char *text, const char **why)
{
	const char *colon, *host_start = text, *host_end;
	bool is_bracketed = *text == '[';
	int err;

	if (is_bracketed) {
		host_start++;
		host_end = strchr(host_start, ']');
		if (host_end == NULL)
			return refuse(why, "] is missing", -EINVAL);
		colon = host_end + 1;
	} else {
		colon = strrchr(text, ':');
		host_end = colon;
	}
	if (colon == NULL || *colon != ':')
		return refuse(why, "port is missing: write HOST:PORT", -EINVAL);
	if (!is_bracketed && strchr(text, ':') != colon)
		return refuse(why, "an IPv6 address needs brackets: [::1]:80",
			-EINVAL);

	size_t len = (size_t)(host_end - host_start);

	if (len >= sizeof(name->host))
		return refuse(why, "host is too long", -EINVAL);
	memcpy(name->host, host_start, len);
	name->host[len] = '\0';

	err = parse_port(colon + 1, &name->port, why);
	if (err < 0)
		return err;
	return is_bracketed ? parse_in6(out, name->host, name->port, why)
			    : parse_host(out, name, why);
}

/* PATH or @NAME. One byte stays for the NUL that Linux can do without. */
static int
parse_unix(struct torc_address *out, const char *path, const char **why)
{
	bool is_abstract = *path == '@';
	size_t len = strlen(path);

	if (len == 0)
		return refuse(why, "socket path is empty", -EINVAL);
	if (is_abstract && len == 1 && out->type == TORC_UNIX_DGRAM) {
		out->un.sun_family = AF_UNIX;
		out->len = offsetof(struct sockaddr_un, sun_path);
		return 0;
	}
	if (is_abstract && len == 1)
		return refuse(why, "socket name after @ is empty", -EINVAL);
	if (len >= PATH_BYTES_MAX)
		return refuse(why,
			"socket path is too long: the kernel takes 107 bytes",
			-ENAMETOOLONG);

	out->un.sun_family = AF_UNIX;
	memcpy(out->un.sun_path, path, len);
	if (is_abstract)
		out->un.sun_path[0] = '\0';

	/* An abstract name is exactly as long as len says; a path has a NUL. */
	out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len +
			       (is_abstract ? 0 : 1));
	return 0;
}

static bool
skip_unix_scheme(const char **text, int *type)
{
	if (**text == '@' || skip_prefix(text, "unix:"))
		*type = TORC_UNIX;
	else if (skip_prefix(text, "unix-seqpacket:"))
		*type = TORC_UNIX_SEQPACKET;
	else if (skip_prefix(text, "unix-dgram:"))
		*type = TORC_UNIX_DGRAM;
	else
		return false;
	return true;
}

int
torc__address_parse_numeric(struct torc_address *out,
	struct torc_address_name *name, const char *text, const char **why)
{
	struct torc_address address = { .type = TORC_TCP };
	int err;

	if (text == NULL || *text == '\0')
		return refuse(why, "address is empty", -EINVAL);

	if (skip_unix_scheme(&text, &address.type)) {
		err = parse_unix(&address, text, why);
	} else if (*text == '/') {
		err = refuse(why, "a socket path begins with unix:", -EINVAL);
	} else {
		if (skip_prefix(&text, "udp:"))
			address.type = TORC_UDP;
		else
			(void)skip_prefix(&text, "tcp:");
		err = parse_internet(&address, name, text, why);
	}
	if (err >= 0)
		*out = address;
	return err;
}

int
torc_address_parse(struct torc_address *out, const char *text, const char **why)
{
	struct torc_address_name name;
	const char *reason_unused;
	struct torc_address address;
	int err;

	if (why == NULL)
		why = &reason_unused;
	err = torc__address_parse_numeric(&address, &name, text, why);
	if (err == 1)
		err = parse_name(&address, &name, why);
	if (err == 0)
		*out = address;
	return err;
}

__attribute__((format(printf, 3, 4))) static int
print(char *buf, size_t bytes, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(buf, bytes, fmt, args);
	va_end(args);
	if (len < 0 || (size_t)len >= bytes)
		return -ENOSPC;
	return len;
}

static int
format_in6(const struct torc_address *address, const char *scheme, char *buf,
	size_t bytes)
{
	char host[INET6_ADDRSTRLEN], name[IF_NAMESIZE + 1] = "";
	uint32_t scope = address->in6.sin6_scope_id;
	unsigned port = ntohs(address->in6.sin6_port);

	(void)inet_ntop(AF_INET6, &address->in6.sin6_addr, host, sizeof(host));
	if (scope != 0) {
		name[0] = '%';
		/* An interface that is gone leaves its number. */
		if (if_indextoname(scope, name + 1) == NULL)
			(void)snprintf(name + 1, sizeof(name) - 1, "%u",
				(unsigned)scope);
	}
	return print(buf, bytes, "%s:[%s%s]:%u", scheme, host, name, port);
}

static const char *
unix_scheme(const struct torc_address *address)
{
	if (address->type == TORC_UNIX_SEQPACKET)
		return "unix-seqpacket:";
	return address->type == TORC_UNIX_DGRAM ? "unix-dgram:" : "unix:";
}

static int
format_unix(const struct torc_address *address, char *buf, size_t bytes)
{
	const char *scheme = unix_scheme(address);
	size_t head = offsetof(struct sockaddr_un, sun_path);
	size_t len = address->len > head ? address->len - head : 0;
	char path[PATH_BYTES_MAX + 1];

	if (len > PATH_BYTES_MAX)
		len = PATH_BYTES_MAX;
	memcpy(path, address->un.sun_path, len);
	path[len] = '\0';

	if (len == 0)
		return print(buf, bytes, "%s", scheme);
	if (path[0] != '\0')
		return print(buf, bytes, "%s%s%s", scheme,
			path[0] == '@' ? "./" : "", path);

	for (size_t i = 0; i < len; i++) {
		if (path[i] == '\0')
			path[i] = '@';
	}
	/* @ alone says it for streams. */
	return print(buf, bytes, "%s%s",
		address->type == TORC_UNIX ? "" : scheme, path);
}

int
torc_address_format(const struct torc_address *address, char *buf, size_t bytes)
{
	const char *scheme = address->type == TORC_UDP ? "udp" : "tcp";
	char host[INET_ADDRSTRLEN];

	switch (address->sa.sa_family) {
	case AF_INET:
		(void)inet_ntop(
			AF_INET, &address->in.sin_addr, host, sizeof(host));
		return print(buf, bytes, "%s:%s:%u", scheme, host,
			(unsigned)ntohs(address->in.sin_port));
	case AF_INET6:
		return format_in6(address, scheme, buf, bytes);
	case AF_UNIX:
		return format_unix(address, buf, bytes);
	}
	return -EAFNOSUPPORT;
}
