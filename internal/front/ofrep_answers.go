package front

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/penstock/penstock/internal/degrade"
)

// flagsAnswer is a reply of the OpenFeature Remote Evaluation Protocol (OFREP).
type flagsAnswer struct {
	status int
	body   []byte // JSON; empty with 304
	etag   string // quoted, set by the evaluation of all flags only
}

type allFlags struct {
	Flags []degrade.Evaluation `json:"flags"`
}

// The protocol's codes of refusals.
const (
	flagParseError     = "PARSE_ERROR"
	flagInvalidContext = "INVALID_CONTEXT"
	flagNotFound       = "FLAG_NOT_FOUND"
	flagGeneral        = "GENERAL"
)

const noSuchFlag = "there is no flag of that name"

// flagsFailure is the protocol's shape of every refusal. Key is left out of the bulk form.
type flagsFailure struct {
	Key     string `json:"key,omitempty"`
	Code    string `json:"errorCode"`
	Details string `json:"errorDetails,omitempty"`
}

// evaluateFlag answers POST /ofrep/v1/evaluate/flags/{key}.
func evaluateFlag(key string, request []byte, level degrade.Level) flagsAnswer {
	if code, details := checkEvaluation(request); code != "" {
		return refuseFlags(http.StatusBadRequest, key, code, details)
	}
	e, known := degrade.Evaluate(key, level)
	if !known {
		return refuseFlags(http.StatusNotFound, key, flagNotFound, noSuchFlag)
	}
	return flagsAnswer{status: http.StatusOK, body: encodeFlags(e)}
}

// evaluateFlags answers POST /ofrep/v1/evaluate/flags; ifNoneMatch is the header of that name. The
// entity tag is the level, as nothing else moves the values.
func evaluateFlags(request []byte, ifNoneMatch string, level degrade.Level) flagsAnswer {
	if code, details := checkEvaluation(request); code != "" {
		return refuseFlags(http.StatusBadRequest, "", code, details)
	}
	etag := `"` + level.String() + `"`
	if matches(ifNoneMatch, etag) {
		return flagsAnswer{status: http.StatusNotModified, etag: etag}
	}
	var all allFlags
	for _, f := range degrade.Flags() {
		if e, known := degrade.Evaluate(f.Key, level); known {
			all.Flags = append(all.Flags, e)
		}
	}
	return flagsAnswer{status: http.StatusOK, body: encodeFlags(all), etag: etag}
}

// checkEvaluation looks at the evaluation request. No flag depends on the context, so it may be left
// out, and so may the whole body; what is there must still be what the protocol says.
func checkEvaluation(request []byte) (code, details string) {
	if len(bytes.TrimSpace(request)) == 0 {
		return "", ""
	}
	var parsed struct {
		Context json.RawMessage `json:"context"`
	}
	if err := json.Unmarshal(request, &parsed); err != nil {
		return flagParseError, "the body is not a JSON object"
	}
	context := bytes.TrimSpace(parsed.Context)
	if len(context) > 0 && context[0] != '{' && !bytes.Equal(context, []byte("null")) {
		return flagInvalidContext, "context must be an object"
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

func refuseFlags(status int, key, code, details string) flagsAnswer {
	return flagsAnswer{status: status, body: encodeFlags(flagsFailure{Key: key, Code: code, Details: details})}
}

// encodeFlags cannot fail: the types above hold only strings, booleans and maps of strings.
func encodeFlags(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		return []byte(`{"errorCode":"GENERAL"}`)
	}
	return body
}
