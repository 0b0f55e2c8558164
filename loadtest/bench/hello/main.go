// Command hello is the least that an HTTP server on this machine can do: one
// fasthttp handler with a fixed body, in a process of its own like penstock. It
// is what every other figure of the benchmark is held against.
package main

import (
	"fmt"
	"os"

	"github.com/valyala/fasthttp"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: hello ADDRESS")
		os.Exit(2)
	}
	server := &fasthttp.Server{Handler: func(c *fasthttp.RequestCtx) {
		c.SetContentType("application/json")
		c.SetBodyString(`{"hello":"world"}`)
	}}
	if err := server.ListenAndServe(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
