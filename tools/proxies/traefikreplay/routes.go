package main

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"time"
)

// route is a router that is ready to serve.
type route struct {
	matches  matcher
	priority int
	handler  http.Handler
}

// handler builds the routers of an entry point. Of those that match, the one with the highest priority serves.
func (c routes) handler(entryPoint string) (http.Handler, error) {
	var all []route
	for name, one := range c.Routers {
		if !slices.Contains(one.EntryPoints, entryPoint) {
			continue
		}
		handler, err := c.service(one.Service)
		if err != nil {
			return nil, fmt.Errorf("router %s: %w", name, err)
		}
		for _, middleware := range slices.Backward(one.Middlewares) {
			if handler, err = c.middleware(middleware, handler); err != nil {
				return nil, fmt.Errorf("router %s: %w", name, err)
			}
		}
		ready := route{priority: cmp.Or(one.Priority, len(one.Rule)), handler: handler}
		if ready.matches, err = readRule(one.Rule); err != nil {
			return nil, fmt.Errorf("router %s: %w", name, err)
		}
		all = append(all, ready)
	}
	slices.SortFunc(all, func(a, b route) int { return b.priority - a.priority })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := routingPath(r)
		for _, one := range all {
			if one.matches(path) {
				one.handler.ServeHTTP(w, r)
				return
			}
		}
		http.NotFound(w, r)
	}), nil
}

func (c routes) middleware(name string, next http.Handler) (http.Handler, error) {
	switch one := c.Middlewares[name]; {
	case one.Headers != nil:
		return one.Headers.wrap(next), nil
	case one.ForwardAuth != nil:
		return one.ForwardAuth.wrap(next), nil
	case one.Errors != nil:
		pages, err := c.service(one.Errors.Service)
		if err != nil {
			return nil, err
		}
		return one.Errors.wrap(next, pages), nil
	default:
		return nil, fmt.Errorf("the middleware %s is not known here", name)
	}
}

// service returns what sends requests on to a server, with the path as the entry point made it.
func (c routes) service(name string) (http.Handler, error) {
	if name == "noop@internal" {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }), nil
	}
	servers := c.Services[name].LoadBalancer.Servers
	if len(servers) != 1 {
		return nil, fmt.Errorf("the service %s does not have one server", name)
	}
	target, err := url.Parse(servers[0].URL)
	if err != nil {
		return nil, err
	}
	return &httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) {
			for _, name := range forwardedNames {
				if values, there := pr.In.Header[name]; there {
					pr.Out.Header[name] = values
				}
			}
			if client, _, err := net.SplitHostPort(pr.In.RemoteAddr); err == nil {
				pr.Out.Header.Set("X-Forwarded-For", strings.Join(append(pr.In.Header.Values("X-Forwarded-For"), client), ", "))
			}
			pr.Out.URL.Scheme, pr.Out.URL.Host, pr.Out.Host = target.Scheme, target.Host, pr.In.Host
			pr.Out.URL.RawQuery = strings.ReplaceAll(pr.In.URL.RawQuery, ";", "&")
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true, DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext},
	}, nil
}
