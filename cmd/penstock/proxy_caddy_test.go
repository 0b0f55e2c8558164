//go:build proxies

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func startCaddy(t testing.TB, penstock, shop string) string {
	t.Helper()
	dir, address := t.TempDir(), freeAddress(t)
	file := filepath.Join(dir, "Caddyfile")
	writeProxyFile(t, file, shipped(t, "Caddyfile", map[string]string{
		"127.0.0.1:8080": penstock, "127.0.0.1:3000": shop, "http://shop.example": "http://" + address,
	}))
	cmd := exec.Command(builtProxy(t, "caddy"), "run", "--adapter", "caddyfile", "--config", file)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir, "CADDY_ADMIN="+freeAddress(t))
	runProxy(t, address, cmd)
	return address
}

func TestProxyCaddy(t *testing.T) { testProxy(t, startCaddy, 1000) }
