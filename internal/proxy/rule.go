package proxy

import (
	"bytes"
	"slices"
)

// rule says what a site does with the requests that it matches.
type rule struct {
	pattern  pattern
	methods  []string // upper case; none means any
	headers  []condition
	cookies  []condition
	sale     string // "" for a rule that opens
	failOpen bool   // let visitors through while it is not known whether they may
	// forwardPass gives the shop the pass itself, with which its backend reserves for the visitor.
	forwardPass bool
}

// condition is a header or a cookie that a request must have.
type condition struct {
	name  string
	value string // "*" stands for any
}

func (r *rule) protects() bool { return r.sale != "" }

// decide returns the rule that protects a request in any of its readings; nil when the way is open in all of them.
// Of several rules of one sale, one that fails closed counts. The error is bad_request: the path is ambiguous while
// something is protected, or the request may mean what several sales protect.
func decide(rules []rule, request *head) (protecting *rule, err error) {
	if !slices.ContainsFunc(rules, func(r rule) bool { return r.protects() }) {
		return nil, nil
	}
	if isPlain(request.path) {
		return stricter(nil, rules, request, request.path)
	}
	all, err := readings(request.path)
	if err != nil {
		return nil, err
	}
	for _, path := range all {
		if protecting, err = stricter(protecting, rules, request, path); err != nil {
			return nil, err
		}
	}
	return protecting, nil
}

// stricter adds the rules that protect one reading of a path to the one that was found before: all that the request
// may mean, up to the first that it surely means.
func stricter(found *rule, rules []rule, request *head, path []byte) (*rule, error) {
	for i := range rules {
		r := &rules[i]
		switch {
		case !r.protects() && r.pattern.isExactly(path) && r.surelyMeans(request):
			return found, nil
		case !r.protects() || !r.pattern.covers(path) || !r.mayMean(request):
			continue
		case found == nil, found.sale == r.sale && found.failOpen:
			found = r
		case found.sale != r.sale: // a pass of one of them must not do for the other
			return nil, errAmbiguousPath("the request may mean what several sales protect")
		}
		if r.surelyMeans(request) {
			return found, nil
		}
	}
	return found, nil
}

// mayMean reports whether a server may take the request for one that the rule protects.
func (r *rule) mayMean(request *head) bool {
	if len(r.methods) > 0 && !request.overridesMethod() && !r.hasMethodLike(string(request.method)) {
		return false
	}
	for _, c := range r.headers {
		if !slices.ContainsFunc(request.fields, func(f field) bool { return f.resembles(c.name) && c.met(f.value) }) {
			return false
		}
	}
	for _, c := range r.cookies {
		if found, _ := request.cookie(c); !found {
			return false
		}
	}
	return true
}

// hasMethodLike counts HEAD as GET. A POST counts as PUT, PATCH and DELETE too: frameworks let a form say
// in its body that it means those.
func (r *rule) hasMethodLike(method string) bool {
	switch {
	case slices.Contains(r.methods, method):
		return true
	case method == "HEAD":
		return slices.Contains(r.methods, "GET")
	case method == "POST":
		return slices.ContainsFunc(r.methods, func(m string) bool { return m == "PUT" || m == "PATCH" || m == "DELETE" })
	default:
		return false
	}
}

// surelyMeans reports that no server can take the request for another one than the rule opens.
func (r *rule) surelyMeans(request *head) bool {
	if len(r.methods) > 0 && (request.overridesMethod() || !slices.Contains(r.methods, string(request.method))) {
		return false
	}
	for _, c := range r.headers {
		found := false
		for _, f := range request.fields {
			if f.resembles(c.name) && !c.met(f.value) {
				return false
			}
			found = found || f.is(c.name)
		}
		if !found {
			return false
		}
	}
	for _, c := range r.cookies {
		if found, others := request.cookie(c); !found || others {
			return false
		}
	}
	return true
}

func (c condition) met(value []byte) bool { return c.value == "*" || c.value == string(value) }

// cookie reports whether a cookie meets a condition, and whether another one of the same name does not.
func (h *head) cookie(c condition) (found, others bool) {
	for _, f := range h.fields {
		if !f.is("Cookie") {
			continue
		}
		for pair := range bytes.SplitSeq(f.value, []byte(";")) {
			name, value, _ := bytes.Cut(bytes.TrimSpace(pair), []byte("="))
			if string(name) != c.name {
				continue
			}
			if c.met(value) {
				found = true
			} else {
				others = true
			}
		}
	}
	return found, others
}
