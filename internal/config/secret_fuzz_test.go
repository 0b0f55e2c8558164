package config

import (
	"strings"
	"testing"
)

// Whatever a password contains, and whatever stands around it, it is not shown.
func FuzzURLHidesThePassword(f *testing.F) {
	f.Add("redis://", "user", "hunter2", "host:6379/0")
	f.Add("nats://", "", "p@ss:w/rd?#", "h1,nats://h2")
	f.Add("", "u", "pa,ss", "h")
	f.Fuzz(func(t *testing.T, scheme, user, password, host string) {
		if len(password) < 4 || strings.Contains(password, "://") || strings.ContainsAny(user, "@:/?#") ||
			strings.Contains(scheme+user+host+redacted, password) {
			t.Skip("the password could be part of something else")
		}
		shown := URL(scheme + user + ":" + password + "@" + host).String()
		if strings.Contains(shown, password) {
			t.Errorf("%q shows the password %q", shown, password)
		}
	})
}
