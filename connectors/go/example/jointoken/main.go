// Command jointoken prints a join token, as a shop puts it into the link to the waiting room.
package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"time"

	penstock "github.com/penstock/penstock/connectors/go"
)

func main() {
	validFor, err := time.ParseDuration(os.Getenv("JOIN_SECONDS") + "s")
	if err != nil {
		exit(err)
	}
	key, err := readKey(os.Getenv("JOIN_KEY"))
	if err != nil {
		exit(err)
	}
	token, err := penstock.SignJoinToken(key, os.Getenv("JOIN_KEY_ID"), penstock.JoinToken{
		Customer: os.Getenv("JOIN_CUSTOMER"), Audience: os.Getenv("PENSTOCK_SALE"), ValidFor: validFor, Lane: os.Getenv("JOIN_LANE"),
	})
	if err != nil {
		exit(err)
	}
	fmt.Fprintln(os.Stdout, token)
}

// readKey takes a private key in PEM (PKCS #8), or the secret that Penstock has too.
func readKey(text string) (any, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return []byte(text), nil
	}
	return x509.ParsePKCS8PrivateKey(block.Bytes)
}

func exit(err error) {
	slog.Error("no token is signed", "error", err)
	os.Exit(1)
}
