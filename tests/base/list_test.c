/* SPDX-License-Identifier: MIT */
/*
 * Goal    A list keeps its order, and a link off every list can be removed
 *         again without harm.
 * Method  A handful of items; the order is read back forwards and backwards
 *         as a string of their letters.
 */
#include "tests/test.h"
#include "base/list_priv.h"

struct item {
	char letter;
	struct torc_link link;
};

static struct item a, b, c;
static struct torc_link head, other;

static int
set_up(void **unused)
{
	(void)unused;
	a = (struct item){ .letter = 'a' };
	b = (struct item){ .letter = 'b' };
	c = (struct item){ .letter = 'c' };
	torc__list_init(&head);
	torc__list_init(&other);
	return 0;
}

static void
assert_letters(struct torc_link *list, const char *letters)
{
	struct torc_link *link = list;

	for (const char *l = letters; *l != '\0'; l++) {
		link = link->next;
		assert_ptr_not_equal(link, list);
		assert_int_equal(
			torc__container_of(link, struct item, link)->letter,
			*l);
		assert_ptr_equal(link->prev->next, link);
	}
	assert_ptr_equal(link->next, list);
	assert_ptr_equal(list->prev, link);
}

static void
pushes_go_to_the_end_they_name(void **unused)
{
	(void)unused;

	torc__list_push_back(&head, &b.link);
	torc__list_push_back(&head, &c.link);
	torc__list_push_front(&head, &a.link);

	assert_letters(&head, "abc");
}

static void
a_removed_link_can_be_removed_again(void **unused)
{
	(void)unused;
	torc__list_push_back(&head, &a.link);
	torc__list_push_back(&head, &b.link);

	torc__list_remove(&a.link);
	torc__list_remove(&a.link);

	assert_false(torc__list_is_linked(&a.link));
	assert_true(torc__list_is_linked(&b.link));
	assert_letters(&head, "b");
	torc__list_remove(&b.link);
	assert_letters(&head, "");
}

static void
a_zeroed_link_is_on_no_list(void **unused)
{
	(void)unused;

	assert_false(torc__list_is_linked(&a.link));
	torc__list_remove(&a.link);
	assert_false(torc__list_is_linked(&a.link));
}

static void
an_item_that_was_removed_may_be_copied(void **unused)
{
	(void)unused;
	torc__list_push_back(&head, &a.link);
	torc__list_remove(&a.link);
	b = a;

	assert_false(torc__list_is_linked(&b.link));
	torc__list_push_back(&head, &b.link);
	assert_letters(&head, "a");
}

static void
pop_takes_the_oldest_and_then_null(void **unused)
{
	(void)unused;
	torc__list_push_back(&head, &a.link);
	torc__list_push_back(&head, &b.link);

	assert_ptr_equal(torc__list_pop_front(&head), &a.link);
	assert_false(torc__list_is_linked(&a.link));
	assert_ptr_equal(torc__list_first(&head), &b.link);
	assert_ptr_equal(torc__list_pop_front(&head), &b.link);
	assert_null(torc__list_pop_front(&head));
	assert_null(torc__list_first(&head));
	assert_true(torc__list_is_empty(&head));
}

static void
splice_moves_everything_behind_what_is_there(void **unused)
{
	(void)unused;
	torc__list_push_back(&head, &a.link);
	torc__list_push_back(&other, &b.link);
	torc__list_push_back(&other, &c.link);

	torc__list_splice(&head, &other);
	assert_letters(&head, "abc");
	assert_true(torc__list_is_empty(&other));

	torc__list_splice(&head, &other);
	assert_letters(&head, "abc");
	torc__list_splice(&other, &head);
	assert_letters(&other, "abc");
	assert_true(torc__list_is_empty(&head));
}

#define WITH_LISTS(test) cmocka_unit_test_setup(test, set_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LISTS(pushes_go_to_the_end_they_name),
		WITH_LISTS(a_removed_link_can_be_removed_again),
		WITH_LISTS(a_zeroed_link_is_on_no_list),
		WITH_LISTS(an_item_that_was_removed_may_be_copied),
		WITH_LISTS(pop_takes_the_oldest_and_then_null),
		WITH_LISTS(splice_moves_everything_behind_what_is_there),
	};

	return cmocka_run_group_tests_name("base/list", tests, NULL, NULL);
}
