package main

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// wrap sets headers; an empty value takes a header away.
func (h *headers) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		change(r.Header, h.CustomRequestHeaders)
		next.ServeHTTP(&interceptor{ResponseWriter: w, before: func(*int) bool {
			change(w.Header(), h.CustomResponseHeaders)
			return true
		}}, r)
	})
}

func change(header http.Header, changes map[string]string) {
	for name, value := range changes {
		if value == "" {
			header.Del(name)
		} else {
			header.Set(name, value)
		}
	}
}

// wrap asks before it lets a request through.
func (f *forwardAuth) wrap(next http.Handler) http.Handler {
	client := &http.Client{
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		question, err := http.NewRequestWithContext(r.Context(), http.MethodGet, f.Address, http.NoBody)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		f.describe(question, r)
		answer, err := client.Do(question)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(io.LimitReader(answer.Body, f.MaxResponseBodySize+1))
		if err != nil || int64(len(body)) > f.MaxResponseBodySize {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if answer.StatusCode < 200 || answer.StatusCode > 299 {
			for name, values := range answer.Header {
				w.Header()[name] = values
			}
			w.WriteHeader(answer.StatusCode)
			_, _ = w.Write(body)
			return
		}
		for _, name := range f.AuthResponseHeaders {
			name = http.CanonicalHeaderKey(name)
			delete(r.Header, name)
			if values := answer.Header[name]; len(values) > 0 {
				r.Header[name] = values
			}
		}
		next.ServeHTTP(w, r)
	})
}

// describe tells in the question what the visitor asked for.
func (f *forwardAuth) describe(question, r *http.Request) {
	from := r.Header.Clone()
	for _, name := range strings.Split(strings.Join(from.Values("Connection"), ","), ",") {
		from.Del(strings.TrimSpace(name))
	}
	names := f.AuthRequestHeaders
	if f.TrustForwardHeader != nil && *f.TrustForwardHeader {
		names = append(names, forwardedNames...)
	}
	question.Header = http.Header{"User-Agent": nil}
	for _, name := range names {
		if values := from.Values(name); len(values) > 0 {
			question.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	client, _, _ := net.SplitHostPort(r.RemoteAddr)
	question.Header.Set("X-Forwarded-For", strings.Join(append(question.Header.Values("X-Forwarded-For"), client), ", "))
	setIfMissing(question.Header, "X-Forwarded-Method", r.Method)
	setIfMissing(question.Header, "X-Forwarded-Proto", "http")
	setIfMissing(question.Header, "X-Forwarded-Host", r.Host)
	setIfMissing(question.Header, "X-Forwarded-Uri", r.URL.RequestURI())
}

// wrap puts a page of another service in the place of answers with certain statuses.
func (e *errorPages) wrap(next, pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caught := 0
		next.ServeHTTP(&interceptor{ResponseWriter: w, header: http.Header{}, before: func(status *int) bool {
			for _, one := range e.Status {
				if inRange(one, *status) {
					caught = *status
					return false
				}
			}
			return true
		}}, r)
		if caught == 0 {
			return
		}
		for from, to := range e.StatusRewrites {
			if inRange(from, caught) {
				caught = to
				break
			}
		}
		page := r.Clone(r.Context())
		page.Method, page.Body, page.ContentLength = http.MethodGet, http.NoBody, 0
		page.URL = &url.URL{Path: e.Query}
		pages.ServeHTTP(&interceptor{ResponseWriter: w, before: func(status *int) bool {
			*status = caught
			return true
		}}, page)
	})
}

// interceptor looks at the status of an answer before it is sent. Before may change it, or keep the answer
// from being sent.
type interceptor struct {
	http.ResponseWriter
	header  http.Header // of the answer until it is sent; nil means that of the ResponseWriter
	before  func(status *int) (send bool)
	decided bool
	send    bool
}

// Header implements http.ResponseWriter.
func (i *interceptor) Header() http.Header {
	if i.header != nil {
		return i.header
	}
	return i.ResponseWriter.Header()
}

// WriteHeader implements http.ResponseWriter.
func (i *interceptor) WriteHeader(status int) {
	if i.decided {
		return
	}
	i.decided = true
	if i.send = i.before(&status); !i.send {
		return
	}
	for name, values := range i.header {
		i.ResponseWriter.Header()[name] = values
	}
	i.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (i *interceptor) Write(p []byte) (int, error) {
	if !i.decided {
		i.WriteHeader(http.StatusOK)
	}
	if !i.send {
		return len(p), nil
	}
	return i.ResponseWriter.Write(p)
}
