// SPDX-License-Identifier: MIT
//
// asio-peer - what Asio makes of two of the roles that torc is measured in
//
//   asio-peer echo LISTEN
//   asio-peer proxy LISTEN BACKEND
//   asio-peer --version
//
// One thread, and Asio is told so: it then takes no locks. Addresses are
// HOST:PORT, the host in numbers. It ends on SIGTERM or SIGINT with 0; 1
// means the machine, 2 the command line.

#include "server.hh"

#include <cstdlib>
#include <string>
#include <sys/resource.h>

namespace
{

[[noreturn]] void
usage(const char *wrong)
{
	std::fprintf(stderr,
		"asio-peer: %s; usage: asio-peer echo LISTEN | "
		"proxy LISTEN BACKEND\n",
		wrong);
	std::exit(2);
}

endpoint
parse(const std::string &text)
{
	std::size_t colon = text.rfind(':');
	error_code e;

	if (colon == std::string::npos)
		usage("an address is HOST:PORT");
	auto host = asio::ip::make_address_v4(text.substr(0, colon), e);
	char *end;
	unsigned long port = std::strtoul(text.c_str() + colon + 1, &end, 10);
	if (e || *end != '\0' || end[-1] == ':' || port > 65535)
		usage("an address is HOST:PORT with a numeric host");
	return { host, static_cast<unsigned short>(port) };
}

// As many descriptors as the machine allows.
void
raise_limit()
{
	rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

} // namespace

int
main(int argc, char **argv)
{
	std::string role = argc > 1 ? argv[1] : "";

	if (role == "--version") {
		std::printf("%d.%d.%d\n", ASIO_VERSION / 100000,
			ASIO_VERSION / 100 % 1000, ASIO_VERSION % 100);
		return 0;
	}
	if (role != "echo" && role != "proxy")
		usage(argc > 1 ? "unknown role" : "no role");
	if (argc != (role == "echo" ? 3 : 4))
		usage("wrong number of addresses");
	endpoint address = parse(argv[2]);
	endpoint backend = role == "echo" ? endpoint() : parse(argv[3]);

	raise_limit();
	asio::io_context context(ASIO_CONCURRENCY_HINT_UNSAFE);
	asio::signal_set signals(context, SIGTERM, SIGINT);
	signals.async_wait([&](error_code, int) { context.stop(); });
	server peer{ tcp_acceptor(context.get_executor()),
		asio::steady_timer(context),
		role == "proxy" ? &backend : nullptr };
	try {
		peer.listen(address);
	} catch (const asio::system_error &e) {
		std::fprintf(stderr, "asio-peer: cannot listen: %s\n",
			e.code().message().c_str());
		return 1;
	}
	context.run();
	return 0;
}
