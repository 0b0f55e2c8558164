package redis

import "fmt"

// OldTermError says that a script refused a step of a leader, because a leader of a later term had
// been there. The refused leader gives up.
type OldTermError struct {
	// Later is the number of the term that the script found.
	Later int64
}

func (e *OldTermError) Error() string {
	return fmt.Sprintf("a leader of the later term %d has taken over", e.Later)
}
