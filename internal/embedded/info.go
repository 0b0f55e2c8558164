package embedded

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

// AnswerInfo has the engine answer INFO server and INFO replication, which it does not know, with a
// run id made now. So the scripts recognise the run of the server in the same way on every engine.
// The engine must be started.
func AnswerInfo(engine *miniredis.Miniredis) error {
	id := make([]byte, 20)
	if _, err := rand.Read(id); err != nil {
		return fmt.Errorf("embedded redis: %w", err)
	}
	text := "# Server\r\nredis_version:7.0.0\r\nredis_mode:embedded\r\nrun_id:" + hex.EncodeToString(id) +
		"\r\n# Replication\r\nrole:master\r\nmaster_replid2:" + strings.Repeat("0", 40) + "\r\n"
	engine.Server().SetPreHook(func(c *server.Peer, cmd string, args ...string) bool {
		if cmd != "INFO" || len(args) == 0 || !strings.EqualFold(args[0], "server") {
			return false
		}
		c.WriteBulk(text)
		return true
	})
	return nil
}
