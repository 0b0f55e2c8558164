package front

import (
	"os/exec"
	"testing"
)

// The script of the waiting-room page, run in Node with a page and a server that are made of
// variables; see testdata/room_test.js.
func TestTheRoomScriptGoesOnByItself(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node not found in PATH; install it: apt-get install -y nodejs")
	}
	out, err := exec.CommandContext(t.Context(), node, "--test", "--test-reporter=tap", "testdata/room_test.js").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
