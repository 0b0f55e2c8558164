package degrade

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
)

// Answer is a reply of the OpenFeature Remote Evaluation Protocol, for the HTTP layer to send.
type Answer struct {
	Status int
	Body   []byte // JSON; empty with 304
	ETag   string // quoted, set by the bulk evaluation only
}

type bulk struct {
	Flags []Evaluation `json:"flags"`
}

// failure is the protocol's shape of every refusal. Key is left out of the bulk form.
type failure struct {
	Key     string `json:"key,omitempty"`
	Code    string `json:"errorCode"`
	Details string `json:"errorDetails,omitempty"`
}

// OFREPBulk is the body of a successful evaluation of all flags, and its entity tag. The tag names
// the level, as nothing else moves the values.
func OFREPBulk(level Level) (body []byte, etag string) {
	flags := Flags()
	all := bulk{Flags: make([]Evaluation, len(flags))}
	for i, f := range flags {
		all.Flags[i] = f.evaluate(level)
	}
	return encode(all), `"` + level.String() + `"`
}

// OFREPFlag is the answer for one flag whose request has been found well-formed: 200, or 404.
func OFREPFlag(key string, level Level) Answer {
	e, known := Evaluate(key, level)
	if !known {
		return refuse(http.StatusNotFound, key, "FLAG_NOT_FOUND", "there is no flag of that name")
	}
	return Answer{Status: http.StatusOK, Body: encode(e)}
}

// OFREPEvaluate answers POST /ofrep/v1/evaluate/flags/{key}.
func OFREPEvaluate(key string, request []byte, level Level) Answer {
	if code, details := checkRequest(request); code != "" {
		return refuse(http.StatusBadRequest, key, code, details)
	}
	return OFREPFlag(key, level)
}

// OFREPEvaluateAll answers POST /ofrep/v1/evaluate/flags; ifNoneMatch is the header of that name.
func OFREPEvaluateAll(request []byte, ifNoneMatch string, level Level) Answer {
	if code, details := checkRequest(request); code != "" {
		return refuse(http.StatusBadRequest, "", code, details)
	}
	body, etag := OFREPBulk(level)
	if matches(ifNoneMatch, etag) {
		return Answer{Status: http.StatusNotModified, ETag: etag}
	}
	return Answer{Status: http.StatusOK, Body: body, ETag: etag}
}

// checkRequest looks at the evaluation request. No flag depends on the context, so it may be left
// out, and so may the whole body; what is there must still be what the protocol says.
func checkRequest(request []byte) (code, details string) {
	if len(bytes.TrimSpace(request)) == 0 {
		return "", ""
	}
	var parsed struct {
		Context json.RawMessage `json:"context"`
	}
	if err := json.Unmarshal(request, &parsed); err != nil {
		return "PARSE_ERROR", "the body is not a JSON object"
	}
	context := bytes.TrimSpace(parsed.Context)
	if len(context) > 0 && context[0] != '{' && !bytes.Equal(context, []byte("null")) {
		return "INVALID_CONTEXT", "context must be an object"
	}
	return "", ""
}

// matches compares weakly, as RFC 9110 §13.1.2 asks of If-None-Match.
func matches(ifNoneMatch, etag string) bool {
	for candidate := range strings.SplitSeq(ifNoneMatch, ",") {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		if candidate == etag || candidate == "*" {
			return true
		}
	}
	return false
}

func refuse(status int, key, code, details string) Answer {
	return Answer{Status: status, Body: encode(failure{Key: key, Code: code, Details: details})}
}

// encode cannot fail: the types above hold only strings, booleans and maps of strings.
func encode(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		return []byte(`{"errorCode":"GENERAL"}`)
	}
	return body
}
