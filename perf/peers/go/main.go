// SPDX-License-Identifier: MIT

// go-peer is what plain Go makes of two of the roles that torc is measured in.
//
//	go-peer echo LISTEN
//	go-peer proxy LISTEN BACKEND
//	go-peer --version
//
// A goroutine per connection and direction, on one processor, since the others
// have one thread. Go sets TCP_NODELAY by itself. Addresses are HOST:PORT.
package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const usage = "usage: go-peer echo LISTEN | proxy LISTEN BACKEND"

func refuse(wrong string) {
	fmt.Fprintf(os.Stderr, "go-peer: %s; %s\n", wrong, usage)
	os.Exit(2)
}

func parse(text string) *net.TCPAddr {
	address, err := net.ResolveTCPAddr("tcp4", text)
	if err != nil || address.IP == nil {
		refuse(fmt.Sprintf("'%s' is not HOST:PORT", text))
	}
	return address
}

// As many descriptors as the machine allows.
func raiseLimit() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		limit.Cur = limit.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
}

func exitOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-signals
		os.Exit(0)
	}()
}

// The innermost cause, without the names of calls around it.
func cause(err error) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err
}

func serve(listen *net.TCPAddr, handle func(*net.TCPConn)) {
	// The backlog is net.core.somaxconn, which Go reads itself.
	listener, err := net.ListenTCP("tcp4", listen)
	if err != nil {
		fmt.Fprintf(os.Stderr, "go-peer: cannot listen: %v\n", cause(err))
		os.Exit(1)
	}
	fmt.Printf("listening on %s\n", listener.Addr())
	for {
		conn, err := listener.AcceptTCP()
		if err != nil {
			// Descriptors are exhausted; some may come back.
			time.Sleep(100 * time.Millisecond)
			continue
		}
		go handle(conn)
	}
}

func main() {
	runtime.GOMAXPROCS(1)
	args := os.Args[1:]
	switch {
	case len(args) == 1 && args[0] == "--version":
		fmt.Println(strings.TrimPrefix(runtime.Version(), "go"))
		return
	case len(args) == 0:
		refuse("no role")
	case args[0] != "echo" && args[0] != "proxy":
		refuse("unknown role")
	case args[0] == "echo" && len(args) != 2, args[0] == "proxy" && len(args) != 3:
		refuse("wrong number of addresses")
	}
	listen := parse(args[1])
	raiseLimit()
	exitOnSignal()
	if args[0] == "echo" {
		serve(listen, echo)
	}
	backend := parse(args[2])
	serve(listen, func(client *net.TCPConn) { relay(client, backend) })
}
