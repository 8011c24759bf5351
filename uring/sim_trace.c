/* SPDX-License-Identifier: MIT */
/*
 * What happened: a hash over all of it, the last of it for a person to read,
 * and what waits. Numbers only: an address would differ from run to run.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include <torc/base/clock.h>

#include "uring/sim_world_priv.h"

#define FNV_PRIME UINT64_C(0x100000001b3)
#define NAME_BYTES 64

static uint64_t
mix(uint64_t hash, uint64_t word)
{
	return (hash ^ word) * FNV_PRIME;
}

void
torc__sim_note(struct torc_sim *sim, enum torc_sim_what what, uint32_t ring,
	uint32_t detail, uint64_t serial, int32_t res, uint32_t flags)
{
	struct torc_sim_trace_entry *entry =
		&sim->trace[sim->trace_count++ % TORC__SIM_TRACE];
	uint64_t hash = sim->counts.hash;

	*entry = (struct torc_sim_trace_entry){ .at_ns = sim->now_ns,
		.serial = serial,
		.res = res,
		.flags = flags,
		.ring = (uint16_t)ring,
		.what = (uint8_t)what,
		.detail = (uint8_t)detail };
	hash = mix(hash, sim->now_ns);
	hash = mix(hash, serial);
	hash = mix(hash, (uint64_t)what << 48 | (uint64_t)ring << 32 | detail);
	hash = mix(hash, (uint64_t)(uint32_t)res << 32 | flags);
	/* Multiplying never moves bits down. */
	sim->counts.hash = hash ^ hash >> 29;
}

static void
format_name(const struct torc_sim_name *name, char *text, size_t bytes)
{
	const struct sockaddr_in *in = (const void *)&name->at;
	const struct sockaddr_in6 *in6 = (const void *)&name->at;
	const struct sockaddr_un *un = (const void *)&name->at;
	char host[INET6_ADDRSTRLEN] = "";

	snprintf(text, bytes, "-");
	if (name->len == 0)
		return;
	switch (name->at.ss_family) {
	case AF_INET:
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(text, bytes, "%s:%u", host, ntohs(in->sin_port));
		return;
	case AF_INET6:
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(text, bytes, "[%s]:%u", host, ntohs(in6->sin6_port));
		return;
	}
	if (name->len > sizeof(sa_family_t))
		snprintf(text, bytes, "%s%.40s",
			un->sun_path[0] == '\0' ? "@" : "",
			un->sun_path + (un->sun_path[0] == '\0'));
}

static void
print_op(const struct torc_sim *sim, const struct torc_sim_op *op)
{
	char local[NAME_BYTES] = "-", remote[NAME_BYTES] = "-";

	if (op->file != NULL) {
		format_name(&op->file->local, local, sizeof(local));
		format_name(&op->file->remote, remote, sizeof(remote));
	}
	fprintf(stderr,
		"    shard %u  #%llu %-8s descriptor %d  %s -> %s  for %.6f "
		"s%s\n",
		op->ring->index, (unsigned long long)op->serial,
		torc__sim_opcode_name(op->sqe.opcode),
		op->sqe.fd - TORC__SIM_FD_BASE, local, remote,
		(double)(sim->now_ns - op->began_ns) / TORC_S,
		op->late.slot != 0 ? "  (a cancel is on its way)" : "");
}

static const char *
detail_name(const struct torc_sim_trace_entry *entry)
{
	static const char *const calls[] = { "socket", "bind", "listen",
		"shutdown", "close", "socketpair", "pipe" };
	static const char *const arrivals[] = { "bytes", "end", "reset" };

	switch ((enum torc_sim_what)entry->what) {
	case TORC__SIM_SUBMIT:
	case TORC__SIM_COMPLETE:
		return torc__sim_opcode_name(entry->detail);
	case TORC__SIM_CALL:
		return calls[entry->detail];
	case TORC__SIM_ARRIVE:
		return arrivals[entry->detail];
	case TORC__SIM_FAULT:
		return torc__sim_fault_name(entry->detail);
	}
	return "";
}

/* A result, or the descriptor that an operation is about. */
static void
print_number(const char *before, int32_t number)
{
	if (number >= TORC__SIM_FD_BASE)
		fprintf(stderr, "%sdescriptor %d\n", before,
			number - TORC__SIM_FD_BASE);
	else if (number < 0)
		fprintf(stderr, "%s%d %s\n", before, number,
			strerrorname_np(-number));
	else
		fprintf(stderr, "%s%d\n", before, number);
}

static void
print_entry(
	const struct torc_sim *sim, const struct torc_sim_trace_entry *entry)
{
	double at_s = (double)(entry->at_ns - sim->began_ns) / TORC_S;
	unsigned long long serial = entry->serial;
	const char *name = detail_name(entry);

	fprintf(stderr, "    %12.6f  ", at_s);
	switch ((enum torc_sim_what)entry->what) {
	case TORC__SIM_SUBMIT:
		fprintf(stderr, "shard %u  #%llu %s", entry->ring, serial,
			name);
		if (entry->res < 0)
			fputc('\n', stderr);
		else
			print_number(", ", entry->res);
		return;
	case TORC__SIM_COMPLETE:
		fprintf(stderr, "shard %u  #%llu %s", entry->ring, serial,
			name);
		print_number(" = ", entry->res);
		return;
	case TORC__SIM_CALL:
		fprintf(stderr, "call     %s(%d)", name,
			(int)entry->serial - TORC__SIM_FD_BASE);
		print_number(" = ", entry->res);
		return;
	case TORC__SIM_ARRIVE:
		fprintf(stderr, "network  %s for socket #%llu, %d\n", name,
			serial, entry->res);
		return;
	case TORC__SIM_FAULT:
		fprintf(stderr, "fault    %s\n", name);
		return;
	}
}

void
torc__sim_report(unsigned events)
{
	struct torc_sim *sim = torc__sim;
	uint64_t from;

	if (sim == NULL)
		return;
	if (events > TORC__SIM_TRACE)
		events = TORC__SIM_TRACE;
	from = sim->trace_count > events ? sim->trace_count - events : 0;
	fprintf(stderr, "  the last %u of %llu events (seconds):\n",
		(unsigned)(sim->trace_count - from),
		(unsigned long long)sim->trace_count);
	for (; from < sim->trace_count; from++)
		print_entry(sim, &sim->trace[from % TORC__SIM_TRACE]);
	fprintf(stderr, "  what waits:\n");
	for (uint32_t i = 0; i < TORC__SIM_RINGS_MAX; i++) {
		struct torc_sim_ring *ring = sim->rings[i];
		struct torc_link *link;

		for (link = ring != NULL ? ring->ops.next : NULL;
			link != NULL && link != &ring->ops; link = link->next)
			print_op(sim, torc__container_of(
					      link, struct torc_sim_op, all));
	}
}
