// Static-drop serves the example shop: the files of this folder, on an origin of their own.
package main

import (
	"embed"
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"
)

//go:embed index.html shop.css shop.js
var files embed.FS

func main() {
	listen := flag.String("listen", "localhost:8090", "where the shop is served")
	flag.Parse()
	fmt.Fprintf(os.Stdout, "The shop is at http://%s\n", *listen)
	server := &http.Server{
		Addr: *listen, Handler: http.FileServerFS(files),
		ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10,
	}
	if err := server.ListenAndServe(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
