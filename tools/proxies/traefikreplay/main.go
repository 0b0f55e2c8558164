// Command traefikreplay is a proxy that does what Traefik 3.7 does with two configuration files. It is for tests,
// as Traefik cannot be built as a tool of this module: it needs modules that are only in its own repository.
// Entry points, rules, and the middlewares forwardAuth, headers and errors are written after its source.
// It knows only what a gate in front of a shop needs; any other setting is an error.
//
// usage: traefikreplay -static traefik.yaml -routes traefik-routes.yaml
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
	static := flag.String("static", "", "`file` with the entry points")
	routes := flag.String("routes", "", "`file` with routers, middlewares and services")
	flag.Parse()
	if err := serve(*static, *routes); err != nil {
		fmt.Fprintln(os.Stderr, "traefikreplay:", err)
		os.Exit(1)
	}
}

func serve(staticPath, routesPath string) error {
	var static staticFile
	if err := readFile(staticPath, &static); err != nil {
		return err
	}
	var routes routesFile
	if err := readFile(routesPath, &routes); err != nil {
		return err
	}
	ended := make(chan error)
	for _, name := range []string{"gate", "web"} { // the one that visitors reach is open last
		entry, known := static.EntryPoints[name]
		if !known {
			return errors.New("want the entry points web and gate")
		}
		handler, err := routes.HTTP.handler(name)
		if err != nil {
			return err
		}
		ln, err := net.Listen("tcp", entry.Address)
		if err != nil {
			return err
		}
		server := &http.Server{
			Handler: entry.wrap(handler), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: entry.HTTP.MaxHeaderBytes,
		}
		go func() { ended <- server.Serve(ln) }()
	}
	return <-ended
}
