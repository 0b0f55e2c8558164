package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/penstock/penstock/internal/config"
	"github.com/penstock/penstock/internal/console"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/sales"
)

type saleReleaseCommand struct {
	config.Client
	saleOf
	OlderThan time.Duration `help:"Only passes that were given longer ago than this, such as 10m. Unset: all." placeholder:"DURATION"`
	Most      int           `help:"How many to release at most. Unset: all." placeholder:"N"`
	Confirm   bool          `help:"Release them. Without it they are counted, and nothing is changed."`
	JSON      bool          `help:"Print JSON."`
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
func (c *saleReleaseCommand) release(ctx context.Context, client *adminClient) (done console.ReleaseAnswer, err error) {
	ask := console.ReleaseRequest{DryRun: !c.Confirm}
	if c.OlderThan > 0 {
		age := sale.Duration(c.OlderThan)
		ask.OlderThan = &age
	}
	for {
		if c.Most > 0 {
			most := min(sales.MaxReleases, c.Most-int(done.Released))
			ask.Most = &most
		}
		body, err := json.Marshal(ask)
		if err != nil {
			return done, err
		}
		var part console.ReleaseAnswer
		if err := client.do(ctx, http.MethodPost, c.path("/release"), body, &part); err != nil {
			return done, err
		}
		part.Released += done.Released // those that hold units are counted anew by each call
		stuck := part.Released == done.Released
		done = part
		if !done.More || done.DryRun || stuck || c.Most > 0 && int(done.Released) >= c.Most {
			return done, nil
		}
		ask.OlderThan, ask.IssuedBefore = nil, &done.IssuedBefore // nobody who came later
	}
}

func (c *saleReleaseCommand) print(out terminal, done console.ReleaseAnswer) {
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
