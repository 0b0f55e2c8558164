// Package deploy_test checks that what stands in this folder is true of the program.
package deploy_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"

	"github.com/penstock/penstock/internal/config"
	"github.com/penstock/penstock/internal/proxy"
)

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func decode(t *testing.T, path string, into any) {
	t.Helper()
	if err := yaml.Unmarshal(read(t, path), into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// source is the text of every Go file that is not a test.
func source(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		all.Write(read(t, path))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// A metric is written whole, or without its prefix where a package adds that to all of its own.
func TestAlertsNameMetricsThatExist(t *testing.T) {
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	decode(t, "alerts.yaml", &rules)
	code := source(t)
	metric := regexp.MustCompile(`penstock_[a-z0-9_]+`)
	checked := 0
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("%s does not say what is wrong and what to do", rule.Alert)
			}
			for _, name := range metric.FindAllString(rule.Expr, -1) {
				checked++
				name = strings.TrimSuffix(name, "_bucket")
				if !strings.Contains(code, `"`+name+`"`) && !strings.Contains(code, `"`+strings.TrimPrefix(name, "penstock_")+`"`) {
					t.Errorf("%s asks for %s, which the program does not have", rule.Alert, name)
				}
			}
		}
	}
	if checked == 0 {
		t.Error("no metric was checked")
	}
}

// Each service must start with its environment, as far as the settings go.
func TestComposeConfiguresWhatItStarts(t *testing.T) {
	var compose struct {
		Services map[string]struct {
			Image       string
			Environment map[string]string
		}
	}
	decode(t, "compose.yaml", &compose)
	variable := regexp.MustCompile(`\$\{[^}]*\}`)
	roles := map[string]bool{}
	for name, service := range compose.Services {
		if service.Image != "penstock" {
			continue
		}
		for key, value := range service.Environment {
			t.Setenv(key, variable.ReplaceAllString(value, strings.Repeat("x", config.MinSecretBytes)))
			if !known(key) {
				t.Errorf("%s sets %s, which is no setting", name, key)
			}
		}
		var settings config.Config
		parser, err := kong.New(&settings)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(nil); err != nil {
			t.Errorf("%s would not start: %v", name, err)
		}
		for _, role := range settings.Roles {
			roles[string(role)] = true
		}
	}
	for _, role := range config.Roles() {
		if !roles[string(role)] {
			t.Errorf("no service has the role %s", role)
		}
	}
}

func TestImageSetsSettingsThatExist(t *testing.T) {
	names := regexp.MustCompile(`PENSTOCK_[A-Z_]+`).FindAllString(string(read(t, "Dockerfile")), -1)
	if len(names) == 0 {
		t.Error("no setting was checked")
	}
	for _, name := range names {
		if !known(name) {
			t.Errorf("the image sets %s, which is no setting", name)
		}
	}
}

func TestTheExampleOfASitesFileIsRead(t *testing.T) {
	if _, err := proxy.ReadSites("sites.yaml", proxy.Limits{MaxBodyBytes: proxy.DefaultMaxBodyBytes}); err != nil {
		t.Fatal(err)
	}
}

func TestNATSSyncsBeforeItAcknowledges(t *testing.T) {
	if !regexp.MustCompile(`(?m)^\s*sync_interval: always$`).Match(read(t, "nats.conf")) {
		t.Error("nats.conf lets the server acknowledge what is not on disk")
	}
}

func known(env string) bool {
	for _, s := range config.Settings(new(config.Config), nil) {
		if s.Env == env {
			return true
		}
	}
	return false
}
