package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A foreign page that points a name of its own at the console (DNS rebinding) must learn and do nothing.
func TestTheConsoleAnswersUnderItsOwnNamesOnly(t *testing.T) {
	handler := GuardHost(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }),
		[]string{"console.lan", "Named.example:8443", ""})
	for host, want := range map[string]int{
		"127.0.0.1:8081": 204, "[::1]:8081": 204, "::1": 204, "10.1.2.3": 204, "localhost": 204, "localhost:8081": 204, "a.localhost": 204,
		"console.lan": 204, "CONSOLE.LAN:80": 204, "named.example": 204,
		"evil": 421, "evil.example:8081": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421, "console.lan.": 421, "": 421,
	} {
		for path, want := range map[string]int{"/": want, "/sign-in": want, "/metrics": want, "/admin/v1/sales": 204, "/healthz": 204, "/readyz": 204} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host = host
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s at %q: %d, want %d", path, host, w.Code, want)
			}
			if w.Code == http.StatusMisdirectedRequest && !strings.Contains(w.Body.String(), "PENSTOCK_CONSOLE_HOSTS") {
				t.Errorf("%q is not told what to do: %s", host, w.Body)
			}
		}
	}
}
