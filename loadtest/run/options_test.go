package main

import (
	"strings"
	"testing"
)

func TestOptionsThatContradictAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		env  map[string]string
		args string
		want string // part of the error; "" = none
	}{
		"nothing":                   {},
		"server without admin key":  {env: map[string]string{"BASE_URL": "http://x"}, want: "PENSTOCK_ADMIN_KEY"},
		"kill a given server":       {env: map[string]string{"BASE_URL": "http://x", "PENSTOCK_CONSOLE_URL": "http://y", "PENSTOCK_ADMIN_KEY": "k"}, args: "--kill-after 5s", want: "started itself"},
		"a sale, but of no server":  {env: map[string]string{"SALE": "spring"}, want: "BASE_URL"},
		"stop the embedded ledger":  {args: "--stop-postgres 5s", want: "--backend real"},
		"stop the real ledger":      {args: "--stop-postgres 5s --backend real"},
		"kill an embedded redis":    {args: "--kill-after 5s --kill redis", want: "--backend real"},
		"kill something else":       {args: "--kill-after 5s --kill init", want: "want penstock"},
		"backend nobody has":        {args: "--backend mysql", want: "mysql"},
		"nobody comes":              {args: "--visitors 0", want: "at least 1"},
		"a word that is no option":  {args: "fast", want: "fast"},
		"size from the environment": {env: map[string]string{"VISITORS": "0"}, want: "at least 1"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, variable := range []string{"BASE_URL", "PENSTOCK_CONSOLE_URL", "PENSTOCK_ADMIN_KEY", "SALE", "VISITORS", "ARRIVAL_SECONDS", "STOCK", "RATE", "ARRIVAL"} {
				t.Setenv(variable, test.env[variable])
			}
			_, err := parseOptions(strings.Fields(test.args))
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}
