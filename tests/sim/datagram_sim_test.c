/* SPDX-License-Identifier: MIT */
/*
 * Goal    Datagrams arrive whole and with their sender, or not at all; who
 *         asks again after a while gets its answer.
 * Method  Hundreds of seeds. Clients send a numbered question until the
 *         answer to it came, on a network that loses and reorders.
 */
#include <errno.h>
#include <string.h>

#include <torc.h>
#include <torc/test/sim.h>

#include "tests/sim/support.h"
#include "tests/test.h"

#define BYTES_MAX 3000
#define QUESTIONS 5
#define TRIES_MAX 200

struct question {
	uint64_t key;
	uint32_t bytes; /* of the pattern that follows */
	uint32_t number;
};

struct scene {
	struct torc_address at;
	struct torc_udp *server;
	int wrong;
};

static bool
is_whole(const void *data, ssize_t bytes, struct question *question)
{
	if (bytes < (ssize_t)sizeof(*question))
		return false;
	memcpy(question, data, sizeof(*question));
	return (size_t)bytes == sizeof(*question) + question->bytes &&
	       pattern_is((const char *)data + sizeof(*question), question->key,
		       question->number, question->bytes);
}

static int
answer(void *arg)
{
	struct scene *scene = arg;
	struct question question;
	struct torc_address from;
	const void *data;
	ssize_t got;

	while ((got = torc_udp_recv(scene->server, &data, &from)) >= 0) {
		if (!is_whole(data, got, &question))
			scene->wrong = -EBADMSG;
		/* Now and then the other way to send. */
		if (question.number % 2 == 0)
			got = torc_udp_send(
				scene->server, data, (size_t)got, &from);
		else
			got = torc_udp_try_send(
				scene->server, data, (size_t)got, &from);
		if (got < 0 && got != -EAGAIN)
			break;
	}
	return got == -ECANCELED ? 0 : (int)got;
}

/* 1 when the answer came, 0 when it is time to ask again. */
static int
await_answer(struct scene *scene, struct torc_udp *udp, uint32_t number)
{
	struct torc_deadline deadline;
	struct torc_address from;
	struct question answered = { 0 };
	const void *data;
	ssize_t got;

	torc_deadline_begin(&deadline, 20 * TORC_MS);
	do {
		got = torc_udp_recv(udp, &data, &from);
		if (got >= 0 && !is_whole(data, got, &answered))
			scene->wrong = -EBADMSG;
		/* An old answer that was late is none. */
	} while (got >= 0 && answered.number != number);
	torc_deadline_end(&deadline);
	if (got == -ETIMEDOUT)
		return 0;
	return got >= 0 ? 1 : (int)got;
}

static int
ask(struct scene *scene, struct torc_udp *udp, uint32_t number,
	bool is_connected)
{
	char data[sizeof(struct question) + BYTES_MAX];
	struct question question = { .key = torc_sim_random(UINT32_MAX),
		.bytes = (uint32_t)torc_sim_random(BYTES_MAX),
		.number = number };
	int ret = 0;

	memcpy(data, &question, sizeof(question));
	pattern_fill(
		data + sizeof(question), question.key, number, question.bytes);
	for (int i = 0; i < TRIES_MAX && ret == 0; i++) {
		ssize_t sent = torc_udp_send(udp, data,
			sizeof(question) + question.bytes,
			is_connected ? NULL : &scene->at);

		ret = sent < 0 ? (int)sent : await_answer(scene, udp, number);
	}
	return ret == 1 ? 0 : ret == 0 ? -ETIMEDOUT : ret;
}

static int
client(void *arg)
{
	struct scene *scene = arg;
	bool is_connected = torc_sim_random(2) == 0;
	struct torc_address any;
	struct torc_udp *udp;
	int ret = torc_address_parse(&any, "udp:127.0.0.1:0", NULL);

	if (ret == 0)
		ret = torc_udp_bind(&udp, &any);
	if (ret < 0)
		return ret;
	if (is_connected)
		ret = torc_udp_connect(udp, &scene->at);
	for (uint32_t n = 1; n <= QUESTIONS && ret == 0; n++)
		ret = ask(scene, udp, n, is_connected);
	torc_udp_close(udp);
	return ret;
}

static int
scenario(void *arg)
{
	struct scene *scene = arg;
	struct torc_group clients;
	struct torc_task *server;
	int ret = torc_address_parse(&scene->at, "udp:127.0.0.1:53", NULL);

	if (ret == 0)
		ret = torc_udp_bind(&scene->server, &scene->at);
	if (ret < 0)
		return ret;
	torc_group_init(&clients);
	if (torc_spawn(&server, answer, scene) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < torc_sim_size() && ret == 0; i++)
		ret = torc_group_spawn(&clients, client, scene);
	if (ret == 0)
		ret = torc_group_join(&clients);
	torc_cancel_join(server, NULL);
	torc_udp_close(scene->server);
	return ret < 0 ? ret : scene->wrong;
}

static void
search(uint64_t faults, uint32_t permille)
{
	struct scene scene = { .wrong = 0 };
	struct torc_sim_options options = {
		.faults = faults, .fault_permille = permille, .size = 5
	};
	struct torc_sim_result result;
	int ret = torc_sim_search(
		&options, NULL, seeds_count(200), scenario, &scene, &result);

	note_runs(&result);
	assert_int_equal(ret, 0);
	assert_true(faults == 0 || result.faults_count > 0);
}

static void
every_question_is_answered_at_once(void **state)
{
	(void)state;
	search(0, 0);
}

static void
every_question_is_answered_at_last(void **state)
{
	(void)state;
	search(TORC_SIM_ALL & ~TORC_SIM_EMFILE, 20);
	search(TORC_SIM_ALL & ~TORC_SIM_EMFILE, 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_question_is_answered_at_once),
		cmocka_unit_test(every_question_is_answered_at_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
