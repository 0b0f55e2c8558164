// Command envoyreplay is a proxy that does what Envoy documents of one configuration file: it is for
// tests where Envoy itself cannot be had. The file is read with Envoy's own schema and checked with its
// rules; a field that is not in the schema is an error. It knows only the parts that a gate in front of a
// shop needs, and refuses a file with other filters.
//
// usage: envoyreplay -c envoy.yaml
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	path := flag.String("c", "", "the configuration `file`")
	flag.Parse()
	if err := serve(*path); err != nil {
		fmt.Fprintln(os.Stderr, "envoyreplay:", err)
		os.Exit(1)
	}
}

func serve(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	p, err := read(text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	ln, err := net.Listen("tcp", p.listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: p.maxHeaderBytes}
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
