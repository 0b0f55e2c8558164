package checkout

import (
	"bytes"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func TestABatchGivesBackItsRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 300), 0, 20).Draw(t, "records")
		body := newBatch(0)
		for _, r := range want {
			body = appendRecord(body, r)
		}
		got, err := splitBatch(body)
		if err != nil || len(got) != len(want) {
			t.Fatalf("%d records of %d, %v", len(got), len(want), err)
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("record %d differs", i)
			}
		}
		if n := len(body); n > 1 && len(want[len(want)-1]) > 0 {
			if _, err := splitBatch(body[:n-1]); err == nil {
				t.Fatal("a batch cut short was believed")
			}
		}
	})
}

func TestAnOrderGivesBackItsMembers(t *testing.T) {
	want := orderNumber(4)
	want.CustomerDoc, want.Metadata, want.Channel, want.PaymentRef = []byte(`{"a":1}`), []byte(`[2]`), "web", "pay_1"
	got, err := DecodeOrder(recordOf(t, want))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "{}", "null", `{"id":"a","sale":"b","reservation":"c"}`, `{"id":1}`} {
		if o, err := DecodeOrder([]byte(bad)); err == nil {
			t.Errorf("%q was read as %+v", bad, o)
		}
	}
}

func FuzzSplitBatch(f *testing.F) {
	f.Add([]byte{batchVersion, 1, 'a', 0})
	f.Add([]byte{batchVersion, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, message []byte) {
		records, err := splitBatch(message)
		if err != nil {
			return
		}
		body := newBatch(len(message))
		for _, r := range records {
			body = appendRecord(body, r)
		}
		again, err := splitBatch(body)
		if err != nil || len(again) != len(records) {
			t.Fatalf("%d records became %d: %v", len(records), len(again), err)
		}
	})
}
