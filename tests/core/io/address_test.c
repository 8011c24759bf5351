/* SPDX-License-Identifier: MIT */
/*
 * Goal    Each way to write an address gives the address it says, its
 *         canonical text leads back to it, and a wrong text is refused with
 *         a phrase that says what is wrong.
 * Method  Tables for what is accepted and what is refused; then random
 *         addresses from a printed seed, there and back; then random texts.
 *         Nothing leaves the machine: the only name looked up is localhost.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/io/address_priv.h"
#include "tests/test.h"

#define PATH_107                                                      \
	"/2345678901234567890123456789012345678901234567890123456789" \
	"012345678901234567890123456789012345678901234567"

static const char *
canonical(const char *text)
{
	static char buf[TORC_ADDRESS_TEXT_MAX];
	struct torc_address address;
	const char *why = "";
	int err = torc_address_parse(&address, text, &why);

	if (err < 0) {
		print_error("%s: %s (%d)\n", text, why, err);
		fail();
	}
	int len = torc_address_format(&address, buf, sizeof(buf));

	assert_int_equal(len, strlen(buf));
	return buf;
}

static void
texts_have_one_canonical_form(void **unused)
{
	static const char *const pairs[][2] = {
		{ "127.0.0.1:80", "tcp:127.0.0.1:80" },
		{ "tcp:127.0.0.1:80", "tcp:127.0.0.1:80" },
		{ "udp:127.0.0.1:53", "udp:127.0.0.1:53" },
		{ "*:8080", "tcp:0.0.0.0:8080" },
		{ ":8080", "tcp:0.0.0.0:8080" },
		{ "udp::53", "udp:0.0.0.0:53" },
		{ "tcp:*:0", "tcp:0.0.0.0:0" },
		{ "10.0.0.1:65535", "tcp:10.0.0.1:65535" },
		{ "10.0.0.1:00080", "tcp:10.0.0.1:80" },
		{ "[::]:80", "tcp:[::]:80" },
		{ "[::1]:80", "tcp:[::1]:80" },
		{ "udp:[2001:DB8:0:0:0:0:0:1]:1", "udp:[2001:db8::1]:1" },
		{ "[::ffff:1.2.3.4]:80", "tcp:[::ffff:1.2.3.4]:80" },
		{ "[fe80::1%lo]:80", "tcp:[fe80::1%lo]:80" },
		{ "[fe80::1%1]:80", "tcp:[fe80::1%lo]:80" },
		{ "[fe80::1%4294967295]:80", "tcp:[fe80::1%4294967295]:80" },
		{ "unix:/run/x.sock", "unix:/run/x.sock" },
		{ "unix:relative", "unix:relative" },
		{ "unix:with:colon", "unix:with:colon" },
		{ "unix:" PATH_107, "unix:" PATH_107 },
		{ "@name", "@name" },
		{ "unix:@name", "@name" },
		{ "@@", "@@" },
		{ "unix:./@file", "unix:./@file" },
		{ "unix-seqpacket:/run/x", "unix-seqpacket:/run/x" },
		{ "unix-seqpacket:@name", "unix-seqpacket:@name" },
		{ "unix-seqpacket:./@file", "unix-seqpacket:./@file" },
		{ "unix-seqpacket:" PATH_107, "unix-seqpacket:" PATH_107 },
		{ "unix-dgram:relative", "unix-dgram:relative" },
		{ "unix-dgram:@name", "unix-dgram:@name" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		assert_string_equal(canonical(pairs[i][0]), pairs[i][1]);
}

static void
wrong_texts_are_refused_with_a_reason(void **unused)
{
	static const struct {
		const char *text;
		int error;
		const char *word; /* the phrase contains it */
	} cases[] = {
		{ "", -EINVAL, "empty" },
		{ "unix:", -EINVAL, "empty" },
		{ "@", -EINVAL, "empty" },
		{ "unix:@", -EINVAL, "empty" },
		{ "unix:" PATH_107 "x", -ENAMETOOLONG, "too long" },
		{ "@" PATH_107, -ENAMETOOLONG, "too long" },
		{ "unix-seqpacket:", -EINVAL, "empty" },
		{ "unix-seqpacket:@", -EINVAL, "empty" },
		{ "unix-dgram:" PATH_107 "x", -ENAMETOOLONG, "too long" },
		{ "unix-nosuch:x", -EINVAL, "number" },
		{ "/run/x.sock", -EINVAL, "unix:" },
		{ "127.0.0.1", -EINVAL, "HOST:PORT" },
		{ "tcp:80", -EINVAL, "HOST:PORT" },
		{ "tcp:", -EINVAL, "HOST:PORT" },
		{ "127.0.0.1:", -EINVAL, "port is missing" },
		{ "127.0.0.1:65536", -EINVAL, "0 to 65535" },
		{ "127.0.0.1:99999999999999999999", -EINVAL, "0 to 65535" },
		{ "127.0.0.1:-1", -EINVAL, "number" },
		{ "127.0.0.1:+1", -EINVAL, "number" },
		{ "127.0.0.1: 80", -EINVAL, "number" },
		{ "127.0.0.1:80x", -EINVAL, "number" },
		{ "127.0.0.1:http", -EINVAL, "number" },
		{ "::1:80", -EINVAL, "brackets" },
		{ "fe80::1%lo:80", -EINVAL, "brackets" },
		{ "http://x:80", -EINVAL, "brackets" },
		{ "[::1:80", -EINVAL, "]" },
		{ "[::1]", -EINVAL, "HOST:PORT" },
		{ "[::1]80", -EINVAL, "HOST:PORT" },
		{ "[]:80", -EINVAL, "IPv6" },
		{ "[*]:80", -EINVAL, "IPv6" },
		{ "[127.0.0.1]:80", -EINVAL, "IPv6" },
		{ "[::g]:80", -EINVAL, "IPv6" },
		{ "[fe80::1%]:80", -EINVAL, "zone" },
		{ "[fe80::1%nosuchif0]:80", -ENODEV, "interface" },
		{ "[fe80::1%0]:80", -ENODEV, "interface" },
		{ "[fe80::1%-1]:80", -ENODEV, "interface" },
		{ "a b:80", -EINVAL, "character" },
		{ "a\nb:80", -EINVAL, "character" },
		{ "a/b:80", -EINVAL, "character" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct torc_address address, before;
		const char *why = NULL;

		memset(&address, 0x5a, sizeof(address));
		before = address;
		assert_int_equal(
			torc_address_parse(&address, cases[i].text, &why),
			cases[i].error);
		assert_non_null(why);
		if (strstr(why, cases[i].word) == NULL)
			print_error("%s: %s\n", cases[i].text, why);
		assert_non_null(strstr(why, cases[i].word));
		assert_memory_equal(&address, &before, sizeof(address));
	}
}

static void
a_host_that_is_too_long_is_refused(void **unused)
{
	struct torc_address_name name;
	struct torc_address address;
	const char *why;
	char text[300];

	(void)unused;
	memset(text, 'a', sizeof(text));
	memcpy(text + TORC__HOST_BYTES_MAX + 1, ":80", 4);

	assert_int_equal(torc_address_parse(&address, text, &why), -EINVAL);
	assert_non_null(strstr(why, "too long"));
	assert_int_equal(
		torc__address_parse_numeric(&address, &name, text + 1, &why),
		1);
	assert_int_equal(strlen(name.host), TORC__HOST_BYTES_MAX);
}

static void
the_reason_is_optional(void **unused)
{
	struct torc_address address;

	(void)unused;
	assert_int_equal(
		torc_address_parse(&address, "nonsense", NULL), -EINVAL);
}

static void
the_fields_are_what_the_kernel_wants(void **unused)
{
	struct torc_address a;

	(void)unused;
	assert_int_equal(torc_address_parse(&a, "127.0.0.1:80", NULL), 0);
	assert_int_equal(a.type, TORC_TCP);
	assert_int_equal(a.len, sizeof(struct sockaddr_in));
	assert_int_equal(a.in.sin_port, htons(80));
	assert_int_equal(a.in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));

	assert_int_equal(torc_address_parse(&a, "udp:[fe80::1%lo]:9", NULL), 0);
	assert_int_equal(a.type, TORC_UDP);
	assert_int_equal(a.len, sizeof(struct sockaddr_in6));
	assert_int_equal(a.in6.sin6_scope_id, 1);

	assert_int_equal(torc_address_parse(&a, "@ab", NULL), 0);
	assert_int_equal(a.type, TORC_UNIX);
	assert_int_equal(a.len, sizeof(sa_family_t) + 3);
	assert_memory_equal(a.un.sun_path, "\0ab", 3);

	assert_int_equal(torc_address_parse(&a, "unix-dgram:@ab", NULL), 0);
	assert_int_equal(a.type, TORC_UNIX_DGRAM);
	assert_memory_equal(a.un.sun_path, "\0ab", 3);
	assert_int_equal(torc_address_parse(&a, "unix-seqpacket:ab", NULL), 0);
	assert_int_equal(a.type, TORC_UNIX_SEQPACKET);

	assert_int_equal(torc_address_parse(&a, "unix:ab", NULL), 0);
	assert_int_equal(a.len, sizeof(sa_family_t) + 3);
	assert_memory_equal(a.un.sun_path, "ab", 3);
}

static void
localhost_is_found_without_a_network(void **unused)
{
	(void)unused;
	assert_string_equal(canonical("localhost:80"), "tcp:127.0.0.1:80");
	assert_string_equal(canonical("udp:localhost:0"), "udp:127.0.0.1:0");
}

static void
a_name_that_does_not_exist_is_refused(void **unused)
{
	struct torc_address address;
	const char *why = NULL;
	int err = torc_address_parse(&address, "torc-test.invalid:80", &why);

	(void)unused;
	assert_true(err == -ENOENT || err == -EAGAIN);
	assert_non_null(strstr(why, "host name"));
}

static void
what_the_kernel_hands_out_can_be_shown(void **unused)
{
	struct torc_address a = { .type = TORC_UNIX };
	char buf[TORC_ADDRESS_TEXT_MAX];

	(void)unused;
	a.un.sun_family = AF_UNIX;
	a.len = sizeof(sa_family_t);
	assert_int_equal(torc_address_format(&a, buf, sizeof(buf)), 5);
	assert_string_equal(buf, "unix:");

	memcpy(a.un.sun_path, "\0a\0b", 4);
	a.len = sizeof(sa_family_t) + 4;
	assert_int_equal(torc_address_format(&a, buf, sizeof(buf)), 4);
	assert_string_equal(buf, "@a@b");

	memset(a.un.sun_path, '@', sizeof(a.un.sun_path));
	a.len = sizeof(a.un);
	assert_int_equal(torc_address_format(&a, buf, sizeof(buf)), 115);
	assert_memory_equal(buf, "unix:./@@@", 10);

	a.sa.sa_family = AF_PACKET;
	assert_int_equal(
		torc_address_format(&a, buf, sizeof(buf)), -EAFNOSUPPORT);
}

static void
a_buffer_that_is_too_small_is_not_overrun(void **unused)
{
	static const char *const texts[] = { "tcp:127.0.0.1:80", "tcp:[::1]:80",
		"unix:/x", "@name", "unix-seqpacket:@name" };

	(void)unused;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t need = strlen(texts[i]) + 1;
		struct torc_address a;

		assert_int_equal(torc_address_parse(&a, texts[i], NULL), 0);
		for (size_t bytes = 0; bytes <= need; bytes++) {
			/* From the heap: a sanitizer sees one byte too much. */
			char *buf = malloc(bytes + (bytes == 0));

			assert_int_equal(torc_address_format(&a, buf, bytes),
				bytes < need ? -ENOSPC : (int)need - 1);
			free(buf);
		}
	}
}

static uint64_t random_state;

static uint64_t
random_u64(void)
{
	/* splitmix64 */
	uint64_t z = (random_state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static void
random_seed(void)
{
	const char *text = getenv("TORC_SEED");

	assert_int_equal(getentropy(&random_state, sizeof(random_state)), 0);
	if (text != NULL)
		random_state = strtoull(text, NULL, 0);
	printf("TORC_SEED=%" PRIu64 "\n", random_state);
}

static struct torc_address
random_address(void)
{
	struct torc_address a = { .type = (int)(random_u64() % 2) };
	uint16_t port = (uint16_t)random_u64();
	size_t len = random_u64() % 107 + 1;

	switch (random_u64() % 4) {
	case 0:
		a.in.sin_family = AF_INET;
		a.in.sin_port = port;
		a.in.sin_addr.s_addr = (uint32_t)random_u64();
		a.len = sizeof(a.in);
		break;
	case 1:
		a.in6.sin6_family = AF_INET6;
		a.in6.sin6_port = port;
		for (int i = 0; i < 16; i++) {
			if (random_u64() % 3 != 0)
				a.in6.sin6_addr.s6_addr[i] =
					(uint8_t)random_u64();
		}
		if (random_u64() % 4 == 0)
			a.in6.sin6_scope_id = (uint32_t)random_u64();
		a.len = sizeof(a.in6);
		break;
	default:
		a.type = TORC_UNIX + (int)(random_u64() % 3);
		a.un.sun_family = AF_UNIX;
		for (size_t i = 0; i < len; i++)
			a.un.sun_path[i] = (char)(random_u64() % 255 + 1);
		if (a.un.sun_path[0] == '@')
			a.un.sun_path[0] = '/';
		a.len = (socklen_t)(sizeof(sa_family_t) + len + 1);
		if (len > 1 && random_u64() % 2 == 0) {
			a.un.sun_path[0] = '\0';
			a.len--;
		}
	}
	return a;
}

static void
every_address_survives_the_way_to_text_and_back(void **unused)
{
	(void)unused;
	random_seed();
	for (int i = 0; i < 20000; i++) {
		struct torc_address a = random_address(), b;
		char text[TORC_ADDRESS_TEXT_MAX], again[TORC_ADDRESS_TEXT_MAX];

		assert_true(torc_address_format(&a, text, sizeof(text)) > 0);
		assert_int_equal(torc_address_parse(&b, text, NULL), 0);
		assert_int_equal(a.type, b.type);
		assert_int_equal(a.len, b.len);
		assert_memory_equal(&a.sa, &b.sa, a.len);
		assert_true(torc_address_format(&b, again, sizeof(again)) > 0);
		assert_string_equal(text, again);
	}
}

static void
random_texts_are_taken_or_refused_and_nothing_else(void **unused)
{
	static const char alphabet[] = "[]:%@/*.0123456789af tcpunixd\n\x80";

	(void)unused;
	random_seed();
	for (int i = 0; i < 20000; i++) {
		char *text = calloc(1, 41);
		struct torc_address a;
		const char *why = NULL;
		size_t len = random_u64() % 40;

		for (size_t j = 0; j < len; j++)
			text[j] =
				alphabet[random_u64() % (sizeof(alphabet) - 1)];

		/* Names are looked up: keep to what is a number or wrong. */
		if (strpbrk(text, "[@") != NULL || strchr(text, ':') == NULL) {
			int err = torc_address_parse(&a, text, &why);

			assert_true(err <= 0);
			assert_int_equal(err < 0, why != NULL);
		}
		free(text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_have_one_canonical_form),
		cmocka_unit_test(wrong_texts_are_refused_with_a_reason),
		cmocka_unit_test(a_host_that_is_too_long_is_refused),
		cmocka_unit_test(the_reason_is_optional),
		cmocka_unit_test(the_fields_are_what_the_kernel_wants),
		cmocka_unit_test(localhost_is_found_without_a_network),
		cmocka_unit_test(a_name_that_does_not_exist_is_refused),
		cmocka_unit_test(what_the_kernel_hands_out_can_be_shown),
		cmocka_unit_test(a_buffer_that_is_too_small_is_not_overrun),
		cmocka_unit_test(
			every_address_survives_the_way_to_text_and_back),
		cmocka_unit_test(
			random_texts_are_taken_or_refused_and_nothing_else),
	};

	return cmocka_run_group_tests_name(
		"core/io/address", tests, NULL, NULL);
}
