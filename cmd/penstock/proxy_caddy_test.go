//go:build proxies

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// startCaddy runs bin/caddy, which is built from tools/proxies.
func startCaddy(t testing.TB, penstock, shop string) string {
	t.Helper()
	program, err := filepath.Abs("../../bin/caddy")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%v: run make bin/caddy", err)
	}
	dir, address := t.TempDir(), freeAddress(t)
	file := filepath.Join(dir, "Caddyfile")
	writeFile(t, file, shipped(t, "Caddyfile", map[string]string{
		"127.0.0.1:8080": penstock, "127.0.0.1:3000": shop, "http://shop.example": "http://" + address,
	}))
	cmd := exec.Command(program, "run", "--adapter", "caddyfile", "--config", file)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir, "CADDY_ADMIN="+freeAddress(t))
	runProxy(t, address, cmd)
	return address
}

func TestProxyCaddy(t *testing.T) { testProxy(t, startCaddy, 1000) }
