package front

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

func TestBodiesOfAnySizePassInBothDirections(t *testing.T) {
	shop := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Sum", fmt.Sprintf("%x", sha256.Sum256(body)))
		if r.URL.Query().Get("chunked") == "" {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		}
		_, _ = w.Write(body)
	})
	s := newDoor(t, sites(t, shop.URL))
	for _, size := range []int{0, 1, 100, 16 << 10, smallBody, smallBody + 1, 1 << 20, 9 << 20} {
		body := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		for _, query := range []string{"", "?chunked=1"} {
			for _, reader := range []io.Reader{bytes.NewReader(body), io.MultiReader(bytes.NewReader(body))} { // with a length, and without
				request, err := http.NewRequest("POST", s.url+"/echo"+query, reader)
				if err != nil {
					t.Fatal(err)
				}
				response, err := http.DefaultTransport.RoundTrip(request)
				if err != nil {
					t.Fatalf("%d bytes%s: %v", size, query, err)
				}
				got := readAll(t, response)
				_ = response.Body.Close()
				if !bytes.Equal(got, body) || response.Header.Get("X-Sum") != fmt.Sprintf("%x", sha256.Sum256(body)) {
					t.Fatalf("%d bytes%s: %d came back", size, query, len(got))
				}
			}
		}
	}
}

func TestABodyBeyondTheLimitIsRefused(t *testing.T) {
	var read atomic.Int64
	shop := newShop(t, func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		read.Store(n)
	})
	s := newDoor(t, sites(t, shop.URL, "max_body_bytes: 200000"))
	r := s.raw()
	r.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200001\r\n\r\n")
	if body := r.expect(413); !strings.Contains(body, "200000 bytes") || read.Load() != 0 {
		t.Errorf("%s, %d bytes got through", body, read.Load())
	}
	r = s.raw()
	r.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	go func() {
		for range 300 {
			if _, err := io.WriteString(r, "3e8\r\n"+strings.Repeat("x", 1000)+"\r\n"); err != nil {
				return
			}
		}
	}()
	r.expect(413)
}

// The shop sees the body as it comes, and not when it is whole.
func TestARequestBodyIsPassedOnAsItComes(t *testing.T) {
	shop := newRawShop(t)
	s := newDoor(t, sites(t, shop.url()))
	visitor := s.raw()
	visitor.send("POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	server := shop.accept()
	request := server.request()
	part := make([]byte, 5)
	if _, err := io.ReadFull(request.Body, part); err != nil || string(part) != "hello" {
		t.Fatalf("%q %v", part, err)
	}
	visitor.send("6\r\n world\r\n0\r\nX-Trailer: dropped\r\n\r\n")
	rest, err := io.ReadAll(request.Body)
	if err != nil || string(rest) != " world" || len(request.Trailer) != 0 {
		t.Fatalf("%q %v %v", rest, request.Trailer, err)
	}
	server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	visitor.expect(200)
	visitor.send(getPage)
	server.request()
	server.send("HTTP/1.1 204 No Content\r\n\r\n")
	visitor.expect(204)
}

func TestAnAnswerMayComeBeforeTheRequestEnds(t *testing.T) {
	shop := newRawShop(t)
	s := newDoor(t, sites(t, shop.url()))
	visitor := s.raw()
	visitor.send("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nxxx")
	server := shop.accept()
	server.request()
	server.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
	if body := visitor.expect(403); body != "no" {
		t.Fatal(body)
	}
	if more := visitor.rest(); more != "" {
		t.Fatalf("the connection goes on with %q", more)
	}
}

func TestTheVisitorIsAskedForTheBodyWhenTheShopAsks(t *testing.T) {
	shop := newRawShop(t)
	s := newDoor(t, sites(t, shop.url()))
	visitor := s.raw()
	visitor.send("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	server := shop.accept()
	if request := server.request(); request.Header.Get("Expect") != "100-continue" {
		t.Fatal(request.Header)
	}
	server.send("HTTP/1.1 100 Continue\r\n\r\n")
	visitor.expect(100)
	visitor.send("hello")
	body := make([]byte, 5)
	if _, err := io.ReadFull(server.answers, body); err != nil || string(body) != "hello" {
		t.Fatalf("%q %v", body, err)
	}
	server.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	visitor.expect(103)
	visitor.expect(200)

	visitor.send("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	server.request()
	server.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
	visitor.expect(417)
	if more := visitor.rest(); more != "" {
		t.Fatalf("what follows could be the body or a request: %q", more)
	}
}

// An event reaches the visitor before the shop sends the next.
func TestEachEventIsSentAtOnce(t *testing.T) {
	next := make(chan struct{})
	shop := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 5 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
	})
	s := newDoor(t, sites(t, shop.URL))
	response, err := http.Get(s.url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	event := make([]byte, len("data: 0\n\n"))
	for i := range 5 {
		if _, err := io.ReadFull(response.Body, event); err != nil || string(event) != fmt.Sprintf("data: %d\n\n", i) {
			t.Fatalf("event %d: %q %v", i, event, err)
		}
		next <- struct{}{}
	}
}

func TestAStreamOfEventsEndsWithTheServer(t *testing.T) {
	t.Parallel() // it waits by the clock
	shop := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 0\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	s := newDoor(t, sites(t, shop.URL)) // its clean-up fails when a stream keeps it from stopping
	response, err := http.Get(s.url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	if _, err := io.ReadFull(response.Body, make([]byte, 9)); err != nil {
		t.Fatal(err)
	}
}

func TestAnswersWithoutABodyKeepTheConnection(t *testing.T) {
	shop := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(204)
		case "/304":
			w.Header().Set("Etag", `"x"`)
			w.WriteHeader(304)
		default:
			_, _ = io.WriteString(w, "hello")
		}
	})
	s := newDoor(t, sites(t, shop.URL))
	r := s.raw()
	for range 2 {
		r.send("GET /204 HTTP/1.1\r\nHost: a\r\n\r\nGET /304 HTTP/1.1\r\nHost: a\r\n\r\nHEAD /x HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n")
		r.expect(204)
		r.expect(304)
		answer, err := http.ReadResponse(r.answers, &http.Request{Method: "HEAD"})
		if err != nil || answer.ContentLength != 5 {
			t.Fatalf("%+v %v", answer, err)
		}
		_ = answer.Body.Close()
		if body := r.expect(200); body != "hello" {
			t.Fatal(body)
		}
	}
}
