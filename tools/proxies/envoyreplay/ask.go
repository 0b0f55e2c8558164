package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	matchers "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

const maxAnswerBytes = 64 << 10

// verdict is what ext_authz makes of the answer to its question.
type verdict struct {
	allowed bool
	status  int         // to the visitor, when not allowed
	header  http.Header // for the shop when allowed, otherwise for the visitor
	body    []byte
}

// ask sends the question as Envoy documents it: host, method, path and Authorization of the visitor, the
// prefix before the path, the allowed headers, those that are added, and no body.
func (p *proxy) ask(r *http.Request, path, query string) verdict {
	service := p.authz.GetHttpService()
	ctx, cancel := context.WithTimeout(r.Context(), service.GetServerUri().GetTimeout().AsDuration())
	defer cancel()
	failed := verdict{status: int(p.authz.GetStatusOnError().GetCode())}
	if failed.status == 0 {
		failed.status = http.StatusForbidden
	}
	address := p.clusters[service.GetServerUri().GetCluster()]
	question, err := http.NewRequestWithContext(ctx, r.Method, "http://"+address, http.NoBody)
	if err != nil {
		return failed
	}
	// Opaque sends the path as it is.
	question.URL.Opaque = service.GetPathPrefix() + path + query
	question.Host = r.Host
	question.Header = http.Header{"User-Agent": nil}
	for name, values := range r.Header {
		lower := strings.ToLower(name)
		if lower == "authorization" || listed(p.authz.GetAllowedHeaders(), lower) || listed(service.GetAuthorizationRequest().GetAllowedHeaders(), lower) {
			question.Header[name] = values
		}
	}
	for _, added := range service.GetAuthorizationRequest().GetHeadersToAdd() {
		question.Header.Set(added.GetKey(), added.GetValue())
	}
	answer, err := p.client.Do(question)
	if err != nil {
		failed.allowed = p.authz.GetFailureModeAllow()
		return failed
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswerBytes))
	if err != nil || answer.StatusCode >= http.StatusInternalServerError {
		failed.allowed = p.authz.GetFailureModeAllow()
		return failed
	}
	rules := service.GetAuthorizationResponse()
	if answer.StatusCode == http.StatusOK { // no other 2xx
		return verdict{allowed: true, header: only(answer.Header, rules.GetAllowedUpstreamHeaders())}
	}
	return verdict{status: answer.StatusCode, header: only(answer.Header, rules.GetAllowedClientHeaders()), body: body}
}

func only(header http.Header, list *matchers.ListStringMatcher) http.Header {
	kept := http.Header{}
	for name, values := range header {
		if listed(list, strings.ToLower(name)) {
			kept[name] = values
		}
	}
	return kept
}

// listed knows exact names and prefixes.
func listed(list *matchers.ListStringMatcher, lower string) bool {
	for _, pattern := range list.GetPatterns() {
		switch pattern.GetMatchPattern().(type) {
		case *matchers.StringMatcher_Exact:
			if pattern.GetExact() == lower {
				return true
			}
		case *matchers.StringMatcher_Prefix:
			if strings.HasPrefix(lower, pattern.GetPrefix()) {
				return true
			}
		}
	}
	return false
}

// upstreamTimeout is how long a cluster may take to answer.
const upstreamTimeout = 15 * time.Second
