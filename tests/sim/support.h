/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_SIM_SUPPORT_H
#define TORC_TESTS_SIM_SUPPORT_H

/*
 * What the simulated scenarios share: bytes that say where they belong, how
 * many seeds to run, and a line of what ran.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <torc/base/clock.h>
#include <torc/test/sim.h>

/* Eight bytes at a time; each follows from the stream's key and its place. */
static inline uint64_t
pattern_word(uint64_t key, uint64_t at)
{
	return (at / 8 + key) * UINT64_C(0x9e3779b97f4a7c15);
}

static inline uint8_t
pattern_byte(uint64_t key, uint64_t at)
{
	return (uint8_t)(pattern_word(key, at) >> 8 * (at % 8));
}

static inline void
pattern_fill(void *data, uint64_t key, uint64_t from, size_t bytes)
{
	uint8_t *to = data;

	for (size_t i = 0; i < bytes;) {
		uint64_t word = pattern_word(key, from + i);

		if ((from + i) % 8 != 0 || bytes - i < 8) {
			to[i] = pattern_byte(key, from + i);
			i++;
			continue;
		}
		memcpy(to + i, &word, 8);
		i += 8;
	}
}

static inline bool
pattern_is(const void *data, uint64_t key, uint64_t from, size_t bytes)
{
	const uint8_t *there = data;

	for (size_t i = 0; i < bytes;) {
		uint64_t word = pattern_word(key, from + i);

		if ((from + i) % 8 != 0 || bytes - i < 8) {
			if (there[i] != pattern_byte(key, from + i))
				return false;
			i++;
			continue;
		}
		if (memcmp(there + i, &word, 8) != 0)
			return false;
		i += 8;
	}
	return true;
}

/* TORC_SIM_SEEDS=n asks for more, or fewer. */
static inline uint32_t
seeds_count(uint32_t usual)
{
	const char *text = getenv("TORC_SIM_SEEDS");

	return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : usual;
}

/* TORC_SIM_SIZE=n: how many connections to begin with. */
static inline uint32_t
size_usual(uint32_t usual)
{
	const char *text = getenv("TORC_SIM_SIZE");

	return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : usual;
}

static inline void
note_runs(const struct torc_sim_result *result)
{
	printf("%u seeds, %llu completions, %llu faults\n", result->runs,
		(unsigned long long)result->completions,
		(unsigned long long)result->faults_count);
}

#endif /* TORC_TESTS_SIM_SUPPORT_H */
