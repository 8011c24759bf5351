/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_CONTRACT_FAMILIES_H
#define TORC_TESTS_CONTRACT_FAMILIES_H

/* families - the scripts, by what they are about; one file each */

#include "tests/contract/contract.h"

/* For the file that has a table called `scripts`. */
#define CONTRACT_FAMILY(noun)                                     \
	const struct contract_family contract_##noun##_family = { \
		.name = #noun,                                    \
		.scripts = scripts,                               \
		.count = sizeof(scripts) / sizeof(scripts[0]),    \
	}

/* A row of it. */
#define SCRIPT(fn, what, ...)                                            \
	{                                                                \
		.name = #fn, .about = (what), .run = (fn), ##__VA_ARGS__ \
	}

extern const struct contract_family contract_ring_family;
extern const struct contract_family contract_accept_family;
extern const struct contract_family contract_connect_family;
extern const struct contract_family contract_recv_family;
extern const struct contract_family contract_multishot_family;
extern const struct contract_family contract_supply_family;
extern const struct contract_family contract_buffer_family;
extern const struct contract_family contract_send_family;
extern const struct contract_family contract_close_family;
extern const struct contract_family contract_stream_family;
extern const struct contract_family contract_datagram_family;
extern const struct contract_family contract_unix_stream_family;
extern const struct contract_family contract_poll_family;
extern const struct contract_family contract_event_family;
extern const struct contract_family contract_file_family;
extern const struct contract_family contract_path_family;
extern const struct contract_family contract_link_family;
extern const struct contract_family contract_pipe_family;
extern const struct contract_family contract_message_family;
extern const struct contract_family contract_timeout_family;
extern const struct contract_family contract_cancel_family;
extern const struct contract_family contract_refusal_family;

#endif /* TORC_TESTS_CONTRACT_FAMILIES_H */
