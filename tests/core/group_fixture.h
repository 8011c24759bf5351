/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_CORE_GROUP_FIXTURE_H
#define TORC_TESTS_CORE_GROUP_FIXTURE_H

/*
 * group_fixture - a group on a fake shard, which must be empty in the end
 */

#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include <torc/core/group.h>

struct fixture {
	struct fake_shard loop;
	struct torc_group group;
};

static struct fixture fixture;

static inline int
set_up(void **state)
{
	fake_shard_open(&fixture.loop);
	torc_group_init(&fixture.group);
	*state = &fixture;
	return 0;
}

/* The same with a group that keeps results. */
static inline int
set_up_collecting(void **state)
{
	set_up(state);
	fixture.group.collect = true;
	return 0;
}

static inline int
tear_down(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(torc_group_count(&f->group), 0);
	fake_shard_close(&f->loop);
	return 0;
}

/* Run fn with the group as a task of the shard. */
static inline void
run(torc_task_fn *fn)
{
	fake_shard_run(&fixture.loop, fn, &fixture.group);
}

#endif /* TORC_TESTS_CORE_GROUP_FIXTURE_H */
