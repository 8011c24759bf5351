/* SPDX-License-Identifier: MIT */
#ifndef TORC_BASE_LIST_H
#define TORC_BASE_LIST_H

/*
 * list - the link that visible structures embed
 *
 * Its fields belong to the runtime. It is public only because structures
 * such as struct torc_timer hold one and callers must know their size.
 * A zeroed link is a valid one that is on no list.
 */

#ifdef __cplusplus
extern "C" {
#endif

struct torc_link {
	/* Runtime only. */
	struct torc_link *next;
	struct torc_link *prev;
};

#ifdef __cplusplus
}
#endif

#endif /* TORC_BASE_LIST_H */
