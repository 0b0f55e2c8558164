package proxy

import (
	"bufio"
	"bytes"
	"net/http"
	"slices"
	"testing"
)

// FuzzReply compares with net/http: an answer that is accepted has the same status and length there.
func FuzzReply(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"), "GET")
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), "POST")
	f.Add([]byte("HTTP/1.0 204 \r\nConnection: keep-alive\r\n\r\n"), "HEAD")
	f.Fuzz(func(t *testing.T, text []byte, method string) {
		var a reply
		if a.parse(text, []byte(method)) != nil || a.status < 200 {
			return
		}
		theirs, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(text)), &http.Request{Method: method})
		if err != nil {
			return // stricter than we are
		}
		defer theirs.Body.Close()
		if theirs.StatusCode != a.status {
			t.Fatalf("%q: status %d, net/http reads %d", text, a.status, theirs.StatusCode)
		}
		chunked := slices.Contains(theirs.TransferEncoding, "chunked")
		if method != "HEAD" && (chunked != (a.bodyBytes == chunkedLength) || a.bodyBytes >= 0 && theirs.ContentLength >= 0 && theirs.ContentLength != a.bodyBytes && a.status != 304) {
			t.Fatalf("%q: length %d, net/http reads %d %v", text, a.bodyBytes, theirs.ContentLength, theirs.TransferEncoding)
		}
	})
}
