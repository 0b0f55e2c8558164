package problem

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
)

func TestAWrappedRefusalKeepsItsCodeStatusAndFields(t *testing.T) {
	err := fmt.Errorf("claim: %w", With(NotCalled, "wait", F("poll_after_ms", 900)))
	doc, known := Of(err)
	if !known || doc.Status != 409 || doc.Code != NotCalled {
		t.Fatalf("got %+v known=%v", doc, known)
	}
	var got map[string]any
	body, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if got["code"] != "not_called" || got["poll_after_ms"] != 900.0 || got["detail"] != "wait" {
		t.Fatalf("document %s", body)
	}
}

func TestAnUnknownErrorShowsNothingOfItself(t *testing.T) {
	doc, known := Of(errors.New("dial tcp 10.0.0.3: password=hunter2"))
	if known {
		t.Fatal("an error without a code must be reported as unknown, so that it is logged")
	}
	if doc.Status != 500 || doc.Code != InternalError || doc.Detail != "" {
		t.Fatalf("got %+v", doc)
	}
}

func TestACodeOutsideTheTableIsAnInternalError(t *testing.T) {
	doc, known := Of(Code("made_up"))
	if known || doc.Status != 500 {
		t.Fatalf("got %+v known=%v", doc, known)
	}
}

func TestAFieldCannotReplaceAStandardMember(t *testing.T) {
	doc, _ := Of(With(SoldOut, "", F("status", 200), F("code", "fine")))
	body, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if got["status"] != 409.0 || got["code"] != "sold_out" {
		t.Fatalf("document %s", body)
	}
}

func TestEvery503SaysWhenToComeBack(t *testing.T) {
	for code, row := range table {
		doc, _ := Of(code)
		if row.status == 503 && doc.RetryAfterSeconds <= 0 {
			t.Errorf("%s has no Retry-After", code)
		}
	}
}
