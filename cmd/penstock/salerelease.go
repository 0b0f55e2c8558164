package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/penstock/penstock/internal/config"
)

// releaseAtOnce is how many passes one call of the admin API releases, at most.
const releaseAtOnce = 100_000

type saleReleaseCommand struct {
	config.Client
	saleOf
	OlderThan time.Duration `help:"Only passes that were given longer ago than this, such as 10m. Unset: all." placeholder:"DURATION"`
	Most      int           `help:"How many to release at most. Unset: all." placeholder:"N"`
	Confirm   bool          `help:"Release them. Without it they are counted, and nothing is changed."`
	JSON      bool          `help:"Print JSON."`
}

// releaseRequest is what the admin API is asked, and releaseAnswer what it answers.
type releaseRequest struct {
	OlderThan    string     `json:"older_than,omitempty"`
	IssuedBefore *time.Time `json:"issued_before,omitempty"`
	Most         int        `json:"most"`
	DryRun       bool       `json:"dry_run"`
}

type releaseAnswer struct {
	Sale         string    `json:"sale"`
	DryRun       bool      `json:"dry_run"`
	IssuedBefore time.Time `json:"issued_before"`
	Released     int       `json:"released"`
	Holding      int       `json:"holding"` // of the last call
	More         bool      `json:"more"`
}

func (c *saleReleaseCommand) Run(ctx context.Context, out terminal) error {
	if c.OlderThan < 0 || c.Most < 0 {
		return usageError{"--older-than and --most are not below 0"}
	}
	client, err := newAdminClient(&c.Client, adminTimeout)
	if err != nil {
		return err
	}
	done, err := c.release(ctx, client)
	if err != nil {
		return fmt.Errorf("sale %s: %d passes were released before this: %w", c.Sale, done.Released, err)
	}
	if c.JSON {
		text, err := json.Marshal(done)
		out.printf("%s\n", text)
		return err
	}
	c.print(out, done)
	return nil
}

// release repeats the call until no more is to be done: each works for some seconds. A count is made by one call.
func (c *saleReleaseCommand) release(ctx context.Context, client *adminClient) (done releaseAnswer, err error) {
	ask := releaseRequest{DryRun: !c.Confirm}
	if c.OlderThan > 0 {
		ask.OlderThan = c.OlderThan.String()
	}
	for {
		if ask.Most = releaseAtOnce; c.Most > 0 {
			ask.Most = min(ask.Most, c.Most-done.Released)
		}
		body, err := json.Marshal(ask)
		if err != nil {
			return done, err
		}
		var part releaseAnswer
		if err := client.do(ctx, http.MethodPost, c.path("/release"), body, &part); err != nil {
			return done, err
		}
		part.Released += done.Released // those that hold units are counted anew by each call
		stuck := part.Released == done.Released
		done = part
		if !done.More || done.DryRun || stuck || c.Most > 0 && done.Released >= c.Most {
			return done, nil
		}
		ask.OlderThan, ask.IssuedBefore = "", &done.IssuedBefore // nobody who came later
	}
}

func (c *saleReleaseCommand) print(out terminal, done releaseAnswer) {
	given := "given before " + done.IssuedBefore.Format(time.RFC3339)
	if !done.DryRun {
		out.printf("%s: %d passes %s released; %d hold units, or may, and stay\n", c.Sale, done.Released, given, done.Holding)
		if done.More {
			out.printf("there are more; run it again to release them\n")
		}
		return
	}
	atLeast := ""
	if done.More {
		atLeast = "at least "
	}
	out.printf("%s: %s%d passes %s hold nothing and would be released; %d hold units, or may, and would stay\n", c.Sale, atLeast, done.Released, given, done.Holding)
	out.printf("nothing was changed; release them with --confirm\n")
}
