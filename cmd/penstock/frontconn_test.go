//go:build faults || sizes

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// frontConn is one connection to the front, with little work for a request.
type frontConn struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
	host string
}

type frontAnswer struct {
	status      int
	text        string
	Ticket      string `json:"ticket"`
	State       string `json:"state"`
	Place       uint64 `json:"place"`
	Lane        string `json:"lane"`
	PollAfterMS int64  `json:"poll_after_ms"`
}

func dialFront(t testing.TB, front string) *frontConn {
	c := tryFront(t, strings.TrimPrefix(front, "http://"))
	if c == nil {
		t.Errorf("%s cannot be reached", front)
		return &frontConn{t: t}
	}
	return c
}

// tryFront returns nil when nobody listens there.
func tryFront(t testing.TB, host string) *frontConn {
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return nil
	}
	return &frontConn{t: t, conn: conn, in: bufio.NewReader(conn), host: host}
}

func (c *frontConn) close() {
	if c.conn != nil {
		_ = c.conn.Close()
	}
}

func (c *frontConn) post(path, ticket string) frontAnswer { return c.call("POST", path, ticket) }

// call returns the status 0 when the connection broke.
func (c *frontConn) call(method, path, ticket string) (a frontAnswer) {
	if c.conn == nil {
		return a
	}
	head := ""
	if ticket != "" {
		head = "Penstock-Ticket: " + ticket + "\r\n"
	}
	if _, err := fmt.Fprintf(c.conn, "%s %s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: 0\r\n\r\n", method, path, c.host, head); err != nil {
		return a
	}
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return a
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return a
	}
	a.status, a.text = response.StatusCode, string(body)
	_ = json.Unmarshal(body, &a) // of what is no document, the status tells
	return a
}
