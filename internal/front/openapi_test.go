package front

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/testenv/openapi"
)

// readDescription parses openapi.yaml once for all tests.
var readDescription = sync.OnceValues(func() (*openapi.Document, error) { return openapi.Read(openAPI) })

// conforms holds an answer to openapi.yaml. What it does not list (unknown paths, other methods)
// must be a problem document of the shape that it describes.
func conforms(t testing.TB, request *http.Request, got answer) {
	t.Helper()
	d, err := readDescription()
	if err != nil {
		t.Fatal(err)
	}
	if got.StatusCode == 405 || request.Method == http.MethodHead || request.Method == http.MethodOptions || match([]byte(request.URL.EscapedPath())).route == routeNone {
		return
	}
	if strings.HasPrefix(request.URL.Path, "/v1/auth") {
		// any method and anything below is answered alike, which OpenAPI cannot say
		request = request.Clone(request.Context())
		request.Method, request.URL.Path = http.MethodGet, "/v1/auth"
	}
	for _, fault := range d.Check(request, got.StatusCode, got.Header, got.body) {
		t.Errorf("%s %s answers %d against openapi.yaml: %s\n%s", request.Method, request.URL.Path, got.StatusCode, fault, got.body)
	}
}

func TestTheDescriptionIsValid(t *testing.T) {
	d, err := readDescription()
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range d.Validate() {
		t.Error(fault)
	}
}

func TestTheDescriptionListsEveryCodeOfTheFrontAndNoOther(t *testing.T) {
	consoleOnly := []problem.Code{
		problem.SaleExists, problem.SaleIsLive, problem.DrawNotReady, problem.ShareRefused, problem.StockConflict, problem.NotArmed,
		problem.StillRefused, problem.InvalidSale, problem.LinesRefused,
	}
	d, err := readDescription()
	if err != nil {
		t.Fatal(err)
	}
	var described, answered []string
	schema, _ := d.Model.Components.Schemas.Get("Problem")
	code, _ := schema.Schema().Properties.Get("code")
	for _, value := range code.Schema().Enum {
		described = append(described, value.Value)
	}
	for _, one := range problem.Codes() {
		if !slices.Contains(consoleOnly, one) {
			answered = append(answered, string(one))
		}
	}
	slices.Sort(described)
	if !slices.Equal(described, answered) {
		t.Fatalf("described %q\nanswered  %q", described, answered)
	}
}

func TestTheDescriptionListsEveryRouteAndNoOther(t *testing.T) {
	d, err := readDescription()
	if err != nil {
		t.Fatal(err)
	}
	var described, served []string
	for path, item := range d.Model.Paths.PathItems.FromOldest() {
		for method := range item.GetOperations().FromOldest() {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	s := &Server{Deps: Deps{Demo: true}, metrics: testMetrics(t)}
	for _, r := range s.table() {
		if r.template == "/sales/{sale}/" {
			continue // to OpenAPI the same path as without the slash
		}
		for method, h := range map[string]handler{"GET": r.get, "POST": r.post, "DELETE": r.delete} {
			if h != nil || (r.any != nil && method == "GET") {
				served = append(served, method+" "+r.template)
			}
		}
	}
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Fatalf("described %q\nserved    %q", described, served)
	}
}
