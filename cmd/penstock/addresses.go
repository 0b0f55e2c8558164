package main

import (
	"crypto/rand"
	"net"
	"os"
)

// newNodeID names this process among its peers: the host, and a part that differs after a restart.
func newNodeID() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "node"
	}
	return host + "-" + rand.Text()[:8]
}

// frontURL is the front's address as a browser on this machine would write it; "" without a front.
func (n *node) frontURL() string {
	if n.frontListener == nil {
		return ""
	}
	if n.certificate != nil {
		return localURL("https", n.frontListener.Addr())
	}
	return localURL("http", n.frontListener.Addr())
}

func (n *node) consoleURL() string { return localURL("http", n.consoleListener.Addr()) }

// localURL shows a listener that takes every address as localhost.
func localURL(scheme string, addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return scheme + "://" + addr.String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}
