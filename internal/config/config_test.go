package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// parse runs kong as cmd/penstock does, with the struct embedded in a command.
func parse(t *testing.T, args ...string) (*Config, *kong.Context, error) {
	t.Helper()
	var cli struct {
		Serve struct {
			Config
		} `cmd:""`
	}
	parser, err := kong.New(&cli, kong.Name("penstock"))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.Parse(append([]string{"serve"}, args...))
	return &cli.Serve.Config, parsed, err
}

// defaults is the configuration that nobody touched. It clears the test's environment of settings.
func defaults(t *testing.T) *Config {
	t.Helper()
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "PENSTOCK_") {
			t.Setenv(name, value) // restores it afterwards
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	c, _, err := parse(t)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaultsAreValid(t *testing.T) {
	c := defaults(t)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if !c.AllRoles() || c.Listen != ":8080" || c.ConsoleListen != "127.0.0.1:8081" || c.DataDir != "./data" || c.ShutdownTimeout != 20*time.Second {
		t.Errorf("defaults are %+v", c)
	}
	if (&Client{ConsoleURL: "http://127.0.0.1:8081"}).Validate() != nil {
		t.Error("the client's default is not valid")
	}
}

// Each field needs the four things that make a setting, and a flag named after its variable.
func TestEverySettingIsComplete(t *testing.T) {
	defaults(t)
	_, parsed, err := parse(t)
	if err != nil {
		t.Fatal(err)
	}
	flags := map[string]bool{}
	for _, f := range parsed.Flags() {
		flags[f.Name] = true
	}
	seen := map[string]bool{}
	for _, s := range Settings(new(Config), nil) {
		if !strings.HasPrefix(s.Env, "PENSTOCK_") || s.Group == "" || !strings.HasSuffix(s.Help, ".") {
			t.Errorf("setting is incomplete: %+v", s)
		}
		if seen[s.Env] {
			t.Errorf("%s appears twice", s.Env)
		}
		seen[s.Env] = true
		if !flags[s.Flag] {
			t.Errorf("%s has no flag --%s", s.Env, s.Flag)
		}
	}
	for _, env := range []string{
		"PENSTOCK_LISTEN", "PENSTOCK_CONSOLE_LISTEN", "PENSTOCK_DATA_DIR", "PENSTOCK_REDIS_URL", "PENSTOCK_NATS_URL",
		"PENSTOCK_POSTGRES_URL", "PENSTOCK_POSTGRES_READ_URL", "PENSTOCK_ADMIN_KEY", "PENSTOCK_SECRET",
	} {
		if !seen[env] {
			t.Errorf("the contract's %s is missing", env)
		}
	}
}

func TestPrecedenceAndSources(t *testing.T) {
	defaults(t)
	t.Setenv("PENSTOCK_LISTEN", ":1111")
	t.Setenv("PENSTOCK_ROLES", "gate, drain")
	t.Setenv("PENSTOCK_MAX_INFLIGHT", "7")
	t.Setenv("PENSTOCK_REDIS_URL", "redis://r")
	t.Setenv("PENSTOCK_NATS_URL", "nats://n")
	t.Setenv("PENSTOCK_POSTGRES_URL", "postgres://p/d")
	t.Setenv("PENSTOCK_SECRET", strings.Repeat("s", MinSecretBytes))
	c, parsed, err := parse(t, "--listen", ":2222")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Setting{}
	for _, s := range Settings(c, SourceOf(parsed)) {
		got[s.Flag] = s
	}
	want := map[string][2]string{
		"listen":         {":2222", "flag"},
		"roles":          {"gate,drain", "env"},
		"max-inflight":   {"7", "env"},
		"console-listen": {"127.0.0.1:8081", "default"},
		"redis-url":      {"redis://r", "env"},
		"public-url":     {"", "default"},
	}
	for flag, w := range want {
		if s := got[flag]; s.Value != w[0] || string(s.Source) != w[1] {
			t.Errorf("%s is %q from %s, want %q from %s", flag, s.Value, s.Source, w[0], w[1])
		}
	}
	if !c.Has(Drain) || c.Has(Console) || c.AllRoles() {
		t.Errorf("roles are %v", c.Roles)
	}
}

func TestUnparsableValueNamesItsSetting(t *testing.T) {
	defaults(t)
	t.Setenv("PENSTOCK_MAX_INFLIGHT", "many")
	_, _, err := parse(t)
	if err == nil || !strings.Contains(err.Error(), "PENSTOCK_MAX_INFLIGHT") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error is %v", err)
	}
}

func TestSpacesAroundASecretAreNotPartOfIt(t *testing.T) {
	defaults(t)
	long := strings.Repeat("s", MinSecretBytes)
	t.Setenv("PENSTOCK_SECRET", long+"\n")
	t.Setenv("PENSTOCK_PREVIOUS_SECRETS", long+"a \n, "+long+"b\r\n")
	t.Setenv("PENSTOCK_NEXT_SECRET", " "+long+"c\n")
	t.Setenv("PENSTOCK_ADMIN_KEY", "fifteen-letters\n")
	c, _, err := parse(t)
	if err != nil {
		t.Fatal(err)
	}
	if c.Secret.Reveal() != long || len(c.PreviousSecrets) != 2 || c.PreviousSecrets[0].Reveal() != long+"a" ||
		c.PreviousSecrets[1].Reveal() != long+"b" || c.NextSecret.Reveal() != long+"c" || c.AdminKey.Reveal() != "fifteen-letters" {
		t.Fatalf("%q %q %q %q", c.Secret.Reveal(), c.PreviousSecrets, c.NextSecret.Reveal(), c.AdminKey.Reveal())
	}
	t.Setenv("PENSTOCK_SECRET", long[1:]+"\n") // 31 bytes and a line break are not 32 bytes
	if _, _, err := parse(t); err == nil || !strings.Contains(err.Error(), "31 bytes") {
		t.Fatalf("a short secret with a line break: %v", err)
	}
}

func TestTrustedProxiesAreAddressesAndNetworks(t *testing.T) {
	c := defaults(t)
	if !strings.Contains(fmt.Sprint(c.TrustedProxies), "10.0.0.0/8") {
		t.Fatalf("default %v", c.TrustedProxies)
	}
	t.Setenv("PENSTOCK_TRUSTED_PROXIES", "192.0.2.7, 2001:db8::/32,198.51.100.9/24")
	c, _, err := parse(t)
	if err != nil || fmt.Sprint(c.TrustedProxies) != "[192.0.2.7/32 2001:db8::/32 198.51.100.0/24]" {
		t.Fatalf("%v %v", c.TrustedProxies, err)
	}
	t.Setenv("PENSTOCK_TRUSTED_PROXIES", "everyone")
	if _, _, err := parse(t); err == nil || !strings.Contains(err.Error(), "trusted-proxies") || strings.Contains(err.Error(), "\n") {
		t.Fatalf("error %v", err)
	}
}

func TestValidate(t *testing.T) {
	long := Secret(strings.Repeat("s", 32))
	tests := []struct {
		name   string
		change func(c *Config)
		want   []string // all must be in the message; none = valid
	}{
		{"listen without port", func(c *Config) { c.Listen = "8080" }, []string{"PENSTOCK_LISTEN (--listen)", "8080"}},
		{"listen on a port too far", func(c *Config) { c.Listen = ":70000" }, []string{"PENSTOCK_LISTEN"}},
		{"console without address", func(c *Config) { c.ConsoleListen = "" }, []string{"PENSTOCK_CONSOLE_LISTEN (--console-listen)"}},
		{"both on one address", func(c *Config) { c.ConsoleListen = c.Listen }, []string{"PENSTOCK_CONSOLE_LISTEN", "same address"}},
		{"both on any port", func(c *Config) { c.Listen, c.ConsoleListen = "127.0.0.1:0", "127.0.0.1:0" }, nil},
		{"public URL", func(c *Config) { c.PublicURL = "https://queue.shop.example" }, nil},
		{"public URL without scheme", func(c *Config) { c.PublicURL = "queue.shop.example" }, []string{"PENSTOCK_PUBLIC_URL"}},
		{"public URL with a path", func(c *Config) { c.PublicURL = "https://shop.example/queue" }, []string{"PENSTOCK_PUBLIC_URL", "more than scheme and host"}},
		{"no roles", func(c *Config) { c.Roles = nil }, []string{"PENSTOCK_ROLES"}},
		{"unknown role", func(c *Config) { c.Roles = []Role{"gait"} }, []string{"PENSTOCK_ROLES", "gait"}},
		{"role twice", func(c *Config) { c.Roles = []Role{Gate, Gate} }, []string{"PENSTOCK_ROLES", "twice"}},
		{"node ID with a space", func(c *Config) { c.NodeID = "a b" }, []string{"PENSTOCK_NODE_ID"}},
		{"no data directory", func(c *Config) { c.DataDir = "" }, []string{"PENSTOCK_DATA_DIR"}},
		{"redis URL", func(c *Config) { c.RedisURL = "rediss://u:p@a:6379/0?addr=b:6379" }, nil},
		{"redis URL without scheme", func(c *Config) { c.RedisURL = "localhost:6379" }, []string{"PENSTOCK_REDIS_URL (--redis-url)", "redis://host:6379"}},
		{"redis URL without host", func(c *Config) { c.RedisURL = "redis:///0" }, []string{"PENSTOCK_REDIS_URL"}},
		{"nats URLs", func(c *Config) { c.NATSURL = "nats://a:4222,nats://b:4222" }, nil},
		{"nats hosts", func(c *Config) { c.NATSURL = "nats://a:4222,b:4222" }, nil},
		{"second nats URL wrong", func(c *Config) { c.NATSURL = "nats://a:4222,http://b:4222" }, []string{"PENSTOCK_NATS_URL (--nats-url)"}},
		{"monitor without nats", func(c *Config) { c.NATSMonitorURL = "http://a:8222" }, []string{"PENSTOCK_NATS_MONITOR_URL (--nats-monitor-url)", "PENSTOCK_NATS_URL"}},
		{"postgres URL", func(c *Config) { c.PostgresURL = "postgresql://u:p@a:5432,b:5432/db?sslmode=require" }, nil},
		{"mysql", func(c *Config) { c.PostgresURL = "mysql://a/db" }, []string{"PENSTOCK_POSTGRES_URL"}},
		{"replica without primary", func(c *Config) { c.PostgresReadURL = "postgres://a/db" }, []string{"PENSTOCK_POSTGRES_READ_URL", "PENSTOCK_POSTGRES_URL"}},
		{"split and embedded redis", func(c *Config) { c.Roles = []Role{Gate} }, []string{"PENSTOCK_REDIS_URL", "--roles gate"}},
		{"split and embedded nats", func(c *Config) { c.Roles, c.RedisURL = []Role{Drain}, "redis://a" }, []string{"PENSTOCK_NATS_URL"}},
		{"split and embedded ledger", func(c *Config) { c.Roles, c.RedisURL, c.NATSURL = []Role{Drain}, "redis://a", "nats://a" }, []string{"PENSTOCK_POSTGRES_URL"}},
		{"split without a common secret", func(c *Config) {
			c.Roles, c.RedisURL, c.NATSURL, c.PostgresURL = []Role{Drain}, "redis://a", "nats://a", "postgres://a/b"
		}, []string{"PENSTOCK_SECRET (--secret)", "openssl rand"}},
		{"split and complete", func(c *Config) {
			c.Roles, c.RedisURL, c.NATSURL, c.PostgresURL, c.Secret = []Role{Gate, Console}, "redis://a", "nats://a", "postgres://a/b", long
		}, nil},
		{"some stores embedded", func(c *Config) { c.PostgresURL = "postgres://a/b" }, nil},
		{"short secret", func(c *Config) { c.Secret = long[:31] }, []string{"PENSTOCK_SECRET", "31 bytes", "32"}},
		{"secret", func(c *Config) { c.Secret = long }, nil},
		{"join key without an id", func(c *Config) { c.JoinKeys = []Secret{long} }, []string{"PENSTOCK_JOIN_KEYS", "number 1"}},
		{"short join key", func(c *Config) { c.JoinKeys = []Secret{"a:x"} }, []string{"PENSTOCK_JOIN_KEYS", "secret of a"}},
		{"join key twice", func(c *Config) { c.JoinKeys = []Secret{"a:" + long, "a:" + long} }, []string{"PENSTOCK_JOIN_KEYS", "a twice"}},
		{"short previous secret", func(c *Config) { c.PreviousSecrets = []Secret{long, "x"} }, []string{"PENSTOCK_PREVIOUS_SECRETS", "number 2"}},
		{"short next secret", func(c *Config) { c.NextSecret = long[:31] }, []string{"PENSTOCK_NEXT_SECRET (--next-secret)", "31 bytes"}},
		{"next secret", func(c *Config) { c.NextSecret = long }, nil},
		{"two replicas", func(c *Config) { c.NATSURL, c.OrderLogReplicas = "nats://a", 2 }, []string{"PENSTOCK_ORDER_LOG_REPLICAS", "1, 3 or 5"}},
		{"lag of the replica", func(c *Config) { c.PostgresReadMaxLag = 30 * time.Second }, nil},
		{"no lag of the replica", func(c *Config) { c.PostgresReadMaxLag = time.Second }, []string{"PENSTOCK_POSTGRES_READ_MAX_LAG", "2s"}},
		{"any lag of the replica", func(c *Config) { c.PostgresReadMaxLag = time.Hour }, []string{"PENSTOCK_POSTGRES_READ_MAX_LAG", "5m"}},
		{"three replicas", func(c *Config) { c.NATSURL, c.OrderLogReplicas = "nats://a", 3 }, nil},
		{"three replicas of one server", func(c *Config) { c.OrderLogReplicas = 3 }, []string{"PENSTOCK_ORDER_LOG_REPLICAS", "PENSTOCK_NATS_URL"}},
		{"no journal", func(c *Config) { c.JournalBytesPerSale = 0 }, []string{"PENSTOCK_JOURNAL_BYTES_PER_SALE"}},
		{"no limit of connections", func(c *Config) { c.MaxConnectionsPerAddress = 0 }, nil},
		{"fewer than no connections", func(c *Config) { c.MaxConnectionsPerAddress = -1 }, []string{"PENSTOCK_MAX_CONNECTIONS_PER_ADDRESS"}},
		{"drain delay", func(c *Config) { c.DrainDelay = 5 * time.Second }, nil},
		{"drain delay without end", func(c *Config) { c.DrainDelay = time.Hour }, []string{"PENSTOCK_DRAIN_DELAY"}},
		{"admin key with a newline", func(c *Config) { c.AdminKey = "k\n" }, []string{"PENSTOCK_ADMIN_KEY"}},
		{"guessable admin key", func(c *Config) { c.AdminKey = "fourteen-lette" }, []string{"PENSTOCK_ADMIN_KEY", "14", "openssl rand"}},
		{"short admin key", func(c *Config) { c.AdminKey = "fifteen-letters" }, nil},
		{"no room", func(c *Config) { c.MaxWaitingTickets = 0 }, []string{"PENSTOCK_MAX_WAITING_TICKETS"}},
		{"no inflight", func(c *Config) { c.MaxInflight = -1 }, []string{"PENSTOCK_MAX_INFLIGHT"}},
		{"no patience", func(c *Config) { c.ShutdownTimeout = 0 }, []string{"PENSTOCK_SHUTDOWN_TIMEOUT"}},
		{"log level", func(c *Config) { c.LogLevel = "loud" }, []string{"PENSTOCK_LOG_LEVEL", "debug, info, warn, error"}},
		{"log format", func(c *Config) { c.LogFormat = "xml" }, []string{"PENSTOCK_LOG_FORMAT"}},
	}
	base := defaults(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := *base
			tt.change(&c)
			err := c.Validate()
			if len(tt.want) == 0 {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			if err == nil {
				t.Fatal("accepted")
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("message has more than one line: %q", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("message %q does not contain %q", err, want)
				}
			}
		})
	}
}

func TestURLsAreRedacted(t *testing.T) {
	tests := []struct{ url, want string }{
		{"", ""},
		{"redis://h:6379/0", "redis://h:6379/0"},
		{"redis://:hunter2@h:6379", "redis://:[redacted]@h:6379"},
		{"postgres://u:hunter2@h/db?sslmode=require", "postgres://u:[redacted]@h/db?sslmode=require"},
		{"postgres://u@h/db?password=hunter2&x=1", "postgres://[redacted]@h/db?password=[redacted]&x=1"},
		{"postgres://h/db?password=hunt,er2", "postgres://h/db?password=[redacted]"},
		{"nats://hunter2@h:4222", "nats://[redacted]@h:4222"},
		{"nats://a:hunter2@h1,nats://b:hunter2@h2", "nats://a:[redacted]@h1,nats://b:[redacted]@h2"},
		{"redis://u:hun@ter2@h", "redis://u:[redacted]@h"},
		{"redis://u:hun/ter2?#@h", "redis://u:[redacted]@h"},
		{"u:hunter2@h", "u:[redacted]@h"},
	}
	for _, tt := range tests {
		if got := URL(tt.url).String(); got != tt.want {
			t.Errorf("%s shows as %s, want %s", tt.url, got, tt.want)
		}
		if got := URL(tt.url).Reveal(); got != tt.url {
			t.Errorf("%s reveals %s", tt.url, got)
		}
	}
}

// Whatever way a Config is printed, the secrets stay inside.
func TestNothingPrintsASecret(t *testing.T) {
	c := defaults(t)
	const secret = "hunter2-hunter2-hunter2-hunter2-"
	c.Secret, c.AdminKey, c.PreviousSecrets, c.NextSecret = secret, secret, []Secret{secret}, secret
	c.RedisURL, c.NATSURL, c.PostgresURL = "redis://:"+secret+"@h", secret+"@h", "postgres://u:"+secret+"@h/db"

	var table, log bytes.Buffer
	if err := WriteTable(&table, Settings(c, func(string) Source { return FromEnv })); err != nil {
		t.Fatal(err)
	}
	doc, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", c, "secret", c.Secret, "url", c.RedisURL)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", c, "secret", c.Secret, "url", c.RedisURL)
	for name, text := range map[string]string{
		"%v": fmt.Sprintf("%v", c), "%+v": fmt.Sprintf("%+v", *c), "%#v": fmt.Sprintf("%#v", *c), "String": c.AdminKey.String() + c.RedisURL.String(),
		"table": table.String(), "JSON": string(doc), "log": log.String(),
	} {
		if text == "" || strings.Contains(text, "hunter2") {
			t.Errorf("%s shows a secret: %s", name, text)
		}
	}
	c.Secret = "hunter2"
	if err := c.checkKeys(); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the refusal shows the secret: %v", err)
	}
	c.PostgresURL = "mysql://u:hunter2@h/db"
	if err := c.checkStores(); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the refusal shows the password: %v", err)
	}
	if !strings.Contains(table.String(), " postgres://u:[redacted]@h/db ") {
		t.Errorf("table lacks the redacted URL:\n%s", table.String())
	}
}

func TestDocumentationIsCurrent(t *testing.T) {
	const path = "../../docs/configuration.md"
	var want bytes.Buffer
	if err := WriteMarkdown(&want); err != nil {
		t.Fatal(err)
	}
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is out of date: run make docs", path)
	}
}

// A setting that nothing reads would be a promise not kept.
func TestEverySettingHasAnEffect(t *testing.T) {
	files, err := filepath.Glob("../../cmd/penstock/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("the program is not where it should be", err)
	}
	var program strings.Builder
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		program.Write(text)
	}
	fields := reflect.TypeFor[Config]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		if name == "Roles" { // through Has
			name = "Has"
		}
		if !regexp.MustCompile(`\b(cfg|c)\.` + name + `\b`).MatchString(program.String()) {
			t.Errorf("the program never reads %s", name)
		}
	}
}

func TestSecretIsGeneratedOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var secrets [8][]byte
	var wg sync.WaitGroup
	for i := range secrets {
		wg.Go(func() {
			var err error
			if secrets[i], err = LoadOrCreateSecret(dir, ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, s := range secrets {
		if len(s) < MinSecretBytes || !bytes.Equal(s, secrets[0]) {
			t.Fatalf("secrets differ or are short: %d bytes", len(s))
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("left behind: %v, %v", files, err)
	}
	info, err := files[0].Info()
	if err != nil || info.Mode().Perm() != privateMode {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	configured, err := LoadOrCreateSecret(dir, "configured")
	if err != nil || string(configured) != "configured" {
		t.Errorf("%s, %v", configured, err)
	}
	moved, err := LoadOrCreateSecret(t.TempDir(), Secret(secrets[0]))
	if err != nil || !bytes.Equal(moved, secrets[0]) {
		t.Error("the generated text does not mean the same when configured")
	}
}

func TestSecretFileIsChecked(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	for _, tt := range []struct {
		mode fs.FileMode
		text string
		want string
	}{
		{0o644, strings.Repeat("s", 40), "chmod 600"},
		{0o600, "short", "5 bytes"},
	} {
		if err := errors.Join(os.WriteFile(path, []byte(tt.text), tt.mode), os.Chmod(path, tt.mode)); err != nil {
			t.Fatal(err)
		}
		_, err := LoadOrCreateSecret(dir, "")
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "PENSTOCK_SECRET") {
			t.Errorf("error is %v, want %q", err, tt.want)
		}
	}
}

func TestAdminKey(t *testing.T) {
	dir := t.TempDir()
	client := Client{DataDir: dir}
	if _, err := client.Key(); err == nil || !strings.Contains(err.Error(), "PENSTOCK_ADMIN_KEY") {
		t.Errorf("without any key: %v", err)
	}
	key, generated, err := LoadOrCreateAdminKey(dir, "")
	if err != nil || !generated || !strings.HasPrefix(key.Reveal(), "psk_") {
		t.Fatalf("%s %v %v", key.Reveal(), generated, err)
	}
	again, generated, err := LoadOrCreateAdminKey(dir, "")
	if err != nil || !generated || again != key {
		t.Errorf("second start: %v %v, same key: %v", generated, err, again == key)
	}
	if found, err := client.Key(); err != nil || found != key {
		t.Errorf("the client does not find the key: %v", err)
	}
	client.AdminKey = "mine"
	if found, err := client.Key(); err != nil || found != "mine" {
		t.Errorf("the client does not use its own key: %v", err)
	}
	if own, generated, err := LoadOrCreateAdminKey(dir, "mine"); err != nil || generated || own != "mine" {
		t.Errorf("configured key: %v %v %v", own, generated, err)
	}
}

func TestClientIsDescribed(t *testing.T) {
	names := make([]string, 0, 3)
	for _, s := range Settings(&Client{AdminKey: "hunter2"}, nil) {
		names = append(names, s.Env)
		if s.Value == "hunter2" {
			t.Error("the key is shown")
		}
	}
	want := []string{"PENSTOCK_CONSOLE_URL", "PENSTOCK_ADMIN_KEY", "PENSTOCK_DATA_DIR"}
	if !reflect.DeepEqual(names, want) {
		t.Errorf("settings %v, want %v", names, want)
	}
}
