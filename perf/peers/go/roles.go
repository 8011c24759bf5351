// SPDX-License-Identifier: MIT

package main

import (
	"io"
	"net"
)

// Not io.Copy, which between one connection and itself would splice through a
// pipe and be slower for small messages.
const echoBytes = 16 * 1024

func echo(conn *net.TCPConn) {
	defer conn.Close()
	buf := make([]byte, echoBytes)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			if _, err := conn.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// io.Copy between two TCP connections lets the kernel splice.
func copyOneWay(to, from *net.TCPConn, done chan<- error) {
	_, err := io.Copy(to, from)
	if err == nil {
		err = to.CloseWrite()
	}
	done <- err
}

// A clean end is passed on as the end of its direction alone; the first error
// ends both with a reset.
func relay(client *net.TCPConn, address *net.TCPAddr) {
	defer client.Close()
	backend, err := net.DialTCP("tcp4", nil, address)
	if err != nil {
		_ = client.SetLinger(0)
		return
	}
	defer backend.Close()
	done := make(chan error, 2)
	go copyOneWay(backend, client, done)
	go copyOneWay(client, backend, done)
	for i := 0; i < 2; i++ {
		if err := <-done; err != nil {
			_ = client.SetLinger(0)
			_ = backend.SetLinger(0)
			return
		}
	}
}
