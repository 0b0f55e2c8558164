package notify

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// verdict is what became of a call.
type verdict string

// The verdicts. They are also the values of a label of the metrics.
const (
	told       verdict = "told"
	gone       verdict = "gone"       // the receiver knows the subscription no more
	refused    verdict = "refused"    // the receiver will never take it
	tryAgain   verdict = "try_again"  // the receiver may take it later
	impossible verdict = "impossible" // it cannot be sent
	tooLate    verdict = "too_late"   // the time to claim was over before anybody took it
	needless   verdict = "needless"   // the visitor has come, or has left
)

// outcome is a verdict with what led to it.
type outcome struct {
	verdict verdict
	// after is how long the receiver wants to be left alone; 0 when it did not say.
	after time.Duration
	err   error
}

// maxRetryAfter bounds what a receiver may ask for.
const maxRetryAfter = time.Minute

// judge reads an answer. A redirect is none that counts: it is not followed.
func judge(response *http.Response, err error) outcome {
	if err != nil {
		if errors.Is(err, errPrivate) {
			return outcome{verdict: impossible, err: err}
		}
		return outcome{verdict: tryAgain, err: err}
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, maxAnswerBytes) // so that the connection can be used again
	status := response.StatusCode
	failed := fmt.Errorf("answered with status %d", status)
	switch {
	case status >= 200 && status < 300:
		return outcome{verdict: told}
	case status == http.StatusNotFound || status == http.StatusGone:
		return outcome{verdict: gone, err: failed}
	case status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500:
		return outcome{verdict: tryAgain, after: retryAfter(response.Header.Get("Retry-After")), err: failed}
	default:
		return outcome{verdict: refused, err: failed}
	}
}

func retryAfter(header string) time.Duration {
	seconds, err := strconv.Atoi(header)
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(min(seconds, 3600))*time.Second, maxRetryAfter)
}
