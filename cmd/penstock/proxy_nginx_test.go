//go:build proxies

package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
)

// nginxFrame stands for the nginx.conf of a distribution, whose http block includes the shipped file.
const nginxFrame = `
daemon off;
master_process off;
pid %[1]s/nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	include %[1]s/shop.conf;
}
`

func startNginx(t testing.TB, penstock, shop string) string {
	t.Helper()
	address := freeAddress(t)
	runNginx(t, address, shippedNginx(t, address, penstock, shop))
	return address
}

func shippedNginx(t testing.TB, address, penstock, shop string) string {
	t.Helper()
	return shipped(t, "nginx.conf", map[string]string{
		"127.0.0.1:8080": penstock, "127.0.0.1:3000": shop, "listen 80;": "listen " + address + ";",
	})
}

// runNginx runs nginx with a file for its http block.
func runNginx(t testing.TB, address, text string) {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			t.Fatal("nginx is missing: run scripts/install-test-servers")
		}
	}
	dir := t.TempDir()
	writeProxyFile(t, filepath.Join(dir, "shop.conf"), text)
	frame := filepath.Join(dir, "nginx.conf")
	writeProxyFile(t, frame, fmt.Sprintf(nginxFrame, dir))
	runProxy(t, address, exec.Command(program, "-e", "stderr", "-p", dir, "-c", frame))
}

func TestProxyNginx(t *testing.T) { testProxy(t, startNginx, 10_000) }
