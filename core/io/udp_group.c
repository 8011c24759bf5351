/* SPDX-License-Identifier: MIT */
/*
 * The groups that a datagram socket hears, and whether the kernel joins what
 * it receives.
 */
#include <errno.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include "core/io/udp_priv.h"

static int
set_membership(struct torc_udp *udp, const struct torc_address *group,
	unsigned interface_index, bool is_member)
{
	struct torc_ring *ring = &udp->shard->ring;
	struct ipv6_mreq six = { .ipv6mr_multiaddr = group->in6.sin6_addr,
		.ipv6mr_interface = interface_index };
	struct ip_mreqn four = { .imr_multiaddr = group->in.sin_addr,
		.imr_ifindex = (int)interface_index };
	int ret = torc__udp_begin(udp);

	if (ret < 0)
		return ret;
	if (group->sa.sa_family != udp->address.sa.sa_family)
		return -EINVAL;
	if (group->sa.sa_family == AF_INET6)
		return ring->engine->setsockopt(ring, udp->fd, IPPROTO_IPV6,
			is_member ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &six,
			sizeof(six));
	return ring->engine->setsockopt(ring, udp->fd, IPPROTO_IP,
		is_member ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &four,
		sizeof(four));
}

int
torc_udp_multicast_join(struct torc_udp *udp, const struct torc_address *group,
	unsigned interface_index)
{
	return set_membership(udp, group, interface_index, true);
}

int
torc_udp_multicast_leave(struct torc_udp *udp, const struct torc_address *group,
	unsigned interface_index)
{
	return set_membership(udp, group, interface_index, false);
}

int
torc_udp_join_set(struct torc_udp *udp, bool is_joined)
{
	struct torc_ring *ring = &udp->shard->ring;
	int value = is_joined, ret = torc__udp_begin(udp);

	if (ret < 0)
		return ret;
	return ring->engine->setsockopt(
		ring, udp->fd, SOL_UDP, UDP_GRO, &value, sizeof(value));
}
