package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/penstock/penstock/internal/config"
)

const (
	// maxSaleFileBytes bounds a file of sales.
	maxSaleFileBytes = 4 << 20
	adminTimeout     = 30 * time.Second
)

type saleCommand struct {
	Apply   saleApplyCommand   `cmd:"" help:"Create or change sales from a file, on a running server."`
	List    saleListCommand    `cmd:"" help:"List the sales of a running server."`
	Release saleReleaseCommand `cmd:"" help:"Count the passes of a sale that hold no units, or release them with --confirm: their slots go to the next in line."`
}

type saleApplyCommand struct {
	config.Client
	File string `short:"f" required:"" help:"YAML or JSON file with one sale, or several separated by ---; - reads standard input." placeholder:"FILE"`
}

func (c *saleApplyCommand) Run(ctx context.Context, out terminal) error {
	client, err := newAdminClient(&c.Client, adminTimeout)
	if err != nil {
		return err
	}
	docs, err := readSales(c.File, out.stdin)
	if err != nil {
		return err
	}
	for _, doc := range docs {
		done, err := applySale(ctx, client, doc)
		if err != nil {
			return fmt.Errorf("sale %s: %w", doc.id, err)
		}
		out.printf("%s %s\n", doc.id, done)
	}
	return nil
}

// saleDocument is one sale of a file, as JSON.
type saleDocument struct {
	id   string
	json []byte
}

func readSales(file string, stdin io.Reader) ([]saleDocument, error) {
	text, err := readInput(file, stdin, maxSaleFileBytes)
	if err != nil {
		return nil, err
	}
	return parseSales(text)
}

// readInput reads a file, or standard input for "-", of at most so many bytes.
func readInput(file string, stdin io.Reader, most int) ([]byte, error) {
	source := stdin
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, usageError{err.Error()}
		}
		defer func() { _ = opened.Close() }()
		source = opened
	}
	text, err := io.ReadAll(io.LimitReader(source, int64(most)+1))
	if err == nil && len(text) > most {
		return nil, usageError{fmt.Sprintf("%s is larger than %d bytes", file, most)}
	}
	return text, err
}

// parseSales reads a stream of YAML documents; JSON is YAML too.
func parseSales(text []byte) ([]saleDocument, error) {
	var docs []saleDocument
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	for {
		var doc map[string]any
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, usageError{"the file is not YAML:\n" + yaml.FormatError(err, false, true)}
		}
		if len(doc) == 0 {
			continue
		}
		id, _ := doc["id"].(string)
		if id == "" {
			return nil, usageError{fmt.Sprintf("sale %d of the file has no id", len(docs)+1)}
		}
		data, err := json.Marshal(doc)
		if err != nil {
			return nil, usageError{fmt.Sprintf("sale %s: %v", id, err)}
		}
		docs = append(docs, saleDocument{id: id, json: data})
	}
	if len(docs) == 0 {
		return nil, usageError{"the file holds no sale"}
	}
	return docs, nil
}

// applySale creates the sale, or replaces the document of the one that is there.
func applySale(ctx context.Context, client *adminClient, doc saleDocument) (string, error) {
	err := client.do(ctx, http.MethodPost, "/admin/v1/sales", doc.json, nil)
	if err == nil {
		return "created", nil
	}
	var no *refusal
	if !errors.As(err, &no) || no.Code != "sale_exists" {
		return "", err
	}
	err = client.do(ctx, http.MethodPut, "/admin/v1/sales/"+url.PathEscape(doc.id), doc.json, nil)
	return "changed", err
}

type saleListCommand struct {
	config.Client
	JSON bool `help:"Print JSON."`
}

func (c *saleListCommand) Run(ctx context.Context, out terminal) error {
	return printList(ctx, out, &c.Client, "/admin/v1/sales", c.JSON, printSales)
}

func printSales(out terminal, answer []byte) error {
	var list struct {
		Sales []struct {
			ID, Name, Phase string
			StartsAt        time.Time `json:"starts_at"`
			EndsAt          time.Time `json:"ends_at"`
			Items           []struct{ Stock int64 }
		}
	}
	if err := json.Unmarshal(answer, &list); err != nil {
		return fmt.Errorf("the list of sales cannot be read: %w", err)
	}
	if len(list.Sales) == 0 {
		out.printf("no sales yet; create one with: penstock sale apply -f sale.yaml\n")
		return nil
	}
	table := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ID\tPHASE\tSTARTS\tENDS\tUNITS\tNAME")
	for _, s := range list.Sales {
		var units int64
		for _, item := range s.Items {
			units += item.Stock
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\n", s.ID, s.Phase,
			s.StartsAt.Format(time.RFC3339), s.EndsAt.Format(time.RFC3339), units, s.Name)
	}
	return table.Flush()
}
