package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// MinSecretBytes is the least length of PENSTOCK_SECRET.
	MinSecretBytes = 32
	// MinAdminKeyBytes is the least length of PENSTOCK_ADMIN_KEY. Below MinSecretBytes it could be guessed.
	MinAdminKeyBytes = 15

	maxNodeIDBytes     = 128
	maxWaitingTickets  = 1_000_000_000
	maxInflight        = 1_000_000
	maxShutdownTimeout = 10 * time.Minute
	minShutdownTimeout = time.Second
	maxDrainDelay      = 5 * time.Minute
	minReadMaxLag      = 2 * time.Second // it is measured once a second
	maxReadMaxLag      = 5 * time.Minute
	// minJournalBytesPerSale is enough for some thousand reservations.
	minJournalBytesPerSale = 1 << 20
	howToMakeSecret        = "make one with: openssl rand -hex 32"
	needsOwnStoresFormat   = "must be set when the roles are split (--roles %s), since embedded stores serve one process with all roles"
)

// Validate checks the settings against each other and returns one error, of one line, for the
// first that is wrong: it names the setting and says what to do.
func (c *Config) Validate() error {
	checks := []func() error{
		c.checkListen, c.checkPublic, c.checkRoles, c.checkNodeID,
		c.checkProxy, c.checkStores, c.checkSplit, c.checkKeys, c.checkLimits, c.checkNotifications, c.checkLogging,
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// Validate checks the settings of a client, in the same manner.
func (c *Client) Validate() error {
	return wantURL("PENSTOCK_CONSOLE_URL", c.ConsoleURL, "http://127.0.0.1:8081", "http", "https")
}

// wrong names the setting by both its names.
func wrong(env, format string, args ...any) error {
	return fmt.Errorf("%s (--%s): %s", env, flagOf(env), fmt.Sprintf(format, args...))
}

// flagOf is the flag that goes with an environment variable.
func flagOf(env string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(env, "PENSTOCK_")), "_", "-")
}

func (c *Config) checkListen() error {
	if err := wantAddress("PENSTOCK_LISTEN", c.Listen); err != nil {
		return err
	}
	if err := wantAddress("PENSTOCK_CONSOLE_LISTEN", c.ConsoleListen); err != nil {
		return err
	}
	if c.Listen == c.ConsoleListen && !strings.HasSuffix(c.Listen, ":0") {
		return wrong("PENSTOCK_CONSOLE_LISTEN", "is the same address as PENSTOCK_LISTEN, %q: give the console one of its own", c.Listen)
	}
	return nil
}

func wantAddress(env, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return wrong(env, "%q is not host:port, write it like :8080 or 127.0.0.1:8080", address)
	}
	return nil
}

func (c *Config) checkPublic() error {
	if c.PublicURL == "" {
		return nil
	}
	const example = "https://queue.shop.example"
	if err := wantURL("PENSTOCK_PUBLIC_URL", c.PublicURL, example, "http", "https"); err != nil {
		return err
	}
	u, err := url.Parse(c.PublicURL.Reveal())
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return wrong("PENSTOCK_PUBLIC_URL", "%q has more than scheme and host, write it like %s", c.PublicURL, example)
	}
	return nil
}

func (c *Config) checkRoles() error {
	if len(c.Roles) == 0 {
		return wrong("PENSTOCK_ROLES", "is empty, name one or more of gate, drain, console")
	}
	for i, r := range c.Roles {
		if !slices.Contains(Roles(), r) {
			return wrong("PENSTOCK_ROLES", "there is no role %q, use gate, drain, console", string(r))
		}
		if slices.Contains(c.Roles[:i], r) {
			return wrong("PENSTOCK_ROLES", "names %s twice, once is enough", r)
		}
	}
	return nil
}

func (c *Config) checkNodeID() error {
	if len(c.NodeID) > maxNodeIDBytes || strings.ContainsFunc(c.NodeID, notPrintableASCII) {
		return wrong("PENSTOCK_NODE_ID", "use at most %d printable ASCII characters without spaces", maxNodeIDBytes)
	}
	return nil
}

func notPrintableASCII(r rune) bool { return r <= ' ' || r > '~' }

func (c *Config) checkStores() error {
	if c.DataDir == "" {
		return wrong("PENSTOCK_DATA_DIR", "is empty, name a directory that this process may write to")
	}
	for _, s := range []struct {
		env     string
		value   URL
		example string
		schemes []string
	}{
		{"PENSTOCK_REDIS_URL", c.RedisURL, "redis://host:6379", []string{"redis", "rediss"}},
		{"PENSTOCK_NATS_URL", c.NATSURL, "nats://host:4222", []string{"nats", "tls", "ws", "wss"}},
		{"PENSTOCK_NATS_MONITOR_URL", c.NATSMonitorURL, "http://host:8222", []string{"http", "https"}},
		{"PENSTOCK_POSTGRES_URL", c.PostgresURL, "postgres://user:password@host:5432/penstock", []string{"postgres", "postgresql"}},
		{"PENSTOCK_POSTGRES_READ_URL", c.PostgresReadURL, "postgres://user:password@host:5432/penstock", []string{"postgres", "postgresql"}},
	} {
		if s.value == "" {
			continue
		}
		if err := wantURL(s.env, s.value, s.example, s.schemes...); err != nil {
			return err
		}
	}
	if c.PostgresReadURL != "" && c.PostgresURL == "" {
		return wrong("PENSTOCK_POSTGRES_READ_URL", "names a replica without a primary, set PENSTOCK_POSTGRES_URL too")
	}
	if c.PostgresReadMaxLag < minReadMaxLag || c.PostgresReadMaxLag > maxReadMaxLag {
		return wrong("PENSTOCK_POSTGRES_READ_MAX_LAG", "is %s, use %s to %s", c.PostgresReadMaxLag, minReadMaxLag, maxReadMaxLag)
	}
	if c.OrderLogReplicas != 1 && c.OrderLogReplicas != 3 && c.OrderLogReplicas != 5 {
		return wrong("PENSTOCK_ORDER_LOG_REPLICAS", "is %d, use 1, 3 or 5", c.OrderLogReplicas)
	}
	if c.OrderLogReplicas > 1 && c.NATSURL == "" {
		return wrong("PENSTOCK_ORDER_LOG_REPLICAS", "is %d, and the embedded NATS is one server: use 1, or set PENSTOCK_NATS_URL", c.OrderLogReplicas)
	}
	if c.NATSMonitorURL != "" && c.NATSURL == "" {
		return wrong("PENSTOCK_NATS_MONITOR_URL", "has no use with the embedded NATS, unset it or set PENSTOCK_NATS_URL too")
	}
	return nil
}

// wantURL looks at scheme and host only, as the drivers take more forms than net/url parses:
// Postgres allows several host:port pairs, NATS several URLs. The message never shows the value,
// which may hold a password in a place that nobody expects.
func wantURL(env string, value URL, example string, schemes ...string) error {
	for one := range strings.SplitSeq(value.Reveal(), ",") {
		schemeName, rest, ok := strings.Cut(strings.TrimSpace(one), "://")
		if !ok && one != value.Reveal() {
			continue // a further host of the URL before it
		}
		host, _, _ := strings.Cut(rest[strings.LastIndexByte(rest, '@')+1:], "/")
		if !ok || !slices.Contains(schemes, schemeName) || host == "" || strings.HasPrefix(host, "?") {
			return wrong(env, "is not a %s URL, write it like %s", strings.Join(schemes, " or "), example)
		}
	}
	return nil
}

func (c *Config) checkSplit() error {
	if c.AllRoles() {
		return nil
	}
	names := make([]string, len(c.Roles))
	for i, r := range c.Roles {
		names[i] = string(r)
	}
	roles := strings.Join(names, ",")
	for _, store := range []struct {
		env   string
		value URL
	}{
		{"PENSTOCK_REDIS_URL", c.RedisURL},
		{"PENSTOCK_NATS_URL", c.NATSURL},
		{"PENSTOCK_POSTGRES_URL", c.PostgresURL},
	} {
		if store.value == "" {
			return wrong(store.env, needsOwnStoresFormat, roles)
		}
	}
	if c.Secret == "" {
		return wrong("PENSTOCK_SECRET", "must be set, the same for all processes, when the roles are split (--roles %s); %s", roles, howToMakeSecret)
	}
	return nil
}

func (c *Config) checkKeys() error {
	if c.Secret != "" && len(c.Secret) < MinSecretBytes {
		return wrong("PENSTOCK_SECRET", "has %d bytes, use at least %d; %s", len(c.Secret), MinSecretBytes, howToMakeSecret)
	}
	if c.NextSecret != "" && len(c.NextSecret) < MinSecretBytes {
		return wrong("PENSTOCK_NEXT_SECRET", "has %d bytes, use at least %d; %s", len(c.NextSecret), MinSecretBytes, howToMakeSecret)
	}
	for i, s := range c.PreviousSecrets {
		if len(s) < MinSecretBytes {
			return wrong("PENSTOCK_PREVIOUS_SECRETS", "number %d has %d bytes, a secret has at least %d", i+1, len(s), MinSecretBytes)
		}
	}
	if c.AdminKey != "" && len(c.AdminKey) < MinAdminKeyBytes {
		return wrong("PENSTOCK_ADMIN_KEY", "is %d characters long and could be guessed, use %d or more (below %d is refused); %s",
			len(c.AdminKey), MinSecretBytes, MinAdminKeyBytes, howToMakeSecret)
	}
	if strings.ContainsFunc(c.AdminKey.Reveal(), notPrintableASCII) {
		return wrong("PENSTOCK_ADMIN_KEY", "use printable ASCII characters without spaces, as it travels in a header")
	}
	_, err := SharedKeys(c.JoinKeys)
	return err
}

func (c *Config) checkLimits() error {
	if c.MaxWaitingTickets < 1 || c.MaxWaitingTickets > maxWaitingTickets {
		return wrong("PENSTOCK_MAX_WAITING_TICKETS", "is %d, use 1 to %d", c.MaxWaitingTickets, maxWaitingTickets)
	}
	if c.MaxInflight < 1 || c.MaxInflight > maxInflight {
		return wrong("PENSTOCK_MAX_INFLIGHT", "is %d, use 1 to %d", c.MaxInflight, maxInflight)
	}
	if c.MaxConnectionsPerAddress < 0 {
		return wrong("PENSTOCK_MAX_CONNECTIONS_PER_ADDRESS", "is %d, use 1 or more, or 0 for no limit", c.MaxConnectionsPerAddress)
	}
	if c.JournalBytesPerSale < minJournalBytesPerSale {
		return wrong("PENSTOCK_JOURNAL_BYTES_PER_SALE", "is %d, use at least %d", c.JournalBytesPerSale, minJournalBytesPerSale)
	}
	if c.DrainDelay < 0 || c.DrainDelay > maxDrainDelay {
		return wrong("PENSTOCK_DRAIN_DELAY", "is %s, use 0s to %s", c.DrainDelay, maxDrainDelay)
	}
	if c.ShutdownTimeout < minShutdownTimeout || c.ShutdownTimeout > maxShutdownTimeout {
		return wrong("PENSTOCK_SHUTDOWN_TIMEOUT", "is %s, use %s to %s", c.ShutdownTimeout, minShutdownTimeout, maxShutdownTimeout)
	}
	return nil
}

func (c *Config) checkLogging() error {
	if err := wantOneOf("PENSTOCK_LOG_LEVEL", c.LogLevel, "debug", "info", "warn", "error"); err != nil {
		return err
	}
	return wantOneOf("PENSTOCK_LOG_FORMAT", c.LogFormat, "text", "json")
}

func wantOneOf(env, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return wrong(env, "is %q, use %s", value, strings.Join(allowed, ", "))
}
