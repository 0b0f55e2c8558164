package keypair

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// write puts a new certificate of a name into two files, with a time of change of its own.
func write(t *testing.T, dir, name string, at time.Time) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	put(t, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), at)
	put(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), at)
	return cert, key
}

func put(t *testing.T, path string, text []byte, at time.Time) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func nameOf(t *testing.T, pair *tls.Certificate) string {
	t.Helper()
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf.Subject.CommonName
}

func TestACertificateIsReadAgainWhenItsFilesChange(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	var logged bytes.Buffer
	cert, key := write(t, dir, "first", now)
	files, err := Read(cert, key, slog.New(slog.NewTextHandler(&logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if got := nameOf(t, files.current(now)); got != "first" {
		t.Fatal(got)
	}
	write(t, dir, "second", now.Add(time.Minute))
	if got := nameOf(t, files.current(now.Add(lookEvery/2))); got != "first" {
		t.Fatalf("%s: the files are looked at for each connection", got)
	}
	if got := nameOf(t, files.current(now.Add(2*lookEvery))); got != "second" {
		t.Fatal(got)
	}

	put(t, key, []byte("no key"), now.Add(2*time.Minute))
	for i := range 5 {
		if got := nameOf(t, files.current(now.Add(time.Duration(4+2*i)*lookEvery))); got != "second" {
			t.Fatal(got)
		}
	}
	if n := strings.Count(logged.String(), "level=ERROR"); n != 1 {
		t.Fatalf("%d errors are logged, want 1: %s", n, logged.String())
	}
	write(t, dir, "third", now.Add(3*time.Minute))
	if got := nameOf(t, files.current(now.Add(20*lookEvery))); got != "third" {
		t.Fatal(got)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if got := nameOf(t, files.current(now.Add(30*lookEvery))); got != "third" {
		t.Fatal(got)
	}
}

func TestFilesThatCannotBeUsedAreRefusedAtTheStart(t *testing.T) {
	dir := t.TempDir()
	cert, key := write(t, dir, "first", time.Now())
	log := slog.New(slog.DiscardHandler)
	if _, err := Read(cert, filepath.Join(dir, "none.pem"), log); err == nil || !strings.Contains(err.Error(), "none.pem") {
		t.Error(err)
	}
	put(t, key, []byte("no key"), time.Now())
	if _, err := Read(cert, key, log); err == nil || !strings.Contains(err.Error(), "key.pem") {
		t.Error(err)
	}
}
