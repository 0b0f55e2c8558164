package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAWrongSitesFileIsOneClearLineThatNamesThePlace(t *testing.T) {
	const site = "sites:\n- hosts: [a.example]\n  upstream: {servers: [\"http://127.0.0.1:1\"]}\n"
	cases := map[string]struct{ text, says string }{
		"nothing":               {"", "it has 0 sites"},
		"an unknown member":     {site + "  rulez: []\n", "line 4: unknown field \"rulez\""},
		"one inside":            {site + "  rules:\n  - {path: /x, sale: s, bypas: 1}\n", "line 5: unknown field \"bypas\""},
		"twice the same":        {site + "  hosts: [b.example]\n", "line 4"},
		"no YAML":               {"sites: [", "line 1"},
		"a wrong kind":          {site + "  rules: 5\n", "line 4: int was used where sequence is expected"},
		"two documents":         {site + "---\n" + site, "more than one document"},
		"no host":               {strings.Replace(site, "[a.example]", "[]", 1), "site 1 (): hosts"},
		"a host with a scheme":  {strings.Replace(site, "a.example", "http://a.example", 1), "is not a host name"},
		"no server":             {"sites:\n- hosts: [a.example]\n", "upstream: it has 0 servers"},
		"a server with a path":  {strings.Replace(site, ":1\"", ":1/x\"", 1), "a server is written like"},
		"neither sale nor open": {site + "  rules:\n  - {path: /x}\n", "rule 1: needs one of sale and open"},
		"both":                  {site + "  rules:\n  - {path: /x, sale: s, open: true}\n", "rule 1: needs one of sale and open"},
		"no path":               {site + "  rules:\n  - {sale: s}\n", "rule 1: needs one of path and glob"},
		"an escaped path":       {site + "  rules:\n  - {path: /%63, sale: s}\n", "write it decoded"},
		"a relative path":       {site + "  rules:\n  - {path: x, sale: s}\n", "does not begin with a slash"},
		"a wrong sale":          {site + "  rules:\n  - {path: /x, sale: S!}\n", "is not the id of a sale"},
		"a wrong fail":          {site + "  rules:\n  - {path: /x, sale: s, fail: maybe}\n", "fail: is \"maybe\""},
		"a pass for nobody":     {site + "  rules:\n  - {path: /x, open: true, forward_pass: true}\n", "forward_pass: has no use"},
		"a wrong network":       {site + "  bypass: {networks: [10.0.0.0/99]}\n", "is not an address or a network"},
		"no secret":             {site + "  bypass: {links: {}}\n", "needs one of secret_env and secret_file"},
		"a short secret":        {site + "  bypass: {links: {secret_env: NO_SUCH_VARIABLE}}\n", "NO_SUCH_VARIABLE has 0 bytes"},
		"a missing CA":          {strings.Replace(site, "1\"]", "1\"], ca_file: /no/such/file", 1), "/no/such/file"},
		"a host twice":          {site + "- hosts: [a.example]\n  name: b\n  upstream: {servers: [\"http://127.0.0.1:1\"]}\n", "\"a.example\" is there twice"},
		"a name twice":          {site + "- hosts: [b.example]\n  name: a.example\n  upstream: {servers: [\"http://127.0.0.1:1\"]}\n", "another site has this name"},
		"a timeout of years":    {strings.Replace(site, "1\"]", "1\"], idle_timeout: 9999h", 1), "idle_timeout"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := writeFile(t, "sites.yaml", c.text)
			_, stderr, code := runCommand(t, nil, "serve", "--sites", path)
			if code != exitUsage || !strings.Contains(stderr, c.says) || !strings.Contains(stderr, path) || strings.Count(strings.TrimSpace(stderr), "\n") != 0 {
				t.Fatalf("exit %d, stderr %q; want exit 2 and one line with %q", code, stderr, c.says)
			}
		})
	}
}

func TestWrongSettingsOfTheProxyAreOneClearLine(t *testing.T) {
	cases := map[string]struct {
		args []string
		says string
	}{
		"both forms":          {[]string{"--sites", "x", "--upstream", "http://a"}, "PENSTOCK_UPSTREAM"},
		"nothing to protect":  {[]string{"--protect", "/checkout=s"}, "PENSTOCK_PROTECT"},
		"protect nothing":     {[]string{"--upstream", "http://127.0.0.1:1", "--protect", "/checkout"}, "write it like /checkout=spring-drop"},
		"a wrong upstream":    {[]string{"--upstream", "shop.internal"}, "PENSTOCK_UPSTREAM (--upstream)"},
		"no such file":        {[]string{"--sites", "/no/such/file"}, "/no/such/file"},
		"a certificate alone": {[]string{"--tls-cert", "x"}, "PENSTOCK_TLS_KEY"},
		"no certificate":      {[]string{"--tls-cert", "/no/such/file", "--tls-key", "/no/such/file"}, "PENSTOCK_TLS_CERT"},
		"no body":             {[]string{"--max-shop-body-bytes", "0"}, "PENSTOCK_MAX_SHOP_BODY_BYTES"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, stderr, code := runCommand(t, nil, append([]string{"serve"}, c.args...)...)
			if code != exitUsage || !strings.Contains(stderr, c.says) || strings.Count(strings.TrimSpace(stderr), "\n") != 0 {
				t.Fatalf("exit %d, stderr %q; want exit 2 and one line with %q", code, stderr, c.says)
			}
		})
	}
}

// The whole program as a reverse proxy: TLS in front, TLS to the shop, a protected path, and a signed link past it.
func TestPenstockStandsInFrontOfAShopOverTLS(t *testing.T) {
	shop := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Forwarded-Proto")+" "+r.URL.RequestURI()+" "+r.Header.Get("Penstock-Ticket"))
	}))
	t.Cleanup(shop.Close)
	der := shop.TLS.Certificates[0]
	encoded, err := x509.MarshalPKCS8PrivateKey(der.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert := writeFile(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der.Certificate[0]})))
	key := writeFile(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})))
	secret := writeFile(t, "secret", strings.Repeat("s", 32)+"\n")
	sites := writeFile(t, "sites.yaml", `
sites:
- hosts: ["*"]
  upstream: {servers: ["`+shop.URL+`"], ca_file: `+cert+`, server_name: example.com}
  rules: [{path: /checkout, sale: drop}]
  bypass: {links: {secret_file: `+secret+`}}
`)
	s := newServer(t)
	s.readyURL = s.console + "/readyz"
	s.start("--sites", sites, "--tls-cert", cert, "--tls-key", key)
	front := strings.Replace(s.front, "http:", "https:", 1)
	roots := x509.NewCertPool()
	roots.AddCert(shop.Certificate())
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com"}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       10 * time.Second,
	}
	get := func(path string, h map[string]string) answer {
		a, err := send(client, call{method: "GET", url: front + path, header: h})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := get("/shoes?a=1", nil); a.status != 200 || string(a.raw) != "https /shoes?a=1 " {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	testenv.Eventually(t, 10*time.Second, "the sales are read", func() bool { return get("/checkout", nil).status == 404 })
	now := time.Now().UTC()
	s.admin(http.StatusCreated, "POST", "/sales", map[string]any{
		"id": "drop", "name": "drop", "starts_at": now.Add(-time.Second), "ends_at": now.Add(time.Hour),
		"items": []any{map[string]any{"sku": "A", "stock": 1}},
	})
	testenv.Eventually(t, 10*time.Second, "the front knows the sale", func() bool { return get("/v1/sales/drop", nil).status == 200 })
	if a := get("/checkout", nil); a.status != 401 || a.text("code") != "pass_required" {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	link, code := s.command("link", "--secret-file", secret, "--valid", "1m", "/checkout?a=1")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, link)
	}
	if a := get(strings.TrimSpace(link), nil); a.status != 200 || string(a.raw) != "https /checkout?a=1 " {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	if code := s.terminate(); code != 0 {
		t.Fatalf("SIGTERM: exit %d", code)
	}
}
