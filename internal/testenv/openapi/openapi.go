// Package openapi holds the answers of a server to its OpenAPI document, in tests.
package openapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	faults "github.com/pb33f/libopenapi-validator/errors"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// Document is an OpenAPI document that has been read. It is safe for concurrent use.
type Document struct {
	Model *v3.Document
	judge validator.Validator
}

// Read parses a document.
func Read(text []byte) (*Document, error) {
	doc, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, err
	}
	model, err := doc.BuildV3Model()
	if err != nil {
		return nil, err
	}
	judge, errs := validator.NewValidator(doc)
	return &Document{Model: &model.Model, judge: judge}, errors.Join(errs...)
}

// Validate returns what is wrong with the document itself.
func (d *Document) Validate() []string {
	_, found := d.judge.ValidateDocument()
	return words(found)
}

// Check returns what of an answer the document does not describe: its status, its type, or its members. The
// schema of NDJSON is that of each line.
func (d *Document) Check(request *http.Request, status int, header http.Header, body []byte) (all []string) {
	if header.Get("Content-Type") != "application/x-ndjson" {
		return d.check(request, status, header, body)
	}
	for line := range bytes.Lines(body) {
		all = append(all, d.check(request, status, header, line)...)
	}
	return all
}

func (d *Document) check(request *http.Request, status int, header http.Header, body []byte) []string {
	response := &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body))}
	_, found := d.judge.ValidateHttpResponse(request, response)
	return words(found)
}

func words(found []*faults.ValidationError) (all []string) {
	for _, fault := range found {
		text := fault.Message + ": " + fault.Reason
		for _, detail := range fault.SchemaValidationErrors {
			text += fmt.Sprintf("\n\t%s: %s", detail.FieldPath, detail.Reason)
		}
		all = append(all, text)
	}
	return all
}
