package console

import (
	_ "embed"
	"net/http"
)

//go:embed openapi.yaml
var openAPI []byte

// openAPIPath is where the description of the admin API is served. It takes no key: it is the same for
// every installation and says nothing of this one, and who writes a client has no key yet.
const openAPIPath = "/admin/v1/openapi.yaml"

func getOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(openAPI) // the client is gone: nobody to tell
}
