package config

import (
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"
)

// Source tells where a setting's value came from.
type Source string

// The sources, in rising order of precedence.
const (
	FromDefault Source = "default"
	FromEnv     Source = "env"
	FromFlag    Source = "flag"
)

// Setting is one setting as people see it. Value and Default never hold a secret.
type Setting struct {
	Flag, Env, Group, Help string
	Default, Value         string
	Source                 Source
}

// Settings lists every setting of a *Config or *Client with its value. Source tells where the
// value of a flag came from; nil leaves it out.
func Settings(of any, source func(flag string) Source) []Setting {
	value := reflect.Indirect(reflect.ValueOf(of))
	settings := make([]Setting, 0, value.NumField())
	for i := range value.NumField() {
		tag := value.Type().Field(i).Tag
		s := Setting{
			Env: tag.Get("env"), Flag: flagOf(tag.Get("env")), Group: tag.Get("group"),
			Help: tag.Get("help"), Default: tag.Get("default"),
			Value: show(value.Field(i)),
		}
		if source != nil {
			s.Source = source(s.Flag)
		}
		settings = append(settings, s)
	}
	return settings
}

// show writes lists as they are configured. Everything else, secrets included, knows how to print
// itself.
func show(v reflect.Value) string {
	if v.Kind() != reflect.Slice {
		return fmt.Sprint(v.Interface())
	}
	parts := make([]string, v.Len())
	for i := range parts {
		parts[i] = fmt.Sprint(v.Index(i).Interface())
	}
	return strings.Join(parts, ",")
}

// SourceOf tells the sources of the flags that kong has parsed.
func SourceOf(parsed *kong.Context) func(flag string) Source {
	given := map[string]bool{}
	envs := map[string][]string{}
	for _, step := range parsed.Path {
		if step.Flag != nil && !step.Resolved {
			given[step.Flag.Name] = true
		}
		for _, f := range step.Flags {
			envs[f.Name] = f.Envs
		}
	}
	return func(flag string) Source {
		if given[flag] {
			return FromFlag
		}
		for _, env := range envs[flag] {
			if _, set := os.LookupEnv(env); set {
				return FromEnv
			}
		}
		return FromDefault
	}
}

// WriteTable writes settings for a terminal: what is set, to what, by what.
func WriteTable(w io.Writer, settings []Setting) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SETTING\tVALUE\tSOURCE\tHELP")
	for _, s := range settings {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", s.Env, s.Value, s.Source, s.Help)
	}
	return table.Flush()
}

const markdownIntro = `# Configuration

Every setting is an environment variable and a flag. A flag wins over its variable, and the variable wins
over the default. The last group is for the commands that talk to a running server (` + "`sale`, `key`, `verify`" + `
and ` + "`preflight`" + `). All other groups are for ` + "`penstock serve`" + `. ` + "`penstock config`" + ` shows the settings of
` + "`penstock serve`" + `, each with its value and where it came from; secrets are hidden. A wrong setting ends the
program with exit code 2 and one line that names it.

This page is generated from the program (` + "`make docs`" + `); a test keeps it current.
`

// WriteMarkdown writes docs/configuration.md.
func WriteMarkdown(w io.Writer) error {
	var page strings.Builder
	page.WriteString(markdownIntro)
	group := ""
	for _, s := range append(Settings(new(Config), nil), Settings(new(Client), nil)...) {
		if s.Group != group {
			group = s.Group
			fmt.Fprintf(&page, "\n## %s\n\n| variable | flag | default | meaning |\n|---|---|---|---|\n", group)
		}
		def := ""
		if s.Default != "" {
			def = "`" + s.Default + "`"
		}
		fmt.Fprintf(&page, "| `%s` | `--%s` | %s | %s |\n", s.Env, s.Flag, def, strings.ReplaceAll(s.Help, "|", `\|`))
	}
	_, err := io.WriteString(w, page.String())
	return err
}
