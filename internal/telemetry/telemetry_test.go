package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestNewLogger(t *testing.T) {
	var out bytes.Buffer
	log, err := NewLogger(&out, "json", "warn")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("quiet")
	log.Warn("loud", "sale", "demo")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%q is not one JSON line: %v", out.String(), err)
	}
	if line["msg"] != "loud" || line["sale"] != "demo" {
		t.Errorf("logged %v", line)
	}

	out.Reset()
	log, err = NewLogger(&out, "text", "debug")
	if err != nil {
		t.Fatal(err)
	}
	log.Debug("near", "sale", "demo")
	if !strings.Contains(out.String(), "msg=near sale=demo") {
		t.Errorf("logged %q", out.String())
	}

	for _, bad := range [][2]string{{"xml", "info"}, {"json", "loud"}, {"", "info"}, {"json", ""}} {
		if _, err := NewLogger(&out, bad[0], bad[1]); err == nil {
			t.Errorf("format %q level %q was taken", bad[0], bad[1])
		}
	}
}

func TestBuild(t *testing.T) {
	vcs := []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}}
	tests := []struct {
		version string
		info    debug.BuildInfo
		want    string
	}{
		{"", debug.BuildInfo{}, "penstock devel (commit unknown, )"},
		{"", debug.BuildInfo{GoVersion: "go1.26", Main: debug.Module{Version: "(devel)"}, Settings: vcs}, "penstock devel (commit abc-dirty, go1.26)"},
		{"", debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "penstock v1.2.3 (commit unknown, )"},
		{"v2", debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: vcs[:1]}, "penstock v2 (commit abc, )"},
	}
	for _, tt := range tests {
		if got := fromInfo(tt.version, &tt.info).String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	if ReadBuild("").GoVersion == "" {
		t.Error("the running program has no Go version")
	}
}

type broken struct{ desc *prometheus.Desc }

func (b broken) Describe(ch chan<- *prometheus.Desc) { ch <- b.desc }
func (b broken) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.NewInvalidMetric(b.desc, errors.New("no luck"))
}

func TestMetricsHandler(t *testing.T) {
	reg := NewRegistry(Build{Version: "v1", Commit: "abc", GoVersion: "go1"})
	reg.MustRegister(broken{prometheus.NewDesc("broken", "always fails", nil, nil)})
	var logged bytes.Buffer
	handler := MetricsHandler(reg, slog.New(slog.NewTextHandler(&logged, nil)))

	res := httptest.NewRecorder()
	handler.ServeHTTP(res, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if res.Code != http.StatusOK {
		t.Fatalf("status %d", res.Code)
	}
	for _, want := range []string{
		`penstock_build_info{commit="abc",go_version="go1",version="v1"} 1`,
		"go_goroutines", "process_start_time_seconds",
	} {
		if !strings.Contains(res.Body.String(), want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	if !strings.Contains(logged.String(), "no luck") {
		t.Errorf("the failing collector was not logged: %q", logged.String())
	}
}

func TestNoLineShowsACardNumber(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log, err := NewLogger(&out, format, "debug")
		if err != nil {
			t.Fatal(err)
		}
		log.With("customer", "4111-1111-1111-1111").WithGroup("g").Info("card 4111111111111111", "sale", "4111111111111111",
			"error", errors.New("no order of 4111 1111 1111 1111"), "bytes", 12, slog.Group("h", "note", "378282246310005"), "order", "ord_demo_1_x")
		got := out.String()
		if strings.Contains(got, "4111") || strings.Contains(got, "3782") || strings.Count(got, "[card number]") != 5 || !strings.Contains(got, "ord_demo_1_x") {
			t.Errorf("%s: %s", format, got)
		}
	}
}
