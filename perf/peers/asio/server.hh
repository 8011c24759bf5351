// SPDX-License-Identifier: MIT
#ifndef TORC_PERF_PEERS_ASIO_SERVER_HH
#define TORC_PERF_PEERS_ASIO_SERVER_HH

// An echo or a relay over Asio's sockets, on one thread.
//
// Sockets name their executor's type, which spares a virtual call per
// operation. Completion handlers are lambdas that hold their connection by a
// shared pointer; Asio recycles their memory. Each direction has a buffer of
// its own.

#include <array>
#include <asio.hpp>
#include <cstdio>
#include <memory>

using asio::error_code;
using executor = asio::io_context::executor_type;
using tcp_socket = asio::basic_stream_socket<asio::ip::tcp, executor>;
using tcp_acceptor = asio::basic_socket_acceptor<asio::ip::tcp, executor>;
using endpoint = asio::ip::tcp::endpoint;

constexpr std::size_t buffer_bytes = 16 * 1024;
constexpr int backlog = 4096;

// The two ends of a relay; an echo has only the first.
struct sockets {
	tcp_socket client, backend;

	explicit sockets(tcp_socket s)
	    : client(std::move(s)), backend(client.get_executor())
	{
	}

	void reset()
	{
		for (tcp_socket *s : { &client, &backend }) {
			error_code ignored;

			s->set_option(
				asio::socket_base::linger(true, 0), ignored);
			s->close(ignored);
		}
	}
};

// Reads and writes in turn. An end is passed on as the end of this direction
// alone; the first error ends both with a reset.
struct direction : std::enable_shared_from_this<direction> {
	std::shared_ptr<sockets> both;
	tcp_socket &from, &to;
	std::array<char, buffer_bytes> buffer;

	direction(std::shared_ptr<sockets> s, tcp_socket &f, tcp_socket &t)
	    : both(std::move(s)), from(f), to(t)
	{
	}

	void read()
	{
		from.async_read_some(asio::buffer(buffer),
			[self = shared_from_this()](
				error_code e, size_t bytes) {
				if (!e)
					self->write(bytes);
				else if (e != asio::error::eof)
					self->both->reset();
				else if (&self->to != &self->from)
					self->to.shutdown(
						tcp_socket::shutdown_send, e);
			});
	}

	void write(size_t bytes)
	{
		asio::async_write(to, asio::buffer(buffer.data(), bytes),
			[self = shared_from_this()](error_code e, size_t) {
				if (!e)
					self->read();
				else
					self->both->reset();
			});
	}
};

inline void
start(const std::shared_ptr<sockets> &s, tcp_socket &from, tcp_socket &to)
{
	std::make_shared<direction>(s, from, to)->read();
}

inline void
relay(const std::shared_ptr<sockets> &s, const endpoint &backend)
{
	error_code e;

	s->backend.open(backend.protocol(), e);
	if (!e)
		s->backend.set_option(asio::ip::tcp::no_delay(true), e);
	if (e)
		return s->reset();
	s->backend.async_connect(backend, [s](error_code error) {
		if (error)
			return s->reset();
		start(s, s->client, s->backend);
		start(s, s->backend, s->client);
	});
}

struct server {
	tcp_acceptor acceptor;
	asio::steady_timer pause; // while descriptors are exhausted
	const endpoint *backend;  // none for an echo

	void accept()
	{
		acceptor.async_accept([this](error_code e, tcp_socket socket) {
			if (e) {
				pause.expires_after(
					std::chrono::milliseconds(100));
				pause.async_wait(
					[this](error_code) { accept(); });
				return;
			}
			auto s = std::make_shared<sockets>(std::move(socket));
			if (backend)
				relay(s, *backend);
			else
				start(s, s->client, s->client);
			accept();
		});
	}

	// Accepted sockets have TCP_NODELAY from their listener.
	void listen(const endpoint &address)
	{
		acceptor.open(address.protocol());
		acceptor.set_option(tcp_acceptor::reuse_address(true));
		acceptor.set_option(asio::ip::tcp::no_delay(true));
		acceptor.bind(address);
		acceptor.listen(backlog);
		endpoint bound = acceptor.local_endpoint();
		std::printf("listening on %s:%u\n",
			bound.address().to_string().c_str(), bound.port());
		std::fflush(stdout);
		accept();
	}
};

#endif
