package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

const (
	maxBody     = 64 << 10
	maxSaleBody = 256 << 10 // a sale of a hundred items with long names
	// pingTimeout bounds the question whether an unexplained failure is the ledger being down.
	pingTimeout = time.Second
)

const (
	typeJSON       = "application/json"
	typeMergePatch = "application/merge-patch+json"
)

func writeJSON(w http.ResponseWriter, status int, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", typeJSON)
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // the client is gone: nobody to tell
	return nil
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// refuse answers with the problem document of an error.
func (c *Console) refuse(w http.ResponseWriter, r *http.Request, err error) {
	doc := c.explain(r, err)
	doc.Instance = r.URL.Path
	body, err := json.Marshal(doc)
	if err != nil {
		c.deps.Log.ErrorContext(r.Context(), "a problem document cannot be written", "error", err)
		body = []byte(`{"status":500,"code":"internal_error"}`)
	}
	h := w.Header()
	h.Del("Etag")
	h.Set("Content-Type", problem.ContentType)
	if doc.RetryAfterSeconds > 0 {
		h.Set("Retry-After", strconv.Itoa(doc.RetryAfterSeconds))
	}
	if doc.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="penstock"`)
	}
	w.WriteHeader(doc.Status)
	_, _ = w.Write(append(body, '\n'))
}

// explain finds the problem behind an error, and logs what the caller must not see. An error that
// says nothing of itself is put down to the ledger when that does not answer either.
func (c *Console) explain(r *http.Request, err error) problem.Problem {
	var invalid *sale.Invalid
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &invalid):
		err = ofInvalid(invalid)
	case errors.As(err, &tooLarge):
		err = problem.With(problem.BodyTooLarge, "at most "+strconv.FormatInt(tooLarge.Limit, 10)+" bytes")
	}
	doc, known := problem.Of(err)
	if known && doc.Status < http.StatusInternalServerError {
		return doc
	}
	if !known && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || c.ledgerIsDown(r)) {
		doc, _ = problem.Of(problem.Unavailable)
	}
	c.deps.Log.ErrorContext(r.Context(), "a call of the console failed",
		"method", r.Method, "path", r.URL.Path, "code", string(doc.Code), "error", err)
	return doc
}

func (c *Console) ledgerIsDown(r *http.Request) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), pingTimeout)
	defer cancel()
	return c.deps.Ledger.Ping(ctx) != nil
}

// ofInvalid tells a document that cannot be read (400) from one that reads well and means nothing
// sensible (422).
func ofInvalid(invalid *sale.Invalid) error {
	code := problem.InvalidSale
	if invalid.Field == "document" || invalid.Reason == notAMember {
		code = problem.BadRequest
	}
	return problem.With(code, invalid.Error(), problem.F("field", invalid.Field), problem.F("reason", invalid.Reason))
}

// notAMember is what package sale says of an unknown field.
const notAMember = "is not a member of a sale"

// readBody reads the body of a call that must be JSON.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, types ...string) ([]byte, error) {
	given, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || !contains(types, given) {
		return nil, problem.With(problem.UnsupportedMediaType, "want "+strings.Join(types, " or "))
	}
	return io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
}

func contains(list []string, one string) bool {
	for _, entry := range list {
		if entry == one {
			return true
		}
	}
	return false
}

// readJSON decodes a body strictly: no unknown members, nothing after the value.
func readJSON(w http.ResponseWriter, r *http.Request, into any) error {
	body, err := readBody(w, r, maxBody, typeJSON)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return problem.With(problem.BadRequest, strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return problem.With(problem.BadRequest, "something follows the JSON object")
	}
	return nil
}

// refuseBody is for calls that take none: a body there is a misunderstanding better told.
func refuseBody(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return err
	}
	if trimmed := bytes.TrimSpace(body); len(trimmed) > 0 && !bytes.Equal(trimmed, []byte("{}")) {
		return problem.With(problem.BadRequest, "this call takes no body")
	}
	return nil
}

const (
	defaultPage = 100
	maxPage     = 1000
)

// page reads ?cursor= and ?limit= of a list.
func page(r *http.Request) (cursor string, limit int, err error) {
	query := r.URL.Query()
	limit = defaultPage
	if text := query.Get("limit"); text != "" {
		limit, err = strconv.Atoi(text)
		if err != nil || limit < 1 || limit > maxPage {
			return "", 0, problem.With(problem.BadRequest, "limit: want between 1 and "+strconv.Itoa(maxPage))
		}
	}
	return query.Get("cursor"), limit, nil
}

// allowMoreTime moves the deadline of the answer beyond the server's own.
func allowMoreTime(w http.ResponseWriter, more time.Duration) {
	// A writer without deadlines (in tests) has none to move.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(more))
}
