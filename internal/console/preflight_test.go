package console

import (
	"net/http"
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/preflight"
)

func TestThePreflightNamesWhatIsRefusedAndWhatToDo(t *testing.T) {
	s := newStage(t)
	s.findings = []preflight.Finding{
		{Part: "order_log", Name: "sync", Verdict: preflight.Refuse, Detail: "It does not sync.", Advice: "Set sync_interval: always."},
		{Part: "redis", Name: "version", Verdict: preflight.OK, Detail: "version 7.0."},
	}
	api := s.do("GET", "/admin/v1/preflight", s.key(auth.Viewer), "")
	if api.status != http.StatusOK || !strings.Contains(string(api.body), `"ok":false`) || !strings.Contains(string(api.body), `"verdict":"refuse"`) {
		t.Fatalf("%d %s", api.status, api.body)
	}
}
