package console

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv/openapi"
)

// readDescription parses openapi.yaml once for all tests.
var readDescription = sync.OnceValues(func() (*openapi.Document, error) { return openapi.Read(openAPI) })

func described(t testing.TB) *openapi.Document {
	t.Helper()
	d, err := readDescription()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// conforms holds every answer of the admin API to openapi.yaml. What the document cannot list, unknown
// paths and methods, must be a problem document of the shape that it describes.
func conforms(t testing.TB, request *http.Request, got answer) {
	t.Helper()
	if !strings.HasPrefix(request.URL.Path, "/admin/") {
		return
	}
	for _, fault := range faults(t, request, got) {
		t.Errorf("%s %s answers %d against openapi.yaml: %s\n%s", request.Method, request.URL.Path, got.status, fault, got.body)
	}
}

func faults(t testing.TB, request *http.Request, got answer) []string {
	t.Helper()
	unlisted := got.status == http.StatusMethodNotAllowed || got.status == http.StatusNotFound && operationOf(t, request) == nil
	if unlisted { // any refusal of the same shape: only the code and the status differ
		request = request.Clone(request.Context())
		request.Method, request.URL.Path = http.MethodDelete, "/admin/v1/keys/none"
		got.status = http.StatusNotFound
		got.body = bytes.ReplaceAll(got.body, []byte("method_not_allowed"), []byte("not_found"))
	}
	return described(t).Check(request, got.status, got.header, got.body)
}

// operationOf finds what the document says of a request, or nil.
func operationOf(t testing.TB, request *http.Request) *v3.Operation {
	t.Helper()
	asked := strings.Split(request.URL.Path, "/")
	for path, item := range described(t).Model.Paths.PathItems.FromOldest() {
		template := strings.Split(path, "/")
		same := len(template) == len(asked)
		for i := 0; same && i < len(asked); i++ {
			same = template[i] == asked[i] || strings.HasPrefix(template[i], "{")
		}
		if operation, there := item.GetOperations().Get(strings.ToLower(request.Method)); same && there {
			return operation
		}
	}
	return nil
}

func TestTheDescriptionIsValid(t *testing.T) {
	for _, fault := range described(t).Validate() {
		t.Error(fault)
	}
}

// The checks of the other tests are worth something only if they can fail.
func TestAnUndocumentedStatusOrMemberIsNoticed(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", later)
	for _, path := range []string{"", "/drop", "/drop/stats", "/drop/verify", "/drop/orders", "/drop/audit", "/none"} {
		path = "/admin/v1/sales" + path
		got := s.do("GET", path, bootstrapKey, "")
		asked, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		more := got
		more.body = bytes.Replace(got.body, []byte("{"), []byte(`{"undocumented":1,`), 1)
		if len(faults(t, asked, more)) == 0 {
			t.Errorf("%s: an undocumented member passes", path)
		}
		other := got
		other.status = http.StatusTeapot
		if len(faults(t, asked, other)) == 0 {
			t.Errorf("%s: an undocumented status passes", path)
		}
	}
}

func TestTheDescriptionListsEveryCallWithItsRoleAndNoOther(t *testing.T) {
	var listed, served []string
	for path, item := range described(t).Model.Paths.PathItems.FromOldest() {
		for method, operation := range item.GetOperations().FromOldest() {
			role := "no key"
			if node, there := operation.Extensions.Get("x-penstock-role"); there {
				role = node.Value
			}
			if needsNone := operation.Security != nil && len(operation.Security) == 0; needsNone != (role == "no key") {
				t.Errorf("%s %s: the role is %q, and security says otherwise", method, path, role)
			}
			listed = append(listed, strings.ToUpper(method)+" "+path+" "+role)
		}
	}
	for _, route := range (&Console{}).apiRoutes() {
		served = append(served, route.pattern+" "+route.role.String())
	}
	served = append(served, "GET "+openAPIPath+" no key")
	slices.Sort(listed)
	slices.Sort(served)
	if !slices.Equal(listed, served) {
		t.Fatalf("described %q\nserved    %q", listed, served)
	}
}

// A code that the console can never answer would be in the list for nothing.
func TestTheDescriptionListsNoCodeThatThereIsNot(t *testing.T) {
	schema, _ := described(t).Model.Components.Schemas.Get("Problem")
	code, _ := schema.Schema().Properties.Get("code")
	for _, value := range code.Schema().Enum {
		if !slices.Contains(problem.Codes(), problem.Code(value.Value)) {
			t.Errorf("there is no code %q", value.Value)
		}
	}
}

func TestTheExamplesOfTheDescriptionAreTaken(t *testing.T) {
	s := newStage(t)
	fill := strings.NewReplacer("{sale}", "spring-drop", "{sku}", "SNKR-42")
	sent := 0
	for path, item := range described(t).Model.Paths.PathItems.FromOldest() {
		for method, operation := range item.GetOperations().FromOldest() {
			for kind, example := range requestExamples(t, operation) {
				for _, body := range example {
					a := s.do(strings.ToUpper(method), fill.Replace(path), bootstrapKey, body, "Content-Type", kind)
					if a.status >= 300 {
						t.Errorf("%s %s with %s: %d %s", method, path, body, a.status, a.body)
					}
					sent++
				}
			}
		}
	}
	if sent < 9 {
		t.Fatalf("only %d examples", sent)
	}
}

// requestExamples are the bodies that an operation shows, by media type, as JSON.
func requestExamples(t *testing.T, operation *v3.Operation) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	if operation.RequestBody == nil {
		return found
	}
	for kind, media := range operation.RequestBody.Content.FromOldest() {
		add := func(decode func(any) error) {
			var value any
			if err := decode(&value); err != nil {
				t.Fatal(err)
			}
			body, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			found[kind] = append(found[kind], string(body))
		}
		if media.Example != nil {
			add(media.Example.Decode)
		}
		for _, example := range media.Examples.FromOldest() {
			add(example.Value.Decode)
		}
	}
	return found
}

func TestTheDescriptionStatesTheLimitsOfASale(t *testing.T) {
	schemas := described(t).Model.Components.Schemas
	item := schemas.GetOrZero("Item").Schema().Properties
	members := schemas.GetOrZero("SaleMembers").Schema().Properties
	admission := members.GetOrZero("admission").Schema().Properties
	reservation := members.GetOrZero("reservation").Schema().Properties
	for name, limit := range map[string]struct{ described, enforced float64 }{
		"stock":           {*item.GetOrZero("stock").Schema().Maximum, sale.MaxStock},
		"per_customer":    {*item.GetOrZero("per_customer").Schema().Maximum, sale.MaxPerCustomer},
		"price":           {*schemas.GetOrZero("Price").Schema().Properties.GetOrZero("amount").Schema().Maximum, sale.MaxPriceAmount},
		"rate_per_minute": {*admission.GetOrZero("rate_per_minute").Schema().Maximum, sale.MaxRatePerMinute},
		"max_active":      {*admission.GetOrZero("max_active").Schema().Maximum, sale.MaxActive},
		"max_networks":    {*admission.GetOrZero("max_networks").Schema().Maximum, sale.MaxNetworks},
		"max_extensions":  {*reservation.GetOrZero("max_extensions").Schema().Maximum, sale.MaxExtensions},
		"items":           {float64(*members.GetOrZero("items").Schema().MaxItems), sale.MaxItems},
		"channels":        {float64(*members.GetOrZero("channels").Schema().MaxProperties), sale.MaxChannels},
		"name":            {float64(*members.GetOrZero("name").Schema().MaxLength), sale.MaxNameLength},
		"target_url":      {float64(*members.GetOrZero("target_url").Schema().MaxLength), sale.MaxURLLength},
	} {
		if limit.described != limit.enforced {
			t.Errorf("%s: described %v, enforced %v", name, limit.described, limit.enforced)
		}
	}
}
