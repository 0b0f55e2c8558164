package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const apiPageIntro = `# The two APIs

Each call with who may make it and the statuses of its answers. A credential beside *everybody* may be sent. This page is made from the OpenAPI documents
(` + "`make docs`" + `), which have the bodies, the parameters and the codes of the refusals; a test keeps it current.
`

// apiPage makes docs/api.md.
func apiPage(t *testing.T) []byte {
	t.Helper()
	var page bytes.Buffer
	page.WriteString(apiPageIntro)
	for _, part := range []struct{ title, about, file string }{
		{"Front", "For visitors, proxies and the backends of shops, on `PENSTOCK_LISTEN`.", "internal/front/openapi.yaml"},
		{"Admin API", "For operators, on `PENSTOCK_CONSOLE_LISTEN`. The role is the least that may make the call.", "internal/console/openapi.yaml"},
	} {
		fmt.Fprintf(&page, "\n## %s\n\n%s The document is [%s](../%s).\n\n", part.title, part.about, part.file, part.file)
		page.WriteString("| call | who | what it does | answers |\n|---|---|---|---|\n")
		for _, one := range apiCalls(t, "../../"+part.file) {
			fmt.Fprintf(&page, "| `%s %s` | %s | %s | %s |\n", one.method, one.path, one.who, one.summary, strings.Join(one.statuses, " "))
		}
	}
	return page.Bytes()
}

type apiCall struct {
	method, path, who, summary string
	statuses                   []string
}

// apiCalls reads the calls of an OpenAPI document, in its order.
func apiCalls(t *testing.T, file string) (calls []apiCall) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Security []map[string]any `yaml:"security"`
		Paths    yaml.MapSlice    `yaml:"paths"`
	}
	if err := yaml.UnmarshalWithOptions(text, &document, yaml.UseOrderedMap()); err != nil {
		t.Fatal(err)
	}
	for _, path := range document.Paths {
		for _, member := range path.Value.(yaml.MapSlice) {
			method := member.Key.(string)
			if method == "parameters" {
				continue
			}
			operation := member.Value.(yaml.MapSlice).ToMap()
			one := apiCall{method: strings.ToUpper(method), path: path.Key.(string), summary: operation["summary"].(string)}
			one.who = whoMay(operation)
			for _, status := range operation["responses"].(yaml.MapSlice) {
				one.statuses = append(one.statuses, status.Key.(string))
			}
			slices.Sort(one.statuses)
			calls = append(calls, one)
		}
	}
	return calls
}

// whoMay words the role or the credentials of a call.
func whoMay(operation map[any]any) string {
	if role, there := operation["x-penstock-role"].(string); there {
		return role
	}
	schemes, there := operation["security"].([]any)
	if !there {
		return "everybody"
	}
	words := map[string]string{
		"ticketHeader": "ticket", "ticketCookie": "ticket", "passHeader": "pass", "passCookie": "pass",
		"holderHeader": "holder's token", "holderCookie": "holder's token", "shopKey": "key of role shop",
	}
	var who []string
	for _, scheme := range schemes {
		word := "everybody"
		for _, one := range scheme.(yaml.MapSlice) {
			word = words[one.Key.(string)]
		}
		if !slices.Contains(who, word) {
			who = append(who, word)
		}
	}
	if len(who) == 0 {
		return "everybody"
	}
	return strings.Join(who, ", ")
}

func TestTheAPIPageIsCurrent(t *testing.T) {
	const path = "../../docs/api.md"
	want := apiPage(t)
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the OpenAPI documents say: run make docs", path)
	}
}
