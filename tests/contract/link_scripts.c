/* SPDX-License-Identifier: MIT */
/* Links: what leads elsewhere, and files with several names. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"

static void
symlink_to(struct contract *c, const char *target, const char *name, int res)
{
	uint64_t id = UINT64_C(0x5e5e) + c->serial++;

	start_symlink(c, id, target, path_of(c, name));
	expect(c, id, RES(res));
}

static void
link_to(struct contract *c, const char *from, const char *to, int res)
{
	uint64_t id = UINT64_C(0x11e1) + c->serial++;

	start_link(c, id, path_of(c, from), path_of(c, to));
	expect(c, id, RES(res));
}

static void
open_in_vain(struct contract *c, const char *name, int flags, int res)
{
	uint64_t id = UINT64_C(0x09e1) + c->serial++;

	start_open(c, id, path_of(c, name), flags);
	expect(c, id, RES(res));
}

static void
unlink_it(struct contract *c, const char *name, int flags, int res)
{
	uint64_t id = UINT64_C(0x0e1e) + c->serial++;

	start_unlink(c, id, path_of(c, name), flags);
	expect(c, id, RES(res));
}

static void
rename_it(struct contract *c, const char *from, const char *to, int res)
{
	uint64_t id = UINT64_C(0x4e4e) + c->serial++;

	start_rename(c, id, path_of(c, from), path_of(c, to));
	expect(c, id, RES(res));
}

/* Of the name itself. */
static struct statx
look_at(struct contract *c, const char *name)
{
	uint64_t id = UINT64_C(0x100c) + c->serial++;
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);
	struct statx *stat = memory(c, sizeof(*stat));

	io_uring_prep_statx(sqe, AT_FDCWD, path_of(c, name),
		AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, stat);
	submit(c, sqe, id);
	expect(c, id, RES(0));
	return *stat;
}

/* ---- symbolic ones ---- */

static void
a_link_leads_to_its_file(struct contract *c)
{
	struct statx *stat = memory(c, sizeof(*stat));

	open_text(c, "file", "abc");
	symlink_to(c, "file", "link", 0);
	require_file(c, open_path(c, "link", O_RDONLY), 0, "abc");
	start_stat(c, 1, AT_FDCWD, path_of(c, "link"), stat);
	expect(c, 1, RES(0));
	require(c, S_ISREG(stat->stx_mode) && stat->stx_size == 3);
	*stat = look_at(c, "link");
	require(c, S_ISLNK(stat->stx_mode) && stat->stx_size == 4);
}

static void
a_link_may_lead_to_nothing(struct contract *c)
{
	symlink_to(c, "none", "link", 0);
	open_in_vain(c, "link", O_RDONLY, -ENOENT);
	open_in_vain(c, "link", O_RDWR | O_CREAT | O_EXCL, -EEXIST);
	open_in_vain(c, "link", O_RDONLY | O_NOFOLLOW, -ELOOP);
	open_path(c, "link", O_RDWR | O_CREAT);
	require(c, S_ISREG(look_at(c, "none").stx_mode));
	require(c, S_ISLNK(look_at(c, "link").stx_mode));
}

static void
a_link_may_be_on_the_way(struct contract *c)
{
	make_dir(c, "one");
	make_dir(c, "one/two");
	open_text(c, "one/file", "abc");
	symlink_to(c, "one/two", "way", 0);
	symlink_to(c, path_of(c, "one"), "one/two/root", 0);
	require_file(c, open_path(c, "way/../file", O_RDONLY), 0, "abc");
	require_file(c, open_path(c, "way/root//file", O_RDONLY), 0, "abc");
	open_in_vain(c, "way/none/file", O_RDONLY, -ENOENT);
	open_in_vain(c, "one/file/x", O_RDONLY, -ENOTDIR);
	open_in_vain(c, "way", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, -ENOTDIR);
	open_path(c, "way", O_RDONLY | O_DIRECTORY);
}

static void
links_that_lead_round_are_told(struct contract *c)
{
	symlink_to(c, "two", "one", 0);
	symlink_to(c, "./one", "two", 0);
	open_in_vain(c, "one", O_RDONLY, -ELOOP);
	open_in_vain(c, "two/x", O_RDONLY, -ELOOP);
}

/* One more than the kernel goes along, on one path. */
static void
a_chain_of_links_has_an_end(struct contract *c)
{
	enum { LINKS_MAX = 40 };
	char name[8] = "file", next[8];

	open_text(c, "file", "abc");
	for (unsigned i = 1; i <= LINKS_MAX + 1; i++) {
		snprintf(next, sizeof(next), "l%u", i);
		symlink_to(c, name, next, 0);
		memcpy(name, next, sizeof(name));
	}
	require_file(c, open_path(c, "l40", O_RDONLY), 0, "abc");
	open_in_vain(c, "l41", O_RDONLY, -ELOOP);
	/* Parts of one path are counted together. */
	make_dir(c, "folder");
	symlink_to(c, "folder", "way", 0);
	require_file(c, open_path(c, "way/../l39", O_RDONLY), 0, "abc");
	open_in_vain(c, "way/../l40", O_RDONLY, -ELOOP);
}

static void
a_slash_behind_a_link_means_its_folder(struct contract *c)
{
	make_dir(c, "folder");
	open_text(c, "file", "abc");
	symlink_to(c, "folder", "way", 0);
	symlink_to(c, "file", "link", 0);
	symlink_to(c, "none", "lost", 0);
	require(c, S_ISDIR(look_at(c, "way/").stx_mode));
	open_path(c, "way/", O_RDONLY | O_NOFOLLOW);
	open_in_vain(c, "link/", O_RDONLY, -ENOTDIR);
	open_in_vain(c, "link/", O_RDONLY | O_NOFOLLOW, -ENOTDIR);
	open_in_vain(c, "lost/", O_RDONLY, -ENOENT);
	link_to(c, "way/", "other", -EPERM);
	link_to(c, "link/", "other", -ENOTDIR);
	link_to(c, "lost/", "other", -ENOENT);
	/* Not for who makes, moves or removes a name. */
	rename_it(c, "way/", "other", -ENOTDIR);
	unlink_it(c, "way/", 0, -ENOTDIR);
	start_mkdir(c, 1, path_of(c, "lost/"));
	expect(c, 1, RES(-EEXIST));
	require(c, S_ISLNK(look_at(c, "way").stx_mode));
}

static void
a_slash_is_for_folders_alone(struct contract *c)
{
	const char *const names[] = { "new/", "file/", "folder/", "way/",
		"lost/" };

	make_dir(c, "folder");
	open_text(c, "file", "abc");
	link_to(c, "file", "two", 0);
	symlink_to(c, "folder/", "way", 0);
	symlink_to(c, "none/", "lost", 0);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		open_in_vain(c, names[i], O_RDWR | O_CREAT, -EISDIR);
		open_in_vain(c, names[i], O_RDWR | O_CREAT | O_EXCL, -EISDIR);
	}
	open_in_vain(c, "lost", O_RDWR | O_CREAT, -EISDIR);
	open_in_vain(c, "lost", O_RDWR | O_CREAT | O_EXCL, -EEXIST);
	rename_it(c, "file", "other/", -ENOTDIR);
	rename_it(c, "file", "two/", -ENOTDIR);
	rename_it(c, "file", "folder/", -ENOTDIR);
	rename_it(c, "file/", "other", -ENOTDIR);
	rename_it(c, "folder", "other/", 0);
	rename_it(c, "other/", "other", 0);
	require_file(c, open_path(c, "file", O_RDONLY), 0, "abc");
}

static void
what_is_done_to_a_link_leaves_its_file(struct contract *c)
{
	make_dir(c, "folder");
	open_text(c, "file", "abc");
	symlink_to(c, "file", "link", 0);
	symlink_to(c, "folder", "way", 0);
	rename_it(c, "link", "other", 0);
	require(c, S_ISLNK(look_at(c, "other").stx_mode));
	unlink_it(c, "other", 0, 0);
	unlink_it(c, "way", AT_REMOVEDIR, -ENOTDIR);
	unlink_it(c, "way/", AT_REMOVEDIR, -ENOTDIR);
	start_mkdir(c, 2, path_of(c, "way"));
	expect(c, 2, RES(-EEXIST));
	unlink_it(c, "way", 0, 0);
	require(c, S_ISREG(look_at(c, "file").stx_mode));
	require(c, S_ISDIR(look_at(c, "folder").stx_mode));
}

static void
a_link_takes_nobodys_place(struct contract *c)
{
	open_text(c, "file", "abc");
	symlink_to(c, "x", "file", -EEXIST);
	symlink_to(c, "x", "none/link", -ENOENT);
	symlink_to(c, "x", "file/link", -ENOTDIR);
	symlink_to(c, "x", "link/", -ENOENT);
	symlink_to(c, "", "link", -ENOENT);
	require_file(c, open_path(c, "file", O_RDONLY), 0, "abc");
}

/* ---- hard ones ---- */

static void
a_file_may_have_two_names(struct contract *c)
{
	int fd = open_text(c, "one", "abc");
	struct statx one, two;

	link_to(c, "one", "two", 0);
	one = look_at(c, "one");
	two = look_at(c, "two");
	require(c, one.stx_ino == two.stx_ino && two.stx_nlink == 2);
	start_write_at(c, 1, fd, "x", 1, 0);
	expect(c, 1, RES(1));
	require_file(c, open_path(c, "two", O_RDONLY), 0, "xbc");
	/* Either is the file. */
	unlink_it(c, "one", 0, 0);
	require_file(c, open_path(c, "two", O_RDONLY), 0, "xbc");
	require(c, look_at(c, "two").stx_nlink == 1);
	open_in_vain(c, "one", O_RDONLY, -ENOENT);
	unlink_it(c, "two", 0, 0);
	require_file(c, fd, 0, "xbc");
}

static void
two_names_of_a_file_take_no_place_of_each_other(struct contract *c)
{
	open_text(c, "one", "abc");
	link_to(c, "one", "two", 0);
	rename_it(c, "one", "two", 0);
	require(c, look_at(c, "one").stx_nlink == 2);
	/* A truncation by one is one of both. */
	drop(c, open_path(c, "two", O_WRONLY | O_TRUNC));
	require_file(c, open_path(c, "one", O_RDONLY), 0, "");
}

static void
not_everything_can_have_another_name(struct contract *c)
{
	open_text(c, "file", "abc");
	make_dir(c, "folder");
	symlink_to(c, "none", "link", 0);
	link_to(c, "folder", "other", -EPERM);
	link_to(c, "none", "other", -ENOENT);
	link_to(c, "file", "folder", -EEXIST);
	link_to(c, "file", "file", -EEXIST);
	link_to(c, "file", "none/other", -ENOENT);
	link_to(c, "file", "other/", -ENOENT);
	/* A symbolic link can, and it is that one's name. */
	link_to(c, "link", "other", 0);
	require(c, S_ISLNK(look_at(c, "other").stx_mode));
	require(c, look_at(c, "file").stx_nlink == 1);
}

/* ---- calls that are none of the ring's ---- */

static void
read_it(struct contract *c, const char *name, size_t bytes, int res)
{
	char *target = memory(c, 16);

	require_is(c,
		c->engine->read_link(&c->ring, path_of(c, name), target, bytes),
		res);
	require(c, res < 0 || memcmp(target, "some/where", (size_t)res) == 0);
}

static void
a_link_says_where_it_leads(struct contract *c)
{
	open_text(c, "file", "abc");
	make_dir(c, "folder");
	symlink_to(c, "some/where", "link", 0);
	symlink_to(c, "folder", "way", 0);
	symlink_to(c, "file", "plain", 0);
	read_it(c, "link", 16, 10);
	read_it(c, "link", 3, 3);
	read_it(c, "file", 16, -EINVAL);
	read_it(c, "none", 16, -ENOENT);
	/* With a slash it is what they lead to. */
	read_it(c, "way/", 16, -EINVAL);
	read_it(c, "plain/", 16, -ENOTDIR);
	read_it(c, "link/", 16, -ENOENT);
}

static void
a_path_has_one_real_form(struct contract *c)
{
	char *top = memory(c, PATH_MAX), *real = memory(c, PATH_MAX);
	int bytes;

	make_dir(c, "folder");
	open_text(c, "folder/file", "abc");
	symlink_to(c, "folder/../folder", "way", 0);
	bytes = c->engine->real_path(&c->ring, path_of(c, "."), top);
	require(c, bytes > 0 && top[0] == '/' && top[bytes] == '\0');
	require_is(c,
		c->engine->real_path(
			&c->ring, path_of(c, "way/.././way//file"), real),
		bytes + 12);
	require(c, memcmp(real, top, (size_t)bytes) == 0);
	require(c, strcmp(real + bytes, "/folder/file") == 0);
	require_is(c, c->engine->real_path(&c->ring, path_of(c, "way/"), real),
		bytes + 7);
	require_is(c, c->engine->real_path(&c->ring, path_of(c, "none"), real),
		-ENOENT);
	require_is(c,
		c->engine->real_path(
			&c->ring, path_of(c, "folder/file/"), real),
		-ENOTDIR);
}

static void
permissions_are_kept(struct contract *c)
{
	open_text(c, "file", "abc");
	make_dir(c, "folder");
	symlink_to(c, "file", "link", 0);
	require_is(c, c->engine->chmod(&c->ring, path_of(c, "file"), 0640), 0);
	require(c, (look_at(c, "file").stx_mode & 07777) == 0640);
	/* Through a link it is the file's. */
	require_is(c, c->engine->chmod(&c->ring, path_of(c, "link"), 0751), 0);
	require(c, (look_at(c, "file").stx_mode & 07777) == 0751);
	require(c, S_ISREG(look_at(c, "file").stx_mode));
	require_is(
		c, c->engine->chmod(&c->ring, path_of(c, "folder"), 0710), 0);
	require(c, (look_at(c, "folder").stx_mode & 07777) == 0710);
	require_is(c, c->engine->chmod(&c->ring, path_of(c, "none"), 0640),
		-ENOENT);
	require_is(c, c->engine->chmod(&c->ring, path_of(c, "link/"), 0640),
		-ENOTDIR);
}

static const struct contract_script scripts[] = {
	SCRIPT(a_link_leads_to_its_file, "SYMLINKAT"),
	SCRIPT(a_link_may_lead_to_nothing, "SYMLINKAT"),
	SCRIPT(a_link_may_be_on_the_way, "SYMLINKAT"),
	SCRIPT(links_that_lead_round_are_told, "SYMLINKAT"),
	SCRIPT(a_chain_of_links_has_an_end, "SYMLINKAT"),
	SCRIPT(a_slash_behind_a_link_means_its_folder, "SYMLINKAT"),
	SCRIPT(a_slash_is_for_folders_alone, "OPENAT"),
	SCRIPT(what_is_done_to_a_link_leaves_its_file, "SYMLINKAT"),
	SCRIPT(a_link_takes_nobodys_place, "SYMLINKAT"),
	SCRIPT(a_file_may_have_two_names, "LINKAT"),
	SCRIPT(two_names_of_a_file_take_no_place_of_each_other, "LINKAT"),
	SCRIPT(not_everything_can_have_another_name, "LINKAT"),
	SCRIPT(a_link_says_where_it_leads, "readlink"),
	SCRIPT(a_path_has_one_real_form, "realpath"),
	SCRIPT(permissions_are_kept, "chmod"),
};

CONTRACT_FAMILY(link);
