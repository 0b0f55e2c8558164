// Package config holds every setting of Penstock, once: each field of Config is a flag, an
// environment variable, a default, a line of help and a row of docs/configuration.md.
package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Config is what `penstock serve` runs with. Embed it in a kong command: kong calls Validate after
// parsing. A flag wins over its environment variable, which wins over the default.
type Config struct {
	Listen         string     `group:"Serving" env:"PENSTOCK_LISTEN" default:":8080" help:"Address of the front: waiting room, reservations and orders."`
	ConsoleListen  string     `group:"Serving" env:"PENSTOCK_CONSOLE_LISTEN" default:"127.0.0.1:8081" help:"Address of the console and the admin API (role console), and in every process of /metrics, /healthz and /readyz. Keep it off the public network."`
	PublicURL      URL        `group:"Serving" env:"PENSTOCK_PUBLIC_URL" help:"Where visitors reach the front, such as https://queue.shop.example, for the links that the console shows and for sending visitors to the waiting room from a shop's proxy. Unset: the console links to the address that the front of this process listens on (without the role gate there are no links), and a shop's proxy must tell the visitor's host in X-Forwarded-Host."`
	ReturnHosts    []HostName `group:"Serving" env:"PENSTOCK_RETURN_HOSTS" help:"Hosts to which the waiting room may send an admitted visitor back, separated by commas, with a port where the address has one. The host of a sale's target_url and that of the public URL are always allowed."`
	AllowedOrigins []Origin   `group:"Serving" env:"PENSTOCK_ALLOWED_ORIGINS" help:"Origins whose pages may call the front from a browser, with the visitor's cookies (CORS), such as https://www.shop.example, separated by commas. Unset: none. What is the same for everybody, such as the public document of a sale, may be read from anywhere."`
	ConsoleHosts   []HostName `group:"Serving" env:"PENSTOCK_CONSOLE_HOSTS" help:"Host names under which browsers reach the console, separated by commas. Addresses, localhost and the name of this machine are always allowed; any other name is refused, so that a foreign page cannot reach the console under a name of its own."`
	Roles          []Role     `group:"Serving" env:"PENSTOCK_ROLES" default:"gate,drain,console" help:"What this process does: gate serves visitors, drain writes orders to the ledger, console serves operators."`
	NodeID         string     `group:"Serving" env:"PENSTOCK_NODE_ID" help:"Name of this process among its peers, unique. Unset: host name and a random part."`
	Demo           bool       `group:"Serving" env:"PENSTOCK_DEMO" help:"Add a demo shop and a live sale called demo."`
	TLSCert        string     `group:"Serving" env:"PENSTOCK_TLS_CERT" help:"File with the certificate (PEM) and its chain with which the front speaks TLS. It is read again when it changes. Unset: the front speaks plain HTTP."`
	TLSKey         string     `group:"Serving" env:"PENSTOCK_TLS_KEY" help:"File with the private key (PEM) of the certificate."`

	Sites            string   `group:"Reverse proxy" env:"PENSTOCK_SITES" help:"A sites file (YAML): the shops that this process stands in front of, and what is protected by which sale. See docs/proxy.md."`
	Upstream         string   `group:"Reverse proxy" env:"PENSTOCK_UPSTREAM" help:"The short form of a sites file: one shop for every host, such as https://shop.internal:8443."`
	UpstreamCA       string   `group:"Reverse proxy" env:"PENSTOCK_UPSTREAM_CA" help:"File with the certificates (PEM) of the authorities that are believed when the upstream is https. Unset: those of the system."`
	Protect          []string `group:"Reverse proxy" env:"PENSTOCK_PROTECT" help:"Paths of the upstream and the sales that protect them, such as /checkout=spring-drop, separated by commas. The flag can be repeated."`
	MaxShopBodyBytes int64    `group:"Reverse proxy" env:"PENSTOCK_MAX_SHOP_BODY_BYTES" default:"67108864" help:"The largest body of a request for a shop, where its site does not say otherwise. Larger ones get 413."`
	MaxShopRequests  int      `group:"Reverse proxy" env:"PENSTOCK_MAX_SHOP_REQUESTS" default:"4096" help:"Requests that may be under way to the shops at the same time. Further ones get 503 with Retry-After."`
	MaxShopStreams   int      `group:"Reverse proxy" env:"PENSTOCK_MAX_SHOP_STREAMS" default:"1024" help:"WebSockets and event streams to the shops that may be open at the same time. Further WebSockets get 503."`

	DataDir          string `group:"State" env:"PENSTOCK_DATA_DIR" default:"./data" help:"Directory of the embedded stores and of generated keys."`
	RedisURL         URL    `group:"State" env:"PENSTOCK_REDIS_URL" help:"Redis 7 or later: redis://[user:password@]host:port[/db]; more nodes of a cluster as ?addr=host:port, sentinels with ?master_set=name. Unset: embedded."`
	NATSURL          URL    `group:"State" name:"nats-url" env:"PENSTOCK_NATS_URL" help:"NATS with JetStream: nats://[user:password@]host:port, several separated by commas. Unset: embedded."`
	NATSMonitorURL   URL    `group:"State" name:"nats-monitor-url" env:"PENSTOCK_NATS_MONITOR_URL" help:"The monitoring endpoint of the NATS server, such as http://nats:8222. Only it tells whether NATS syncs each write to disk; without it no sale is armed on a NATS server of your own, unless PENSTOCK_ALLOW_UNSYNCED is set."`
	AllowUnsynced    bool   `group:"State" env:"PENSTOCK_ALLOW_UNSYNCED" help:"Arm sales although it is not known that the order log syncs each write to disk. A power failure may then lose accepted orders."`
	OrderLogReplicas int    `group:"State" env:"PENSTOCK_ORDER_LOG_REPLICAS" default:"1" help:"Copies that NATS keeps of the order log and the journal, on as many servers of its cluster: 1, 3 or 5."`
	PostgresURL      URL    `group:"State" env:"PENSTOCK_POSTGRES_URL" help:"Postgres 15 or later: postgres://user:password@host:port/database. Unset: embedded SQLite."`
	PostgresReadURL  URL    `group:"State" env:"PENSTOCK_POSTGRES_READ_URL" help:"A read replica for lists, exports and reports. Unset: the primary."`

	PostgresReadMaxLag time.Duration `group:"State" env:"PENSTOCK_POSTGRES_READ_MAX_LAG" default:"5s" help:"How old lists, exports and reports may be. While the read replica is further behind, or it is not known how far, or it does not answer, they are read from the primary."`

	AdminKey        Secret   `group:"Keys" env:"PENSTOCK_ADMIN_KEY" help:"API key of role admin that always works, even while the ledger is down: 32 characters or more. A shorter one could be guessed: fewer than 15 characters are refused, fewer than 32 are warned of. Unset: generated into the data directory."`
	Secret          Secret   `group:"Keys" env:"PENSTOCK_SECRET" help:"Signs tickets, passes and sessions, and derives the ids of reservations: 32 bytes or more, the same for all processes. Unset: generated into the data directory."`
	PreviousSecrets []Secret `group:"Keys" env:"PENSTOCK_PREVIOUS_SECRETS" help:"Former values of the secret, separated by commas (write a comma inside of one as \\,). What was signed with them stays valid."`
	NextSecret      Secret   `group:"Keys" env:"PENSTOCK_NEXT_SECRET" help:"The value that the secret will have next. It is accepted and its public key is published, but nothing is signed with it yet. See docs/operations.md, Rotating the secret."`

	JoinKeys  []Secret   `group:"Keys" env:"PENSTOCK_JOIN_KEYS" help:"Keys that the server shares with shops, which sign join tokens with them (HS256), as id:secret, separated by commas. A secret has 32 bytes or more. A sale names the ids of those that it believes. See docs/identity.md."`
	JWKSHosts []HostName `group:"Keys" name:"jwks-hosts" env:"PENSTOCK_JWKS_HOSTS" help:"Hosts from which the keys of shops (jwks_url of a sale) may be fetched over plain HTTP and at addresses that are not public, separated by commas, with a port where the address has one. Every other host must speak TLS and have a public address."`

	MaxWaitingTickets        int64         `group:"Limits" env:"PENSTOCK_MAX_WAITING_TICKETS" default:"5000000" help:"Visitors that may wait in one sale. Further visitors are told that the waiting room is full."`
	MaxInflight              int           `group:"Limits" env:"PENSTOCK_MAX_INFLIGHT" default:"2048" help:"Requests that the front works on at the same time. When half of them are under way, visitors are told to poll less often; at three quarters new visitors cannot join a line; when all are under way new reservations are refused. A refusal is 503 with Retry-After. Orders are never refused for this."`
	MaxConnectionsPerAddress int           `group:"Limits" env:"PENSTOCK_MAX_CONNECTIONS_PER_ADDRESS" default:"1024" help:"Connections that the front keeps open for one client address (one /64 network for IPv6). 0 is no limit. The addresses of the trusted proxies are not limited."`
	TrustedProxies           []Network     `group:"Limits" env:"PENSTOCK_TRUSTED_PROXIES" default:"127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,169.254.0.0/16,fc00::/7,fe80::/10" help:"Addresses and networks of proxies and load balancers in front, separated by commas: the connections of many visitors come from them, and what they say in X-Forwarded-Host, -Proto, -Uri and -Method is believed. The default is loopback and the private networks. A value of your own replaces it: name these again if you need them, together with the public networks of your CDN."`
	Datacentres              string        `group:"Limits" env:"PENSTOCK_DATACENTRES" help:"File with the networks of data centres, one on each line, such as 192.0.2.0/24. What becomes of visitors who come from them is in the bots block of each sale. It is read again within 10 seconds after it has changed. Unset: none are known. See docs/bots.md."`
	JournalBytesPerSale      int64         `group:"Limits" env:"PENSTOCK_JOURNAL_BYTES_PER_SALE" default:"268435456" help:"Bytes that one sale may use in the journal. A sale that has used them up gives no new passes, and no new reservations unless its durability is memory (503). Records are removed only by age, after 48 hours."`
	DrainDelay               time.Duration `group:"Limits" env:"PENSTOCK_DRAIN_DELAY" default:"0s" help:"How long the process goes on serving after SIGTERM, while /readyz answers 503, before it closes its listener. Behind a load balancer use a little more than the load balancer needs to notice, such as 5s. A second SIGTERM ends the delay."`
	ShutdownTimeout          time.Duration `group:"Limits" env:"PENSTOCK_SHUTDOWN_TIMEOUT" default:"20s" help:"How long requests and log batches that are under way may take to finish, after SIGTERM and the drain delay."`

	PushContact     string     `group:"Notifications" env:"PENSTOCK_PUSH_CONTACT" help:"Whom a push service may turn to about the notifications that it gets from here: mailto:ops@shop.example, or an https address. Unset: no sale offers Web Push."`
	PushKey         Secret     `group:"Notifications" env:"PENSTOCK_PUSH_KEY" help:"Private VAPID key (RFC 8292) that identifies this installation to push services: 32 bytes on the curve P-256 in base64url, the same for all processes. Unset: derived from the secret."`
	PushHosts       []PushHost `group:"Notifications" env:"PENSTOCK_PUSH_HOSTS" default:"fcm.googleapis.com,*.push.services.mozilla.com,*.notify.windows.com,*.push.apple.com" help:"Push services that may be called, separated by commas; the endpoint of a subscription comes from the visitor. An entry with *. stands for every name below, one with a port for that port instead of 443. What resolves to a private address is not called, unless the entry is an address itself, or localhost."`
	WebhookNetworks []Network  `group:"Notifications" env:"PENSTOCK_WEBHOOK_NETWORKS" help:"Private addresses and networks that the webhooks of sales may be at, separated by commas, such as 10.1.2.0/24. Only to these plain http is possible. Unset: public addresses alone."`
	MaxNotified     int64      `group:"Notifications" env:"PENSTOCK_MAX_NOTIFIED" default:"100000" help:"Notifications that one sale may have outstanding. Further visitors cannot ask for one."`

	LogLevel  string `group:"Logging" env:"PENSTOCK_LOG_LEVEL" default:"info" help:"Least severity that is logged: debug, info, warn or error."`
	LogFormat string `group:"Logging" env:"PENSTOCK_LOG_FORMAT" default:"text" help:"Format of the log on standard error: text or json."`
}

// Client is what the commands that talk to a running server need.
type Client struct {
	ConsoleURL URL    `group:"Commands that talk to a running server" env:"PENSTOCK_CONSOLE_URL" default:"http://127.0.0.1:8081" help:"Where the server's console listens."`
	AdminKey   Secret `group:"Commands that talk to a running server" env:"PENSTOCK_ADMIN_KEY" help:"API key to present. Unset: the one generated into the data directory, if this machine has it."`
	DataDir    string `group:"Commands that talk to a running server" env:"PENSTOCK_DATA_DIR" default:"./data" help:"Where to look for a generated key."`
}

// Role is one of the tasks that a process takes on.
type Role string

// The roles. One process has all of them unless told otherwise.
const (
	Gate    Role = "gate"    // serves visitors
	Drain   Role = "drain"   // writes orders to the ledger
	Console Role = "console" // serves operators
)

// Roles returns every role.
func Roles() []Role { return []Role{Gate, Drain, Console} }

// UnmarshalText lets a list be written with spaces after the commas.
func (r *Role) UnmarshalText(text []byte) error {
	*r = Role(strings.TrimSpace(string(text)))
	return nil
}

// Network is a range of addresses. A single address is written without a length.
type Network netip.Prefix

// UnmarshalText reads 10.0.0.0/8 or 192.0.2.7.
func (n *Network) UnmarshalText(text []byte) error {
	written := strings.TrimSpace(string(text))
	if address, err := netip.ParseAddr(written); err == nil {
		*n = Network(netip.PrefixFrom(address, address.BitLen()))
		return nil
	}
	prefix, err := netip.ParsePrefix(written)
	if err != nil {
		return fmt.Errorf("%q is not an address or a network, write it like 192.0.2.7 or 10.0.0.0/8", written)
	}
	*n = Network(prefix.Masked())
	return nil
}

// String writes the network with its length.
func (n Network) String() string { return netip.Prefix(n).String() }

// MarshalText writes what String does.
func (n Network) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// Has tells whether the process takes on the role.
func (c *Config) Has(r Role) bool { return slices.Contains(c.Roles, r) }

// AllRoles tells whether this process is complete by itself, as the embedded stores require.
func (c *Config) AllRoles() bool {
	return !slices.ContainsFunc(Roles(), func(r Role) bool { return !c.Has(r) })
}
