package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/loadtest/internal/stand"
)

// countRedis counts the commands that Redis executes while load runs, beyond
// what it executes in the same time without (snapshots, leases), an operation.
func (b *bench) countRedis(ctx context.Context, s *stand.Stand, load func() (int64, error)) (float64, error) {
	idle, err := commandsDuring(ctx, s.Redis.Addr, func() error {
		stand.Pause(ctx, b.opts.length)
		return ctx.Err()
	})
	if err != nil {
		return 0, err
	}
	var operations int64
	busy, err := commandsDuring(ctx, s.Redis.Addr, func() (err error) {
		operations, err = load()
		return err
	})
	if err != nil {
		return 0, err
	}
	return (busy - idle) * b.opts.length.Seconds() / float64(operations), nil
}

// commandsDuring is the rate of commands a second while f runs.
func commandsDuring(ctx context.Context, address string, f func() error) (float64, error) {
	before, err := redisCalls(ctx, address)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := f(); err != nil {
		return 0, err
	}
	seconds := time.Since(began).Seconds()
	after, err := redisCalls(ctx, address)
	return float64(after-before) / seconds, err
}

// redisCalls adds up the calls of all commands (INFO commandstats), but INFO
// itself. Commands inside scripts are counted, too.
func redisCalls(ctx context.Context, address string) (calls int64, err error) {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return 0, err
	}
	if _, err := io.WriteString(conn, "INFO commandstats\r\n"); err != nil {
		return 0, err
	}
	reader := bufio.NewReader(conn)
	header, err := reader.ReadString('\n') // $<length>
	if err != nil {
		return 0, err
	}
	length, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(header, "$")))
	if err != nil {
		return 0, fmt.Errorf("INFO commandstats answered %q", header)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(reader, text); err != nil {
		return 0, err
	}
	return sumCalls(string(text)), nil
}

// sumCalls reads lines such as cmdstat_get:calls=7,usec=12,…
func sumCalls(info string) (sum int64) {
	for line := range strings.Lines(info) {
		name, figures, _ := strings.Cut(line, ":calls=")
		if !strings.HasPrefix(name, "cmdstat_") || name == "cmdstat_info" {
			continue
		}
		count, _, _ := strings.Cut(figures, ",")
		if n, err := strconv.ParseInt(count, 10, 64); err == nil {
			sum += n
		}
	}
	return sum
}
