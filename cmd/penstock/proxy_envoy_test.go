//go:build proxies

package main

import (
	"net"
	"os/exec"
	"path/filepath"
	"testing"
)

// startEnvoy runs bin/envoyreplay, which does what Envoy documents of a file. There is no Envoy to be had as
// a package or a module.
func startEnvoy(t testing.TB, penstock, shop string) string {
	t.Helper()
	address := freeAddress(t)
	file := filepath.Join(t.TempDir(), "envoy.yaml")
	writeProxyFile(t, file, shipped(t, "envoy.yaml", map[string]string{
		envoyAddress(t, "127.0.0.1:8080"): envoyAddress(t, penstock), envoyAddress(t, "127.0.0.1:3000"): envoyAddress(t, shop),
		envoyAddress(t, "0.0.0.0:80"): envoyAddress(t, address),
	}))
	runProxy(t, address, exec.Command(builtProxy(t, "envoyreplay"), "-c", file))
	return address
}

// envoyAddress writes host:port as the file does.
func envoyAddress(t testing.TB, address string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return "{address: " + host + ", port_value: " + port + "}"
}

func TestProxyEnvoy(t *testing.T) { testProxy(t, startEnvoy, 1000) }
