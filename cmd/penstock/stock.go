package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"text/tabwriter"

	"github.com/penstock/penstock/internal/config"
)

// maxStockFileBytes is what the admin API takes of a file of stock.
const maxStockFileBytes = 64 << 10

type stockCommand struct {
	List   stockListCommand   `cmd:"" help:"Print the units of a sale's items, in all and for each channel."`
	Set    stockSetCommand    `cmd:"" help:"Change the stock of one item."`
	Import stockImportCommand `cmd:"" help:"Change the stock of many items from a CSV file, all lines or none."`
	Export stockExportCommand `cmd:"" help:"Print the stock as a CSV file that import takes again."`
}

// saleOf is the sale that a command is about.
type saleOf struct {
	Sale string `required:"" help:"The sale." placeholder:"SALE"`
}

func (s *saleOf) path(rest string) string {
	return "/admin/v1/sales/" + url.PathEscape(s.Sale) + rest
}

type stockListCommand struct {
	config.Client
	saleOf
	JSON bool `help:"Print JSON."`
}

func (c *stockListCommand) Run(ctx context.Context, out terminal) error {
	return printList(ctx, out, &c.Client, c.path("/stock"), c.JSON, printStock)
}

// stockUnits are units of an item as the admin API gives them.
type stockUnits struct{ Allocated, Available, Held, Sold int64 }

func printStock(out terminal, answer []byte) error {
	var report struct {
		Live  bool
		Items []struct {
			SKU string
			stockUnits
			Pending  *int64
			Channels map[string]stockUnits
		}
	}
	if err := json.Unmarshal(answer, &report); err != nil {
		return fmt.Errorf("the stock cannot be read: %w", err)
	}
	table := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "SKU\tCHANNEL\tSTOCK\tAVAILABLE\tHELD\tSOLD")
	row := func(sku, channel string, u stockUnits, note string) {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%d%s\n", sku, channel, u.Allocated, u.Available, u.Held, u.Sold, note)
	}
	for _, item := range report.Items {
		note := ""
		if item.Pending != nil {
			note = fmt.Sprintf("\tbecomes %d", *item.Pending)
		}
		row(item.SKU, "all", item.stockUnits, note)
		for _, name := range slices.Sorted(maps.Keys(item.Channels)) {
			row(item.SKU, name, item.Channels[name], "")
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if !report.Live {
		_, _ = fmt.Fprintln(out.stderr, "the sale is not armed or redis does not answer: these are the units of the ledger")
	}
	return nil
}

type stockSetCommand struct {
	config.Client
	saleOf
	SKU      string `arg:"" help:"The item." placeholder:"SKU"`
	To       *int64 `xor:"how" required:"" help:"How many units there shall be." placeholder:"UNITS"`
	By       *int64 `xor:"how" required:"" help:"How many units more, or fewer with a minus (--by=-10)." placeholder:"UNITS"`
	Expected *int64 `help:"Change nothing unless there are so many units now." placeholder:"UNITS"`
}

func (c *stockSetCommand) Run(ctx context.Context, out terminal) error {
	client, err := newAdminClient(&c.Client, adminTimeout)
	if err != nil {
		return err
	}
	body := map[string]int64{}
	for name, value := range map[string]*int64{"set_to": c.To, "change_by": c.By, "expected": c.Expected} {
		if value != nil {
			body[name] = *value
		}
	}
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	var got struct{ Allocated, Sold int64 }
	if err := client.do(ctx, http.MethodPatch, c.path("/items/"+url.PathEscape(c.SKU)+"/stock"), data, &got); err != nil {
		return err
	}
	out.printf("%s: %d units, %d sold\n", c.SKU, got.Allocated, got.Sold)
	return nil
}

type stockImportCommand struct {
	config.Client
	saleOf
	File   string `short:"f" required:"" help:"CSV file with the columns sku and stock or change_by, and expected if wanted; - reads standard input." placeholder:"FILE"`
	DryRun bool   `help:"Only check the lines."`
}

// stockLine is what became of a line of a file.
type stockLine struct {
	Line         int
	SKU, Outcome string
	From, To     *int64
	Allocated    *int64
	Code, Detail string
}

func (c *stockImportCommand) Run(ctx context.Context, out terminal) error {
	client, err := newAdminClient(&c.Client, adminTimeout)
	if err != nil {
		return err
	}
	file, err := readInput(c.File, out.stdin, maxStockFileBytes)
	if err != nil {
		return err
	}
	path := c.path("/stock")
	if c.DryRun {
		path += "?dry_run=1"
	}
	answer, err := client.send(ctx, http.MethodPost, path, typeCSV, typeJSON, file)
	var got struct {
		Pending, Refused int
		Lines            []stockLine
	}
	if unread := json.Unmarshal(answer, &got); unread != nil && err == nil {
		return fmt.Errorf("the file was taken, and the answer cannot be read: %w", unread)
	}
	printStockLines(out, got.Lines)
	if err != nil {
		return err
	}
	if got.Pending+got.Refused > 0 {
		return fmt.Errorf("%d lines are refused and %d wait; look at the stock again", got.Refused, got.Pending)
	}
	return nil
}

func printStockLines(out terminal, lines []stockLine) {
	for _, l := range lines {
		text := fmt.Sprintf("line %d: %s %s", l.Line, l.SKU, l.Outcome)
		if l.From != nil && l.To != nil && *l.From != *l.To {
			text += fmt.Sprintf(", %d to %d", *l.From, *l.To)
		}
		if l.Detail != "" {
			text += ": " + l.Detail
		}
		out.printf("%s\n", text)
	}
}

type stockExportCommand struct {
	config.Client
	saleOf
}

func (c *stockExportCommand) Run(ctx context.Context, out terminal) error {
	client, err := newAdminClient(&c.Client, adminTimeout)
	if err != nil {
		return err
	}
	file, err := client.send(ctx, http.MethodGet, c.path("/stock"), "", typeCSV, nil)
	if err != nil {
		return err
	}
	_, err = out.stdout.Write(file)
	return err
}
