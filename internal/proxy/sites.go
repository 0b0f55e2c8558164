package proxy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/sale"
)

// The defaults of a site.
const (
	DefaultMaxBodyBytes    = 64 << 20
	defaultMaxConnections  = 256
	defaultConnectTimeout  = 2 * time.Second
	defaultFirstByte       = 30 * time.Second
	defaultIdleTimeout     = time.Minute
	defaultKeepAlive       = 30 * time.Second
	defaultCheckEvery      = 5 * time.Second
	defaultCheckTimeout    = 2 * time.Second
	maxTimeout             = time.Hour
	maxSites               = 1000
	maxRules               = 1000
	maxHosts               = 1000
	maxServers             = 64
	maxConnectionsOfServer = 16 << 10
	maxBodyBytes           = 1 << 40
)

// Limits are the bounds that hold for all sites.
type Limits struct {
	// MaxBodyBytes bounds the body of a request for the shop, where a site does not say otherwise.
	MaxBodyBytes int64
}

// Sites is what Penstock stands in front of. It is not changed once it is made.
type Sites struct {
	all   []*site
	exact map[string]*site // by host, in lower case
	wild  map[string]*site // by the host without its first label
	any   *site            // for every other host
}

// site is one shop with the hosts by which visitors ask for it.
type site struct {
	name         string
	rules        []rule
	mirrors      []mirror
	bypass       bypass
	upstream     *upstream
	checks       []*check
	maxBodyBytes int64
	sales        []string // those that its rules name
}

// Upstream is the short form of a site: one shop for every host.
type Upstream struct {
	URL    string
	CAFile string
	// Protect lists paths with the sales that protect them, as /checkout=sale.
	Protect []string
}

// OneUpstream is the sites file of the short form. The error is one line.
func OneUpstream(u Upstream, limits Limits) (*Sites, error) {
	one := fileSite{Name: "shop", Hosts: []string{"*"}, Upstream: fileUpstream{Servers: []string{u.URL}, CAFile: u.CAFile}}
	for _, protect := range u.Protect {
		at := strings.LastIndexByte(protect, '=')
		if at < 1 {
			return nil, fmt.Errorf("%q: write it like /checkout=spring-drop", protect)
		}
		one.Rules = append(one.Rules, fileRule{Path: protect[:at], Sale: protect[at+1:]})
	}
	return compile(&fileOf{Sites: []fileSite{one}}, limits)
}

// MaxConnections is how many connections to the servers of all sites may be open at once.
func (s *Sites) MaxConnections() (n int) {
	for _, one := range s.all {
		for _, server := range one.upstream.servers {
			n += cap(server.slots)
		}
	}
	return n
}

// find returns the site of a host, which may have a port; nil when there is none.
func (s *Sites) find(host []byte) *site {
	name := strings.ToLower(string(withoutPort(host)))
	if one, there := s.exact[name]; there {
		return one
	}
	if _, parent, found := strings.Cut(name, "."); found {
		if one, there := s.wild[parent]; there {
			return one
		}
	}
	return s.any
}

func withoutPort(host []byte) []byte {
	for i := len(host) - 1; i >= 0 && host[i] != ']'; i-- {
		if host[i] == ':' {
			host = host[:i]
			break
		}
	}
	for len(host) > 0 && host[len(host)-1] == '.' { // the root of the DNS may be written
		host = host[:len(host)-1]
	}
	return host
}

func compile(file *fileOf, limits Limits) (*Sites, error) {
	if len(file.Sites) == 0 || len(file.Sites) > maxSites {
		return nil, fmt.Errorf("it has %d sites, want 1 to %d", len(file.Sites), maxSites)
	}
	s := &Sites{exact: map[string]*site{}, wild: map[string]*site{}}
	for i := range file.Sites {
		written := &file.Sites[i]
		if written.Name == "" && len(written.Hosts) > 0 {
			written.Name = written.Hosts[0]
		}
		one, err := written.compile(limits)
		if err != nil {
			return nil, fmt.Errorf("site %d (%s): %w", i+1, written.Name, err)
		}
		if slices.ContainsFunc(s.all, func(other *site) bool { return other.name == one.name }) {
			return nil, fmt.Errorf("site %d (%s): another site has this name", i+1, one.name)
		}
		s.all = append(s.all, one)
		if err := s.addHosts(one, written.Hosts); err != nil {
			return nil, fmt.Errorf("site %d (%s): hosts: %w", i+1, one.name, err)
		}
	}
	return s, nil
}

func (s *Sites) addHosts(one *site, hosts []string) error {
	if len(hosts) == 0 || len(hosts) > maxHosts {
		return fmt.Errorf("%d hosts, want 1 to %d", len(hosts), maxHosts)
	}
	for _, host := range hosts {
		name := strings.ToLower(host)
		parent, wild := strings.CutPrefix(name, "*.")
		into, key := s.exact, name
		switch {
		case name == "*" && s.any == nil:
			s.any = one
			continue
		case name == "*":
			return errors.New("another site has the host *")
		case wild:
			into, key = s.wild, parent
		}
		if key == "" || !isHost([]byte(key)) || strings.ContainsAny(key, ":_") {
			return fmt.Errorf("%q is not a host name, write it like shop.example, *.shop.example or *", host)
		}
		if into[key] != nil {
			return fmt.Errorf("%q is there twice", host)
		}
		into[key] = one
	}
	return nil
}

func (f *fileSite) compile(limits Limits) (*site, error) {
	one := &site{name: f.Name, maxBodyBytes: f.MaxBodyBytes}
	if one.maxBodyBytes == 0 {
		one.maxBodyBytes = limits.MaxBodyBytes
	}
	if one.maxBodyBytes < 1 || one.maxBodyBytes > maxBodyBytes {
		return nil, fmt.Errorf("max_body_bytes: is %d, use 1 to %d", one.maxBodyBytes, int64(maxBodyBytes))
	}
	if len(f.Rules) > maxRules {
		return nil, fmt.Errorf("it has %d rules, want %d at most", len(f.Rules), maxRules)
	}
	for i := range f.Rules {
		r, err := f.Rules[i].compile()
		if err != nil {
			return nil, fmt.Errorf("rule %d: %w", i+1, err)
		}
		one.rules = append(one.rules, r)
		if r.protects() && !slices.Contains(one.sales, r.sale) {
			one.sales = append(one.sales, r.sale)
		}
	}
	var err error
	if one.mirrors, err = f.compileMirrors(); err != nil {
		return nil, err
	}
	if one.bypass, err = f.Bypass.compile(); err != nil {
		return nil, fmt.Errorf("bypass: %w", err)
	}
	if one.upstream, one.checks, err = f.Upstream.compile(); err != nil {
		return nil, fmt.Errorf("upstream: %w", err)
	}
	return one, nil
}

func (f *fileRule) compile() (r rule, err error) {
	switch {
	case f.Open == (f.Sale != ""):
		return rule{}, errors.New("needs one of sale and open: true")
	case f.Sale != "" && !sale.ValidID(f.Sale):
		return rule{}, fmt.Errorf("sale: %q is not the id of a sale", f.Sale)
	case (f.Path == "") == (f.Glob == ""):
		return rule{}, errors.New("needs one of path and glob")
	case f.Fail != "" && f.Fail != "open" && f.Fail != "closed":
		return rule{}, fmt.Errorf("fail: is %q, use open or closed", f.Fail)
	case f.Fail == "open" && f.Open:
		return rule{}, errors.New("fail: has no use in a rule that opens")
	case f.ForwardPass && f.Open:
		return rule{}, errors.New("forward_pass: has no use in a rule that opens")
	}
	r = rule{sale: f.Sale, failOpen: f.Fail == "open", forwardPass: f.ForwardPass}
	if f.Path != "" {
		r.pattern, err = newPrefix(f.Path)
	} else {
		r.pattern, err = newGlob(f.Glob, r.protects())
	}
	if err != nil {
		return rule{}, fmt.Errorf("path: %w", err)
	}
	for _, method := range f.Methods {
		if !isToken([]byte(method)) {
			return rule{}, fmt.Errorf("methods: %q is no method", method)
		}
		r.methods = append(r.methods, strings.ToUpper(method))
	}
	if r.headers, err = conditions(f.Headers); err != nil {
		return rule{}, fmt.Errorf("headers: %w", err)
	}
	if r.cookies, err = conditions(f.Cookies); err != nil {
		return rule{}, fmt.Errorf("cookies: %w", err)
	}
	return r, nil
}

func conditions(written map[string]string) (all []condition, err error) {
	for name, value := range written {
		if !isToken([]byte(name)) || value == "" || !isFieldValue([]byte(value)) {
			return nil, fmt.Errorf("%q: needs a name and a value, or * for any value", name)
		}
		all = append(all, condition{name: name, value: value})
	}
	return all, nil
}
