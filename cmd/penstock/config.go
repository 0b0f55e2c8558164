package main

import (
	"github.com/alecthomas/kong"

	"github.com/penstock/penstock/internal/config"
)

type configCommand struct {
	config.Config
	Markdown bool `help:"Print docs/configuration.md instead."`
}

func (c *configCommand) Run(parsed *kong.Context, out terminal) error {
	if c.Markdown {
		return config.WriteMarkdown(out.stdout)
	}
	return config.WriteTable(out.stdout, config.Settings(&c.Config, config.SourceOf(parsed)))
}
