/* SPDX-License-Identifier: MIT */
/*
 * torc-doctor - what this machine has of what torc uses, found by trying
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include <torc/base/log.h>

#include "doctor/probes.h"
#include "tests/contract/contract.h"

static const char help[] =
	"usage: torc-doctor [options]\n"
	"\n"
	"Tries what torc uses of this kernel and this machine, on rings and\n"
	"sockets that are thrown away, and prints a row for each: is it "
	"there,\n"
	"what does torc do without it, what to change. Run it as the user, "
	"and\n"
	"in the container or unit, that is to run torc: limits differ.\n"
	"\n"
	"  --contract     run the scripts that show how completions behave, "
	"on\n"
	"                 each kind of io_uring here; after a kernel update\n"
	"                 they tell whether torc can still rely on it\n"
	"  --nic IFACE    queues and offloads of a network interface, too\n"
	"  --json         for programs: the same rows as one JSON object\n"
	"  --version      print the version and exit\n"
	"  --help         print this and exit\n"
	"\n"
	"Exit status: 0 when io_uring is usable (with --contract: and "
	"behaves);\n"
	"1 when only the epoll engine is; 2 after a mistake on the command "
	"line.\n"
	"\n"
	"examples\n"
	"  torc-doctor\n"
	"  setpriv --reuid=65534 --clear-groups torc-doctor\n"
	"  torc-doctor --nic eth0 --json | python3 -m json.tool\n";

enum { OPT_CONTRACT = 256, OPT_NIC, OPT_JSON, OPT_VERSION, OPT_HELP };

static const struct option options[] = {
	{ "contract", no_argument, NULL, OPT_CONTRACT },
	{ "nic", required_argument, NULL, OPT_NIC },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

struct wishes {
	bool is_contract;
	bool is_json;
	const char *nic;
};

static int
mistake(const char *text, const char *why)
{
	fprintf(stderr, "torc-doctor: %s: %s (see torc-doctor --help)\n", text,
		why);
	return 2;
}

/* -1 to go on, else the exit status. */
static int
parse(struct wishes *wishes, int argc, char **argv)
{
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case OPT_CONTRACT:
			wishes->is_contract = true;
			break;
		case OPT_NIC:
			wishes->nic = optarg;
			break;
		case OPT_JSON:
			wishes->is_json = true;
			break;
		case OPT_VERSION:
			printf("torc-doctor %s\n", report_version);
			return 0;
		case OPT_HELP:
			fputs(help, stdout);
			return 0;
		case ':':
			return mistake(argv[optind - 1], "a value is missing");
		default:
			return mistake(argv[optind - 1], "no such option");
		}
	}
	if (optind < argc)
		return mistake(argv[optind], "it takes no arguments");
	if (wishes->is_contract && (wishes->is_json || wishes->nic != NULL))
		return mistake("--contract", "it goes with no other option");
	return -1;
}

/* 0 when at least one kind of ring is there and all of them behave. */
static int
run_contract(const struct utsname *machine)
{
	unsigned kinds = 0, outside = 0;

	printf("torc-doctor %s, %s %s\n", report_version, machine->sysname,
		machine->release);
	for (size_t i = 0; i < contract_configs_count; i++) {
		const struct contract_config *config = &contract_configs[i];
		struct contract_result result;

		if (strcmp(config->engine, "kernel") != 0)
			continue;
		result = contract_run(config, NULL, stdout);
		kinds += result.error == 0;
		outside += result.ran - result.inside;
	}
	if (kinds == 0)
		printf("there is no io_uring here: torc uses epoll\n");
	else if (outside != 0)
		printf("this kernel does what torc is not prepared for: report "
		       "the lines above, and run torc with TORC_ENGINE=epoll "
		       "meanwhile\n");
	return kinds == 0 || outside != 0;
}

static void
print_table(const struct report *report, const struct utsname *machine,
	bool is_usable)
{
	printf("torc-doctor %s, %s %s: %s\n\n", report_version,
		machine->sysname, machine->release,
		is_usable ? "the kernel engine (io_uring) is usable"
			  : "only the epoll engine is usable");
	report_print_table(report, stdout);
}

int
main(int argc, char **argv)
{
	static struct report report;
	struct wishes wishes = { 0 };
	struct utsname machine;
	int ret = parse(&wishes, argc, argv);
	bool is_usable;

	if (ret >= 0)
		return ret;
	torc_log_name("torc-doctor");
	/* Steps down are rows here, not lines. */
	torc_log_level_set(TORC_LOG_ERROR);
	uname(&machine);
	if (wishes.is_contract)
		return run_contract(&machine);

	report_init(&report);
	is_usable = probe_engine(&report);
	if (is_usable) {
		probe_setup(&report);
		probe_opcodes(&report);
		probe_operations(&report);
	}
	probe_limits(&report, is_usable);
	probe_machine(&report);
	probe_network(&report);
	if (wishes.nic != NULL && probe_nic(&report, wishes.nic) < 0)
		return mistake(wishes.nic, "there is no such interface");
	if (wishes.is_json)
		report_print_json(&report, machine.release, is_usable, stdout);
	else
		print_table(&report, &machine, is_usable);
	return !is_usable;
}
