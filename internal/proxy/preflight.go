package proxy

import "iter"

// IsPreflight is the one rule for when a browser asks, by itself and without cookies, whether a page of another
// origin may send a request (Fetch, "CORS preflight"). Such a question has neither a body nor a header with which
// some frameworks let another method be meant.
func IsPreflight(method string, hasBody bool, headers iter.Seq2[[]byte, []byte]) bool {
	if method != "OPTIONS" || hasBody {
		return false
	}
	origin, asks := false, false
	for name, value := range headers {
		f := field{name: name, value: value}
		switch {
		case f.overridesMethod() && len(value) > 0: // a proxy may pass an empty one on for none
			return false
		case f.is("Origin"):
			origin = origin || len(value) > 0
		case f.is("Access-Control-Request-Method"):
			asks = asks || len(value) > 0
		}
	}
	return origin && asks
}

// overridesMethod reports that a framework may take the request for one of another method.
func (f field) overridesMethod() bool {
	return f.resembles("X-HTTP-Method-Override") || f.resembles("X-HTTP-Method") || f.resembles("X-Method-Override")
}

func (h *head) overridesMethod() bool {
	for _, f := range h.fields {
		if f.overridesMethod() {
			return true
		}
	}
	return false
}

func (h *head) isPreflight() bool {
	return IsPreflight(string(h.method), h.bodyBytes != 0, func(yield func(name, value []byte) bool) {
		for _, f := range h.fields {
			if !yield(f.name, f.value) {
				return
			}
		}
	})
}
