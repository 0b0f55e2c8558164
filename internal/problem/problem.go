// Package problem holds the one way in which Penstock says no.
//
// A package that refuses something returns a [Code], or a [Refusal] made by [With] around one.
// [Of] turns any error into the document that is sent: RFC 9457 "problem+json" with a stable
// machine-readable code. An error that carries no code is a fault of ours, and becomes
// "internal_error" without a word of its text.
package problem

import (
	"encoding/json"
	"errors"
	"net/http"
)

// ContentType is the media type of every error answer.
const ContentType = "application/problem+json"

// Code is a stable machine-readable reason, and itself an error.
type Code string

// Error returns the code itself.
func (c Code) Error() string { return string(c) }

// Field is an extension member of a problem document.
type Field struct {
	Name  string
	Value any
}

// F names an extension member, for example F("poll_after_ms", 900).
func F(name string, value any) Field { return Field{Name: name, Value: value} }

// Refusal is a code with the particulars of one occurrence.
type Refusal struct {
	Code   Code
	Detail string
	Fields []Field
	// RetryAfterSeconds is sent as the Retry-After header when positive.
	RetryAfterSeconds int
}

// Error returns the code and the detail.
func (r *Refusal) Error() string {
	if r.Detail == "" {
		return string(r.Code)
	}
	return string(r.Code) + ": " + r.Detail
}

// Unwrap lets errors.Is find the code.
func (r *Refusal) Unwrap() error { return r.Code }

// With returns a refusal with a sentence for the person and members for the program.
func With(c Code, detail string, fields ...Field) error {
	return &Refusal{Code: c, Detail: detail, Fields: fields}
}

// Retry returns a refusal that says when to come back, in whole seconds.
func Retry(c Code, detail string, afterSeconds int, fields ...Field) error {
	return &Refusal{Code: c, Detail: detail, Fields: fields, RetryAfterSeconds: afterSeconds}
}

// Restoring is the refusal of what a sale cannot do while its state is lost and being restored.
func Restoring() error {
	return Retry(Unavailable, "the sale is being restored; try again", 1)
}

// Problem is the document of RFC 9457. Instance is filled in by the transport.
type Problem struct {
	Type              string
	Title             string
	Status            int
	Detail            string
	Instance          string
	Code              Code
	Fields            []Field
	RetryAfterSeconds int
}

// Of maps any error to its document. Known is false for an error without a code from the table:
// the caller then logs the whole error, which the document does not show.
func Of(err error) (doc Problem, known bool) {
	// A refusal that nobody wrapped is the common case, on the hot path.
	if refusal, ok := err.(*Refusal); ok { //nolint:errorlint // wrapped ones follow
		return refusal.problem()
	}
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal.problem()
	}
	var code Code
	if errors.As(err, &code) {
		return (&Refusal{Code: code}).problem()
	}
	return build(InternalError), false
}

func (r *Refusal) problem() (doc Problem, known bool) {
	if _, ok := table[r.Code]; !ok {
		return build(InternalError), false
	}
	doc = build(r.Code)
	doc.Detail, doc.Fields, doc.RetryAfterSeconds = r.Detail, r.Fields, r.RetryAfterSeconds
	if doc.RetryAfterSeconds == 0 && doc.Status == http.StatusServiceUnavailable {
		doc.RetryAfterSeconds = 1
	}
	return doc, r.Code != InternalError
}

func build(code Code) Problem {
	row := table[code]
	return Problem{Type: "urn:penstock:problem:" + string(code), Title: row.title, Status: row.status, Code: code}
}

// MarshalJSON writes the standard members first and the extension members beside them.
// A field cannot replace a standard member.
func (p Problem) MarshalJSON() ([]byte, error) {
	doc := make(map[string]any, 6+len(p.Fields))
	for _, f := range p.Fields {
		doc[f.Name] = f.Value
	}
	doc["type"] = p.Type
	doc["title"] = p.Title
	doc["status"] = p.Status
	doc["code"] = p.Code
	if p.Detail != "" {
		doc["detail"] = p.Detail
	}
	if p.Instance != "" {
		doc["instance"] = p.Instance
	}
	return json.Marshal(doc)
}
