//go:build proxies

package main

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// startTraefik runs bin/traefikreplay, which does what Traefik does with the two files. Traefik itself cannot be
// built from its module.
func startTraefik(t testing.TB, penstock, shop string) string {
	t.Helper()
	dir, address, gate := t.TempDir(), freeAddress(t), freeAddress(t)
	static, routes := filepath.Join(dir, "traefik.yaml"), filepath.Join(dir, "traefik-routes.yaml")
	writeProxyFile(t, static, shipped(t, "traefik.yaml", map[string]string{`":80"`: `"` + address + `"`, "127.0.0.1:8079": gate}))
	writeProxyFile(t, routes, shipped(t, "traefik-routes.yaml", map[string]string{
		"127.0.0.1:8080": penstock, "127.0.0.1:3000": shop, "127.0.0.1:8079": gate,
	}))
	runProxy(t, address, exec.Command(builtProxy(t, "traefikreplay"), "-static", static, "-routes", routes))
	return address
}

func TestProxyTraefik(t *testing.T) { testProxy(t, startTraefik, 1000) }
