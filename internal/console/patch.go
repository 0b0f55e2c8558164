package console

import (
	"bytes"
	"encoding/json"

	"github.com/penstock/penstock/internal/problem"
)

// mergePatch applies a JSON merge patch as RFC 7386 §2 describes. The patch must be an object:
// any other would replace the whole sale. Numbers pass through as they are written.
func mergePatch(doc, patch []byte) ([]byte, error) {
	var target any
	if err := decodeAny(doc, &target); err != nil {
		return nil, err
	}
	var change any
	if err := decodeAny(patch, &change); err != nil {
		return nil, problem.With(problem.BadRequest, "malformed JSON")
	}
	if _, isObject := change.(map[string]any); !isObject {
		return nil, problem.With(problem.BadRequest, "a merge patch is a JSON object")
	}
	return json.Marshal(merge(target, change))
}

func merge(target, patch any) any {
	change, isObject := patch.(map[string]any)
	if !isObject {
		return patch
	}
	result, wasObject := target.(map[string]any)
	if !wasObject {
		result = map[string]any{}
	}
	for name, value := range change {
		if value == nil {
			delete(result, name)
			continue
		}
		result[name] = merge(result[name], value)
	}
	return result
}

func decodeAny(data []byte, into *any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if dec.More() {
		return problem.With(problem.BadRequest, "something follows the JSON object")
	}
	return nil
}
