package front

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/net/websocket"

	"github.com/penstock/penstock/internal/testenv"
)

func echoShop(t testing.TB) *httptest.Server {
	t.Helper()
	shop := httptest.NewServer(websocket.Handler(func(ws *websocket.Conn) {
		var said string
		for websocket.Message.Receive(ws, &said) == nil {
			_ = websocket.Message.Send(ws, said)
		}
	}))
	t.Cleanup(shop.Close)
	return shop
}

func (s *stack) dialWebSocket(path string) (*websocket.Conn, error) {
	ws, err := websocket.Dial(strings.Replace(s.url, "http", "ws", 1)+path, "", "http://shop.example")
	if err == nil {
		s.t.Cleanup(func() { _ = ws.Close() })
	}
	return ws, err
}

func (s *stack) webSocket(path string) *websocket.Conn {
	s.t.Helper()
	ws, err := s.dialWebSocket(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return ws
}

func TestAWebSocketPassesInBothDirections(t *testing.T) {
	s := newDoor(t, sites(t, echoShop(t).URL))
	ws := s.webSocket("/chat")
	for i := range 100 {
		said := fmt.Sprint("message ", i, strings.Repeat("x", i*300))
		var heard string
		if err := websocket.Message.Send(ws, said); err != nil {
			t.Fatal(err)
		}
		if err := websocket.Message.Receive(ws, &heard); err != nil || heard != said {
			t.Fatalf("message %d: %d bytes came back, %v", i, len(heard), err)
		}
	}
	if open := s.metric(t, "penstock_proxy_streams"); open != 1 {
		t.Errorf("%v streams", open)
	}
	_ = ws.Close()
	testenv.Eventually(t, waitFor, "its place is free", func() bool { return s.metric(t, "penstock_proxy_streams") == 0 })
}

func TestWebSocketsAreBounded(t *testing.T) {
	s := newDoor(t, sites(t, echoShop(t).URL), func(d *Deps) { d.MaxShopStreams = 2 })
	s.webSocket("/a")
	first := s.webSocket("/b")
	if _, err := s.dialWebSocket("/c"); err == nil {
		t.Fatal("one too many is open")
	}
	_ = first.Close()
	testenv.Eventually(t, waitFor, "there is room again", func() bool {
		_, err := s.dialWebSocket("/d")
		return err == nil
	})
}

func TestASilentWebSocketEnds(t *testing.T) {
	s := newDoor(t, parsedSites(t, `
sites:
- hosts: ["*"]
  upstream: {servers: ["`+echoShop(t).URL+`"], idle_timeout: 100ms}
`))
	var heard string
	if err := websocket.Message.Receive(s.webSocket("/chat"), &heard); err == nil {
		t.Fatalf("heard %q", heard)
	}
}

// What a shop refuses to turn into a WebSocket stays a request like others: nobody can hide one behind it.
func TestARefusedWebSocketIsNoTunnel(t *testing.T) {
	shop := newRawShop(t)
	s := newDoor(t, sites(t, shop.url()))
	visitor := s.raw()
	const upgrade = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n\r\n"
	visitor.send(upgrade + "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
	server := shop.accept()
	if got := server.request(); got.Header.Get("Upgrade") != "websocket" || got.Header.Get("Connection") != "Upgrade" {
		t.Fatal(got.Header)
	}
	server.send("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n")
	visitor.expect(426)
	visitor.expect(200) // Penstock's own answer: the second request did not get to the shop
}

func TestOnlyWebSocketsAreUpgraded(t *testing.T) {
	shop := newRawShop(t)
	s := newDoor(t, sites(t, shop.url()))
	for name, request := range map[string]string{
		"h2c":         "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n",
		"with a body": "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx",
		"a POST":      "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"HTTP/1.0":    "GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	} {
		visitor := s.raw()
		visitor.send(request)
		server := shop.accept()
		if got := server.request(); got.Header.Get("Upgrade") != "" || got.Header.Get("Connection") != "" {
			t.Errorf("%s: %v", name, got.Header)
		}
		server.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		visitor.expect(http.StatusOK)
	}
}

func TestAWebSocketEndsWithTheServer(t *testing.T) {
	s := newDoor(t, sites(t, echoShop(t).URL)) // its clean-up fails when a WebSocket keeps it from stopping
	ws := s.webSocket("/chat")
	ended := make(chan error, 1)
	go func() {
		var heard string
		ended <- websocket.Message.Receive(ws, &heard)
	}()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Fatal("it goes on")
	}
}
