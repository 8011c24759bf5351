/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_GROUP_PRIV_H
#define TORC_CORE_GROUP_PRIV_H

#include <torc/core/group.h>

/* The task has returned; its result is in it, and is kept or dropped here. */
void torc__group_left(struct torc_group *group, struct torc_task *task);

#endif /* TORC_CORE_GROUP_PRIV_H */
