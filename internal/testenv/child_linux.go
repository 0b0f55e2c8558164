package testenv

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel kill the child when the thread that forked it
// ends, which is when this process ends (see launch).
func dieWithParent(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.SysProcAttr.Setpgid = true // ^C reaches the test, not its servers
}
