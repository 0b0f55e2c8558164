package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/proxy"
)

const maxLinkTime = 366 * 24 * time.Hour

// linkCommand makes links that need no pass, for a site whose sites file says `bypass: links`.
type linkCommand struct {
	Link       string        `arg:"" help:"The page, with or without host and query, such as /checkout."`
	SecretFile string        `xor:"secret" required:"" help:"File with the secret of the site's links." placeholder:"FILE"`
	SecretEnv  string        `xor:"secret" required:"" help:"Variable with the secret of the site's links." placeholder:"NAME"`
	Valid      time.Duration `default:"1h" help:"How long the link holds."`
}

// Run prints the signed link.
func (c *linkCommand) Run(out terminal) error {
	if c.Valid <= 0 || c.Valid > maxLinkTime {
		return usageError{fmt.Sprintf("--valid: is %s, use more than 0s and at most %s", c.Valid, maxLinkTime)}
	}
	secret := os.Getenv(c.SecretEnv)
	if c.SecretFile != "" {
		text, err := os.ReadFile(c.SecretFile)
		if err != nil {
			return usageError{err.Error()}
		}
		secret = string(text)
	}
	if secret = strings.TrimSpace(secret); secret == "" {
		return usageError{"the secret is empty"}
	}
	signed, err := proxy.SignLink(c.Link, []byte(secret), time.Now().Add(c.Valid))
	if err != nil {
		return usageError{err.Error()}
	}
	out.printf("%s\n", signed)
	return nil
}
