/* SPDX-License-Identifier: MIT */
/*
 * Two tasks that sleep at the same time: hello
 */
#include <stdio.h>

#include <torc.h>

static int
greet(void *name)
{
	if (torc_sleep(100 * TORC_MS) < 0)
		return -1;
	printf("hello, %s\n", (const char *)name);
	return 0;
}

static int
start(void *unused)
{
	static char names[][8] = { "ring", "world" };
	struct torc_group group;

	(void)unused;
	torc_group_init(&group);
	for (int i = 0; i < 2; i++)
		if (torc_group_spawn(&group, greet, names[i]) < 0)
			return -1;
	return torc_group_join(&group);
}

TORC_MAIN(start)
