package console

import "testing"

// The examples of RFC 7386, appendix A, whose target and patch are objects.
func TestMergePatchFollowsItsRFC(t *testing.T) {
	cases := []struct{ target, patch, want string }{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{`{"n":9007199254740993}`, `{}`, `{"n":9007199254740993}`},
	}
	for _, c := range cases {
		got, err := mergePatch([]byte(c.target), []byte(c.patch))
		if err != nil || string(got) != c.want {
			t.Errorf("%s with %s gives %s, %v; want %s", c.target, c.patch, got, err, c.want)
		}
	}
}

func TestADiffNamesWhatChangedAndNothingElse(t *testing.T) {
	type inner struct {
		X int   `json:"x"`
		L []int `json:"l"`
	}
	type doc struct {
		A string `json:"a"`
		I inner  `json:"i"`
	}
	got := diff(doc{"a", inner{1, []int{1, 2}}}, doc{"a", inner{2, []int{1, 3, 4}}})
	want := changes{"i.x": {1.0, 2.0}, "i.l[1]": {2.0, 3.0}, "i.l[2]": {nil, 4.0}}
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for path, c := range want {
		if got[path] != c {
			t.Errorf("%s: got %v, want %v", path, got[path], c)
		}
	}
	if many := diff(nil, make([]int, 0)); len(many) != 1 {
		t.Fatalf("got %v", many)
	}
	wide := map[string]int{}
	for i := range 1000 {
		wide[number(i)] = i + 1
	}
	if n := len(diff(nil, wide)); n > maxChanges+1 {
		t.Fatalf("%d changes kept", n)
	}
}
