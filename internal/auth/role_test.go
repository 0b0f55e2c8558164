package auth

import "testing"

func TestARoleIncludesTheSmallerOnesAndShopStandsApart(t *testing.T) {
	ladder := []Role{Viewer, Marketer, Operator, Admin}
	for i, has := range ladder {
		for j, required := range ladder {
			if got := (Identity{Role: has}).May(required); got != (i >= j) {
				t.Errorf("%s asked for %s: %v", has, required, got)
			}
		}
		if (Identity{Role: has}).May(Shop) || (Identity{Role: Shop}).May(has) {
			t.Errorf("%s and shop must not include one another", has)
		}
	}
	if !(Identity{Role: Shop}).May(Shop) {
		t.Error("shop may be shop")
	}
	for _, role := range append(ladder, Shop) {
		if (Identity{}).May(role) || (Identity{Role: role}).May(0) {
			t.Errorf("the zero role and %s", role)
		}
	}
}

func TestRoleNamesReadBack(t *testing.T) {
	for _, role := range []Role{Viewer, Marketer, Operator, Admin, Shop} {
		if back, err := ParseRole(role.String()); err != nil || back != role {
			t.Errorf("%s read back as %s, %v", role, back, err)
		}
	}
	for _, name := range []string{"", "none", "Admin", "root"} {
		if _, err := ParseRole(name); err == nil {
			t.Errorf("%q is no role", name)
		}
	}
}
