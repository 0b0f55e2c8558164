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
	page := s.signedIn(auth.Viewer).get("/preflight")
	for _, answer := range []answer{api, page} {
		for _, want := range []string{"sync", "It does not sync.", "Set sync_interval: always.", "version 7.0."} {
			if !strings.Contains(string(answer.body), want) {
				t.Errorf("%q is not in %s", want, answer.body)
			}
		}
	}
	if !strings.Contains(string(page.body), "No sale can be armed.") {
		t.Errorf("the page lets a sale be armed: %s", page.body)
	}
}
