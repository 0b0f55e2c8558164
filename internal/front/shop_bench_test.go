package front

import (
	"io"
	"net"
	"strings"
	"testing"
)

// BenchmarkRelay is one request through the proxy and back, both ends of it in this process.
func BenchmarkRelay(b *testing.B) {
	shop := newRawShop(b)
	go func() {
		for {
			conn, err := shop.Accept()
			if err != nil {
				return
			}
			go serveFixed(conn)
		}
	}()
	s := newDoor(b, sites(b, shop.url(), "rules: [{path: /checkout, sale: none}]"))
	request := []byte("GET /shoes?size=42 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: bench\r\nAccept: text/html\r\nCookie: a=b; c=d\r\n\r\n")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		answer := make([]byte, 4096)
		for pb.Next() {
			if _, err := conn.Write(request); err != nil {
				b.Error(err)
				return
			}
			if _, err := conn.Read(answer); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// serveFixed answers each read with one answer: the requests are small and come one by one.
func serveFixed(conn net.Conn) {
	defer conn.Close()
	request := make([]byte, 4096)
	for {
		if _, err := conn.Read(request); err != nil {
			return
		}
		if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"); err != nil {
			return
		}
	}
}
