// Package keypair serves a TLS certificate from two files, and reads them again when they change.
package keypair

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookEvery bounds how often it is looked whether the files have changed.
const lookEvery = time.Second

// Files is a certificate with its key, as it was last read from its files.
type Files struct {
	certPath, keyPath string
	log               *slog.Logger

	mu     sync.Mutex
	pair   *tls.Certificate
	of     stamp // of the files that were last looked at, good or not
	looked time.Time
}

// stamp tells one state of the two files from another.
type stamp struct {
	certTime, keyTime time.Time
	certSize, keySize int64
}

// Read reads the files, in PEM. The error names what is wrong with them.
func Read(certPath, keyPath string, log *slog.Logger) (*Files, error) {
	f := &Files{certPath: certPath, keyPath: keyPath, log: log}
	of, err := f.stat()
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(certPath, keyPath)
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", certPath, keyPath, err)
	}
	f.pair, f.of, f.looked = &pair, of, time.Now()
	return f, nil
}

// Config is the configuration of a server that speaks HTTP/1.1 with this certificate.
func (f *Files) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.current(time.Now()), nil },
	}
}

// current returns the certificate for a new connection. Files that cannot be used are logged once, and the last
// good ones stay in use.
func (f *Files) current(now time.Time) *tls.Certificate {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.looked) < lookEvery {
		return f.pair
	}
	f.looked = now
	of, err := f.stat()
	if err == nil && of == f.of {
		return f.pair
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(f.certPath, f.keyPath)
	}
	if err != nil {
		if f.of != of {
			f.log.Error("the TLS certificate cannot be read again; the last one stays in use", "error", err)
		}
		f.of = of
		return f.pair
	}
	f.pair, f.of = &pair, of
	f.log.Info("the TLS certificate was read again", "cert", f.certPath)
	return f.pair
}

func (f *Files) stat() (stamp, error) {
	cert, err := os.Stat(f.certPath)
	if err != nil {
		return stamp{}, err
	}
	key, err := os.Stat(f.keyPath)
	if err != nil {
		return stamp{}, err
	}
	return stamp{certTime: cert.ModTime(), keyTime: key.ModTime(), certSize: cert.Size(), keySize: key.Size()}, nil
}
