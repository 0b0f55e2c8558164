package stand

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel kill the child when this process ends, and
// keeps the terminal's Ctrl-C from it: the runner stops it in order.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
