package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/penstock/penstock/internal/config"
	"github.com/penstock/penstock/internal/console"
)

type keyCommand struct {
	Create keyCreateCommand `cmd:"" help:"Make an API key on a running server. Prints the key, which is shown only once."`
	List   keyListCommand   `cmd:"" help:"List the API keys of a running server, without the keys themselves."`
	Delete keyDeleteCommand `cmd:"" help:"End an API key of a running server, by its id."`
}

type keyCreateCommand struct {
	config.Client
	Name string `required:"" help:"What the key is for, 1 to 100 characters." placeholder:"NAME"`
	Role string `required:"" enum:"viewer,marketer,operator,admin,shop" help:"What the key may do: viewer, marketer, operator, admin, or shop for a shop's backend." placeholder:"ROLE"`
	// The admin API checks both.
	Channels []string `name:"channel" sep:"none" help:"A channel from which a shop's key may sell besides the default one. May be repeated." placeholder:"CHANNEL"`
	Sales    []string `name:"sale" sep:"none" help:"The id of a sale that a shop's key is limited to. May be repeated; without it the key is good for every sale." placeholder:"SALE"`
	JSON     bool     `help:"Print JSON."`
}

// Run prints the key alone to standard output, for a script, and the rest to standard error.
func (c *keyCreateCommand) Run(ctx context.Context, out terminal) error {
	client, err := newAdminClient(&c.Client, adminTimeout)
	if err != nil {
		return err
	}
	body, err := json.Marshal(console.NewAPIKey{Name: c.Name, Role: c.Role, Channels: c.Channels, Sales: c.Sales})
	if err != nil {
		return err
	}
	var answer json.RawMessage
	if err := client.do(ctx, http.MethodPost, "/admin/v1/keys", body, &answer); err != nil {
		return err
	}
	if c.JSON {
		out.printf("%s\n", answer)
		return nil
	}
	var made console.APIKey
	if err := json.Unmarshal(answer, &made); err != nil {
		return fmt.Errorf("the key was made, and the answer cannot be read: %w", err)
	}
	_, _ = fmt.Fprintf(out.stderr, "made the key %s of role %s; keep it now, it is not shown again\n", made.ID, made.Role)
	out.printf("%s\n", made.Key)
	return nil
}

type keyListCommand struct {
	config.Client
	JSON bool `help:"Print JSON."`
}

func (c *keyListCommand) Run(ctx context.Context, out terminal) error {
	return printList(ctx, out, &c.Client, "/admin/v1/keys", c.JSON, printKeys)
}

func printKeys(out terminal, answer []byte) error {
	var list struct {
		Keys []console.APIKey `json:"keys"`
	}
	if err := json.Unmarshal(answer, &list); err != nil {
		return fmt.Errorf("the list of keys cannot be read: %w", err)
	}
	if len(list.Keys) == 0 {
		out.printf("no keys yet, but PENSTOCK_ADMIN_KEY; make one with: penstock key create --name Checkout --role shop\n")
		return nil
	}
	table := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ID\tROLE\tSALES\tCHANNELS\tCREATED\tNAME")
	for _, k := range list.Keys {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Role, salesText(&k), cmp.Or(strings.Join(k.Channels, ","), "-"), k.CreatedAt.Format(time.RFC3339), k.Name)
	}
	return table.Flush()
}

// salesText words the sales that a key is good for.
func salesText(k *console.APIKey) string {
	if k.Role != "shop" {
		return "-"
	}
	return cmp.Or(strings.Join(k.Sales, ","), "all")
}

type keyDeleteCommand struct {
	config.Client
	ID string `arg:"" help:"The id of the key, as key list shows it." placeholder:"ID"`
}

func (c *keyDeleteCommand) Run(ctx context.Context, out terminal) error {
	client, err := newAdminClient(&c.Client, adminTimeout)
	if err != nil {
		return err
	}
	if err := client.do(ctx, http.MethodDelete, "/admin/v1/keys/"+url.PathEscape(c.ID), nil, nil); err != nil {
		return err
	}
	out.printf("%s deleted: on its node at once, on the others within 10 s\n", c.ID)
	return nil
}
