/* SPDX-License-Identifier: MIT */
#ifndef TORC_BASE_LIST_PRIV_H
#define TORC_BASE_LIST_PRIV_H

/*
 * list - a circular doubly linked list that lives inside its members
 *
 *   head <-> a <-> b <-> c <-> head      an empty head points at itself
 *
 * A head is a struct torc_link too and must be initialised. A member starts
 * zeroed, and is zero again once it is removed: removing it once more changes
 * nothing, and what holds it may be copied. A link is on one list at most:
 * pushing a linked one is a bug.
 */

#include <stdbool.h>
#include <stddef.h>

#include <torc/base/list.h>

#include "base/assert_priv.h"

/* The object that holds `ptr` as its `member`. */
#define torc__container_of(ptr, type, member)                           \
	(__extension__({                                                \
		__typeof__(&((type *)0)->member) torc__member_ = (ptr); \
		(type *)(void *)((char *)torc__member_ -                \
				 offsetof(type, member));               \
	}))

static inline void
torc__list_init(struct torc_link *head)
{
	head->next = head;
	head->prev = head;
}

static inline bool
torc__list_is_empty(const struct torc_link *head)
{
	return head->next == head;
}

/* For a member, not for a head. */
static inline bool
torc__list_is_linked(const struct torc_link *link)
{
	return link->next != NULL && link->next != link;
}

static inline void
torc__list_insert(
	struct torc_link *link, struct torc_link *prev, struct torc_link *next)
{
	torc_check(!torc__list_is_linked(link));
	link->prev = prev;
	link->next = next;
	prev->next = link;
	next->prev = link;
}

static inline void
torc__list_push_back(struct torc_link *head, struct torc_link *link)
{
	torc__list_insert(link, head->prev, head);
}

static inline void
torc__list_push_front(struct torc_link *head, struct torc_link *link)
{
	torc__list_insert(link, head, head->next);
}

/* Harmless on a link that is on no list. */
static inline void
torc__list_remove(struct torc_link *link)
{
	struct torc_link *prev = link->prev, *next = link->next;

	if (next == NULL)
		return;
	prev->next = next;
	next->prev = prev;
	link->next = NULL;
	link->prev = NULL;
}

/* The first member, or NULL when there is none; it stays. */
static inline struct torc_link *
torc__list_first(const struct torc_link *head)
{
	return head->next == head ? NULL : head->next;
}

/* The first member, removed, or NULL when there is none. */
static inline struct torc_link *
torc__list_pop_front(struct torc_link *head)
{
	struct torc_link *link = torc__list_first(head);

	if (link != NULL)
		torc__list_remove(link);
	return link;
}

/* Move all of `from`, in order, to the end of `to`; O(1). */
static inline void
torc__list_splice(struct torc_link *to, struct torc_link *from)
{
	struct torc_link *first = from->next, *last = from->prev;

	torc_check(to != from);
	if (first == from)
		return;
	first->prev = to->prev;
	to->prev->next = first;
	last->next = to;
	to->prev = last;
	torc__list_init(from);
}

#endif /* TORC_BASE_LIST_PRIV_H */
