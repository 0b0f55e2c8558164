package proxy

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

func (f *fileBypass) compile() (b bypass, err error) {
	for _, written := range f.Networks {
		network, err := netip.ParsePrefix(written)
		if address, failed := netip.ParseAddr(written); failed == nil {
			network, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil {
			return bypass{}, fmt.Errorf("networks: %q is not an address or a network", written)
		}
		b.networks = append(b.networks, network.Masked())
	}
	for _, written := range f.Headers {
		if !isToken([]byte(written.Name)) {
			return bypass{}, fmt.Errorf("headers: %q is no name of a header", written.Name)
		}
		secret, err := fileSecret{SecretEnv: written.SecretEnv, SecretFile: written.SecretFile}.read()
		if err != nil {
			return bypass{}, fmt.Errorf("headers: %s: %w", written.Name, err)
		}
		b.headers = append(b.headers, secretHeader{name: written.Name, hash: sha256.Sum256(secret)})
		b.stripped = append(b.stripped, written.Name)
	}
	if f.Links != nil {
		if b.linkSecret, err = f.Links.read(); err != nil {
			return bypass{}, fmt.Errorf("links: %w", err)
		}
	}
	return b, nil
}

func (f *fileUpstream) compile() (*upstream, []*check, error) {
	if len(f.Servers) == 0 || len(f.Servers) > maxServers {
		return nil, nil, fmt.Errorf("it has %d servers, want 1 to %d", len(f.Servers), maxServers)
	}
	if f.Host != "" && !isHost([]byte(f.Host)) {
		return nil, nil, fmt.Errorf("host: %q is no host", f.Host)
	}
	limits, err := f.timeouts()
	if err != nil {
		return nil, nil, err
	}
	connections := cmp.Or(f.MaxConnections, defaultMaxConnections)
	if connections < 1 || connections > maxConnectionsOfServer {
		return nil, nil, fmt.Errorf("max_connections: is %d, use 1 to %d", connections, maxConnectionsOfServer)
	}
	roots, err := f.roots()
	if err != nil {
		return nil, nil, err
	}
	u := &upstream{host: f.Host}
	var checks []*check
	for _, written := range f.Servers {
		address, secure, err := parseServer(written)
		if err != nil {
			return nil, nil, err
		}
		if slices.ContainsFunc(u.servers, func(other *server) bool { return other.label == written }) {
			return nil, nil, fmt.Errorf("the server %s is there twice", written)
		}
		var config *tls.Config
		if secure {
			host, _, _ := net.SplitHostPort(address)
			config = &tls.Config{RootCAs: roots, ServerName: cmp.Or(f.ServerName, host), NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
		}
		s := newServer(written, address, config, limits, connections)
		u.servers = append(u.servers, s)
		if f.Health.Path != "" {
			made, err := f.Health.check(s, strings.TrimRight(written, "/"), f.Host)
			if err != nil {
				return nil, nil, fmt.Errorf("health: %w", err)
			}
			checks = append(checks, made)
		}
	}
	return u, checks, nil
}

// parseServer reads an address such as https://shop.internal:8443.
func parseServer(written string) (address string, secure bool, err error) {
	u, err := url.Parse(written)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", false, errors.New("a server is written like https://shop.internal:8443, with nothing after the port")
	}
	secure = u.Scheme == "https"
	port := u.Port()
	switch {
	case port == "" && secure:
		port = "443"
	case port == "":
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port), secure, nil
}

func (f *fileUpstream) timeouts() (timeouts, error) {
	limits := timeouts{}
	for _, one := range []struct {
		name     string
		written  time.Duration
		fallback time.Duration
		into     *time.Duration
	}{
		{"connect_timeout", f.ConnectTimeout, defaultConnectTimeout, &limits.connect},
		{"first_byte_timeout", f.FirstByteTimeout, defaultFirstByte, &limits.firstByte},
		{"idle_timeout", f.IdleTimeout, defaultIdleTimeout, &limits.idle},
		{"keep_alive", f.KeepAlive, defaultKeepAlive, &limits.keep},
	} {
		*one.into = cmp.Or(one.written, one.fallback)
		if *one.into <= 0 || *one.into > maxTimeout {
			return timeouts{}, fmt.Errorf("%s: is %s, use more than 0s and at most %s", one.name, one.written, maxTimeout)
		}
	}
	return limits, nil
}

// roots are the authorities whose certificates are believed; nil means those of the system.
func (f *fileUpstream) roots() (*x509.CertPool, error) {
	if f.CAFile == "" {
		return nil, nil
	}
	text, err := readFile(f.CAFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("ca_file: %s has no certificate in PEM", f.CAFile)
	}
	return pool, nil
}

func (f *fileHealth) check(s *server, base, host string) (*check, error) {
	every, timeout := cmp.Or(f.Every, defaultCheckEvery), cmp.Or(f.Timeout, defaultCheckTimeout)
	switch {
	case !strings.HasPrefix(f.Path, "/"):
		return nil, fmt.Errorf("path: %q does not begin with a slash", f.Path)
	case every < time.Second || every > maxTimeout:
		return nil, fmt.Errorf("every: is %s, use 1s to %s", every, maxTimeout)
	case timeout <= 0 || timeout > every:
		return nil, fmt.Errorf("timeout: is %s, use more than 0s and at most every, %s", timeout, every)
	}
	return newCheck(s, base+f.Path, host, every, timeout), nil
}
