package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	bootstrap "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	authz "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	mutation "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3" // known to the schema
	manager "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"sigs.k8s.io/yaml"
)

// Names of the filters, by which routes configure them.
const (
	filterMutation = "envoy.filters.http.header_mutation"
	filterAuthz    = "envoy.filters.http.ext_authz"
	filterRouter   = "envoy.filters.http.router"
)

// proxy is a configuration that is ready to serve. It implements http.Handler.
type proxy struct {
	listen         string
	maxHeaderBytes int
	manager        *manager.HttpConnectionManager
	mutations      *mutation.HeaderMutation // nil when there is no such filter
	authz          *authz.ExtAuthz          // nil when there is no such filter
	mutateFirst    bool                     // the filters' order
	routes         []gatedRoute
	clusters       map[string]string // host:port by name
	client         *http.Client
}

// gatedRoute is a route with what it says of the filters.
type gatedRoute struct {
	name      string
	matches   func(path string) bool // the path has no query
	cluster   string
	open      bool // ext_authz is disabled
	mutations []string
}

type validated interface{ ValidateAll() error }

// read makes a proxy of a file.
func read(text []byte) (*proxy, error) {
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, err
	}
	var file bootstrap.Bootstrap
	if err := protojson.Unmarshal(asJSON, &file); err != nil {
		return nil, err
	}
	if err := file.ValidateAll(); err != nil {
		return nil, err
	}
	listeners := file.GetStaticResources().GetListeners()
	if len(listeners) != 1 || len(listeners[0].GetFilterChains()) != 1 || len(listeners[0].GetFilterChains()[0].GetFilters()) != 1 {
		return nil, errors.New("want one listener with one chain of one filter")
	}
	p := &proxy{
		listen: hostPort(listeners[0].GetAddress()), clusters: map[string]string{}, manager: &manager.HttpConnectionManager{},
		client: &http.Client{
			Transport:     &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true, DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if err := unpack(listeners[0].GetFilterChains()[0].GetFilters()[0].GetTypedConfig(), p.manager); err != nil {
		return nil, err
	}
	p.maxHeaderBytes = int(p.manager.GetMaxRequestHeadersKb().GetValue()) << 10
	for _, cluster := range file.GetStaticResources().GetClusters() {
		endpoint := cluster.GetLoadAssignment().GetEndpoints()[0].GetLbEndpoints()[0].GetEndpoint()
		p.clusters[cluster.GetName()] = hostPort(endpoint.GetAddress())
	}
	if err := p.readFilters(); err != nil {
		return nil, err
	}
	return p, p.readRoutes()
}

func unpack(packed *anypb.Any, into interface {
	validated
	proto.Message
}) error {
	if err := packed.UnmarshalTo(into); err != nil {
		return err
	}
	return into.ValidateAll()
}

func hostPort(address *core.Address) string {
	at := address.GetSocketAddress()
	return net.JoinHostPort(at.GetAddress(), strconv.Itoa(int(at.GetPortValue())))
}

func (p *proxy) readFilters() error {
	for i, filter := range p.manager.GetHttpFilters() {
		switch filter.GetName() {
		case filterMutation:
			p.mutations = &mutation.HeaderMutation{}
			if err := unpack(filter.GetTypedConfig(), p.mutations); err != nil {
				return err
			}
			p.mutateFirst = p.authz == nil
		case filterAuthz:
			p.authz = &authz.ExtAuthz{}
			if err := unpack(filter.GetTypedConfig(), p.authz); err != nil {
				return err
			}
		case filterRouter:
			if i != len(p.manager.GetHttpFilters())-1 {
				return errors.New("the router must be the last filter")
			}
		default:
			return fmt.Errorf("the filter %s is not known here", filter.GetName())
		}
	}
	return nil
}

func (p *proxy) readRoutes() error {
	hosts := p.manager.GetRouteConfig().GetVirtualHosts()
	if len(hosts) != 1 || strings.Join(hosts[0].GetDomains(), " ") != "*" {
		return errors.New("want one virtual host for all domains")
	}
	for _, one := range hosts[0].GetRoutes() {
		r := gatedRoute{name: one.GetName(), cluster: one.GetRoute().GetCluster()}
		if p.clusters[r.cluster] == "" {
			return fmt.Errorf("the route %s leads to no cluster", r.name)
		}
		var err error
		if r.matches, err = matcher(one.GetMatch()); err != nil {
			return fmt.Errorf("the route %s: %w", r.name, err)
		}
		for filter, packed := range one.GetTypedPerFilterConfig() {
			if err := r.configure(filter, packed); err != nil {
				return fmt.Errorf("the route %s: %w", r.name, err)
			}
		}
		p.routes = append(p.routes, r)
	}
	return nil
}

// configure takes what a route says of a filter.
func (r *gatedRoute) configure(filter string, packed *anypb.Any) error {
	switch filter {
	case filterAuthz:
		var own authz.ExtAuthzPerRoute
		if err := unpack(packed, &own); err != nil {
			return err
		}
		r.open = own.GetDisabled()
	case filterMutation:
		var own mutation.HeaderMutationPerRoute
		if err := unpack(packed, &own); err != nil {
			return err
		}
		for _, one := range own.GetMutations().GetRequestMutations() {
			r.mutations = append(r.mutations, one.GetRemove())
		}
	default:
		return fmt.Errorf("the filter %s is not known here", filter)
	}
	return nil
}

// matcher knows the two kinds of match. A regular expression must match the whole path.
func matcher(match *route.RouteMatch) (func(string) bool, error) {
	switch match.GetPathSpecifier().(type) {
	case *route.RouteMatch_SafeRegex:
		expression, err := regexp.Compile(`\A(?:` + match.GetSafeRegex().GetRegex() + `)\z`)
		if err != nil {
			return nil, err
		}
		return expression.MatchString, nil
	case *route.RouteMatch_Prefix:
		return func(path string) bool { return strings.HasPrefix(path, match.GetPrefix()) }, nil
	default:
		return nil, errors.New("want a prefix or a safe_regex")
	}
}
