package console

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// changes is what an act changed, by path.
type changes map[string]change

type change struct {
	From any `json:"from,omitempty"`
	To   any `json:"to,omitempty"`
}

// maxChanges bounds one entry of the audit trail. A sale has room for more than that only when a
// hundred items change at once.
const maxChanges = 200

// diff compares two documents by their JSON members: {"admission.max_active": {from, to}}. Nil
// stands for a document that is not there.
func diff(before, after any) changes {
	found := changes{}
	compare(found, "", tree(before), tree(after))
	return found
}

// tree is the document as encoding/json sees it.
func tree(doc any) any {
	data, err := json.Marshal(doc)
	if err != nil {
		return nil
	}
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		return nil
	}
	return out
}

func compare(found changes, path string, before, after any) {
	old, oldIsObject := before.(map[string]any)
	next, nextIsObject := after.(map[string]any)
	if (oldIsObject || before == nil) && (nextIsObject || after == nil) && (oldIsObject || nextIsObject) {
		for name := range old {
			compare(found, join(path, name), old[name], next[name])
		}
		for name := range next {
			if _, both := old[name]; !both {
				compare(found, join(path, name), nil, next[name])
			}
		}
		return
	}
	oldList, oldIsList := before.([]any)
	nextList, nextIsList := after.([]any)
	if oldIsList && nextIsList {
		for i := range max(len(oldList), len(nextList)) {
			compare(found, fmt.Sprintf("%s[%d]", path, i), at(oldList, i), at(nextList, i))
		}
		return
	}
	if !reflect.DeepEqual(before, after) {
		if len(found) >= maxChanges {
			found["…"] = change{To: "more changes than are kept here"}
			return
		}
		found[path] = change{From: before, To: after}
	}
}

func at(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// describe words stored changes for a page, sorted by path.
func describe(detail json.RawMessage, limit int) []string {
	var stored map[string]struct{ From, To json.RawMessage }
	if err := json.Unmarshal(detail, &stored); err != nil {
		return nil
	}
	var lines []string
	for _, path := range slices.Sorted(maps.Keys(stored)) {
		if len(lines) == limit {
			return append(lines, fmt.Sprintf("and %d more", len(stored)-limit))
		}
		lines = append(lines, path+": "+plainValue(stored[path].From)+" → "+plainValue(stored[path].To))
	}
	return lines
}

// plainValue writes a JSON value without the quotes of a string.
func plainValue(value json.RawMessage) string {
	var text string
	switch {
	case len(value) == 0 || string(value) == "null" || string(value) == `""`:
		return "nothing"
	case json.Unmarshal(value, &text) == nil:
		return text
	default:
		return string(value)
	}
}
