package console

import (
	"net/http"

	"github.com/penstock/penstock/internal/health"
)

// Health is what the console's listener serves in a process without the role console: the metrics,
// and whether the process lives and should get traffic.
func Health(metrics http.Handler, ready func() health.Readiness) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		status, readiness := http.StatusOK, ready()
		if readiness.Reason != "" {
			status = http.StatusServiceUnavailable
			w.Header().Set("Retry-After", "1")
		}
		if err := writeJSON(w, status, readiness); err != nil {
			writeText(w, http.StatusInternalServerError, "not ready\n")
		}
	})
	mux.Handle("GET /metrics", metrics)
	return mux
}
