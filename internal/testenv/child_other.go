//go:build !linux

package testenv

import "os/exec"

// dieWithParent does nothing where the kernel has no death signal; there the
// servers end with the tests' cleanup only.
func dieWithParent(*exec.Cmd) {}
