package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	accesslog "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

// Response flags that tell mappers why the proxy answers itself.
const (
	flagAuthz       = "UAEX"
	flagUnreachable = "UF"
)

// ServeHTTP does with a request what the connection manager and the filters do, in their order.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, query, ok := target(p.manager, r.RequestURI)
	if !ok {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if r.ProtoMajor == 1 && r.ProtoMinor == 0 && !p.manager.GetHttpProtocolOptions().GetAcceptHttp_10() {
		w.WriteHeader(http.StatusUpgradeRequired)
		return
	}
	if !p.cleanHeaders(r) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	at := slices.IndexFunc(p.routes, func(one gatedRoute) bool { return one.matches(path) })
	if at < 0 {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	way := &p.routes[at]
	if p.mutateFirst {
		p.mutate(r, way)
	}
	if p.authz != nil && !way.open {
		v := p.ask(r, path, query)
		if !v.allowed {
			p.reply(w, flagAuthz, v)
			return
		}
		for name, values := range v.header {
			r.Header[name] = values
		}
	}
	if !p.mutateFirst {
		p.mutate(r, way)
	}
	p.pass(w, r, p.clusters[way.cluster], path+query)
}

// cleanHeaders does what the connection manager does with headers before any filter.
func (p *proxy) cleanHeaders(r *http.Request) bool {
	action := p.manager.GetCommonHttpProtocolOptions().GetHeadersWithUnderscoresAction()
	for name := range r.Header {
		if !strings.Contains(name, "_") {
			continue
		}
		switch action {
		case core.HttpProtocolOptions_DROP_HEADER:
			delete(r.Header, name)
		case core.HttpProtocolOptions_REJECT_REQUEST:
			return false
		}
	}
	if p.manager.GetUseRemoteAddress().GetValue() {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		r.Header.Set("X-Forwarded-For", strings.Join(append(r.Header.Values("X-Forwarded-For"), host), ","))
		r.Header.Set("X-Forwarded-Proto", "http")
	}
	return true
}

func (p *proxy) mutate(r *http.Request, way *gatedRoute) {
	for _, one := range p.mutations.GetMutations().GetRequestMutations() {
		r.Header.Del(one.GetRemove())
	}
	for _, name := range way.mutations {
		r.Header.Del(name)
	}
}

// pass sends the request on and its answer back.
func (p *proxy) pass(w http.ResponseWriter, r *http.Request, address, uri string) {
	ctx, cancel := context.WithTimeout(r.Context(), upstreamTimeout)
	defer cancel()
	out, err := http.NewRequestWithContext(ctx, r.Method, "http://"+address, r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	out.URL.Opaque, out.Host, out.ContentLength = uri, r.Host, r.ContentLength
	if out.ContentLength == 0 {
		out.Body = http.NoBody
	}
	out.Header = r.Header.Clone()
	for _, name := range []string{"Connection", "Keep-Alive", "Te", "Upgrade", "Proxy-Connection", "Transfer-Encoding"} {
		out.Header.Del(name)
	}
	answer, err := p.client.Do(out)
	if err != nil {
		p.reply(w, flagUnreachable, verdict{status: http.StatusServiceUnavailable, body: []byte("upstream connect error")})
		return
	}
	defer answer.Body.Close()
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body)
}

// reply is an answer of the proxy's own: the first mapper that matches changes it.
func (p *proxy) reply(w http.ResponseWriter, flag string, v verdict) {
	for name, values := range v.header {
		w.Header()[name] = values
	}
	for _, mapper := range p.manager.GetLocalReplyConfig().GetMappers() {
		if !filtered(mapper.GetFilter(), flag, v.status) {
			continue
		}
		if status := mapper.GetStatusCode(); status != nil {
			v.status = int(status.GetValue())
		}
		if body := mapper.GetBody().GetInlineString(); body != "" {
			v.body = []byte(body)
			w.Header().Set("Content-Type", mapper.GetBodyFormatOverride().GetContentType())
		}
		for _, added := range mapper.GetHeadersToAdd() {
			w.Header().Set(added.GetHeader().GetKey(), added.GetHeader().GetValue())
		}
		break
	}
	w.WriteHeader(v.status)
	_, _ = w.Write(v.body)
}

// filtered knows the filters of mappers that are used here; any other matches nothing.
func filtered(filter *accesslog.AccessLogFilter, flag string, status int) bool {
	switch {
	case filter.GetAndFilter() != nil:
		for _, part := range filter.GetAndFilter().GetFilters() {
			if !filtered(part, flag, status) {
				return false
			}
		}
		return true
	case filter.GetResponseFlagFilter() != nil:
		return slices.Contains(filter.GetResponseFlagFilter().GetFlags(), flag)
	case filter.GetStatusCodeFilter() != nil:
		comparison := filter.GetStatusCodeFilter().GetComparison()
		limit := int(comparison.GetValue().GetDefaultValue())
		return comparison.GetOp() == accesslog.ComparisonFilter_GE && status >= limit ||
			comparison.GetOp() == accesslog.ComparisonFilter_EQ && status == limit
	default:
		return false
	}
}
