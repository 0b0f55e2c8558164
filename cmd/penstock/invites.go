package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/penstock/penstock/internal/config"
)

const (
	// maxInviteFileBytes is room for a million invites.
	maxInviteFileBytes = 80 << 20
	// invitesAtOnce is how many one call of the admin API takes or makes, at most.
	invitesAtOnce = 20_000
)

type invitesCommand struct {
	List     invitesListCommand     `cmd:"" help:"Count the invites of a sale: given, used and revoked."`
	Import   invitesImportCommand   `cmd:"" help:"Import invites from a CSV file. The same file again changes nothing."`
	Generate invitesGenerateCommand `cmd:"" help:"Make invites and print them, this once, as a CSV file."`
	Revoke   invitesRevokeCommand   `cmd:"" help:"Take back the invites that were not used, of a batch or one."`
}

type invitesListCommand struct {
	config.Client
	saleOf
	JSON bool `help:"Print JSON."`
}

func (c *invitesListCommand) Run(ctx context.Context, out terminal) error {
	return printList(ctx, out, &c.Client, c.path("/invites"), c.JSON, printInvites)
}

func printInvites(out terminal, answer []byte) error {
	type counts struct{ Given, Used, Revoked int64 }
	var list struct {
		counts
		Batches []struct {
			counts
			Batch   string
			FirstAt time.Time `json:"first_at"`
		}
	}
	if err := json.Unmarshal(answer, &list); err != nil {
		return fmt.Errorf("the counts cannot be read: %w", err)
	}
	table := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "BATCH\tGIVEN\tUSED\tREVOKED\tFIRST")
	for _, b := range list.Batches {
		_, _ = fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%s\n", b.Batch, b.Given, b.Used, b.Revoked, b.FirstAt.Format(time.RFC3339))
	}
	_, _ = fmt.Fprintf(table, "all\t%d\t%d\t%d\t\n", list.Given, list.Used, list.Revoked)
	return table.Flush()
}

type invitesImportCommand struct {
	config.Client
	saleOf
	File  string `short:"f" required:"" help:"CSV file with the column code, and perhaps the column lane; - reads standard input." placeholder:"FILE"`
	Batch string `required:"" help:"The name of the batch." placeholder:"NAME"`
}

func (c *invitesImportCommand) Run(ctx context.Context, out terminal) error {
	client, err := newAdminClient(&c.Client, adminTimeout)
	if err != nil {
		return err
	}
	file, err := readInput(c.File, out.stdin, maxInviteFileBytes)
	if err != nil {
		return err
	}
	var added, known int64
	for part := range csvParts(file, invitesAtOnce) {
		var got struct{ Added, Known int64 }
		answer, err := client.send(ctx, http.MethodPost, c.path("/invites?batch="+url.QueryEscape(c.Batch)), typeCSV, typeJSON, part)
		if err == nil {
			err = json.Unmarshal(answer, &got)
		}
		if err != nil {
			return fmt.Errorf("%d invites were imported before this: %w", added, err)
		}
		added, known = added+got.Added, known+got.Known
	}
	out.printf("%d invites imported, %d were there already\n", added, known)
	return nil
}

// csvParts cuts a file of one column into several of at most so many lines, each below the first line of the file.
func csvParts(file []byte, lines int) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		header, rest, _ := bytes.Cut(file, []byte("\n"))
		for first := true; first || len(rest) > 0; first = false {
			part := append(bytes.Clone(header), '\n')
			for n := 0; n < lines && len(rest) > 0; n++ {
				line, after, _ := bytes.Cut(rest, []byte("\n"))
				part, rest = append(append(part, line...), '\n'), after
			}
			if !yield(part) {
				return
			}
		}
	}
}

type invitesGenerateCommand struct {
	config.Client
	saleOf
	Batch string `required:"" help:"The name of the batch." placeholder:"NAME"`
	Count int    `required:"" help:"How many, 1 to 1,000,000." placeholder:"N"`
	Lane  string `help:"The priority lane of the sale in which they give places. Unset, that of everybody." placeholder:"NAME"`
}

func (c *invitesGenerateCommand) Run(ctx context.Context, out terminal) error {
	client, err := newAdminClient(&c.Client, adminTimeout)
	if err != nil {
		return err
	}
	written := bufio.NewWriter(out.stdout)
	for left := c.Count; left > 0 || left == c.Count; left -= invitesAtOnce {
		body, err := json.Marshal(map[string]any{"batch": c.Batch, "count": min(left, invitesAtOnce), "lane": c.Lane})
		if err != nil {
			return err
		}
		made, err := client.send(ctx, http.MethodPost, c.path("/invites/new"), typeJSON, typeCSV, body)
		if err != nil {
			_ = written.Flush()
			return fmt.Errorf("%d invites were made before this: %w", c.Count-left, err)
		}
		if left < c.Count {
			_, made, _ = bytes.Cut(made, []byte("\n"))
		}
		if _, err := written.Write(made); err != nil {
			return err
		}
	}
	return written.Flush()
}

type invitesRevokeCommand struct {
	config.Client
	saleOf
	Batch string `xor:"which" required:"" help:"The batch." placeholder:"NAME"`
	Code  string `xor:"which" required:"" help:"One invite." placeholder:"CODE"`
}

func (c *invitesRevokeCommand) Run(ctx context.Context, out terminal) error {
	client, err := newAdminClient(&c.Client, adminTimeout)
	if err != nil {
		return err
	}
	body := map[string]string{"batch": c.Batch}
	if c.Code != "" {
		body = map[string]string{"code": c.Code}
	}
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	var got struct{ Revoked int64 }
	if err := client.do(ctx, http.MethodPost, c.path("/invites/revoke"), data, &got); err != nil {
		return err
	}
	out.printf("%d invites revoked\n", got.Revoked)
	return nil
}
