package reservation

import (
	"testing"
)

func TestAHoldersTokenIsGoodForItsReservationAlone(t *testing.T) {
	k := NewHolderKeys([]byte("0123456789abcdef0123456789abcdef"))
	token := k.Token("rsv_drop_1_a")
	if len(token) != 22 || token != k.Token("rsv_drop_1_a") {
		t.Fatalf("token %q", token)
	}
	if !k.Holds("rsv_drop_1_a", []byte(token)) || !k.Holds("rsv_drop_1_a", []byte("other"), []byte(token)) {
		t.Fatal("the holder is not known")
	}
	if k.Holds("rsv_drop_1_b", []byte(token)) || k.Holds("rsv_drop_1_a") || k.Holds("rsv_drop_1_a", nil, []byte(token[1:])) {
		t.Fatal("somebody else is the holder")
	}
}

func TestHoldersTokensLiveThroughARotation(t *testing.T) {
	old, next := []byte("the first secret of thirty-two b"), []byte("the second secret of thirty-two ")
	before, after := NewHolderKeys(old, next), NewHolderKeys(next, old)
	early, late := before.Token("rsv"), after.Token("rsv")
	if early == late || !after.Holds("rsv", []byte(early)) || !before.Holds("rsv", []byte(late)) {
		t.Fatal("the holder is forgotten during the rotation")
	}
	if NewHolderKeys(next).Holds("rsv", []byte(early)) {
		t.Fatal("a secret that was given up is still believed")
	}
}
